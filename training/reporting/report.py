"""Scores as a table for people, as a row for programs and as a run folder's page."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from htnet.engine.errors import DataError
from htnet.engine.types import CLASSES, F32, F64
from htnet.training.evaluation.loso import LosoReport
from htnet.training.evaluation.metrics import (
    KEYS,
    ClassScores,
    bootstrap,
    confusion,
    dataset_title,
    scores_by_dataset,
    scores_by_subject,
)
from htnet.training.evaluation.temperature import Calibration

NOT_A_RESULT = "selected on the held-out subject: not a result"

_MEGC = ("casme2", "smic", "samm")
_CAPTIONS = {
    "confusion.png": "What each class was taken for",
    "subjects.png": "Accuracy subject by subject",
    "reliability.png": "Confidence and accuracy, before and after the temperature",
    "curves.png": "Loss and learning rate by epoch",
}


def guesses(reports: Sequence[LosoReport]) -> NDArray[np.int64]:
    """Predicted classes (K, N) on the published maps, a row per report.

    Raises `DataError` for reports that are not over the same clips.
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
    """(N,) whom each clip shows: two datasets may use one name for different people."""
    pairs = zip(report.datasets, report.subjects, strict=True)
    return np.array([f"{dataset}/{subject}" for dataset, subject in pairs])


def seed_scores(reports: Sequence[LosoReport], kind: str = "published") -> dict[str, F64]:
    """UF1, UAR and accuracy (K, 3) by dataset ("full" for all), a row per report.

    ``kind``: "published" or "reanimated". Empty where there are no reports, or no such answers.
    """
    tables = [_scores(report, kind) for report in reports]
    if not tables or not all(tables):
        return {}
    return {
        name: np.array([[getattr(table[name], key) for key in KEYS] for table in tables])
        for name in tables[0]
    }


def intervals(reports: Sequence[LosoReport]) -> dict[str, dict[str, tuple[float, float]]]:
    """95% intervals over people by `metrics.bootstrap`, by dataset ("full" for all).

    A dataset with clips of a single person has none.
    """
    rows, first, who = guesses(reports), reports[0], people(reports[0])
    inside = {name: np.array(first.datasets) == name for name in dict.fromkeys(first.datasets)}
    inside = {"full": np.full(len(who), True), **inside}
    return {
        name: bootstrap(first.labels[own], rows[:, own], who[own])
        for name, own in inside.items()
        if len(set(who[own])) > 1
    }


def spread(values: F64) -> str:
    """Mean and, of several seeds (K,), standard deviation: "0.775 ± 0.006"."""
    deviation = f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{deviation}"


def told_of(reports: Sequence[LosoReport]) -> str:
    """The protocol in words and the number of seeds; the oracle's says on a line of its own that
    it is no result."""
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


