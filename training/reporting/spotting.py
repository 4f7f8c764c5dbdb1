"""Reports of spotting: JSON row, CSV table of events, terminal tables and plots."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich import box
from rich.table import Table

from htnet.engine.files import plain, require_folder, write_json, write_text
from htnet.engine.types import NS_PER_MS
from htnet.training.reporting.plots import BLUE, GREY, ORANGE, new_figure, save_plot
from htnet.training.spotting.curve import Point
from htnet.training.spotting.records import FoundEvent, Outcome, TrueEvent
from htnet.training.spotting.scoring import SETS, Evaluation, SpottingScores

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_COLUMNS = (
    "video",
    "subject",
    "fps",
    "outcome",
    "iou",
    "cause",
    "kind",
    "label",
    "onset_ms",
    "apex_ms",
    "offset_ms",
    "amplitude_px",
    "found_kind",
    "found_label",
    "found_onset_ms",
    "found_apex_ms",
    "found_offset_ms",
    "told_ms",
    "score",
)


def spotting_row(evaluation: Evaluation, points: Sequence[Point] = ()) -> dict[str, object]:
    """Return the JSON row of ``htnet evaluate live --json``; times in ms, missing numbers null.

    "cut" is null where no candidate was ignored for its score. The rates of a set without a true
    event are null, but for that of false alarms. "curve" has a row for each of ``points``.
    """
    own = evaluation
    row: dict[str, object] = plain(
        {
            "v": 1,
            "cut": own.cut,
            "videos": own.videos,
            "subjects": own.subjects,
            "minutes": own.minutes,
            "scores": {name: _rates(scores) for name, scores in own.scores.items()},
            "interval": {name: list(ends) for name, ends in own.intervals.items()} or None,
            "delay_ms": asdict(own.delay),
            "onset_error_ms": asdict(own.onset),
            "apex_error_ms": asdict(own.apex),
            "false_alarms": dict(own.causes),
            "false_alarms_a_minute": {
                cause: count / own.minutes for cause, count in own.causes.items()
            },
            "rejected": {reason: asdict(found) for reason, found in own.rejected.items()},
            "taken_back": own.taken_back,
            "parts": [{**asdict(part), "recall": part.recall} for part in own.parts],
            "curve": [asdict(point) for point in points],
        }
    )
    return row


def spotting_csv(evaluation: Evaluation) -> str:
    """Return a CSV table with a line for every hit, miss and false alarm; times in ms."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(_line(outcome) for outcome in evaluation.outcomes)
    return text.getvalue()


def spotting_tables(evaluation: Evaluation) -> list[Table]:
    """Return tables of at most 80 columns: scores, times, false alarms, rejections, parts."""
    tables = [_scores(evaluation), _times(evaluation)]
    if evaluation.causes:
        tables.append(_causes(evaluation))
    if evaluation.rejected:
        tables.append(_rejected(evaluation))
    if evaluation.parts:
        tables.append(_parts(evaluation))
    return tables


def curve_plot(points: Sequence[Point], cut: float | None = None) -> "Figure":
    """Plot F1, precision and recall by cut, and false alarms a minute below.

    ``cut``: the operating point in use, marked by a line.
    """
    figure, (above, below) = new_figure(8, 6.4, 2, sharex=True, height_ratios=(3, 2))
    figure.set_layout_engine("constrained")
    at = [point.cut for point in points]
    for name, told, color in (
        ("f1", "F1", BLUE),
        ("precision", "precision", GREY),
        ("recall", "recall", ORANGE),
    ):
        # Precision is undefined where nothing is found, so the line ends there.
        values = [
            math.nan
            if name == "precision" and not point.recall and not point.false_alarms_a_minute
            else getattr(point, name)
            for point in points
        ]
        above.plot(at, values, color=color, linewidth=2.5 if name == "f1" else 1.5, label=told)
    alarms = [point.false_alarms_a_minute for point in points]
    below.plot(at, alarms, color=BLUE, linewidth=2)
    below.axhline(1, color=GREY, linestyle="--", linewidth=1)
    below.annotate(
        "1 a minute",
        (1, 1),
        (-4, 3),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right",
        fontsize=9,
        color=GREY,
    )
    above.set_ylim(0, 1.02)
    above.set_ylabel("spotting, IoU 0.5")
    # Logarithmic, and linear near 0, so that no false alarms can be shown.
    below.set_yscale("symlog", linthresh=0.1)
    below.set_ylim(0, max(1.5, 1.2 * max(alarms, default=0)))
    below.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    below.set_ylabel("false alarms a minute")
    below.set_xlabel("operating point: candidates of a lower score are passed over")
    for axes in (above, below):
        if cut is not None and math.isfinite(cut):
            axes.axvline(cut, color="black", linewidth=1, linestyle=":", label="in use")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    above.legend(loc="upper center", bbox_to_anchor=(0.5, 1.13), ncols=4, frameon=False)
    figure.suptitle("What the operating point buys", fontsize=14, weight="bold")
    return figure


def delay_plot(evaluation: Evaluation) -> "Figure":
    """Plot a histogram of the delays from true apex to first report of the hits, 20 ms a bin."""
    delays = _delays(evaluation)
    figure, axes = new_figure(8, 4.2)
    figure.set_layout_engine("constrained")
    if delays:
        low = 20 * math.floor(min(delays) / 20)
        bins = np.arange(low, max(delays) + 20.001, 20)
        axes.hist(delays, bins, color=BLUE, edgecolor="white")
        for value, told, style in (
            (evaluation.delay.median, "median", "-"),
            (evaluation.delay.p95, "95th percentile", "--"),
        ):
            label = f"{told} {value:.0f} ms"
            axes.axvline(value, color=ORANGE, linewidth=2, linestyle=style, label=label)
        axes.legend(frameon=False)
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("first report after the true apex, ms")
    axes.set_ylabel("events")
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"When {len(delays)} events were told", fontsize=14, weight="bold")
    return figure


