"""The page ``report.md`` of a run folder."""

from collections.abc import Mapping, Sequence

import numpy as np

from htnet.engine.types import CLASSES
from htnet.training.evaluation.loso import LosoReport
from htnet.training.evaluation.metrics import KEYS, confusion, dataset_title, scores_by_subject
from htnet.training.evaluation.temperature import TemperatureScaling
from htnet.training.reporting.summary import (
    NOT_A_RESULT,
    clip_counts,
    intervals,
    mean_and_deviation,
    people,
    predicted_classes,
    protocol_caption,
    seed_scores,
)

_CAPTIONS = {
    "confusion.png": "What each class was taken for",
    "subjects.png": "Accuracy subject by subject",
    "reliability.png": "Confidence and accuracy, before and after the temperature",
    "curves.png": "Loss and learning rate by epoch",
}


def report_md(
    reports: Sequence[LosoReport],
    scaling: TemperatureScaling | None,
    others: Mapping[str, Sequence[LosoReport]] | None = None,
    facts: Mapping[str, str] | None = None,
    plots: Sequence[str] = (),
) -> str:
    """Return the run folder's page ``report.md``.

    ``others``: reports of the protocols "nested" and "oracle", shown beside the scores; the
    oracle's with its label. ``facts``: configuration of the run by name. ``plots``: names of PNG
    files beside the page to show.
    """
    first = reports[0]
    minutes = sum(report.seconds for report in reports) / 60
    count = f"{len(first.labels)} clips of {len(set(people(first).tolist()))} people"
    told = (
        f"Protocol: {protocol_caption(reports)}. {count}, {minutes:.1f} minutes. "
        "Every clip was judged by a network that never trained on its subject."
    )
    parts = [
        f"# {first.network}, leave one subject out",
        told,
        "## Scores",
        *_headline(reports, others or {}),
        "## What was taken for what",
        *_confused(reports),
    ]
    if scaling is not None:
        parts += ["## Do the probabilities mean what they say?", *_calibrated(scaling)]
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
    """Return a Markdown table: columns ``words`` aligned to the left, the others to the right."""
    rule = ["---" if number in words else "---:" for number in range(len(head))]
    lines = [head, rule, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _headline(
    reports: Sequence[LosoReport], others: Mapping[str, Sequence[LosoReport]]
) -> list[str]:
    oracle, nested = others.get("oracle", ()), seed_scores(others.get("nested", ()))
    found, moved = seed_scores(reports), seed_scores(reports, "reanimated")
    best = seed_scores(oracle)
    bounds, clips = intervals(reports), clip_counts(reports[0])
    head = ["", "clips", "UF1", "UAR", "accuracy"]
    head += ["re-animated UF1", "re-animated UAR"] if moved else []
    head += ["nested UF1", "nested UAR"] if nested else []
    head += ["oracle UF1 \\*", "oracle UAR \\*"] if best else []
    rows = []
    for name, values in found.items():
        row = [dataset_title(name), str(clips[name])]
        for key, column in zip(KEYS, values.T, strict=True):
            low, high = bounds.get(name, {}).get(key, (None, None))
            row.append(
                mean_and_deviation(column)
                + (f" ({low:.3f} to {high:.3f})" if low is not None else "")
            )
        for table in (moved, nested, best):
            row += (
                [mean_and_deviation(column) for column in table[name].T[:2]]
                if name in table
                else []
            )
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
        parts.append(f"\\* {protocol_caption(oracle).replace(chr(10), '; ').capitalize()}.")
    return parts


def _confused(reports: Sequence[LosoReport]) -> list[str]:
    tables = [confusion(reports[0].labels, guess) for guess in predicted_classes(reports)]
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


def _calibrated(own: TemperatureScaling) -> list[str]:
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
        "on, which flatters it a little. The line above it is free of that but for this: the "
        "networks that answered for the other subjects had trained on this one."
    )
    return [markdown_table(["", "ECE (15 bins)", "log-loss"], cells), told]


def _recipe(reports: Sequence[LosoReport], facts: Mapping[str, str]) -> list[str]:
    first = reports[0]
    told = {
        "last": "The last epoch of a fixed schedule counts; no epoch was chosen by its score.",
        "nested": (
            "Every group of subjects got the schedule and epoch that scored best on the others."
        ),
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
    table = scores_by_subject(
        first.labels, predicted_classes(reports), first.subjects, first.datasets
    )
    rows = [
        [f"{dataset_title(own.dataset)} {own.subject}", str(own.clips), f"{own.accuracy:.0%}"]
        for own in table
    ]
    return [
        f"<details>\n<summary>Accuracy of each of {len(rows)} subjects</summary>",
        markdown_table(["subject", "clips", "right"], rows),
        "</details>",
    ]