def loso_table(reports: Sequence[LosoReport]) -> Table:
    """Mean and deviation over seeds by dataset, published maps above, re-animated pairs below.

    ``reports``: of one protocol, one per seed. Fits 80 columns.
    """
    first = reports[0]
    title = f"{first.network}, leave one subject out\n{told_of(reports)}"
    table = Table("", "clips", "UF1", "UAR", "accuracy", title=title)
    table.columns[1].justify = "right"
    clips = _clips(first)
    for kind, told in (("published", "published maps"), ("reanimated", "re-animated pairs")):
        found = seed_scores(reports, kind)
        if found:
            table.add_row(told, style="bold")
        for name, values in found.items():
            cells = (spread(column) for column in values.T)
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
    """What ``htnet evaluate loso --json`` writes: means over the seeds.

    ``others``: reports of further protocols, each under its own name; the oracle carries a "note"
    that it is no result, wherever it stands. A dataset of the MEGC composite without clips is null, and so are the
    deviations of a single seed. "interval" is that of the full scores, over people. "confusion" has
    a (3, 3) table for each seed: row the true class, column the predicted one.
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
        "confusion": [confusion(first.labels, guess).tolist() for guess in guesses(reports)],
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
    """Scores of stored fold weights by dataset."""
    folds = len(set(people(report).tolist()))
    title = f"Leave one subject out\n{folds} stored folds of {report.network}"
    table = Table("", "UF1", "UAR", "accuracy", title=title)
    for name, own in _scores(report, "published").items():
        table.add_row(dataset_title(name), *(f"{getattr(own, key):.4f}" for key in KEYS))
    return table


def stored_row(report: LosoReport) -> dict[str, object]:
    """What ``htnet evaluate loso --weights DIR --json`` writes; how they were trained is theirs."""
    return loso_row(report.network, [report])


def report_md(
    reports: Sequence[LosoReport],
    calibration: Calibration | None,
    others: Mapping[str, Sequence[LosoReport]] | None = None,
    facts: Mapping[str, str] | None = None,
    plots: Sequence[str] = (),
) -> str:
    """The run folder's ``report.md``.

    ``others``: reports of further protocols by name, "nested" and "oracle", shown beside the scores;
    the oracle's with its label. ``facts``: what the run was made of, by name. ``plots``: names of PNG files
    beside the page, which it shows.
    """
    first = reports[0]
    minutes = sum(report.seconds for report in reports) / 60
    count = f"{len(first.labels)} clips of {len(set(people(first).tolist()))} people"
    told = (
        f"Protocol: {told_of(reports)}. {count}, {minutes:.1f} minutes. Every clip was judged by a "
        "network that never trained on its subject."
    )
    parts = [
        f"# {first.network}, leave one subject out",
        told,
        "## Scores",
        *_headline(reports, others or {}),
        "## What was taken for what",
        *_confused(reports),
    ]
    if calibration is not None:
        parts += ["## Do the probabilities mean what they say?", *_calibrated(calibration)]
    parts += [
        "## The recipe, and how it was chosen",
        *_recipe([*reports, *(others or {}).get("nested", ())], facts or {}),
    ]
    if plots:
        parts += ["## Pictures", *(f"![{_CAPTIONS.get(name, name)}]({name})" for name in plots)]
    parts += ["## Subject by subject", *_subjects(reports)]
    return "\n\n".join(parts) + "\n"


def markdown_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], words: Sequence[int] = (0,)
) -> str:
    """A table whose columns ``words`` are set to the left and the others, numbers, to the right."""
    rule = ["---" if number in words else "---:" for number in range(len(head))]
    lines = [head, rule, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _headline(
    reports: Sequence[LosoReport], others: Mapping[str, Sequence[LosoReport]]
) -> list[str]:
    oracle, nested = others.get("oracle", ()), seed_scores(others.get("nested", ()))
    found, moved = seed_scores(reports), seed_scores(reports, "reanimated")
    best = seed_scores(oracle)
    bounds, clips = intervals(reports), _clips(reports[0])
    head = ["", "clips", "UF1", "UAR", "accuracy"]
    head += ["re-animated UF1", "re-animated UAR"] if moved else []
    head += ["nested UF1", "nested UAR"] if nested else []
    head += ["oracle UF1 \\*", "oracle UAR \\*"] if best else []
    rows = []
    for name, values in found.items():
        row = [dataset_title(name), str(clips[name])]
        for key, column in zip(KEYS, values.T, strict=True):
            low, high = bounds.get(name, {}).get(key, (None, None))
            row.append(spread(column) + (f" ({low:.3f} to {high:.3f})" if low is not None else ""))
        for table in (moved, nested, best):
            row += [spread(column) for column in table[name].T[:2]] if name in table else []
        rows.append(row)
    told = (
        "In brackets the 95% interval over people (2000 bootstrap draws of whole subjects; the "
        "networks are not trained anew)."
    )
    if len(reports) > 1:
        told = f"Mean ± standard deviation over seeds. {told}"
    parts = [markdown_table(head, rows), told]
    if nested:
        parts.append("Nested: schedule and epoch were chosen on other subjects than they score.")
    if best:
        parts.append(f"\\* {told_of(oracle).replace(chr(10), '; ').capitalize()}.")
    return parts


def _confused(reports: Sequence[LosoReport]) -> list[str]:
    tables = [confusion(reports[0].labels, guess) for guess in guesses(reports)]
    mean = np.mean(tables, axis=0)
    share = mean / np.maximum(mean.sum(axis=1, keepdims=True), 1)
    digits = 0 if len(reports) == 1 else 1
    rows = [
        [name, *(f"{n:.{digits}f} ({part:.0%})" for n, part in zip(*line, strict=True))]
        for name, *line in zip(CLASSES, mean, share, strict=True)
    ]
    clips = "Clips" if len(reports) == 1 else "Clips, mean over seeds,"
    return [
        f"{clips} and share of the row: a row for each true class, a column for each answer.",
        markdown_table(["", *CLASSES], rows),
    ]


def _calibrated(own: Calibration) -> list[str]:
    rows = {
        "as trained": (own.ece_before, own.log_loss_before),
        "temperature fitted to the other subjects": (own.ece_crossfit, own.log_loss_crossfit),
        f"temperature {own.temperature:.2f}": (own.ece_after, own.log_loss_after),
    }
    cells = [
        [name, *("" if value is None else f"{value:.3f}" for value in values)]
        for name, values in rows.items()
    ]
    told = (
        f"Temperature {own.temperature:.2f} was fitted to the very answers that its line is scored "
        "on, which flatters it a little. The line above it is free of that but for this: the networks "
        "that answered for the other subjects had trained on this one."
    )
    return [markdown_table(["", "ECE (15 bins)", "log-loss"], cells), told]


def _recipe(reports: Sequence[LosoReport], facts: Mapping[str, str]) -> list[str]:
    first = reports[0]
    told = {
        "last": "The last epoch of a fixed schedule counts; no epoch was chosen by its score.",
        "nested": "Every group of subjects got the schedule and epoch that scored best on the others.",
        "oracle": f"Every fold kept the epoch that scored best on its subject, {NOT_A_RESULT}.",
        "stored": "The weights were trained elsewhere; how they were chosen is not known here.",
    }[first.protocol]
    if first.recipes_tried is not None:
        told += f" Recipes tried on these subjects before this one was kept: {first.recipes_tried}."
    parts = [told]
    for report in reports:
        if report.choices:
            lines = "\n".join(f"- {choice}" for choice in report.choices)
            parts += [f"Seed {report.seed}:", lines] if len(reports) > 1 else [lines]
    if facts:
        rows = "\n".join(f"| {name} | {fact} |" for name, fact in facts.items())
        parts.append(f"| | |\n| --- | --- |\n{rows}")
    return parts


def _subjects(reports: Sequence[LosoReport]) -> list[str]:
    first = reports[0]
    table = scores_by_subject(first.labels, guesses(reports), first.subjects, first.datasets)
    rows = [
        [f"{dataset_title(own.dataset)} {own.subject}", str(own.clips), f"{own.accuracy:.0%}"]
        for own in table
    ]
    return [
        f"<details>\n<summary>Accuracy of each of {len(rows)} subjects</summary>",
        markdown_table(["subject", "clips", "right"], rows),
        "</details>",
    ]


def _note(protocol: str) -> dict[str, str]:
    return {"note": NOT_A_RESULT} if protocol == "oracle" else {}


def _run(report: LosoReport) -> dict[str, object]:
    moved = _scores(report, "reanimated")
    return {
        "protocol": report.protocol,
        "seed": report.seed,
        "folds": len(set(people(report).tolist())),
        "published": {name: asdict(own) for name, own in _scores(report, "published").items()},
        "reanimated": {name: asdict(own) for name, own in moved.items()} or None,
        "seconds": round(report.seconds, 1),
        "choices": list(report.choices),
    }


def _scores(report: LosoReport, kind: str) -> dict[str, ClassScores]:
    logits: F32 | None = getattr(report, kind)
    if logits is None:
        return {}
    return scores_by_dataset(report.labels, logits.argmax(axis=1), report.datasets)


def _means(found: Mapping[str, F64]) -> dict[str, Any]:
    return _nested({name: values.mean(axis=0) for name, values in found.items()})


def _deviations(found: Mapping[str, F64]) -> dict[str, Any]:
    """Not a number, and so null, for one seed: one seed says nothing about others."""
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


def _clips(report: LosoReport) -> dict[str, int]:
    counts = {name: report.datasets.count(name) for name in dict.fromkeys(report.datasets)}
    return {"full": len(report.labels), **counts}
