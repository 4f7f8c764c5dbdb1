"""Displacement fields of the facial muscles, modelled after anatomy.

A field depends on the neutral face's landmarks alone. It is smooth, exactly zero outside the
muscle's reach, and its longest vector has length 1, so an amplitude in px is the peak displacement.
The point x of the neutral face moves to x + amplitude * field(x).

Origins, insertions and actions are those of the anatomical literature, with the action units of
Ekman, Friesen and Hager in brackets. Extents are in units of the distance between the eyes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from htnet.engine.anatomy import geometry as g
from htnet.engine.anatomy.geometry import FaceFrame
from htnet.engine.types import F32, F64

Places = NDArray[np.intp]
_COARSE = 4  # grid steps of the first search for a field's longest vector
_NEAR = 0.8  # of the longest squared length found: neighbourhoods above it are searched again


@dataclass(frozen=True, slots=True)
class Muscle:
    """Facial muscle.

    ``units``: action units. ``label``: class of its motion. ``shape``: function of a face and
    points (..., 2) to displacements (..., 2), all in face coordinates and of any overall scale.
    """

    name: str
    units: str
    label: str
    shape: Callable[[FaceFrame, F64], F64]


def facs_name(name: str) -> str:
    """Return the display name of a muscle, such as AU12 lip corner pull; another name as it is."""
    return f"{MUSCLES[name].units} {name}" if name in MUSCLES else name


def displacement(muscle: Muscle, landmarks: F32, points: F64) -> F64:
    """Displacement field (..., 2) at points (..., 2) in px, with peak length 1."""
    face = FaceFrame.of(landmarks)
    shape = muscle.shape(face, face.to_face(points)) / _peak(muscle, face)
    return face.to_picture(shape)


def field(
    muscle: Muscle, landmarks: F32, size: tuple[int, int], origin: tuple[int, int] = (0, 0)
) -> F32:
    """Displacement field (H, W, 2) float32 on a grid of pixels, with peak length 1.

    ``size``: (width, height) px. ``origin``: first pixel (x, y).
    """
    x, y = np.meshgrid(
        np.arange(origin[0], origin[0] + size[0], dtype=np.float64),
        np.arange(origin[1], origin[1] + size[1], dtype=np.float64),
    )
    points: F64 = np.stack([x, y], axis=-1)
    result: F32 = displacement(muscle, landmarks, points).astype(np.float32)
    return result


def _peak(muscle: Muscle, face: FaceFrame) -> float:
    """Length of the longest vector on a grid over the face.

    Every fourth point is searched first, then all points near the longest, since a field is smooth.
    """
    across, down = np.arange(-1.3, 1.3, 0.02), np.arange(-1.3, 2.2, 0.02)

    def squared(columns: Places, rows: Places) -> F64:
        points = np.stack([across[columns], down[rows]], axis=-1)
        lengths: F64 = (muscle.shape(face, points) ** 2).sum(-1)
        return lengths

    columns, rows = np.meshgrid(
        np.arange(0, len(across), _COARSE), np.arange(0, len(down), _COARSE)
    )
    coarse = squared(columns, rows)
    near = coarse >= _NEAR * coarse.max()
    beside = np.arange(1 - _COARSE, _COARSE)
    columns = np.clip(columns[near][:, None, None] + beside, 0, len(across) - 1)
    rows = np.clip(rows[near][:, None, None] + beside[:, None], 0, len(down) - 1)
    return float(np.sqrt(squared(*np.broadcast_arrays(columns, rows)).max()))


def _bump(r2: F64) -> F64:
    """Smooth bump: 1 at 0, about exp(-3 r2), 0 from 1 on; twice differentiable."""
    inside: F64 = np.clip(1.0 - r2, 0.0, 1.0)
    return inside * inside * inside


def _ease(t: F64) -> F64:
    t = np.clip(t, 0.0, 1.0)
    result: F64 = t * t * (3.0 - 2.0 * t)
    return result


class _Brows:
    """Brow line of a face, and the distances of points from it."""

    def __init__(self, face: FaceFrame, at: F64) -> None:
        p = face.points
        rows = [
            (p[list(top)] + p[list(bottom)]) / 2
            for top, bottom in (
                (g.RIGHT_BROW_TOP, g.RIGHT_BROW_BOTTOM),
                (g.LEFT_BROW_TOP, g.LEFT_BROW_BOTTOM),
            )
        ]
        outer, _, arch, _, inner = np.abs(np.stack(rows)[..., 0]).mean(0)
        self.outer, self.arch, self.inner = float(outer), float(arch), float(inner)
        nodes = np.concatenate(rows)
        level = float(nodes[:, 1].mean())
        self.to_hairline = level - float(p[g.FOREHEAD, 1])
        lower_lids = p[[g.RIGHT_LOWER_LID[4], g.LEFT_LOWER_LID[4]], 1]
        self.to_lower_lid = float(lower_lids.mean()) - level
        self.x = at[..., 0]
        self.across = np.abs(self.x)
        # brow line at every x: a kernel average of the nodes, smooth and bounded
        weights = np.exp(-0.5 * ((self.x[..., None] - nodes[:, 0]) / 0.1) ** 2) + 1e-12
        self.below = at[..., 1] - (weights * nodes[:, 1]).sum(-1) / weights.sum(-1)

    def beyond(self, x: float, reach: float) -> F64:
        """Weight: 1 up to ``x`` from the midline, then falling to 0 within ``reach``."""
        return _bump((np.clip(self.across - x, 0.0, None) / reach) ** 2)

    def around(self, up: float, down: float) -> F64:
        """Weight: 1 on the brow line, 0 from ``up`` above it and ``down`` below it."""
        reach = np.where(self.below < 0.0, up, down)
        return _bump((self.below / reach) ** 2)


def _frontalis(face: FaceFrame, at: F64) -> F64:
    """Frontalis [AU1+2, a little AU5]: from the scalp's aponeurosis to the skin of the brows.

    The brows and the forehead rise, most at the brow, less towards the hairline. The upper lids
    follow a little. Nothing below the eyes moves.
    """
    brows = _Brows(face, at)
    strength = (
        brows.around(1.1 * brows.to_hairline, brows.to_lower_lid)
        * brows.beyond(brows.arch, 2.0 * (brows.outer - brows.arch) + 0.2)
        * (1.0 - 0.2 * _bump((brows.x / (1.5 * brows.inner)) ** 2))  # two bellies, a gap between
    )
    return np.stack([np.zeros_like(strength), -strength], axis=-1)


def _corrugator(face: FaceFrame, at: F64) -> F64:
    """Corrugator, depressor supercilii and procerus [AU4]: from the root of the nose to the brows.

    The brows are lowered, their inner ends most and towards each other. The skin between them is
    drawn down to the root of the nose.
    """
    brows = _Brows(face, at)
    span = brows.outer - brows.inner
    around = brows.around(brows.to_hairline, 0.95 * brows.to_lower_lid)
    inner = brows.beyond(brows.inner, 1.2 * span)
    down = 0.45 * brows.beyond(brows.arch, span) + 0.55 * inner
    down = down * (1.0 - 0.15 * _bump((brows.x / (1.2 * brows.inner)) ** 2))
    ramp = np.sin(np.pi / 2 * np.clip(brows.x / brows.inner, -1.0, 1.0))
    medial = -0.45 * ramp * brows.beyond(brows.inner, span)
    return np.stack([medial * around, down * around], axis=-1)


def _zygomaticus(face: FaceFrame, at: F64) -> F64:
    """Zygomaticus major [AU12, a little AU6]: from the cheekbone down to the corner of the mouth.

    The corner is drawn along that line, up and out. The cheek ahead of it is pushed along and up.
    The lips stretch, so the middle of the mouth stays.
    """
    p = face.points
    middle = float(p[list(g.MOUTH_CORNERS), 0].mean())
    total = np.zeros_like(at)
    for corner, bone, cheek, side in zip(
        p[list(g.MOUTH_CORNERS)], p[list(g.CHEEKBONES)], p[list(g.CHEEKS)], (-1.0, 1.0), strict=True
    ):
        length = float(np.hypot(*(bone - corner)))
        line = (bone - corner) / length
        offset = at - corner
        along = offset @ line
        aside = offset @ np.array([-line[1], line[0]])
        reach = np.where(along > 0.0, 1.2 * length, 0.6)
        pull = _bump((along / reach) ** 2 + (aside / 0.6) ** 2)
        half = abs(corner[0] - middle)
        pull = pull * _ease(side * (at[..., 0] - middle) / (0.9 * half))
        raised = _bump(((at - cheek) ** 2).sum(-1) / 0.42**2)
        total += pull[..., None] * line + 0.25 * raised[..., None] * np.array([0.0, -1.0])
    return total


def _orbicularis_oculi(face: FaceFrame, at: F64) -> F64:
    """Orbicularis oculi, palpebral part [AU7]: a ring round the eye, fixed at its inner corner.

    The lower lid rises, straightens and is drawn inwards. The upper lid comes down a little, so the
    eye narrows. Brows and cheeks stay.
    """
    p = face.points
    total = np.zeros_like(at)
    for (outer, inner), upper, lower, side in (
        (g.RIGHT_EYE, g.RIGHT_UPPER_LID[4], g.RIGHT_LOWER_LID[4], -1.0),
        (g.LEFT_EYE, g.LEFT_UPPER_LID[4], g.LEFT_LOWER_LID[4], 1.0),
    ):
        half = 0.5 * abs(p[inner, 0] - p[outer, 0])
        aside = (at[..., 0] - (p[inner, 0] + p[outer, 0]) / 2) / (1.5 * half)
        rise = _bump(aside**2 + ((at[..., 1] - p[lower, 1] - 0.08) / 0.3) ** 2)
        fall = _bump(aside**2 + ((at[..., 1] - p[upper, 1] + 0.08) / 0.24) ** 2)
        total += np.stack([-0.25 * side * rise, 0.5 * fall - rise], axis=-1)
    return total


def _levator_alae(face: FaceFrame, at: F64) -> F64:
    """Levator labii superioris alaeque nasi [AU9]: from the side of the nasal root to wing and lip.

    Wings and the skin beside the nose are drawn up along it and bunch below the inner corners of
    the eyes. The upper lip follows. The back of the nose stays, unlike in a strong wrinkle.
    """
    p = face.points
    total = np.zeros_like(at)
    for wing, eye, side in zip(g.NOSE_WINGS, (g.RIGHT_EYE, g.LEFT_EYE), (-1.0, 1.0), strict=True):
        root = p[eye[1]] - 0.1 * side * np.array([1.0, 0.0])
        length = float(np.hypot(*(root - p[wing])))
        line = (root - p[wing]) / length
        offset = at - p[wing]
        along = offset @ line
        aside = offset @ np.array([-line[1], line[0]])
        reach = np.where(along > 0.0, 1.1 * length, 0.7)
        pull = _bump((along / reach) ** 2 + (aside / 0.45) ** 2)
        pull = pull * _ease((side * at[..., 0] - 0.06) / 0.3)
        total += pull[..., None] * line
    return total


def _triangularis(face: FaceFrame, at: F64) -> F64:
    """Depressor anguli oris (triangularis) [AU15]: from the edge of the jaw to the lip corner.

    The corner is drawn along that line, down and a little out. The skin below it is pushed ahead.
    The lips stretch, so the middle of the mouth stays.
    """
    p = face.points
    middle = float(p[list(g.MOUTH_CORNERS), 0].mean())
    total = np.zeros_like(at)
    for corner, jaw, side in zip(
        p[list(g.MOUTH_CORNERS)], p[list(g.JAW)], (-1.0, 1.0), strict=True
    ):
        length = float(np.hypot(*(jaw - corner)))
        line = (jaw - corner) / length
        offset = at - corner
        along = offset @ line
        aside = offset @ np.array([-line[1], line[0]])
        reach = np.where(along > 0.0, length, 0.4)
        pull = _bump((along / reach) ** 2 + (aside / 0.5) ** 2)
        half = abs(corner[0] - middle)
        pull = pull * _ease(side * (at[..., 0] - middle) / (0.9 * half))
        total += pull[..., None] * line
    return total


def _orbicularis_oris(face: FaceFrame, at: F64) -> F64:
    """Orbicularis oris [AU24]: a ring round the mouth.

    The lips are pressed together and narrow: the upper one comes down, the lower one up, the
    corners are drawn in a little. The line between the lips stays.
    """
    p = face.points
    corners = p[list(g.MOUTH_CORNERS)]
    middle, half = float(corners[:, 0].mean()), 0.5 * float(np.ptp(corners[:, 0]))
    below = at[..., 1] - float(p[list(g.INNER_LIPS), 1].mean())
    aside = (at[..., 0] - middle) / (1.5 * half)
    reach = 0.42
    around = _bump((below / reach) ** 2 + aside**2)
    return np.stack([-0.5 * aside * around, -3.0 * below / reach * around], axis=-1)


def _jaw(face: FaceFrame, at: F64) -> F64:
    """Relaxed masseter [AU26]: the jaw drops.

    Chin and lower lip go down together, less towards the joints before the ears, and the lips part.
    No teeth are drawn: the line between the lips widens, which is valid for a few px.
    """
    p = face.points
    corners = p[list(g.MOUTH_CORNERS)]
    upper, lower = p[list(g.INNER_LIPS), 1]
    fall = _ease((at[..., 1] - upper) / (max(lower - upper, 0.0) + 0.22))
    aside = (at[..., 0] - corners[:, 0].mean()) / 1.05
    under = np.clip(at[..., 1] - p[g.CHIN, 1] + 0.05, 0.0, None) / 0.29
    down = fall * _bump(aside**2) * _bump(under**2)
    return np.stack([np.zeros_like(down), down], axis=-1)


BROW_RAISE = Muscle("brow raise", "AU1+2", "surprise", _frontalis)
BROW_LOWER = Muscle("brow lower", "AU4", "negative", _corrugator)
LID_TIGHTEN = Muscle("lid tighten", "AU7", "negative", _orbicularis_oculi)
NOSE_WRINKLE = Muscle("nose wrinkle", "AU9", "negative", _levator_alae)
LIP_CORNER_PULL = Muscle("lip corner pull", "AU12", "positive", _zygomaticus)
LIP_CORNER_DEPRESS = Muscle("lip corner depress", "AU15", "negative", _triangularis)
LIP_PRESS = Muscle("lip press", "AU24", "negative", _orbicularis_oris)
JAW_DROP = Muscle("jaw drop", "AU26", "surprise", _jaw)

MUSCLES = {
    m.name: m
    for m in (
        BROW_RAISE,
        BROW_LOWER,
        LID_TIGHTEN,
        NOSE_WRINKLE,
        LIP_CORNER_PULL,
        LIP_CORNER_DEPRESS,
        LIP_PRESS,
        JAW_DROP,
    )
}
