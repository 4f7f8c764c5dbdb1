"""The curve of motion over a video, as SVG."""

import io
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from htnet.calib.analysis.config import Row
from htnet.engine.types import F64, Tick

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS: Final = {
    "negative": "#d55e00",
    "positive": "#0072b2",
    "surprise": "#c79500",
    "uncertain": "#9d5c8a",
}
"""Label -> colour by Okabe and Ito, dark enough for white paper."""

_POINTS = 1200  # of a row; between them the least and the most are drawn
_SHORTEST_S, _MOST_ROWS = 30.0, 12
_NUMBERS = 40  # of events that have room in a row
_LOW, _HIGH = 0.1, 4.0  # of the axis, in thresholds
_GREY = "#707070"


class MotionCourse:
    """Motion of every frame as a multiple of its threshold; NaN without a face.

    Takes 16 bytes a frame.
    """

    def __init__(self) -> None:
        self._times = array("d")
        self._levels = array("d")

    def take(self, tick: Tick) -> None:
        """Add the motion of a Tick."""
        motion = tick.motion
        self._times.append(tick.frame.t_ns / 1e9)
        self._levels.append(float("nan") if motion is None else motion.magnitude / motion.threshold)

    @property
    def times(self) -> F64:
        """Times (N,) of the frames, s."""
        return np.array(self._times, np.float64)

    @property
    def levels(self) -> F64:
        """Motion (N,) in thresholds."""
        return np.array(self._levels, np.float64)


def thinned(times: F64, levels: F64, points: int = _POINTS) -> tuple[F64, F64]:
    """Return at most 2 x ``points`` of a curve (N,): the least and the most of each part, in order.

    Parts without any motion give NaN, a gap.
    """
    if len(times) <= 2 * points:
        return times, levels
    parts = np.array_split(np.arange(len(times)), points)
    kept: list[int] = []
    for part in parts:
        known = part[~np.isnan(levels[part])]
        if not known.size:
            kept.append(int(part[0]))
            continue
        ends = {int(known[levels[known].argmin()]), int(known[levels[known].argmax()])}
        kept += sorted(ends)
    return times[kept], levels[kept]


def motion_svg(course: MotionCourse, events: Sequence[Row]) -> str:
    """Return the curve as SVG, in rows of at least 30 s, with the numbered spans of ``events``.

    ``events``: rows in order of time; rejected ones, first, are marked below, without a number.
    """
    from matplotlib.figure import Figure

    times, levels = course.times, course.levels
    start, end = float(times[0]), float(times[-1])
    each = max(_SHORTEST_S, (end - start) / _MOST_ROWS)
    rows = max(1, int(np.ceil((end - start) / each - 1e-9)))
    each = (end - start) / rows if rows > 1 else max(end - start, 1e-3)
    figure = Figure(figsize=(10, 0.6 + 1.75 * rows), layout="constrained")
    grid: Any = figure.subplots(rows, 1, squeeze=False)
    known = levels[~np.isnan(levels)]
    high = max(_HIGH, 1.3 * float(known.max())) if known.size else _HIGH
    for number, axes in enumerate(grid[:, 0]):
        first = start + number * each
        _row(axes, times, levels, (first, first + each), events)
        axes.set_ylim(_LOW, high)
        _ticks(axes, high)
    grid[-1, 0].set_xlabel("time in the video, minutes:seconds")
    return _svg(figure)


def _row(
    axes: "Axes", times: F64, levels: F64, span: tuple[float, float], events: Sequence[Row]
) -> None:
    inside = (times >= span[0]) & (times <= span[1])
    shown, level = thinned(times[inside], levels[inside])
    axes.set_yscale("log")
    axes.axhline(1, color=_GREY, linestyle="--", linewidth=1)
    axes.plot(shown, np.maximum(level, _LOW), color="#202020", linewidth=1)
    free = span[0]  # from here on a number has room
    for event in events:
        onset, offset = event["onset_ms"] / 1e3, event["offset_ms"] / 1e3
        if offset < span[0] or onset > span[1]:
            continue
        if event["rejected"] is not None:
            axes.axvspan(onset, offset, 0, 0.04, color=_GREY, alpha=0.5, linewidth=0)
            continue
        colour = COLOURS.get(event["label"], _GREY)
        axes.axvspan(onset, offset, color=colour, alpha=0.25, linewidth=0.8)
        middle = min(max((onset + offset) / 2, span[0]), span[1])
        if middle < free:
            continue
        free = middle + (span[1] - span[0]) / _NUMBERS
        axes.text(
            middle,
            1.02,
            str(event["number"]),
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=10,
            weight="bold",
            color=colour,
        )
    axes.set_xlim(*span)
    axes.spines[["top", "right"]].set_visible(False)


def _ticks(axes: "Axes", high: float) -> None:
    from matplotlib.ticker import FuncFormatter, NullLocator

    marks = [mark for mark in (0.25, 1, 4, 16, 64) if mark <= high]
    axes.set_yticks(marks, ["the limit" if mark == 1 else f"{mark:g} times" for mark in marks])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: clock(at)))


def clock(seconds: float, digits: int = 0) -> str:
    """Return a time as minutes and seconds, such as 1:05; ``digits``: after the point."""
    whole = round(seconds, digits)
    width = 2 if not digits else 3 + digits
    text = f"{int(whole // 60)}:{whole % 60:0{width}.{digits}f}"
    if not digits and seconds != whole:  # a tick between two seconds
        return f"{int(seconds // 60)}:{seconds % 60:04.1f}"
    return text


def _svg(figure: Any) -> str:
    from matplotlib import rc_context

    text = io.StringIO()
    # Text as text: small, found by a search, and read out. No date, so that files compare.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "htnet"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]
