"""Recognition scores of the MEGC 2019 protocol, pooled over all held-out subjects."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

KEYS = ("uf1", "uar", "accuracy")

_TITLES = {"full": "full", "casme2": "CASME II", "smic": "SMIC", "samm": "SAMM"}


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Recognition scores: UF1 and UAR are the unweighted means over classes of F1 and recall.

    See et al., FG 2019.
    """

    uf1: float
    uar: float
    accuracy: float
    clips: int

    def __str__(self) -> str:
        return f"UF1 {self.uf1:.4f}  UAR {self.uar:.4f}  accuracy {self.accuracy:.4f}"


@dataclass(frozen=True, slots=True)
class SubjectScore:
    """Accuracy of one subject's clips, mean over seeds."""

    dataset: str
    subject: str
    clips: int
    accuracy: float


def dataset_title(name: str) -> str:
    """Return a dataset's name for display."""
    return _TITLES.get(name, name)


def confusion(truth: ArrayLike, guess: ArrayLike, classes: int = 3) -> NDArray[np.int64]:
    """Return the confusion matrix (classes, classes): rows true, columns predicted."""
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (np.asarray(truth, int), np.asarray(guess, int)), 1)
    return table


def scores(truth: ArrayLike, guess: ArrayLike, classes: int = 3) -> ClassScores:
    """Score predicted classes; a class with no clips and no predictions is left out."""
    table = confusion(truth, guess, classes)
    uf1, uar, accuracy = (float(rate) for rate in _rates(table))
    return ClassScores(uf1, uar, accuracy, int(table.sum()))


def scores_by_dataset(
    truth: ArrayLike, guess: ArrayLike, datasets: Sequence[str], classes: int = 3
) -> dict[str, ClassScores]:
    """Score each dataset, and all clips together under "full"."""
    truth, guess, names = np.asarray(truth), np.asarray(guess), np.asarray(datasets)
    result = {"full": scores(truth, guess, classes)}
    for name in dict.fromkeys(datasets):
        result[name] = scores(truth[names == name], guess[names == name], classes)
    return result


def scores_by_subject(
    truth: ArrayLike,
    guesses: ArrayLike,
    subjects: Sequence[str] | NDArray[np.str_],
    datasets: Sequence[str],
) -> list[SubjectScore]:
    """Return each subject's accuracy in the order of the clips.

    ``guesses``: (K, N), a row per seed. Subjects of the same name in two datasets are kept apart.
    """
    right = (np.asarray(guesses) == np.asarray(truth)).mean(axis=0)
    people: dict[tuple[str, str], list[float]] = {}
    for dataset, subject, share in zip(datasets, subjects, right, strict=True):
        people.setdefault((str(dataset), str(subject)), []).append(float(share))
    return [SubjectScore(*who, len(own), float(np.mean(own))) for who, own in people.items()]


def bootstrap(
    labels: ArrayLike,
    guesses: ArrayLike,
    subjects: Sequence[str] | NDArray[np.str_],
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    classes: int = 3,
) -> dict[str, tuple[float, float]]:
    """Bootstrap percentile intervals (low, high) of "uf1", "uar" and "accuracy" (Efron, 1979).

    ``labels``: (N,). ``guesses``: (K, N), a row per seed, whose scores are averaged. ``subjects``:
    (N,). Whole subjects are drawn with replacement, since clips of one person are not independent.
    The networks are not retrained, so the interval covers the choice of the people tested on, not
    of the people trained on. A class that a draw lacks is left out of it, as in `scores`.
    """
    truth, rows = np.asarray(labels, int), np.atleast_2d(np.asarray(guesses, int))
    people, person = np.unique(np.asarray(subjects), return_inverse=True)
    tables = np.zeros((len(people), len(rows), classes, classes), np.int64)
    np.add.at(tables, (person, np.arange(len(rows))[:, None], truth, rows), 1)
    share = np.full(len(people), 1 / len(people))
    times = np.random.default_rng(seed).multinomial(len(people), share, size=draws)
    rates = _rates(np.tensordot(times, tables, axes=1)).mean(axis=1)  # (draws, 3)
    low, high = np.quantile(rates, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return {key: (float(low[n]), float(high[n])) for n, key in enumerate(KEYS)}


def _rates(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return UF1, UAR and accuracy (..., 3) of confusion matrices (..., classes, classes)."""
    hits = np.diagonal(tables, axis1=-2, axis2=-1)
    true, guessed = tables.sum(axis=-1), tables.sum(axis=-2)
    uf1 = _mean(2 * hits, true + guessed)
    uar = _mean(hits, true)
    accuracy = hits.sum(axis=-1) / np.maximum(true.sum(axis=-1), 1)
    return np.stack([uf1, uar, accuracy], axis=-1)


def _mean(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean over the last axis of part / whole where whole > 0, or 0 without any."""
    ratio = part / np.maximum(whole, 1)
    return np.asarray(ratio.sum(axis=-1) / np.maximum((whole > 0).sum(axis=-1), 1), np.float64)
