"""Motion already in the footage: spans in which the face holds still, and turns of the head.

Measured from landmarks in units of the distance between the eyes, so that approach, sway and roll
of the head do not change the measures.
"""

import numpy as np
from numpy.typing import NDArray

from htnet.engine.anatomy import geometry as g
from htnet.engine.anatomy.geometry import FaceFrame
from htnet.engine.errors import UsageError
from htnet.engine.synth.injection.footage import Footage, Pass
from htnet.engine.types import F64

NEUTRAL_S = 1.5
MOUTH_STILL, STILL = 0.08, 0.1
"""Largest ranges within `NEUTRAL_S` of a still face: of the mouth's opening, and of lip corners and
brows, in distances between the eyes. The second grows by the sideways range of the nose tip, since
perspective moves them as much in a turning head. A person who talks exceeds one of the two."""
TURNING = 0.1
"""Least speed of the nose tip relative to the eyes in a turning head, distances between the eyes a
second. It is 10 degrees a second, the tip lying 0.55 distances in front of the eyes."""
_TURN_S = 0.2  # span of the speed measure, and shortest turn
_JOIN_NS = 300_000_000  # turns less apart are merged
_NOSE_TIP = 1


def still(footage: Footage) -> NDArray[np.bool_]:
    """Return a mask (N,) of the frames inside a stretch of 1.5 s in which the face holds still."""
    measured = _smooth(_expression(footage), max(1, round(0.1 * footage.fps)))
    length = round(NEUTRAL_S * footage.fps)
    held = np.zeros(len(measured), np.bool_)
    for start in range(len(measured) - length + 1):
        mouth, turned, *others = np.ptp(measured[start : start + length], axis=0)
        if mouth <= MOUTH_STILL and max(others) <= STILL + turned:
            held[start : start + length] = True
    return held


def require_neutral(footage: Footage) -> float:
    """Return the share of the footage in which the face holds still.

    Raises `UsageError` where it never does: a movement injected over another has no known onset,
    apex or offset.
    """
    share = float(still(footage).mean())
    if share == 0:
        raise UsageError(
            f"expected {NEUTRAL_S:g} s of a neutral face in {footage.name}; mouth or brows move "
            "throughout: film a face at rest, or give the video as --speaking."
        )
    return share


def turn_speed(footage: Footage) -> F64:
    """Return the turning speed of the head in each frame (N,), eye distances a second."""
    tip = np.array([FaceFrame.of(points).points[_NOSE_TIP, 0] for points in footage.landmarks])
    half = max(1, round(_TURN_S * footage.fps / 2))
    seconds = footage.t_ns / 1e9
    at = np.arange(len(tip))
    before, after = np.maximum(at - half, 0), np.minimum(at + half, len(tip) - 1)
    return np.asarray(np.abs(tip[after] - tip[before]) / (seconds[after] - seconds[before]))


def turns(played: Pass) -> tuple[tuple[int, int], ...]:
    """Return the spans (start, end) in ns of a pass in which the footage's own head turns."""
    speed = turn_speed(played.footage) * played.config.tempo
    spans: list[tuple[int, int]] = []
    for place, t_ns in played.order():
        if speed[place] < TURNING:
            continue
        if spans and t_ns - spans[-1][1] <= _JOIN_NS:
            spans[-1] = (spans[-1][0], t_ns)
        else:
            spans.append((t_ns, t_ns))
    return tuple((low, high) for low, high in spans if high - low >= _TURN_S * 1e9)


def _expression(footage: Footage) -> F64:
    """Return (N, 6): mouth opening, sideways place of the nose tip, heights below the eyes of both
    lip corners and of both brows."""
    rows = []
    for landmarks in footage.landmarks:
        across, down = FaceFrame.of(landmarks).points.T
        upper, lower = g.INNER_LIPS
        brows = [float(down[list(each)].mean()) for each in (g.RIGHT_BROW_TOP, g.LEFT_BROW_TOP)]
        opening = down[lower] - down[upper]
        rows.append([opening, across[_NOSE_TIP], *down[list(g.MOUTH_CORNERS)], *brows])
    return np.array(rows, np.float64)


def _smooth(values: F64, half: int) -> F64:
    """Return the running median of (N, K) over 2 half + 1 frames."""
    padded = np.pad(values, ((half, half), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1, axis=0)
    return np.asarray(np.median(windows, axis=-1), np.float64)
