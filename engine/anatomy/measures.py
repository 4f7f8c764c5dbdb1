"""Landmark measures: positions of lips and brows relative to the head, in crop px.

A similarity through stable points (eye corners and the bridge of the nose) removes the head's
translation, scale and roll. The offset of the nose's tip measures yaw and pitch; their parallax is
removed by each point's depth. Landmarks jitter by 0.1 px and follow movements of any size, so these
measures serve large movements, where flow fails.
"""

from functools import cache
from typing import Final

import numpy as np

from htnet.engine.anatomy import geometry as g
from htnet.engine.anatomy.head_depth import mean_depths
from htnet.engine.face import landmarks as lm
from htnet.engine.types import F32, F64

STABLE: Final = (*lm.LEFT_EYE_CORNERS, *lm.RIGHT_EYE_CORNERS, 168, 6, 197, 195)
"""Eye corners and the bridge of the nose, which muscles of interest move little."""

_NOSE_TIP: Final = 1

# (name, landmarks whose mean is measured, axis: 0 across, 1 down)
_PLACES: Final[tuple[tuple[str, tuple[int, ...], int], ...]] = (
    ("left lip corner x", (lm.LEFT_LIP_CORNER,), 0),
    ("left lip corner y", (lm.LEFT_LIP_CORNER,), 1),
    ("right lip corner x", (lm.RIGHT_LIP_CORNER,), 0),
    ("right lip corner y", (lm.RIGHT_LIP_CORNER,), 1),
    ("left inner brow", lm.LEFT_INNER_BROW, 1),
    ("right inner brow", lm.RIGHT_INNER_BROW, 1),
    ("left outer brow", lm.LEFT_OUTER_BROW, 1),
    ("right outer brow", lm.RIGHT_OUTER_BROW, 1),
    ("upper lip", g.INNER_LIPS[:1], 1),
    ("lower lip", g.INNER_LIPS[1:], 1),
)
MEASURES: Final = (*(name for name, _, _ in _PLACES[:8]), "mouth opening")
"""Names of the measures in order."""

_POINTS = np.unique(np.concatenate([np.array(points) for _, points, _ in _PLACES]))
_MEANS = np.zeros((len(_PLACES), len(_POINTS)))
for _row, _place in enumerate(_PLACES):
    _MEANS[_row, np.searchsorted(_POINTS, _place[1])] = 1 / len(_place[1])
_ACROSS = np.array([axis == 0 for _, _, axis in _PLACES])


class LandmarkMeasures:
    """Measures of one face relative to its shape in a reference frame.

    ``landmarks``: (478, 2) crop px of the reference frame.
    """

    def __init__(self, landmarks: F32) -> None:
        stable = _complex(landmarks[list(STABLE)])
        self._shape = stable - stable.mean()
        self._parallax = _parallax()

    def __call__(self, landmarks: F32) -> F32:
        """Return (9,) crop px in the order of `MEASURES`; ``landmarks``: (478, 2) crop px."""
        stable = _complex(landmarks[list(STABLE)])
        centre = stable.mean()
        shape = stable - centre
        turn = (shape.conj() @ self._shape) / (shape.conj() @ shape)
        points = (_complex(landmarks[_POINTS]) - centre) * turn
        tip = (complex(*landmarks[_NOSE_TIP]) - centre) * turn
        places = _MEANS @ points - self._parallax * tip
        values = np.where(_ACROSS, places.real, places.imag)
        opening = values[9] - values[8]
        return np.append(values[:8], opening).astype(np.float32)


def _complex(points: F32) -> "np.ndarray[tuple[int], np.dtype[np.complex128]]":
    return points[:, 0].astype(np.float64) + 1j * points[:, 1].astype(np.float64)


@cache
def _parallax() -> F64:
    """Parallax (10,): px of each place per px of the nose's tip when the head rotates."""
    depth = mean_depths()
    level = depth[list(STABLE)].mean()
    share: F64 = (_MEANS @ depth[_POINTS] - level) / (depth[_NOSE_TIP] - level)
    return share
