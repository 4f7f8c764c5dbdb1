"""Scores of one protocol summarised over seeds, datasets and people."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from htnet.engine.errors import DataError
from htnet.engine.types import F32, F64
from htnet.training.evaluation.loso import LosoReport
from htnet.training.evaluation.metrics import KEYS, ClassScores, bootstrap, scores_by_dataset

NOT_A_RESULT = "selected on the held-out subject: not a result"


def predicted_classes(reports: Sequence[LosoReport]) -> NDArray[np.int64]:
    """Return predicted classes (K, N) on the published maps, a row per report.

    Raises `DataError` for reports over different clips.
    """
    first = reports[0]
    for report in reports:
        same = report.subjects.tolist() == first.subjects.tolist()
        if not same or not np.array_equal(report.labels, first.labels):
            raise DataError(
                f"expected reports over the same clips; got {len(first.labels)} clips with seed "
                f"{first.seed} and {len(report.labels)} with seed {report.seed}, or others: score "
                "every seed on the same folds."
            )
    return np.stack([report.published.argmax(axis=1) for report in reports])


def people(report: LosoReport) -> NDArray[np.str_]:
    """Return the person in each clip (N,), named dataset/subject.

    Two datasets may use one name for different people.
    """
    pairs = zip(report.datasets, report.subjects, strict=True)
    return np.array([f"{dataset}/{subject}" for dataset, subject in pairs])


def seed_scores(reports: Sequence[LosoReport], kind: str = "published") -> dict[str, F64]:
    """Return UF1, UAR and accuracy (K, 3) by dataset ("full" for all), a row per report.

    ``kind``: of predictions, "published" or "reanimated". Empty without reports, or where one has
    no such predictions.
    """
    tables = [dataset_scores(report, kind) for report in reports]
    if not tables or not all(tables):
        return {}
    return {
        name: np.array([[getattr(table[name], key) for key in KEYS] for table in tables])
        for name in tables[0]
    }


def intervals(reports: Sequence[LosoReport]) -> dict[str, dict[str, tuple[float, float]]]:
    """Return 95% intervals over people by `metrics.bootstrap`, by dataset ("full" for all).

    A dataset with clips of a single person is left out.
    """
    rows, first, who = predicted_classes(reports), reports[0], people(reports[0])
    inside = {name: np.array(first.datasets) == name for name in dict.fromkeys(first.datasets)}
    inside = {"full": np.full(len(who), True), **inside}
    return {
        name: bootstrap(first.labels[own], rows[:, own], who[own])
        for name, own in inside.items()
        if len(set(who[own])) > 1
    }


def mean_and_deviation(values: F64) -> str:
    """Format the mean and, of several seeds (K,), the standard deviation: "0.775 ± 0.006"."""
    deviation = f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{deviation}"


def protocol_caption(reports: Sequence[LosoReport]) -> str:
    """Return the protocol in words and the number of seeds.

    For the oracle a second line says that it is no result.
    """
    protocol = reports[0].protocol
    words = {
        "last": "last epoch of a fixed schedule",
        "nested": "schedule and epoch chosen on other subjects",
        "oracle": "best epoch of each fold",
        "stored": "stored fold weights",
    }[protocol]
    if protocol == "stored":
        return words
    seeds = "1 seed" if len(reports) == 1 else f"{len(reports)} seeds"
    return f"{words}, {seeds}" + (f"\n{NOT_A_RESULT}" if protocol == "oracle" else "")


def dataset_scores(report: LosoReport, kind: str) -> dict[str, ClassScores]:
    """Return the scores of each dataset ("full" for all); empty without such predictions."""
    logits: F32 | None = getattr(report, kind)
    if logits is None:
        return {}
    return scores_by_dataset(report.labels, logits.argmax(axis=1), report.datasets)


def clip_counts(report: LosoReport) -> dict[str, int]:
    """Return the number of clips of each dataset ("full" for all)."""
    counts = {name: report.datasets.count(name) for name in dict.fromkeys(report.datasets)}
    return {"full": len(report.labels), **counts}
