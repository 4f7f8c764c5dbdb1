"""Plots of a run: confusion matrix, accuracy by subject, reliability diagram, training curves.

They are drawn on figures without pyplot, so no state or backend of the caller's is changed.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from htnet.engine.files import write_atomic
from htnet.engine.optional import need
from htnet.engine.types import CLASSES
from htnet.training.evaluation.loso import LosoReport
from htnet.training.evaluation.metrics import (
    SubjectScore,
    confusion,
    dataset_title,
    scores_by_subject,
)
from htnet.training.evaluation.temperature import (
    Reliability,
    TemperatureScaling,
    reliability,
    softmax,
)
from htnet.training.reporting.summary import predicted_classes, protocol_caption

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, _GREEN, _PINK, GREY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#707070"
_PALETTE = (BLUE, _GREEN, ORANGE, _PINK)  # told apart by colour-blind eyes (Okabe and Ito)
_DPI = 130


def confusion_plot(reports: Sequence[LosoReport]) -> "Figure":
    """Plot the confusion matrix: mean count over seeds and share of the true class in each cell.

    The colour is the share.
    """
    labels = reports[0].labels
    table = np.mean([confusion(labels, guess) for guess in predicted_classes(reports)], axis=0)
    true = table.sum(axis=1)
    share = table / np.maximum(true, 1)[:, None]
    figure, axes = new_figure(6.4, 5.6)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    digits = 0 if len(reports) == 1 else 1
    for row, column in np.ndindex(share.shape):
        axes.text(
            column,
            row,
            f"{share[row, column]:.0%}\n{table[row, column]:.{digits}f} clips",
            ha="center",
            va="center",
            fontsize=13,
            color="white" if share[row, column] > 0.55 else "black",
        )
    places = range(len(CLASSES))
    axes.set_xticks(places, CLASSES, fontsize=11)
    names = [f"{name}\n{count:.0f} clips" for name, count in zip(CLASSES, true, strict=True)]
    axes.set_yticks(places, names, fontsize=11)
    axes.set_xlabel("what the network said", fontsize=12)
    axes.set_ylabel("what the clip shows", fontsize=12)
    axes.tick_params(length=0)
    axes.set_frame_on(False)
    _title(figure, "What each class was taken for", _told(reports))
    return figure


def subjects_plot(reports: Sequence[LosoReport]) -> "Figure":
    """Plot a bar of accuracy for each subject, best first, in a panel for each dataset.

    The number over a bar is that of the subject's clips; the dashed line is the dataset's accuracy.
    """
    first = reports[0]
    table = scores_by_subject(
        first.labels, predicted_classes(reports), first.subjects, first.datasets
    )
    panels: dict[str, list[SubjectScore]] = {}
    for own in table:
        panels.setdefault(own.dataset, []).append(own)
    figure, grid = new_figure(11, 0.9 + 2.5 * len(panels), len(panels))
    white = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    widest = max(len(people) for people in panels.values())
    for number, (axes, (name, people)) in enumerate(
        zip(np.atleast_1d(grid), panels.items(), strict=True)
    ):
        people.sort(key=lambda own: (-own.accuracy, -own.clips))
        height = np.array([own.accuracy for own in people])
        clips = np.array([own.clips for own in people])
        places = np.arange(len(people))
        axes.bar(places, height, 0.8, color=_PALETTE[number % len(_PALETTE)])
        for place, top, count in zip(places, height, clips, strict=True):
            axes.text(place, top + 0.03, str(count), ha="center", fontsize=8, bbox=white)
        mean = float((height * clips).sum() / clips.sum())
        axes.axhline(mean, color=GREY, linestyle="--", linewidth=1, zorder=0)
        axes.set_xticks(places, [own.subject for own in people], rotation=90, fontsize=8)
        axes.set_xlim(-0.7, widest - 0.3)
        axes.set_ylim(0, 1.15)
        axes.set_yticks([0, 0.5, 1], ["0%", "50%", "100%"])
        axes.spines[["top", "right"]].set_visible(False)
        told = f"{dataset_title(name)}: {len(people)} people, {clips.sum()} clips, {mean:.0%} right"
        axes.set_title(told, loc="left", fontsize=11)
        axes.set_ylabel("clips named rightly")
    told = f"{_told(reports)}\nover each bar the person's clips; dashed, the mean of all clips"
    _title(figure, "Who is recognised", told)
    return figure


def reliability_plot(reports: Sequence[LosoReport], scaling: TemperatureScaling) -> "Figure":
    """Plot accuracy by confidence before and after the temperature, over a histogram of confidence.

    Seeds are pooled. ``scaling``: `fit_temperature_scaling` of the same reports.
    """
    logits = np.concatenate([report.published for report in reports])
    labels = np.concatenate([report.labels for report in reports])
    own = scaling
    after = f"Divided by temperature {own.temperature:.2f}: gap {own.ece_after:.1%}"
    if own.ece_crossfit is not None:
        after += f"\n({own.ece_crossfit:.1%} if fitted to other people)"
    figure, grid = new_figure(9.6, 6.2, 2, 2, height_ratios=(3, 1), sharex=True, sharey="row")
    for column, (scale, told) in enumerate(
        ((1.0, f"As trained: mean gap (ECE) {own.ece_before:.1%}"), (own.temperature, after))
    ):
        found = reliability(softmax(logits / scale), labels)
        _reliability(grid[0, column], grid[1, column], found)
        grid[0, column].set_title(told, fontsize=11)
    grid[0, 0].set_ylabel("share of right answers")
    grid[1, 0].set_ylabel("share of clips")
    grid[0, 0].legend(loc="upper left", frameon=False, fontsize=9)
    _title(figure, "Is the network as often right as it is sure?", _told(reports))
    return figure


def curves_plot(
    losses: Mapping[str, Sequence[float]], rates: Sequence[float] | None = None
) -> "Figure":
    """Plot training loss by epoch, a line for each name, and the learning rate below.

    ``losses``: (epochs,) each, by name ("all subjects", "folds, seed 0"). ``rates``: (epochs,).
    """
    panels = 1 if rates is None else 2
    figure, grid = new_figure(
        8, 2 + 2 * panels, panels, height_ratios=(2, 1)[:panels], sharex=True, squeeze=False
    )
    above, below = grid[0, 0], grid[-1, 0]
    for number, (name, values) in enumerate(losses.items()):
        color = _PALETTE[number % len(_PALETTE)]
        above.plot(range(1, len(values) + 1), values, color=color, linewidth=2, label=name)
    above.set_ylabel("training loss")
    above.legend(loc="upper right", frameon=False, fontsize=9)
    if rates is not None:
        below.plot(range(1, len(rates) + 1), rates, color=GREY, linewidth=2)
        below.set_ylabel("learning rate")
        below.ticklabel_format(axis="y", style="sci", scilimits=(-3, 3))
    below.set_xlabel("epoch")
    for axes in (above, below):
        axes.set_ylim(bottom=0)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    epochs = max(len(values) for values in losses.values())
    _title(figure, "How training went", f"{epochs} epochs")
    return figure


def save_plot(figure: "Figure", path: Path) -> None:
    """Write a PNG, whole or not at all; raises `OutputError` where it cannot be written."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=_DPI)
    write_atomic(path, picture.getvalue())


