"""Motion between a pair of crops: flow without head motion, and its mean in each region."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from htnet.engine.face import landmarks as lm
from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH
from htnet.engine.flow import FlowSolver
from htnet.engine.motion.head_motion import remove_rigid, rigid_motion
from htnet.engine.types import F32, F64, Pair


@dataclass(frozen=True, slots=True, eq=False)
class PairMotion:
    """Motion measured between an onset and an apex.

    ``flow``: (170, 140, 2) float32 px, head motion removed. ``head``: (tx, ty, s, r) of
    `rigid_motion`. ``regions``: mean vector (x, y) of each region in px. ``probabilities``:
    (classes,), where one graph computed both the flow and the answer.
    """

    flow: F32
    head: F64
    regions: Mapping[str, F32]
    probabilities: F32 | None = None

    @property
    def magnitude(self) -> float:
        """Largest displacement of a region of `SPOTTING`, px."""
        return max(float(np.hypot(*self.regions[name])) for name in SPOTTING)


# Half width and half height in px of the box whose mean flow is a region's motion. The mean over
# some 300 px raises half a pixel of motion above the solver's noise; a maximum would not.
_HALF: Final = {
    "inner brows": (11, 7),
    "outer brows": (12, 7),
    "eyes": (14, 7),
    "lip corners": (10, 10),
    "upper lip": (12, 7),
    "lower lip": (12, 7),
}
_BORDER = 10
REGION_NAMES = tuple(_HALF)
# Blinks and gaze move the eyes all the time: their motion is measured and shown, but an expression
# needs motion of brows, lip corners or lips.
SPOTTING = tuple(name for name in REGION_NAMES if name != "eyes")


def measure_motion(pair: Pair, solver: FlowSolver, *, registered: bool = False) -> PairMotion:
    """Measure flow, head motion and region motion of a pair.

    ``registered``: the crops are registered already (a dataset's own crops), so head motion is
    taken as zero.
    """
    flow = solver(pair.onset.gray, pair.apex.gray)
    head = np.zeros(4) if registered else rigid_motion(flow)
    if not registered:
        flow = remove_rigid(flow, head)
    return PairMotion(flow, head, region_motion(flow, pair.apex.landmarks))


def region_motion(flow: F32, landmarks: F32) -> dict[str, F32]:
    """Mean vector (2,) in px of each of `REGION_NAMES` in a flow (170, 140, 2).

    ``landmarks``: (478, 2) crop px. Left and right are averaged as mirror images (x outwards from
    the middle of the face), which halves the noise: the expressions sought move both sides.
    """
    means = {
        name: [_mean(flow, centre, _HALF[name]) for centre in centres]
        for name, centres in motion_centres(landmarks).items()
    }
    return {
        name: sides[0] if len(sides) == 1 else _mirrored(*sides) for name, sides in means.items()
    }


_PLACES: Final[tuple[tuple[str, tuple[int, ...]], ...]] = (
    ("inner brows", lm.LEFT_INNER_BROW),
    ("inner brows", lm.RIGHT_INNER_BROW),
    ("outer brows", lm.LEFT_OUTER_BROW),
    ("outer brows", lm.RIGHT_OUTER_BROW),
    ("eyes", lm.LEFT_EYE_CORNERS),
    ("eyes", lm.RIGHT_EYE_CORNERS),
    ("lip corners", (lm.LEFT_LIP_CORNER,)),
    ("lip corners", (lm.RIGHT_LIP_CORNER,)),
    ("upper lip", (lm.UPPER_LIP,)),
    ("lower lip", (lm.LOWER_LIP,)),
)
_POINTS = np.concatenate([points for _, points in _PLACES])
_COUNTS = np.array([len(points) for _, points in _PLACES])
_STARTS = np.cumsum(_COUNTS) - _COUNTS


def motion_centres(landmarks: F32) -> dict[str, list[F32]]:
    """Centre, or left and right centre, of each of `REGION_NAMES`, (2,) each.

    ``landmarks``: (478, 2) in any unit, which is that of the centres.
    """
    sums = np.add.reduceat(landmarks[_POINTS], _STARTS, axis=0)
    centres: dict[str, list[F32]] = {name: [] for name in REGION_NAMES}
    for (name, _), centre in zip(_PLACES, sums / _COUNTS[:, None].astype(np.float32), strict=True):
        centres[name].append(centre)
    return centres


def _mirrored(left: F32, right: F32) -> F32:
    return np.array([(right[0] - left[0]) / 2, (left[1] + right[1]) / 2], np.float32)


def _mean(flow: F32, centre: F32, half: tuple[int, int]) -> F32:
    x0, y0, x1, y1 = motion_box(centre, half)
    return np.array(cv2.mean(flow[y0:y1, x0:x1])[:2], np.float32)


def motion_box(centre: F32, half: tuple[int, int]) -> tuple[int, int, int, int]:
    """Box (x0, y0, x1, y1) round ``centre``, clipped off the crop's border and never empty.

    ``half``: half width and half height, px. Near the border solvers report false motion: Farneback
    up to 1 px on identical pictures.
    """
    x, y = round(float(centre[0])), round(float(centre[1]))
    x0 = min(max(x - half[0], _BORDER), CROP_WIDTH - _BORDER - half[0])
    y0 = min(max(y - half[1], _BORDER), CROP_HEIGHT - _BORDER - half[1])
    x1 = min(max(x + half[0], x0 + half[0]), CROP_WIDTH - _BORDER)
    y1 = min(max(y + half[1], y0 + half[1]), CROP_HEIGHT - _BORDER)
    return x0, y0, x1, y1
