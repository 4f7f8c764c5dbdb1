"""What was spotted in long videos held against what happens in them.

Spotting follows MEGC (Li et al., "MEGC2022", ACM MM 2022, and its forerunners): a found event is a
hit where its span and a true one's overlap by half of their union; each true event counts once;
hits, false alarms and misses are summed over all videos before precision, recall and F1 are taken.
Spans are of time, from onset to offset. MEGC counts frames, both ends included, which makes its
overlaps greater by up to one frame; ours are the stricter ones at low frame rates.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from htnet.engine.errors import DataError, UsageError
from htnet.engine.types import CLASSES, NS_PER_MS, Decision, Event

if TYPE_CHECKING:
    from htnet.engine.synth.schedule.ground_truth import Truth

KINDS = ("micro", "macro")
SETS = (*KINDS, "both", "either")
"""Ways to count. "micro" and "macro": events of that kind alone, true and found. "both": the sum of
the two, as MEGC's overall score, in which a kind taken for the other is a miss and a false alarm.
"either": an event is an event, whatever its kind; of these the errors, delays and causes are."""

MISPLACED, DOUBLE, NONE = "misplaced", "double", "none"
"""Causes of false alarms that no disturbance explains: beside a true event but not half on it, on
one that another event was counted for, or nothing at all that is known of."""

MICRO_MS = 500.0
SHORT_MS = 100.0

_NEAR_NS = 100 * NS_PER_MS
_AMPLITUDES = (0.0, 0.5, 0.75, 1.0)
_DURATIONS = (0.0, SHORT_MS, 250.0, MICRO_MS)


@dataclass(frozen=True, slots=True)
class TrueEvent:
    """An expression that is there. ``label``: None where it is none of the three classes.
    ``apex_ns``, ``amplitude_px`` (px of the 140 px crop): None where they are not known."""

    kind: str
    label: str | None
    onset_ns: int
    apex_ns: int | None
    offset_ns: int
    amplitude_px: float | None = None


@dataclass(frozen=True, slots=True)
class Disturbance:
    """A span in which something else happens that moves pixels, as a blink."""

    name: str
    onset_ns: int
    offset_ns: int


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """An event that was told. ``told_ns``: when it was first told, ``final_ns``: when for the last
    time. ``score``: what the operating point is a cut of; higher is surer. ``rejected``: why it
    was not believed in the end, or None; ``decisions``: what each rule measured."""

    kind: str
    label: str
    onset_ns: int
    apex_ns: int
    offset_ns: int
    told_ns: int
    final_ns: int
    score: float
    rejected: str | None = None
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True)
class Video:
    """A video of ``seconds``, what happens in it and what was found. ``subject``: whom it shows,
    unique over all datasets; ``fps`` 0 where it is not known."""

    name: str
    subject: str
    seconds: float
    truth: tuple[TrueEvent, ...]
    found: tuple[FoundEvent, ...]
    disturbances: tuple[Disturbance, ...] = ()
    fps: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """A hit has both ``true`` and ``found``, a miss only the first, a false alarm the second.

    ``iou``: of a hit. ``cause``: of a miss, why a candidate that would have been a hit was
    rejected, or ""; of a false alarm, the disturbance that overlaps it most, or `MISPLACED`,
    `DOUBLE` or `NONE`. ``near``: the true event beside which a false alarm is misplaced or double.
    """

    video: Video
    true: TrueEvent | None
    found: FoundEvent | None
    iou: float = 0.0
    cause: str = ""
    near: TrueEvent | None = None


@dataclass(frozen=True, slots=True)
class SpottingScores:
    """Spotting and recognition of one of `SETS`.

    ``uf1`` and ``uar`` are the means over classes of F1 and recall, of the hits alone; ``f1_label``
    is the harmonic mean of the classes' mean precision and mean recall, and ``strs`` is ``f1`` times
    it: the spot-then-recognize score of MEGC, as its authors compute it (Liong, See and Chan, Signal
    Processing: Image Communication 110, 2023). A class counts that is there or was named anywhere,
    so one of which nothing was spotted counts 0. Hits whose true label is none of the classes are
    left out; an answer of "uncertain" or "neutral" is a wrong one.
    """

    events: int
    found: int
    hits: int
    precision: float
    recall: float
    f1: float
    uf1: float
    uar: float
    f1_label: float
    strs: float
    false_alarms_a_minute: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Of ``count`` errors or delays in ms: the median and the 95th percentile as they are, signed,
    and the median of their absolute values. NaN where there are none."""

    count: int
    median: float
    p95: float
    absolute: float


