"""Do probabilities mean what they say? Expected calibration error, and a temperature to mend it.

Guo et al., "On calibration of modern neural networks", ICML 2017.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

BINS = 15


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Clips sorted by the probability of their predicted class into bins of equal width (B,).

    ``confidence``: mean probability, ``accuracy``: share of right answers; not a number in a bin
    that holds no clips.
    """

    clips: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def ece(self) -> float:
        """Expected calibration error, 0 to 1: the mean gap, each bin weighted by its clips."""
        full = self.clips > 0
        gap = np.abs(self.accuracy[full] - self.confidence[full])
        return float((self.clips[full] * gap).sum() / max(self.clips.sum(), 1))


@dataclass(frozen=True, slots=True)
class TemperatureScaling:
    """Calibration of held-out answers before and after division by ``temperature``.

    ``..._after`` is scored on the answers that the temperature was fitted to, so it is a little
    optimistic. ``..._crossfit`` is less so: each subject's answers are divided by a temperature that
    was fitted without that subject, though to answers of networks that had trained on it; None for
    a single subject, who leaves nobody to fit it to.
    """

    temperature: float
    ece_before: float
    ece_after: float
    ece_crossfit: float | None
    log_loss_before: float
    log_loss_after: float
    log_loss_crossfit: float | None


def fit_temperature_scaling(
    logits: ArrayLike,
    labels: ArrayLike,
    subjects: Sequence[str] | NDArray[np.str_],
    groups: int = 5,
) -> TemperatureScaling:
    """Fit a temperature to held-out logits (N, C) and say what it mends.

    ``labels``: (N,). ``subjects``: (N,), dealt into ``groups`` for the cross-fitted figures. For
    several seeds, join their clips end to end.
    """
    rows, truth = np.asarray(logits, np.float64), np.asarray(labels, int)
    best = fit_temperature(rows, truth)
    before, after = softmax(rows), softmax(rows / best)
    crossed = _crossfit(rows, truth, np.asarray(subjects), groups)
    return TemperatureScaling(
        temperature=best,
        ece_before=ece(before, truth),
        ece_after=ece(after, truth),
        ece_crossfit=None if crossed is None else ece(crossed, truth),
        log_loss_before=log_loss(before, truth),
        log_loss_after=log_loss(after, truth),
        log_loss_crossfit=None if crossed is None else log_loss(crossed, truth),
    )


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """What held-out logits (N, C) have to be divided by to be most likely (Guo et al., ICML 2017).

    A search over 0.2 to 5 in steps of 2%.
    """
    rows, truth = np.asarray(logits, np.float64), np.asarray(labels, int)
    candidates = np.exp(np.arange(np.log(0.2), np.log(5.0), 0.02))
    return float(min(candidates, key=lambda t: log_loss(softmax(rows / t), truth)))


def reliability(probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS) -> Reliability:
    """Sort answers (N, C) into ``bins`` by the probability of the predicted class."""
    rows, truth = np.asarray(probabilities, np.float64), np.asarray(labels, int)
    sure, right = rows.max(axis=1), rows.argmax(axis=1) == truth
    place = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)  # bins are open below
    clips = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(place, sure, bins) / clips
        accuracy = np.bincount(place, right, bins) / clips
    return Reliability(clips, confidence, accuracy)


def ece(probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS) -> float:
    """Expected calibration error of probabilities (N, C), in 15 bins of equal width as published.

    On a few hundred clips it is above 0 even for perfect probabilities, since bins are small.
    """
    return reliability(probabilities, labels, bins).ece


def log_loss(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean of -ln p of the true class; p is kept above 1e-12."""
    rows, truth = np.asarray(probabilities, np.float64), np.asarray(labels, int)
    own = rows[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(own, 1e-12)).mean())


def softmax(logits: ArrayLike) -> NDArray[np.float64]:
    """Probabilities (N, C) of logits (N, C)."""
    rows = np.asarray(logits, np.float64)
    power = np.exp(rows - rows.max(axis=1, keepdims=True))
    return np.asarray(power / power.sum(axis=1, keepdims=True), np.float64)


def _crossfit(
    logits: NDArray[np.float64], labels: NDArray[np.int64], subjects: NDArray[np.str_], groups: int
) -> NDArray[np.float64] | None:
    """Probabilities (N, C), each by a temperature fitted to the other groups of subjects."""
    people = list(dict.fromkeys(subjects.tolist()))
    if len(people) < 2:
        return None
    # Dealt one by one: clips come dataset by dataset, so each group gets some of every dataset.
    turn = {name: number % min(groups, len(people)) for number, name in enumerate(people)}
    group = np.array([turn[name] for name in subjects.tolist()])
    result = np.zeros_like(logits)
    for own in set(turn.values()):
        inside = group == own
        best = fit_temperature(logits[~inside], labels[~inside])
        result[inside] = softmax(logits[inside] / best)
    return result