def write_spotting(
    path: Path,
    evaluation: Evaluation,
    points: Sequence[Point] = (),
    more: Mapping[str, object] | None = None,
) -> list[Path]:
    """Write ``path`` (JSON) and beside it a CSV table of events and two PNG plots.

    ``points``: of the operating curve, which is not plotted without any. ``more``: further fields
    of the JSON. Returns the files written. Raises `OutputError` where one cannot be written,
    `DependencyError` without matplotlib.
    """
    require_folder(path.parent)
    pictures = {"delay": delay_plot(evaluation)}
    if points:
        pictures["curve"] = curve_plot(points, evaluation.cut)
    written = [path, path.with_name(f"{path.stem}-events.csv")]
    write_json(path, spotting_row(evaluation, points) | dict(more or {}))
    write_text(written[1], spotting_csv(evaluation))
    for name, figure in pictures.items():
        written.append(path.with_name(f"{path.stem}-{name}.png"))
        save_plot(figure, written[-1])
    return written


def _rates(scores: SpottingScores) -> dict[str, object]:
    kept = {"events", "found", "hits", "false_alarms_a_minute"}
    return {
        name: value if scores.events or name in kept else None
        for name, value in asdict(scores).items()
    }


def _scores(own: Evaluation) -> Table:
    at = "every candidate" if not math.isfinite(own.cut) else f"scores of {own.cut:.3g} and above"
    table = Table(
        title=f"{own.videos} videos of {own.subjects} people, {own.minutes:.1f} min, {at}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    names = ("events", "hits", "false", "prec.", "recall", "F1", "UF1", "UAR", "STRS", "a min.")
    table.add_column("kind", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for name in SETS:
        scores = own.scores[name]
        rates = (scores.precision, scores.recall, scores.f1, scores.uf1, scores.uar, scores.strs)
        table.add_row(
            name,
            *map(str, (scores.events, scores.hits, scores.found - scores.hits)),
            *(f"{rate:.3f}" if scores.events else "-" for rate in rates),
            f"{scores.false_alarms_a_minute:.2f}",
        )
    if own.intervals:
        told = [
            f"{title} {own.intervals[name][0]:.3f} to {own.intervals[name][1]:.3f}"
            for name, title in (
                ("f1", "F1"),
                ("strs", "STRS"),
                ("false_alarms_a_minute", "false a min."),
            )
        ]
        table.caption = f"either kind, 95% over people:\n{', '.join(told)}"
        table.caption_justify = "left"
    return table


def _times(own: Evaluation) -> Table:
    table = _table("ms, of the hits", "", "count", "median", "95%", "median, unsigned")
    for name, spread in (
        ("apex to first report", own.delay),
        ("onset, found - true", own.onset),
        ("apex, found - true", own.apex),
    ):
        values = (spread.median, spread.p95, spread.absolute)
        table.add_row(name, str(spread.count), *(_ms(value) for value in values))
    return table


def _causes(own: Evaluation) -> Table:
    table = _table("false alarms by cause", "", "count", "a minute")
    for cause, count in own.causes.items():
        table.add_row(cause, str(count), f"{count / own.minutes:.2f}")
    return table


def _rejected(own: Evaluation) -> Table:
    title = f"candidates rejected\n{own.taken_back} of them were told at the apex"
    table = _table(title, "reason", "count", "wrongly")
    for reason, found in own.rejected.items():
        table.add_row(reason, str(found.count), str(found.wrongly))
    return table


def _parts(own: Evaluation) -> Table:
    table = _table("where", "", "", "events", "hits", "recall", "F1", "delay, ms")
    table.columns[1].justify = "left"
    last = ""
    for part in own.parts:
        if last and part.occasion != last:
            table.add_section()
        table.add_row(
            "" if part.occasion == last else part.occasion,
            part.name,
            str(part.events),
            str(part.hits),
            f"{part.recall:.3f}",
            f"{part.f1:.3f}",
            _ms(part.delay.median),
        )
        last = part.occasion
    return table


def _table(title: str, *names: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False)
    for place, name in enumerate(names):
        table.add_column(name, justify="right" if place else "left", no_wrap=True)
    return table


def _ms(value: float) -> str:
    return "-" if math.isnan(value) else str(round(value))


def _line(outcome: Outcome) -> list[object]:
    true, found = outcome.true, outcome.found
    hit = true is not None and found is not None
    return [
        outcome.video.name,
        outcome.video.subject,
        _cell(outcome.video.fps or None),
        "hit" if hit else "miss" if found is None else "false alarm",
        _cell(outcome.iou if hit else None),
        outcome.cause,
        *_span(true),
        _cell(true.amplitude_px if true is not None else None),
        *_span(found),
        _cell(None if found is None else found.told_ns / NS_PER_MS),
        _cell(None if found is None else found.score),
    ]


def _span(event: TrueEvent | FoundEvent | None) -> list[object]:
    if event is None:
        return [""] * 5
    times = (event.onset_ns, event.apex_ns, event.offset_ns)
    told = (None if time is None else time / NS_PER_MS for time in times)
    return [event.kind, event.label or "", *map(_cell, told)]


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}".rstrip("0").rstrip(".")


def _delays(own: Evaluation) -> list[float]:
    return [
        (o.found.told_ns - o.true.apex_ns) / NS_PER_MS
        for o in own.outcomes
        if o.found is not None and o.true is not None and o.true.apex_ns is not None
    ]