@dataclass(frozen=True, slots=True)
class Rejections:
    """Candidates that were rejected for one reason; ``wrongly``: so many of them would have been
    hits on events that were missed."""

    count: int
    wrongly: int


@dataclass(frozen=True, slots=True)
class Part:
    """The events of a bin: of ``occasion`` "amplitude" (micro, of 100 ms and more), "duration",
    "moment" (disturbed or not) or "frame rate".

    ``false_alarms``: those beside its own events, and of the others as large a share as its events
    have of all; those of a frame rate are its videos' own. ``f1`` is taken with them.
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
        """The share of its events that were spotted."""
        return self.hits / self.events if self.events else 0.0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How well a set of videos was spotted at one operating point.

    ``cut``: candidates of a lower score are passed over. ``scores`` by `SETS`; ``intervals``: 95%,
    of the fields of "either" that are rates, over subjects, empty for a single one. ``delay``: from the true apex to the first
    report; ``onset`` and ``apex``: found minus true. ``causes``: false alarms by cause, most
    frequent first. ``rejected`` by reason. ``taken_back``: events that were told at their apex and
    rejected in the end.
    """

    cut: float
    videos: int
    subjects: int
    minutes: float
    scores: Mapping[str, SpottingScores]
    intervals: Mapping[str, tuple[float, float]]
    delay: Spread
    onset: Spread
    apex: Spread
    causes: Mapping[str, int]
    rejected: Mapping[str, Rejections]
    taken_back: int
    parts: tuple[Part, ...]
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """The scores of "either" when events under ``cut`` are passed over."""

    cut: float
    precision: float
    recall: float
    f1: float
    false_alarms_a_minute: float


class _Span(Protocol):
    @property
    def onset_ns(self) -> int: ...
    @property
    def offset_ns(self) -> int: ...


def found_events(
    reports: Iterable[tuple[Event, int]],
    score: Callable[[Event], float] = lambda event: event.magnitude_px,
) -> tuple[FoundEvent, ...]:
    """The final events among (event, when it was told) of one video, in the order of their ends.

    An event keeps the time of its first report, provisional or not. One that never became final
    is left out: nothing was claimed of its span.
    """
    first: dict[int, int] = {}
    found = []
    for event, told_ns in reports:
        first.setdefault(event.id, told_ns)
        if event.stage == "final":
            found.append(
                FoundEvent(
                    kind=event.kind,
                    label=event.label,
                    onset_ns=event.onset_ns,
                    apex_ns=event.apex_ns,
                    offset_ns=event.offset_ns,
                    told_ns=first[event.id],
                    final_ns=told_ns,
                    score=score(event),
                    rejected=event.rejected,
                    decisions=event.decisions,
                )
            )
    return tuple(found)


def simulated(truth: "Truth") -> tuple[tuple[TrueEvent, ...], tuple[Disturbance, ...]]:
    """What happens in a simulated video, for a `Video`."""
    return tuple(
        TrueEvent(e.kind, e.label, e.onset_ns, e.apex_ns, e.offset_ns, e.amplitude_px)
        for e in truth.events
    ), tuple(Disturbance(d.name, d.start_ns, d.end_ns) for d in truth.disturbances)


def match(truth: Sequence[_Span], found: Sequence[_Span]) -> dict[int, int]:
    """Which found span hits which true one: index of the true to index of the found.

    One to one; of several that could be paired the greater overlap goes first, and the earlier
    span where they are the same, whatever order they are given in.
    """
    return _paired(_pairs(truth, found))


def outcomes(video: Video, cut: float = -np.inf) -> list[Outcome]:
    """Hits, misses and false alarms of a video, whatever their kinds, in the order of time."""
    truth, found = video.truth, _believed(video, cut)
    hits = match(truth, found)
    missed = [i for i in range(len(truth)) if i not in hits]
    candidates = [own for own in video.found if own.rejected is not None and own.score >= cut]
    turned_down = match([truth[i] for i in missed], candidates)
    reasons = {missed[i]: candidates[j].rejected or "" for i, j in turned_down.items()}
    told: list[tuple[int, Outcome]] = []
    for i, true in enumerate(truth):
        if i in hits:
            own = found[hits[i]]
            told.append((true.onset_ns, Outcome(video, true, own, iou=_iou(true, own))))
        else:
            told.append((true.onset_ns, Outcome(video, true, None, cause=reasons.get(i, ""))))
    taken = set(hits.values())
    for j, own in enumerate(found):
        if j not in taken:
            cause, near = _cause(video, own, hits)
            told.append((own.onset_ns, Outcome(video, None, own, cause=cause, near=near)))
    return [outcome for _, outcome in sorted(told, key=lambda pair: pair[0])]


