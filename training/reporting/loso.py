"""Leave-one-subject-out scores as a table for a terminal and as a JSON row."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.table import Table

from htnet.engine.types import F64
from htnet.training.evaluation.loso import LosoReport
from htnet.training.evaluation.metrics import KEYS, confusion, dataset_title
from htnet.training.reporting.summary import (
    NOT_A_RESULT,
    clip_counts,
    dataset_scores,
    intervals,
    mean_and_deviation,
    people,
    predicted_classes,
    protocol_caption,
    seed_scores,
)

_MEGC = ("casme2", "smic", "samm")


def loso_table(reports: Sequence[LosoReport]) -> Table:
    """Return a table of at most 80 columns: mean and deviation over seeds by dataset.

    Published maps are above, re-animated pairs below. ``reports``: of one protocol, one per seed.
    """
    first = reports[0]
    title = f"{first.network}, leave one subject out\n{protocol_caption(reports)}"
    table = Table("", "clips", "UF1", "UAR", "accuracy", title=title)
    table.columns[1].justify = "right"
    clips = clip_counts(first)
    for kind, told in (("published", "published maps"), ("reanimated", "re-animated pairs")):
        found = seed_scores(reports, kind)
        if found:
            table.add_row(told, style="bold")
        for name, values in found.items():
            cells = (mean_and_deviation(column) for column in values.T)
            table.add_row(f"  {dataset_title(name)}", str(clips[name]), *cells)
        table.add_section()
    bounds = intervals(reports).get("full")
    if bounds and first.protocol != "oracle":
        (a, b), (c, d) = bounds["uf1"], bounds["uar"]
        table.caption = (
            "95% interval over people, published maps:\n"
            f"UF1 {a:.3f} to {b:.3f}, UAR {c:.3f} to {d:.3f}"
        )
        if first.recipes_tried is not None:
            table.caption += f"\nrecipes tried before on these subjects: {first.recipes_tried}"
    return table


def loso_row(
    network: str,
    reports: Sequence[LosoReport],
    others: Mapping[str, Sequence[LosoReport]] | None = None,
) -> dict[str, object]:
    """Return the JSON row of ``htnet evaluate loso --json``: means over the seeds.

    ``others``: reports of further protocols by name. The oracle always carries a "note" that it is
    no result. A dataset of the MEGC composite without clips is null, and so are the deviations of a
    single seed. "interval": of the full scores, over people. "confusion": a (3, 3) matrix for each
    seed, rows true, columns predicted.
    """
    first, bounds = reports[0], intervals(reports).get("full")
    moved = seed_scores(reports, "reanimated")
    row: dict[str, object] = {
        "v": 1,
        "network": network,
        "protocol": first.protocol,
        "seeds": None if first.protocol == "stored" else [report.seed for report in reports],
        "recipes_tried": first.recipes_tried,
        **_means(seed_scores(reports)),
        "sd": _deviations(seed_scores(reports)),
        "interval": bounds and {key: [round(end, 4) for end in bounds[key]] for key in KEYS},
        "reanimated": _means(moved) if moved else None,
        "confusion": [
            confusion(first.labels, guess).tolist() for guess in predicted_classes(reports)
        ],
        "runs": [_run(report) for report in reports],
        **_note(first.protocol),
    }
    for protocol, own in (others or {}).items():
        found = seed_scores(own)
        row[protocol] = {
            "seeds": [report.seed for report in own],
            **_means(found),
            "sd": _deviations(found),
            **_note(protocol),
        }
    return row


def stored_table(report: LosoReport) -> Table:
    """Return a table of the scores of stored fold weights by dataset."""
    folds = len(set(people(report).tolist()))
    title = f"Leave one subject out\n{folds} stored folds of {report.network}"
    table = Table("", "UF1", "UAR", "accuracy", title=title)
    for name, own in dataset_scores(report, "published").items():
        table.add_row(dataset_title(name), *(f"{getattr(own, key):.4f}" for key in KEYS))
    return table


def stored_row(report: LosoReport) -> dict[str, object]:
    """Return the JSON row of ``htnet evaluate loso --weights DIR --json``."""
    return loso_row(report.network, [report])


def _note(protocol: str) -> dict[str, str]:
    return {"note": NOT_A_RESULT} if protocol == "oracle" else {}


def _run(report: LosoReport) -> dict[str, object]:
    moved = dataset_scores(report, "reanimated")
    return {
        "protocol": report.protocol,
        "seed": report.seed,
        "folds": len(set(people(report).tolist())),
        "published": {
            name: asdict(own) for name, own in dataset_scores(report, "published").items()
        },
        "reanimated": {name: asdict(own) for name, own in moved.items()} or None,
        "seconds": round(report.seconds, 1),
        "choices": list(report.choices),
    }


def _means(found: Mapping[str, F64]) -> dict[str, Any]:
    return _nested({name: values.mean(axis=0) for name, values in found.items()})


def _deviations(found: Mapping[str, F64]) -> dict[str, Any]:
    """Return deviations over seeds: NaN, and so null, for a single seed."""
    return _nested(
        {
            name: values.std(axis=0, ddof=1) if len(values) > 1 else np.full(len(KEYS), np.nan)
            for name, values in found.items()
        }
    )


def _nested(found: Mapping[str, F64]) -> dict[str, Any]:
    def cell(value: float) -> float | None:
        return None if np.isnan(value) else round(float(value), 4)

    return {
        name: {key: cell(value) for key, value in zip(KEYS, found[name], strict=True)}
        if name in found
        else None
        for name in dict.fromkeys(("full", *_MEGC, *found))
    }
