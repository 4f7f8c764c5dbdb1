"""Scores of the zoo as the page docs/benchmark.md and as a table for a terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rich import box
from rich.table import Table

from htnet.engine.types import F64
from htnet.training.evaluation.loso import LosoReport
from htnet.training.evaluation.metrics import dataset_title
from htnet.training.reporting.report import markdown_table
from htnet.training.reporting.summary import (
    NOT_A_RESULT,
    intervals,
    mean_and_deviation,
    seed_scores,
)

NOT_RUN = "not run"
_DATASETS = ("casme2", "smic", "samm")
_ORACLE = "epoch " + NOT_A_RESULT
_INTRODUCTION = (
    "Leave one subject out on the MEGC 2019 composite. Unless a column says otherwise: the "
    "published maps and the last epoch of a fixed schedule. Made by"
)
_EXPLANATION = (
    "Mean ± standard deviation over seeds (none for one seed); in brackets the 95% interval over "
    "people, from 2000 bootstrap draws of whole subjects. Re-animated: the same networks on the "
    "held-out clips put back on their faces and measured as a camera's are. Nested: schedule and "
    "epoch were chosen on other subjects than they are scored on."
)


@dataclass(frozen=True, slots=True, eq=False)
class ZooRow:
    """Reports of one network by protocol, one per seed; a protocol without any was not run.

    ``params``: number of parameters, None where it is not fixed, as of a kernel machine.
    """

    name: str
    network: str
    params: int | None
    last: Sequence[LosoReport]
    nested: Sequence[LosoReport]
    oracle: Sequence[LosoReport]
    note: str


@dataclass(frozen=True, slots=True)
class PublishedFigure:
    """A published score on the 442 clips, as printed. ``kind``: the choice of epochs."""

    name: str
    uf1: str
    uar: str
    kind: str
    source: str


PUBLISHED = (
    PublishedFigure("HTNet", "0.8603", "0.8475", _ORACLE, "its paper, arXiv 2307.14637"),
    PublishedFigure("HTNet", "0.8497", "0.8542", _ORACLE, "the official script, run by others"),
    PublishedFigure("HypHTNet", "0.8745", "0.8574", _ORACLE, "its authors' repository"),
    PublishedFigure("STSTNet", "0.7209", "0.7250", "not stated", "its authors' fold weights"),
    PublishedFigure("STSTNet", "0.713", "", "honest", "arXiv 2211.11425"),
    PublishedFigure("STSTNet", "0.774", "", _ORACLE, "arXiv 2211.11425"),
    PublishedFigure("OFF-ApexNet", "0.703", "", "honest", "arXiv 2211.11425"),
    PublishedFigure("OFF-ApexNet", "0.839", "", _ORACLE, "arXiv 2211.11425"),
)


def zoo_markdown(rows: Sequence[ZooRow], command: str, machine: str, before: str = "") -> str:
    """Return the page: a line for each network, then the published figures.

    ``command``: command line that made the rows. ``machine``: its hardware, in words. ``before``:
    the previous page, whose hand-written sections are kept.
    """
    head = [
        "network",
        "parameters",
        "seeds",
        "UF1",
        "UAR",
        "re-animated UF1 / UAR",
        *(f"{dataset_title(name)} UF1" for name in _DATASETS),
        "nested UF1 / UAR",
        "oracle UF1 \\*",
        "minutes a seed",
    ]
    notes = [f"- {_name(row)}: {row.note}" for row in rows if row.note]
    theirs = [[own.name, own.uf1, own.uar, own.kind, own.source] for own in PUBLISHED]
    parts = [
        "# Benchmark",
        _INTRODUCTION,
        "\n".join(f"    {line}" for line in command.splitlines()),
        f"on {machine}.",
        markdown_table(head, [_cells(row) for row in rows]),
        _EXPLANATION,
        f"\\* Best epoch of each fold, {NOT_A_RESULT}. Most published figures are of this kind.",
    ]
    if notes:
        parts.append("\n".join(notes))
    parts += [
        "## Published figures",
        markdown_table(["network", "UF1", "UAR", "kind", "source"], theirs, words=(0, 3, 4)),
        "Compare the honest ones with the UF1 and UAR above, the selected ones with the oracle's.",
    ]
    made = [part for part in parts if part.startswith("## ")]
    parts += [own for own in _sections(before) if own.splitlines()[0] not in made]
    return "\n\n".join(parts) + "\n"


def _sections(page: str) -> list[str]:
    """Return the sections of a page, each from its second-level heading on."""
    return [f"## {part.strip()}" for part in f"\n{page}".split("\n## ")[1:]]


def zoo_table(rows: Sequence[ZooRow]) -> Table:
    """Return the zoo as a table of 80 columns, without scores by dataset.

    Intervals are below the scores, UAR below UF1.
    """
    table = Table(
        "network",
        "UF1",
        "UAR",
        "re-ani-\nmated",
        "nested",
        "oracle*",
        "min",
        title="Leave one subject out, last epoch, published maps",
        caption="second line: parameters; 95% interval over people; UAR\n"
        f"* best epoch of each fold, {NOT_A_RESULT}",
        box=box.SIMPLE_HEAD,
        leading=1,
        padding=0,
        show_edge=False,
    )
    for column in table.columns[1:]:
        column.no_wrap = True
    for row in rows:
        found = seed_scores(row.last)
        bounds = _bounds(row.last)
        size = "" if row.params is None else f"\n{row.params:,}"
        table.add_row(
            f"{row.name}{size}",
            *("\n".join([_score(found, n), *bounds[n : n + 1]]) for n in (0, 1)),
            _mean(seed_scores(row.last, "reanimated")),
            _mean(seed_scores(row.nested)),
            _mean(seed_scores(row.oracle)),
            _minutes(row.last),
        )
    return table


def _cells(row: ZooRow) -> list[str]:
    found, moved = seed_scores(row.last), seed_scores(row.last, "reanimated")
    nested, bounds = seed_scores(row.nested), _bounds(row.last)
    return [
        _name(row),
        "" if row.params is None else f"{row.params:,}",
        str(len(row.last)) if row.last else NOT_RUN,
        *(" ".join([_score(found, n), *bounds[n : n + 1]]) for n in (0, 1)),
        _pair(moved),
        *(_score(found, 0, name) for name in _DATASETS),
        _pair(nested),
        _score(seed_scores(row.oracle), 0),
        _minutes(row.last),
    ]


def _name(row: ZooRow) -> str:
    return row.name if row.name == row.network else f"{row.name} (`{row.network}`)"


def _score(found: Mapping[str, F64], column: int, name: str = "full") -> str:
    return mean_and_deviation(found[name][:, column]) if name in found else NOT_RUN


def _pair(found: Mapping[str, F64]) -> str:
    return f"{_score(found, 0)} / {_score(found, 1)}" if found else NOT_RUN


def _mean(found: Mapping[str, F64]) -> str:
    """Return mean UF1 above mean UAR, without deviations."""
    return "\n".join(f"{found['full'][:, n].mean():.3f}" for n in (0, 1)) if found else NOT_RUN


def _bounds(reports: Sequence[LosoReport]) -> list[str]:
    """Return the intervals of UF1 and UAR, if any."""
    bounds = intervals(reports).get("full", {}) if reports else {}
    return [f"[{bounds[key][0]:.3f}, {bounds[key][1]:.3f}]" for key in ("uf1", "uar") if bounds]


def _minutes(reports: Sequence[LosoReport]) -> str:
    minutes = [report.seconds / 60 for report in reports]
    return f"{np.mean(minutes):.1f}" if minutes else NOT_RUN