def evaluate(videos: Sequence[Video], cut: float = -np.inf) -> Evaluation:
    """Everything that is measured of ``videos`` when candidates under ``cut`` are passed over.

    Raises `DataError` without videos, and for one that lasts no time.
    """
    _require(videos)
    told = [outcome for video in videos for outcome in outcomes(video, cut)]
    tallies = {kind: _tally(videos, cut, kind) for kind in (*KINDS, None)}
    sets = {**{kind: tallies[kind] for kind in KINDS}, "either": tallies[None]}
    sets["both"] = tallies["micro"].plus(tallies["macro"])
    hits = [(o.true, o.found) for o in told if o.true is not None and o.found is not None]
    alarms = [o.cause for o in told if o.true is None]
    turned_down = [
        own
        for video in videos
        for own in video.found
        if own.rejected is not None and own.score >= cut
    ]
    wrongly = Counter(o.cause for o in told if o.found is None and o.cause)
    reasons = Counter(own.rejected or "" for own in turned_down)
    return Evaluation(
        cut=cut,
        videos=len(videos),
        subjects=len({video.subject for video in videos}),
        minutes=sum(video.seconds for video in videos) / 60,
        scores={name: sets[name].scores() for name in SETS},
        intervals=_intervals(videos, sets["either"]),
        delay=_spread(own.told_ns - true.apex_ns for true, own in hits if true.apex_ns is not None),
        onset=_spread(own.onset_ns - true.onset_ns for true, own in hits),
        apex=_spread(own.apex_ns - true.apex_ns for true, own in hits if true.apex_ns is not None),
        causes=dict(Counter(alarms).most_common()),
        rejected={
            reason: Rejections(count, wrongly[reason]) for reason, count in reasons.most_common()
        },
        taken_back=sum(own.told_ns < own.final_ns for own in turned_down),
        parts=_parts(told),
        outcomes=tuple(told),
    )


def cuts(videos: Sequence[Video], count: int = 60) -> tuple[float, ...]:
    """At most ``count`` cuts worth trying: scores of what was found, from the lowest on, and one
    that passes everything over."""
    scores = sorted({own.score for video in videos for own in _believed(video, -np.inf)})
    if not scores:
        return (0.0,)
    kept = np.unique(np.linspace(0, len(scores) - 1, min(count - 1, len(scores))).astype(int))
    return (*(scores[i] for i in kept), float(np.nextafter(scores[-1], np.inf)))


def curve(videos: Sequence[Video], cuts: Iterable[float]) -> list[Point]:
    """Precision, recall and false alarms, whatever the kinds, by cut; lowest cut first.

    Raises `DataError` as `evaluate` does.
    """
    _require(videos)
    events = sum(len(video.truth) for video in videos)
    minutes = sum(video.seconds for video in videos) / 60
    believed = [_believed(video, -np.inf) for video in videos]
    pairs = [_pairs(video.truth, found) for video, found in zip(videos, believed, strict=True)]
    points = []
    for cut in sorted(set(cuts)):
        found = hits = 0
        for own, possible in zip(believed, pairs, strict=True):
            found += sum(one.score >= cut for one in own)
            hits += len(_paired([pair for pair in possible if own[pair[-1]].score >= cut]))
        rates = _rates(np.array([events, found, hits]), np.array(minutes))
        points.append(Point(cut, **{name: float(value) for name, value in rates.items()}))
    return points


def cut_for(points: Sequence[Point], false_alarms_per_minute: float) -> float:
    """The lowest cut of a curve from which on there are no more false alarms a minute than that.

    Raises `UsageError` where even the highest cut has more.
    """
    best: float | None = None
    for point in sorted(points, key=lambda point: -point.cut):
        if point.false_alarms_a_minute > false_alarms_per_minute:
            break
        best = point.cut
    if best is None:
        lowest = min((point.false_alarms_a_minute for point in points), default=np.nan)
        raise UsageError(
            f"expected an operating point with at most {false_alarms_per_minute:g} false alarms a "
            f"minute; the best measured has {lowest:.2f}: allow more."
        )
    return best


