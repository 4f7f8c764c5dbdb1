"""Expected calibration error and temperature scaling.

Guo et al., "On calibration of modern neural networks", ICML 2017.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

BINS = 15


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Reliability diagram: clips binned by confidence, the probability of their predicted class.

    Bins (B,) are of equal width. ``confidence``: mean confidence. ``accuracy``: share of correct
    predictions. Both are NaN in an empty bin.
    """

    clips: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def ece(self) -> float:
        """Expected calibration error, 0 to 1: mean gap of accuracy and confidence over clips."""
        full = self.clips > 0
        gap = np.abs(self.accuracy[full] - self.confidence[full])
        return float((self.clips[full] * gap).sum() / max(self.clips.sum(), 1))


@dataclass(frozen=True, slots=True)
class TemperatureScaling:
    """Calibration of held-out predictions before and after division by ``temperature``.

    ``..._after`` is a little optimistic: it is scored on the predictions that the temperature was
    fitted to. ``..._crossfit`` is less so: each subject's logits are divided by a temperature
    fitted without that subject, though to predictions of networks that had trained on it; None for
    a single subject.
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
    """Fit a temperature to held-out logits (N, C) and score calibration before and after.

    ``labels``: (N,). ``subjects``: (N,), dealt into ``groups`` for the cross-fitted scores. Several
    seeds are concatenated.
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
    """Fit the divisor of held-out logits (N, C) that minimises their log loss.

    Searched from 0.2 to 5 in steps of 2%.
    """
    rows, truth = np.asarray(logits, np.float64), np.asarray(labels, int)
    candidates = np.exp(np.arange(np.log(0.2), np.log(5.0), 0.02))
    return float(min(candidates, key=lambda t: log_loss(softmax(rows / t), truth)))


def reliability(probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS) -> Reliability:
    """Bin probabilities (N, C) by that of the predicted class."""
    rows, truth = np.asarray(probabilities, np.float64), np.asarray(labels, int)
    sure, right = rows.max(axis=1), rows.argmax(axis=1) == truth
    place = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)  # bins are open below
    clips = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(place, sure, bins) / clips
        accuracy = np.bincount(place, right, bins) / clips
    return Reliability(clips, confidence, accuracy)


def ece(probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS) -> float:
    """Return the expected calibration error of probabilities (N, C).

    15 bins of equal width, as published. On a few hundred clips it exceeds 0 even for perfect
    probabilities, since bins hold few clips.
    """
    return reliability(probabilities, labels, bins).ece


def log_loss(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean of -ln p of the true class, p clipped to at least 1e-12."""
    rows, truth = np.asarray(probabilities, np.float64), np.asarray(labels, int)
    own = rows[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(own, 1e-12)).mean())


def softmax(logits: ArrayLike) -> NDArray[np.float64]:
    """Return probabilities (N, C) of logits (N, C)."""
    rows = np.asarray(logits, np.float64)
    power = np.exp(rows - rows.max(axis=1, keepdims=True))
    return np.asarray(power / power.sum(axis=1, keepdims=True), np.float64)


def _crossfit(
    logits: NDArray[np.float64], labels: NDArray[np.int64], subjects: NDArray[np.str_], groups: int
) -> NDArray[np.float64] | None:
    """Return probabilities (N, C) by temperatures fitted to the other groups of subjects.

    None for a single subject.
    """
    people = list(dict.fromkeys(subjects.tolist()))
    if len(people) < 2:
        return None
    # Clips come dataset by dataset, so dealing one by one gives each group some of every dataset.
    turn = {name: number % min(groups, len(people)) for number, name in enumerate(people)}
    group = np.array([turn[name] for name in subjects.tolist()])
    result = np.zeros_like(logits)
    for own in set(turn.values()):
        inside = group == own
        best = fit_temperature(logits[~inside], labels[~inside])
        result[inside] = softmax(logits[inside] / best)
    return result
