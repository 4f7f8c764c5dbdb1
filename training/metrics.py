"""Recognition scores of the MEGC 2019 protocol, pooled over all held-out subjects."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class Scores:
    """UF1 and UAR are the plain means over classes of F1 and recall (See et al., FG 2019)."""

    uf1: float
    uar: float
    accuracy: float
    clips: int

    def __str__(self) -> str:
        return f"UF1 {self.uf1:.4f}  UAR {self.uar:.4f}  accuracy {self.accuracy:.4f}"


def confusion(truth: ArrayLike, guess: ArrayLike, classes: int = 3) -> NDArray[np.int64]:
    """Counts (classes, classes): row the true class, column the predicted one."""
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (np.asarray(truth, int), np.asarray(guess, int)), 1)
    return table


def scores(truth: ArrayLike, guess: ArrayLike, classes: int = 3) -> Scores:
    """Scores of predicted classes; a class with no clips and no predictions is left out."""
    table = confusion(truth, guess, classes)
    hits, true, guessed = table.diagonal(), table.sum(axis=1), table.sum(axis=0)
    seen = true + guessed > 0
    f1 = 2 * hits[seen] / (true + guessed)[seen]
    recall = hits[true > 0] / true[true > 0]
    total = int(table.sum())
    if total == 0:
        return Scores(0.0, 0.0, 0.0, 0)
    return Scores(float(f1.mean()), float(recall.mean()), float(hits.sum() / total), total)


def scores_by_dataset(
    truth: ArrayLike, guess: ArrayLike, datasets: Sequence[str], classes: int = 3
) -> dict[str, Scores]:
    """Scores of each dataset, and of all clips together under "full"."""
    truth, guess, names = np.asarray(truth), np.asarray(guess), np.asarray(datasets)
    result = {"full": scores(truth, guess, classes)}
    for name in dict.fromkeys(datasets):
        result[name] = scores(truth[names == name], guess[names == name], classes)
    return result
