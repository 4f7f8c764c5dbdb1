"""Recognition of a movement from several pairs of its course.

Two faces before the onset are paired with two faces near the apex (see `course_times`). The
probabilities of the four pairs are averaged geometrically, the motion of each region
arithmetically. One pair is not enough: onset and apex of a spotter are accurate to 50 to 100 ms; a
pair whose onset face moves already shows only a part of the movement; and of large movements (5 to
20 px, where networks are trained on pairs of 1 to 4 px) DIS may lose the mouth in one pair and not
in the next.

Some movements belong to none of the trained classes. Two rules of anatomy label them "uncertain":
`jaw_alone`, and `without_brows` for surprise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from htnet.engine.motion.region_motion import SPOTTING, PairMotion
from htnet.engine.recognition.recognizer import Recognizer
from htnet.engine.types import F32, NS_PER_MS, UNCERTAIN, AlignedFace, Pair, Prediction

_SURPRISE: Final = "surprise"

UNCERTAIN_BELOW = 0.45
"""Least probability of a label that is reported.

With the two rules below, 93% of the answers on re-animated clips of people unseen in training are
reported, and 77% of those are right. Of the answers that are not reported, a third to a half are.
"""

BROW_SHARE = 0.2
"""Least rise of the brows in a surprise, as a fraction of the largest region's motion.

They rise by 0.7 of it and more where frontalis contracts, with or without the jaw; by under 0.1
where the jaw drops alone.
"""

JAW_SHARE = 0.35
"""Largest motion of the other regions when the jaw drops alone, as a fraction of the lower lip's.

Lip corners follow the jaw by 0.15 of it. In a wince with an open mouth they move by 0.5 of it.
"""

_BEFORE_NS: Final = (200 * NS_PER_MS, 66 * NS_PER_MS)
_RISEN: Final = (0.8, 1.0)
_FLOOR: Final = 1e-6  # of a probability, so that one pair alone cannot exclude a class


@dataclass(frozen=True, slots=True)
class CourseTimes:
    """Times in ns of the faces of a course.

    ``rest_ns``: before the onset; a face with open eyes at or before each time is wanted.
    ``risen_ns``: up to the apex; the face nearest to each time is wanted.
    """

    rest_ns: tuple[int, ...]
    risen_ns: tuple[int, ...]


def course_times(onset_ns: int, apex_ns: int) -> CourseTimes:
    """Return the times of the faces for `recognize_course`.

    They are 200 and 66 ms before the onset, 0.8 of the rise, and the apex. None lies after the
    apex, so a provisional and a final answer use the same faces.
    """
    rise = apex_ns - onset_ns
    return CourseTimes(
        tuple(onset_ns - before for before in _BEFORE_NS),
        tuple(onset_ns + round(share * rise) for share in _RISEN),
    )


def recognize_course(
    rest: Sequence[AlignedFace], risen: Sequence[AlignedFace], recognizer: Recognizer
) -> Prediction:
    """Classify a movement.

    ``rest``: faces before its onset; ``risen``: faces near its apex. Each is in order of time and
    holds at least one face; a face given twice counts once. Every pair takes one flow and one run
    of the network, 3 to 4 ms on one core.
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
        or (prediction.label == _SURPRISE and without_brows(regions))
    ):
        return replace(prediction, label=UNCERTAIN)
    return prediction


def mean_probabilities(answers: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Normalised geometric mean of several answers with the same classes."""
    values = np.array([list(answer.values()) for answer in answers])
    mean = np.exp(np.log(np.maximum(values, _FLOOR)).mean(axis=0))
    return dict(zip(answers[0], (mean / mean.sum()).tolist(), strict=True))


def mean_regions(measured: Sequence[PairMotion]) -> dict[str, F32]:
    """Mean vector (2,) of each region over several pairs, px."""
    return {
        name: np.mean([motion.regions[name] for motion in measured], axis=0).astype(np.float32)
        for name in measured[0].regions
    }


def jaw_alone(regions: Mapping[str, F32]) -> bool:
    """Return True if the jaw drops and nothing else moves, as in speaking, yawning and breathing.

    The lower lip moves down, and brows, upper lip and lip corners move by less than `JAW_SHARE` of
    it. ``regions``: vectors (x, y) in px of `htnet.engine.motion.region_motion.region_motion`.
    """
    lower = regions["lower lip"]
    others = max(_length(regions[name]) for name in SPOTTING if name != "lower lip")
    return bool(lower[1] > 0) and others < JAW_SHARE * _length(lower)


def without_brows(regions: Mapping[str, F32]) -> bool:
    """Return True if the brows rise by less than `BROW_SHARE` of the largest region's motion.

    Surprise raises the brows (action units 1 and 2); an open mouth alone does not indicate it.
    """
    rise = -(float(regions["inner brows"][1]) + float(regions["outer brows"][1])) / 2
    return rise < BROW_SHARE * max(_length(regions[name]) for name in SPOTTING)


def _pairs(rest: Sequence[AlignedFace], risen: Sequence[AlignedFace]) -> list[Pair]:
    """Pair each face at rest with each later risen one; if none is later, the first and last."""
    pairs = {
        (before.t_ns, after.t_ns): Pair(before, after)
        for before in rest
        for after in risen
        if before.t_ns < after.t_ns
    }
    return list(pairs.values()) or [Pair(rest[0], risen[-1])]


def _length(vector: F32) -> float:
    return float(np.hypot(vector[0], vector[1]))
