"""Scores as a table for people and as a row for programs."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from rich.table import Table

from htnet.training.loso import LosoReport
from htnet.training.stored import StoredReport

# Recipes that were scored before this one was settled on; docs/model-card.md lists them.
_RECIPES_TRIED = {"htnet-s": 23}
_NAMES = {"full": "full", "casme2": "CASME II", "smic": "SMIC", "samm": "SAMM"}
_KEYS = ("uf1", "uar", "accuracy")


def loso_table(reports: Sequence[LosoReport]) -> Table:
    """Mean and deviation over seeds, by dataset, on published maps and on re-animated pairs."""
    seeds = "1 seed" if len(reports) == 1 else f"{len(reports)} seeds"
    table = Table(
        "",
        "UF1",
        "UAR",
        "accuracy",
        "UF1 re-animated",
        "UAR re-animated",
        title=f"Leave one subject out, last epoch, {seeds}",
    )
    for name in reports[0].published:
        cells = [_cell(reports, "published", name, key) for key in _KEYS]
        cells += [_cell(reports, "reanimated", name, key) for key in _KEYS[:2]]
        table.add_row(_NAMES.get(name, name), *cells)
    return table


def loso_row(network: str, reports: Sequence[LosoReport]) -> dict[str, object]:
    """What ``htnet evaluate loso --json`` writes: means over the seeds."""

    def means(kind: str) -> dict[str, dict[str, float]]:
        return {
            name: {key: round(float(_values(reports, kind, name, key).mean()), 4) for key in _KEYS}
            for name in reports[0].published
        }

    return {
        "v": 1,
        "network": network,
        "protocol": "last",
        "seeds": [report.seed for report in reports],
        "recipes_tried": _RECIPES_TRIED.get(network),
        **means("published"),
        "reanimated": means("reanimated"),
        "runs": [report.to_dict() for report in reports],
    }


def stored_table(report: StoredReport) -> Table:
    """Scores of stored fold weights by dataset."""
    title = f"Leave one subject out, {report.folds} stored folds of {report.network}"
    table = Table("", "UF1", "UAR", "accuracy", title=title)
    for name, own in report.published.items():
        cells = [f"{getattr(own, key):.4f}" for key in _KEYS]
        table.add_row(_NAMES.get(name, name), *cells)
    return table


def stored_row(report: StoredReport) -> dict[str, object]:
    """What ``htnet evaluate loso --weights DIR --json`` writes; how they were trained is theirs."""
    scores = {
        name: {key: round(getattr(own, key), 4) for key in _KEYS}
        for name, own in report.published.items()
    }
    return {
        "v": 1,
        "network": report.network,
        "protocol": "stored",
        "seeds": None,
        "recipes_tried": None,
        **scores,
    }


def _cell(reports: Sequence[LosoReport], kind: str, name: str, key: str) -> str:
    values = _values(reports, kind, name, key)
    spread = f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{spread}"


def _values(
    reports: Sequence[LosoReport], kind: str, name: str, key: str
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return np.array([asdict(getattr(report, kind)[name])[key] for report in reports])