@dataclass(frozen=True, slots=True, eq=False)
class _Tally:
    """Counts of a set by subject. ``counts``: (S, 3), of true events, found ones and hits.
    ``table``: (S, C, C + 1), the hits by true class and answer, the last column for any other.
    ``minutes``: (S,). ``named``: (C,), whether the class is there or was answered at all."""

    counts: NDArray[np.int64]
    table: NDArray[np.int64]
    minutes: NDArray[np.float64]
    named: NDArray[np.bool_]

    def plus(self, other: "_Tally") -> "_Tally":
        """Both sets' events, of the same videos."""
        return _Tally(
            self.counts + other.counts,
            self.table + other.table,
            self.minutes,
            self.named | other.named,
        )

    def figures(self, times: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
        """The rates of `SpottingScores` by name, (...), with each subject taken ``times`` (..., S)."""
        rates = _rates(times @ self.counts, times @ self.minutes)
        named = _named_rates(np.tensordot(times, self.table, axes=1), self.named)
        return {**rates, **named, "strs": rates["f1"] * named["f1_label"]}

    def scores(self) -> SpottingScores:
        """Of all subjects, each once."""
        events, found, hits = self.counts.sum(axis=0)
        figures = self.figures(np.ones(len(self.counts), np.int64))
        rates = {name: float(value) for name, value in figures.items()}
        return SpottingScores(int(events), int(found), int(hits), **rates)


def _tally(videos: Sequence[Video], cut: float, kind: str | None) -> _Tally:
    """Of the events of one kind, or of all of them as if they were of one."""
    people = {name: row for row, name in enumerate(dict.fromkeys(v.subject for v in videos))}
    classes = {name: column for column, name in enumerate(CLASSES)}
    counts = np.zeros((len(people), 3), np.int64)
    table = np.zeros((len(people), len(CLASSES), len(CLASSES) + 1), np.int64)
    minutes = np.zeros(len(people))
    labels: set[str | None] = set()
    for video in videos:
        row = people[video.subject]
        truth = [true for true in video.truth if kind in (None, true.kind)]
        found = [own for own in _believed(video, cut) if kind in (None, own.kind)]
        hits = match(truth, found)
        counts[row] += (len(truth), len(found), len(hits))
        minutes[row] += video.seconds / 60
        labels |= {true.label for true in truth} | {own.label for own in found}
        for i, j in hits.items():
            label = truth[i].label
            if label in classes:
                table[row, classes[label], classes.get(found[j].label, -1)] += 1
    return _Tally(counts, table, minutes, np.array([name in labels for name in CLASSES]))


def _rates(
    counts: NDArray[np.int64], minutes: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Rates (...) of counts (..., 3) of true events, found ones and hits."""
    events, found, hits = np.moveaxis(counts, -1, 0)
    return {
        "precision": hits / np.maximum(found, 1),
        "recall": hits / np.maximum(events, 1),
        "f1": 2 * hits / np.maximum(events + found, 1),
        "false_alarms_a_minute": (found - hits) / minutes,
    }


def _named_rates(
    table: NDArray[np.int64], named: NDArray[np.bool_]
) -> dict[str, NDArray[np.float64]]:
    """Rates (...) of answers (..., C, C + 1), over the classes that are ``named``."""
    square = table[..., :-1]
    right = np.diagonal(square, axis1=-2, axis2=-1)
    true, said = table.sum(axis=-1), square.sum(axis=-2)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((values * named).sum(axis=-1) / max(int(named.sum()), 1), np.float64)

    precision, recall = mean(right / np.maximum(said, 1)), mean(right / np.maximum(true, 1))
    return {
        "uf1": mean(2 * right / np.maximum(true + said, 1)),
        "uar": recall,
        "f1_label": 2 * precision * recall / np.maximum(precision + recall, 1e-12),
    }


def _intervals(
    videos: Sequence[Video], tally: _Tally, draws: int = 2000
) -> dict[str, tuple[float, float]]:
    """Percentile intervals as of `metrics.bootstrap`: whole subjects drawn with replacement."""
    people = len(tally.counts)
    if people < 2:
        return {}
    share = np.full(people, 1 / people)
    times = np.random.default_rng(0).multinomial(people, share, size=draws)
    found = tally.figures(times)
    bounds = {name: np.quantile(values, [0.025, 0.975]) for name, values in found.items()}
    return {name: (float(low), float(high)) for name, (low, high) in bounds.items()}


def _parts(told: Sequence[Outcome]) -> tuple[Part, ...]:
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
    return Part(occasion, name, len(own), len(hits), false_alarms, f1, _spread(delays))


def _within(
    measure: Callable[[TrueEvent], float | None], low: float, high: float
) -> Callable[[Video, TrueEvent], bool]:
    def inside(video: Video, true: TrueEvent) -> bool:
        value = measure(true)
        return value is not None and low <= value < high

    return inside


def _amplitude(true: TrueEvent) -> float | None:
    """Of micro events that are not short: what the others' F1 hangs on is not how far they move."""
    return true.amplitude_px if SHORT_MS <= _duration(true) <= MICRO_MS else None


def _duration(true: TrueEvent) -> float:
    return (true.offset_ns - true.onset_ns) / NS_PER_MS


def _disturbed(video: Video, true: TrueEvent) -> bool:
    return any(_overlap(true, other)[0] > 0 for other in video.disturbances)


def _edges(bounds: Sequence[float]) -> list[tuple[float, float]]:
    return list(zip(bounds, (*bounds[1:], np.inf), strict=True))


def _range(low: float, high: float, unit: str) -> str:
    if low == 0:
        return f"under {high:g} {unit}"
    return f"{low:g} {unit} and above" if high == np.inf else f"{low:g} to {high:g} {unit}"


def _cause(video: Video, own: FoundEvent, hits: Mapping[int, int]) -> tuple[str, TrueEvent | None]:
    beside = [(_overlap(true, own)[0], i) for i, true in enumerate(video.truth)]
    shared, i = max(beside, default=(0, 0))
    if shared > 0:
        return (DOUBLE if i in hits else MISPLACED), video.truth[i]
    # What moves pixels leaves its mark in the smoothed motion for a moment.
    around = Disturbance("", own.onset_ns - _NEAR_NS, own.offset_ns + _NEAR_NS)
    others = [(_overlap(other, around)[0], other.name) for other in video.disturbances]
    shared, name = max(others, default=(0, NONE))
    return (name if shared > 0 else NONE), None


def _believed(video: Video, cut: float) -> list[FoundEvent]:
    return [own for own in video.found if own.rejected is None and own.score >= cut]


def _pairs(truth: Sequence[_Span], found: Sequence[_Span]) -> list[tuple[float, int, int, int]]:
    """(IoU below 0, onset of the true, its index, the found's index) of all possible hits, best
    first."""
    pairs = []
    for i, true in enumerate(truth):
        for j, own in enumerate(found):
            shared, union = _overlap(true, own)
            if shared > 0 and 2 * shared >= union:  # half exactly is a hit, and integers are exact
                pairs.append((-shared / union, true.onset_ns, own.onset_ns, i, j))
    return [(iou, onset, i, j) for iou, onset, _, i, j in sorted(pairs)]


def _paired(pairs: Iterable[tuple[float, int, int, int]]) -> dict[int, int]:
    hits: dict[int, int] = {}
    taken: set[int] = set()
    for *_, i, j in pairs:
        if i not in hits and j not in taken:
            hits[i] = j
            taken.add(j)
    return hits


def _iou(a: _Span, b: _Span) -> float:
    shared, union = _overlap(a, b)
    return shared / union


def _overlap(a: _Span, b: _Span) -> tuple[int, int]:
    """Intersection, 0 at the least, and union of two spans in ns, the gap between them included."""
    shared = min(a.offset_ns, b.offset_ns) - max(a.onset_ns, b.onset_ns)
    return max(shared, 0), max(a.offset_ns, b.offset_ns) - min(a.onset_ns, b.onset_ns)


def _spread(values_ns: Iterable[int]) -> Spread:
    values = np.array(list(values_ns), np.float64) / NS_PER_MS
    if not len(values):
        return Spread(0, np.nan, np.nan, np.nan)
    median, p95 = np.quantile(values, [0.5, 0.95])
    return Spread(len(values), float(median), float(p95), float(np.median(np.abs(values))))


def _require(videos: Sequence[Video]) -> None:
    if not videos:
        raise DataError("expected videos to score; got none: give a folder or a plan with some.")
    if empty := [video.name for video in videos if video.seconds <= 0]:
        raise DataError(
            f"expected videos that last; got {empty[0]} of no length: take it out, or look whether "
            "its pictures can be read."
        )
