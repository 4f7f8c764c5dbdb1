"""Recognition of a movement from its course: four pairs along the rise, one answer.

Two faces at rest are paired with two faces near the apex (`course_times` says which); the
probabilities of the pairs are averaged by their logarithms, the motion of each region plainly.
One pair does not do: a spotter's onset and apex are good to 50 to 100 ms, a pair whose onset face
moves already shows a part of the movement alone, and of large movements (5 to 20 px, where networks
are trained on pairs of 1 to 4 px) DIS may lose the mouth in one pair and not in the next.

Some movements belong to none of the classes that networks are trained on, and a network names one
all the same. Two rules of anatomy make such a movement "uncertain": `jaw_alone` and, for surprise,
`without_brows`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from htnet.engine.motion.region_motion import SPOTTING, PairMotion
from htnet.engine.recognition.recognizer import Recognizer
from htnet.engine.types import F32, NS_PER_MS, UNCERTAIN, AlignedFace, Pair, Prediction

SURPRISE: Final = "surprise"

UNCERTAIN_BELOW = 0.45
"""The least probability that is told. With the rules below, 93% of the answers on re-animated clips
of people that the network had not seen are told, and 77% of those are right; of what is not told a
third to a half is."""

BROW_SHARE = 0.2
"""The share of the largest region's motion by which the brows rise in a surprise, at least. They
rise by 0.7 of it and more where frontalis pulls, with the jaw or without; by under 0.1 where the
jaw falls alone."""

JAW_SHARE = 0.35
"""The share of the lower lip's motion that the other regions stay below when the jaw falls alone.
Lip corners are carried along by 0.15 of it; in a wince with an open mouth they go by 0.5."""

_BEFORE_NS: Final = (200 * NS_PER_MS, 66 * NS_PER_MS)
_RISEN: Final = (0.8, 1.0)
_LEAST: Final = 1e-6  # of a probability, so that one pair alone cannot rule a class out


@dataclass(frozen=True, slots=True)
class CourseTimes:
    """When the faces of a course are taken, ns. ``rest_ns``: before the onset, where a face with
    open eyes at or before that time is wanted. ``risen_ns``: up to the apex, the nearest face."""

    rest_ns: tuple[int, ...]
    risen_ns: tuple[int, ...]


def course_times(onset_ns: int, apex_ns: int) -> CourseTimes:
    """The times of the faces that `recognize_course` wants of a movement: 200 and 66 ms before the
    onset, 0.8 of the rise and the apex. None lies after the apex, so a provisional answer is based
    on what a final one is."""
    rise = apex_ns - onset_ns
    return CourseTimes(
        tuple(onset_ns - before for before in _BEFORE_NS),
        tuple(onset_ns + round(share * rise) for share in _RISEN),
    )


def recognize_course(
    rest: Sequence[AlignedFace], risen: Sequence[AlignedFace], recognizer: Recognizer
) -> Prediction:
    """The answer for a movement. ``rest``: faces before its onset; ``risen``: faces near its apex,
    in order of time, at least one of each. A face given twice counts once, so that a slow camera
    costs less.

    Every pair takes one flow and one run of the network, 3 to 4 ms on one core.
    """
    pairs = _pairs(rest, risen)
    measured = [recognizer.measure(pair) for pair in pairs]
    answers = [
        recognizer.predict(motion, pair.apex.landmarks).probabilities
        for motion, pair in zip(measured, pairs, strict=True)
    ]
    prediction = recognizer.answer(mean_probabilities(answers))
    regions = mean_regions(measured)
    if (
        prediction.probabilities.get(prediction.label, 0.0) < UNCERTAIN_BELOW
        or jaw_alone(regions)
        or (prediction.label == SURPRISE and without_brows(regions))
    ):
        return replace(prediction, label=UNCERTAIN)
    return prediction


def mean_probabilities(answers: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The normalised geometric mean of several answers with the same classes."""
    values = np.array([list(answer.values()) for answer in answers])
    mean = np.exp(np.log(np.maximum(values, _LEAST)).mean(axis=0))
    return dict(zip(answers[0], (mean / mean.sum()).tolist(), strict=True))


def mean_regions(measured: Sequence[PairMotion]) -> dict[str, F32]:
    """Each region's mean vector (2,) over several pairs, px."""
    return {
        name: np.mean([motion.regions[name] for motion in measured], axis=0).astype(np.float32)
        for name in measured[0].regions
    }


def jaw_alone(regions: Mapping[str, F32]) -> bool:
    """Whether the jaw falls and nothing else moves: the lower lip goes down, brows, upper lip and
    lip corners stay below `JAW_SHARE` of it. Speaking, yawning and breathing do so.

    ``regions``: vectors (x, y) in px as `htnet.engine.motion.region_motion.region_motion` gives them.
    """
    lower = regions["lower lip"]
    others = max(_length(regions[name]) for name in SPOTTING if name != "lower lip")
    return bool(lower[1] > 0) and others < JAW_SHARE * _length(lower)


def without_brows(regions: Mapping[str, F32]) -> bool:
    """Whether the brows rise by less than `BROW_SHARE` of what the region that moves most does.

    Surprise raises them (action units 1 and 2); an open mouth alone is no sign of it.
    """
    rise = -(float(regions["inner brows"][1]) + float(regions["outer brows"][1])) / 2
    return rise < BROW_SHARE * max(_length(regions[name]) for name in SPOTTING)


def _pairs(rest: Sequence[AlignedFace], risen: Sequence[AlignedFace]) -> list[Pair]:
    """Each face at rest with each later one that has risen; the first with the last where none is
    later."""
    pairs = {
        (before.t_ns, after.t_ns): Pair(before, after)
        for before in rest
        for after in risen
        if before.t_ns < after.t_ns
    }
    return list(pairs.values()) or [Pair(rest[0], risen[-1])]


def _length(vector: F32) -> float:
    return float(np.hypot(vector[0], vector[1]))
