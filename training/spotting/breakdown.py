"""Spotting scores broken down by amplitude, duration, moment and frame rate."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from htnet.engine.event_matching import overlap_ns
from htnet.engine.types import NS_PER_MS
from htnet.training.spotting.records import Outcome, TrueEvent, Video

MICRO_MS = 500.0
SHORT_MS = 100.0

_AMPLITUDES = (0.0, 0.5, 0.75, 1.0)
_DURATIONS = (0.0, SHORT_MS, 250.0, MICRO_MS)


@dataclass(frozen=True, slots=True)
class Spread:
    """Statistics of ``count`` errors or delays in ms; NaN where ``count`` is 0.

    ``median`` and ``p95`` (95th percentile): of the signed values. ``absolute``: median of the
    absolute values.
    """

    count: int
    median: float
    p95: float
    absolute: float


@dataclass(frozen=True, slots=True)
class Part:
    """Scores of the true events in one bin.

    ``occasion``: "amplitude" (micro-expressions of 100 ms and more), "duration", "moment"
    (disturbed or quiet) or "frame rate". ``false_alarms``: those beside the bin's own events, plus
    the share of all others that its events have of all events; of a frame rate, those of its
    videos. ``f1`` is computed with them.
    """

    occasion: str
    name: str
    events: int
    hits: int
    false_alarms: float
    f1: float
    delay: Spread

    @property
    def recall(self) -> float:
        """Share of the bin's events that were spotted."""
        return self.hits / self.events if self.events else 0.0


def parts_of(told: Sequence[Outcome]) -> tuple[Part, ...]:
    """Return the scores of every bin that holds true events."""
    bins: dict[tuple[str, str], Callable[[Video, TrueEvent], bool]] = {}
    for low, high in _edges(_AMPLITUDES):
        bins["amplitude", _range(low, high, "px")] = _within(_amplitude, low, high)
    for low, high in _edges(_DURATIONS):
        bins["duration", _range(low, high, "ms")] = _within(_duration, low, high)
    bins["moment", "quiet"] = lambda video, true: not _disturbed(video, true)
    bins["moment", "disturbed"] = _disturbed
    parts = [_part(told, *name, inside) for name, inside in bins.items()]
    for fps in sorted({round(o.video.fps) for o in told if o.video.fps > 0}):
        own = [o for o in told if round(o.video.fps) == fps]
        parts.append(_part(own, "frame rate", f"{fps} fps", lambda video, true: True))
    return tuple(part for part in parts if part.events)


def spread(values_ns: Iterable[int]) -> Spread:
    """Return the statistics of times in ns."""
    values = np.array(list(values_ns), np.float64) / NS_PER_MS
    if not len(values):
        return Spread(0, np.nan, np.nan, np.nan)
    median, p95 = np.quantile(values, [0.5, 0.95])
    return Spread(len(values), float(median), float(p95), float(np.median(np.abs(values))))


def _part(
    told: Sequence[Outcome],
    occasion: str,
    name: str,
    inside: Callable[[Video, TrueEvent], bool],
) -> Part:
    own = [o for o in told if o.true is not None and inside(o.video, o.true)]
    hits = [(o.true, o.found) for o in own if o.true is not None and o.found is not None]
    alarms = [o for o in told if o.true is None]
    beside = sum(o.near is not None and inside(o.video, o.near) for o in alarms)
    apart = sum(o.near is None for o in alarms)
    share = len(own) / max(sum(o.true is not None for o in told), 1)
    false_alarms = beside + share * apart
    whole = len(own) + len(hits) + false_alarms
    delays = (o.told_ns - true.apex_ns for true, o in hits if true.apex_ns is not None)
    f1 = 2 * len(hits) / whole if own else 0.0
    return Part(occasion, name, len(own), len(hits), false_alarms, f1, spread(delays))


def _within(
    measure: Callable[[TrueEvent], float | None], low: float, high: float
) -> Callable[[Video, TrueEvent], bool]:
    def inside(video: Video, true: TrueEvent) -> bool:
        value = measure(true)
        return value is not None and low <= value < high

    return inside


def _amplitude(true: TrueEvent) -> float | None:
    """Amplitude of a micro-expression of 100 ms and more, else None.

    The F1 of other events depends on their duration rather than on their amplitude.
    """
    return true.amplitude_px if SHORT_MS <= _duration(true) <= MICRO_MS else None


def _duration(true: TrueEvent) -> float:
    return (true.offset_ns - true.onset_ns) / NS_PER_MS


def _disturbed(video: Video, true: TrueEvent) -> bool:
    return any(overlap_ns(true, other)[0] > 0 for other in video.disturbances)


def _edges(bounds: Sequence[float]) -> list[tuple[float, float]]:
    return list(zip(bounds, (*bounds[1:], np.inf), strict=True))


def _range(low: float, high: float, unit: str) -> str:
    if low == 0:
        return f"under {high:g} {unit}"
    return f"{low:g} {unit} and above" if high == np.inf else f"{low:g} to {high:g} {unit}"
