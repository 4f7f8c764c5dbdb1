"""Rigid head motion inside the crop: estimated on stable skin and removed from the flow.

After alignment the head motion is small, so the flow of a similarity is linear in (tx, ty, s, r):
u = tx + s x - r y, v = ty + r x + s y. With points and flow as complex numbers this is
d = t + (s + i r) z. It is fitted by iteratively reweighted least squares, so that skin moved by a
muscle counts as an outlier.
"""

import numpy as np
from numpy.typing import NDArray

from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH
from htnet.engine.types import F32, F64

# (x0, y0, x1, y1) in crop px: bridge and back of the nose, skin beside the eyes, outer cheeks. No
# facial muscle of interest moves them. Off the border, where flow solvers report false motion.
STABLE_SKIN = (
    (56, 36, 84, 90),
    (10, 36, 22, 92),
    (118, 36, 130, 92),
)
STEP = 4
ROUNDS = 6


def _grid() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    rows, columns = [], []
    for x0, y0, x1, y1 in STABLE_SKIN:
        y, x = np.mgrid[y0:y1:STEP, x0:x1:STEP]
        rows.append(y.ravel())
        columns.append(x.ravel())
    return np.concatenate(rows), np.concatenate(columns)


_ROWS, _COLUMNS = _grid()
_CENTRE = (CROP_WIDTH / 2, CROP_HEIGHT / 2)
_Z = (_COLUMNS - _CENTRE[0]) + 1j * (_ROWS - _CENTRE[1])
_MIDDLE = len(_Z) // 2
_FULL_X = (np.arange(CROP_WIDTH) - _CENTRE[0]).astype(np.float32)[None, :]
_FULL_Y = (np.arange(CROP_HEIGHT) - _CENTRE[1]).astype(np.float32)[:, None]


def rigid_motion(flow: F32) -> F64:
    """Fit the head's motion (tx, ty, s, r) to a flow (170, 140, 2) of the crop.

    ``tx``, ``ty``: translation in px at the crop's centre. ``s``: relative change of scale. ``r``:
    rotation in radians.
    """
    moved = flow[_ROWS, _COLUMNS].astype(np.float64).view(np.complex128)[:, 0]
    weights = np.full(len(_Z), 1 / len(_Z))
    shift, turn = 0j, 0j
    for _ in range(ROUNDS):
        z_mean, moved_mean = weights @ _Z, weights @ moved
        z: NDArray[np.complex128] = _Z - z_mean
        weighted = weights * z.conj()
        turn = (weighted @ (moved - moved_mean)) / (weighted @ z)
        shift = moved_mean - turn * z_mean
        rest = moved - shift - turn * _Z
        squares = rest.real**2 + rest.imag**2
        middle = float(np.partition(squares, _MIDDLE)[_MIDDLE])
        weights = (1 + squares / max(2.25 * middle, 4e-4)) ** -2.0  # Geman-McClure
        weights /= weights.sum()
    return np.array([shift.real, shift.imag, turn.real, turn.imag])


def remove_rigid(flow: F32, motion: F64) -> F32:
    """Subtract the flow of ``motion`` (tx, ty, s, r) from ``flow`` (170, 140, 2)."""
    tx, ty, s, r = motion.astype(np.float32)
    out = np.empty_like(flow)
    out[..., 0] = flow[..., 0] - (tx + s * _FULL_X - r * _FULL_Y)
    out[..., 1] = flow[..., 1] - (ty + r * _FULL_X + s * _FULL_Y)
    return out