def new_figure(
    width: float, height: float, rows: int = 1, columns: int = 1, **layout: Any
) -> tuple["Figure", Any]:
    """Return a figure of ``width`` x ``height`` inches without pyplot, and its axes."""
    figure = need("matplotlib.figure").Figure(figsize=(width, height))
    need("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, **layout)


def _title(figure: "Figure", title: str, told: str) -> None:
    """Add a title and lines of small print above the axes, and make room for them."""
    inch, below = 1 / figure.get_figheight(), 0.5 + 0.17 * len(told.splitlines())
    figure.text(0.5, 1 - 0.1 * inch, title, ha="center", va="top", fontsize=14, weight="bold")
    figure.text(0.5, 1 - 0.38 * inch, told, ha="center", va="top", fontsize=9.5, color=GREY)
    figure.set_layout_engine("constrained", rect=(0, 0, 1, 1 - below * inch))


def _told(reports: Sequence[LosoReport]) -> str:
    first = reports[0]
    return f"{first.network}, {len(first.labels)} clips, {protocol_caption(reports)}"


def _reliability(above: Any, below: Any, found: Reliability) -> None:
    edges: NDArray[np.float64] = np.arange(len(found.clips)) / len(found.clips)
    width = 1 / len(found.clips)
    full = found.clips > 0
    sure, right = found.confidence[full], found.accuracy[full]
    above.bar(edges[full], right, width, align="edge", color=BLUE, edgecolor="white")
    above.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="as sure as right")
    above.vlines(sure, right, sure, color=ORANGE, linewidth=2, label="gap")
    above.set_xlim(0, 1)
    above.set_ylim(0, 1)
    share = found.clips / found.clips.sum()
    below.bar(edges, share, width, align="edge", color=GREY, edgecolor="white")
    below.set_xlabel("probability of the answer")
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
