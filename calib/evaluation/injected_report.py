"""What was found of injected movements: tables for people, one row for programs."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from htnet.calib.evaluation.injected import BLINK, TURN, ClipLook, Injection, JudgedPass
from htnet.engine.types import NS_PER_MS
from htnet.training.files import plain, write_json
from htnet.training.spotting import KINDS, Disturbance, FoundEvent, TrueEvent, Video, match

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

MICRO, MACRO = (f"injected {kind}" for kind in KINDS)
SPEAKING = "speaking clip"
THERE = (MICRO, MACRO, BLINK, SPEAKING, TURN)
"""What can be there."""
TOLD = ("micro", "macro", "beside", "blink", "speech", "head turn", "other", "nothing")
"""What can be told of it: a believed event of either kind; a believed one that covers the movement
by less than half ("beside"); the reason for which a candidate was rejected; nothing at all."""
_REASONS = ("blink", "speech", "head turn")
_NEAR_NS = 100 * NS_PER_MS
_COUNTED = 4  # sizes of which a line of 80 columns holds the counts too


@dataclass(frozen=True, slots=True)
class Share:
    """``found`` of ``count``."""

    found: int
    count: int

    @property
    def rate(self) -> float:
        """NaN of none."""
        return self.found / self.count if self.count else math.nan


@dataclass(frozen=True, slots=True)
class Errors:
    """Of ``count`` times in ms: median, median of the absolute values, and 95th percentile (of the
    absolute values for errors, as they are for delays). NaN where there are none."""

    count: int
    median: float
    absolute: float
    p95: float


@dataclass(frozen=True, slots=True)
class ClipScores:
    """One clip, or all. ``recall`` by amplitude in px, of micro-expressions told as micro at IoU
    0.5; ``macro_recall`` the same of macro-expressions. ``minutes``: without the movements.
    ``alarms_a_minute``: by kind, of believed events there that touch no movement. ``beside``:
    believed events on a movement that were not counted as finding it."""

    name: str
    speaking: bool
    minutes: float
    recall: Mapping[float, Share]
    macro_recall: Share
    alarms_a_minute: Mapping[str, float]
    beside: int


@dataclass(frozen=True, slots=True)
class InjectedScores:
    """All that is measured. ``neutral``: all neutral clips together. ``delay``: from the true apex
    to the first report; ``onset`` and ``apex``: found minus true; of the micro-expressions found.
    ``rejected``: by reason, how many candidates, and how many of them were on a movement (IoU 0.5)
    that was not found. ``told``: of each of `THERE`, how often each of `TOLD`."""

    clips: tuple[ClipScores, ...]
    neutral: ClipScores
    onset: Errors
    apex: Errors
    delay: Errors
    rejected: Mapping[str, Share]
    told: Mapping[str, Mapping[str, int]]


def score_injected(passes: Sequence[JudgedPass]) -> InjectedScores:
    """The scores of all passes, each clip by itself and the neutral ones together."""
    names = dict.fromkeys((each.clip, each.speaking) for each in passes)
    clips = [
        _clip(name, speaking, [p.video for p in passes if (p.clip, p.speaking) == (name, speaking)])
        for name, speaking in names
    ]
    neutral = [each.video for each in passes if not each.speaking]
    hits = [pair for video in neutral for pair in _hits(video, "micro")]
    return InjectedScores(
        clips=tuple(clips),
        neutral=_clip("all neutral clips", False, neutral),
        onset=_errors((own.onset_ns - true.onset_ns for true, own in hits), signed=True),
        apex=_errors((own.apex_ns - _apex(true) for true, own in hits), signed=True),
        delay=_errors((own.told_ns - _apex(true) for true, own in hits), signed=False),
        rejected=_rejected(neutral),
        told=_told(passes),
    )


def injected_row(injection: Injection, scores: InjectedScores) -> dict[str, Any]:
    """What ``htnet evaluate live --inject ... --json`` writes: scores, and every pass with its
    truth and what was told of it. Times in ms; numbers that are not there null."""
    plan = injection.config.plan
    row: dict[str, Any] = {
        "v": 1,
        "plan": asdict(plan),
        "movements": "muscles" if injection.config.movements is None else "published",
        "seeds": injection.config.seeds,
        "clips": [
            asdict(look) | _clip_row(own)
            for look, own in zip(injection.looks, scores.clips, strict=True)
        ],
        "neutral": _clip_row(scores.neutral),
        "onset_error_ms": asdict(scores.onset),
        "apex_error_ms": asdict(scores.apex),
        "delay_ms": asdict(scores.delay),
        "rejected": {
            reason: {"count": own.count, "on_movements": own.found}
            for reason, own in scores.rejected.items()
        },
        "told": {there: dict(row) for there, row in scores.told.items()},
        "passes": [_pass_row(each) for each in injection.passes],
    }
    told: dict[str, Any] = plain(row)
    return told


def write_injected(path: Path, injection: Injection, scores: InjectedScores) -> None:
    """`injected_row` as a JSON file."""
    write_json(path, injected_row(injection, scores))


def injected_tables(injection: Injection, scores: InjectedScores) -> "list[Group]":
    """Tables of at most 80 columns."""
    return [
        _recall_table(scores),
        _alarms_table(injection.looks, scores),
        _times_table(scores),
        _rejected_table(scores),
        _told_table(scores),
    ]


def _recall_table(scores: InjectedScores) -> "Group":
    from rich.table import Table

    neutral = [own for own in scores.clips if not own.speaking]
    sizes = sorted(scores.neutral.recall)
    few = len(sizes) <= _COUNTED
    heads = [f"{size:g} px" if few else f"{size:g}" for size in sizes]
    table = _table(Table, f"found at IoU 0.5{'' if few else ', px'}", *heads, "macro")
    for own in (*neutral, scores.neutral):
        if own is scores.neutral:
            table.add_section()
        cells = [_share(own.recall.get(size, Share(0, 0)), counted=few) for size in sizes]
        table.add_row(_short(own.name), *cells, _share(own.macro_recall))
    note = "micro-expressions by amplitude, told as micro; macro-expressions told as macro"
    return _noted(table, note)


def _alarms_table(looks: Sequence[ClipLook], scores: InjectedScores) -> "Group":
    from rich.table import Table

    heads = ("micro", "macro", "beside", "minutes", "at rest", "fps")
    table = _table(Table, "false alarms a minute", *heads)
    for look, own in zip(looks, scores.clips, strict=True):
        rest = "speaks" if own.speaking else f"{look.neutral:.0%}"
        table.add_row(_short(own.name), *_alarms(own), rest, f"{look.fps:.0f}")
    table.add_section()
    table.add_row(_short(scores.neutral.name), *_alarms(scores.neutral), "", "")
    note = (
        "minutes: without the movements, which the first two columns are of; beside:\n"
        "number believed on a movement without finding it; at rest: share in which\n"
        "the face is still"
    )
    restless = [each.name for each in looks if not each.speaking and each.neutral < 0.5]
    if restless:
        note += f"\nmostly not at rest, so that alarms may be right: {', '.join(restless)}"
    return _noted(table, note)


def _alarms(own: ClipScores) -> Iterable[str]:
    yield from (f"{own.alarms_a_minute[kind]:.2f}" for kind in KINDS)
    yield str(own.beside)
    yield f"{own.minutes:.1f}"


def _times_table(scores: InjectedScores) -> "Group":
    from rich.table import Table

    table = _table(Table, "micro-expressions found, ms", "count", "median", "median |.|", "95%")
    rows = (
        ("onset, found minus true", scores.onset),
        ("apex, found minus true", scores.apex),
        ("first report after the apex", scores.delay),
    )
    for name, own in rows:
        times = (own.median, own.absolute, own.p95)
        cells = ("-" if math.isnan(value) else f"{value:.0f}" for value in times)
        table.add_row(name, str(own.count), *cells)
    note = "95%: of the errors without their sign, of the reports as they are"
    return _noted(table, note)


def _rejected_table(scores: InjectedScores) -> "Group":
    from rich.table import Table

    table = _table(Table, "rejected as", "candidates", "on a movement not found")
    for reason, own in scores.rejected.items():
        table.add_row(reason, str(own.count), str(own.found))
    if not scores.rejected:
        table.add_row("nothing", "0", "0")
    note = "speaking clips left out"
    return _noted(table, note)


def _told_table(scores: InjectedScores) -> "Group":
    from rich.table import Table

    heads = ("micro", "macro", "beside", "blink", "speech", "turn", "other", "none")
    table = _table(Table, "what was there", "count", *heads)
    for there, row in scores.told.items():
        if not any(row.values()):
            continue
        cells = (str(row[each]) if row[each] else "." for each in TOLD)
        table.add_row(there, str(sum(row.values())), *cells)
    note = (
        "beside: believed, but covers less than half of the movement; blink, speech,\n"
        "turn, other: rejected for that; of a speaking clip every candidate counts"
    )
    return _noted(table, note)


def _table(make: "type[Table]", first: str, *others: str) -> "Table":
    from rich import box

    table = make(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(first, no_wrap=True)
    for each in others:
        table.add_column(each, justify="right", no_wrap=True)
    return table


def _noted(table: "Table", note: str) -> "Group":
    """A table with lines under it that may be wider than it is."""
    from rich.console import Group
    from rich.text import Text

    return Group(table, Text(note, style="dim"))


def _share(own: Share, *, counted: bool = True) -> str:
    if not own.count:
        return "-"
    return f"{own.found}/{own.count} {own.rate:.2f}" if counted else f"{own.rate:.2f}"


def _short(name: str, most: int = 20) -> str:
    stem = Path(name).stem
    return stem if len(stem) <= most else stem[: most - 3] + "..."


def _clip(name: str, speaking: bool, videos: Sequence[Video]) -> ClipScores:
    sizes: dict[float, list[bool]] = {}
    macros: list[bool] = []
    alarms: Counter[str] = Counter()
    beside = 0
    minutes = 0.0
    for video in videos:
        micro, macro = ({id(true) for true, _ in _hits(video, kind)} for kind in KINDS)
        counted = {id(own) for kind in KINDS for _, own in _hits(video, kind)}
        for true in video.truth:
            if true.kind == "macro":
                macros.append(id(true) in macro)
            else:
                sizes.setdefault(true.amplitude_px or 0.0, []).append(id(true) in micro)
        moving = sum(true.offset_ns - true.onset_ns for true in video.truth) / 1e9
        minutes += (video.seconds - moving) / 60
        for own in _believed(video):
            if id(own) in counted:
                continue
            if any(_shared(own, true) > 0 for true in video.truth):
                beside += 1
            else:
                alarms[own.kind] += 1
    return ClipScores(
        name=name,
        speaking=speaking,
        minutes=minutes,
        recall={size: Share(sum(told), len(told)) for size, told in sorted(sizes.items())},
        macro_recall=Share(sum(macros), len(macros)),
        alarms_a_minute={kind: alarms[kind] / minutes if minutes else 0.0 for kind in KINDS},
        beside=beside,
    )


def _rejected(videos: Sequence[Video]) -> dict[str, Share]:
    every: Counter[str] = Counter()
    wrongly: Counter[str] = Counter()
    for video in videos:
        turned_down = [own for own in video.found if own.rejected is not None]
        every.update(own.rejected or "" for own in turned_down)
        missed = [true for true in video.truth if not _is_found(video, true)]
        for j in match(missed, turned_down).values():
            wrongly[turned_down[j].rejected or ""] += 1
    return {reason: Share(wrongly[reason], count) for reason, count in every.most_common()}


def _told(passes: Sequence[JudgedPass]) -> dict[str, dict[str, int]]:
    table = {there: dict.fromkeys(TOLD, 0) for there in THERE}
    for each in passes:
        video = each.video
        if each.speaking:
            for own in video.found:
                table[SPEAKING][_answer(own)] += 1
            continue
        believed = _believed(video)
        hits = match(video.truth, believed)
        for i, true in enumerate(video.truth):
            told = _answer(believed[hits[i]]) if i in hits else _otherwise(video, true)
            table[f"injected {true.kind}"][told] += 1
        for span in video.disturbances:
            table[span.name][_nearest(video, span)] += 1
    return table


def _otherwise(video: Video, true: TrueEvent) -> str:
    """What was told of a movement that no believed event covers by half."""
    if any(_shared(own, true) > 0 for own in _believed(video)):
        return "beside"
    turned_down = [own for own in video.found if own.rejected is not None]
    shared, _, own = max(
        ((_shared(own, true), -n, own) for n, own in enumerate(turned_down)),
        default=(0, 0, None),
        key=lambda found: found[:2],
    )
    return _answer(own) if own is not None and shared > 0 else "nothing"


def _nearest(video: Video, span: Disturbance) -> str:
    """What was told of a span, a believed event before a rejected one. What touches a movement is
    that movement's."""
    around = Disturbance(span.name, span.onset_ns - _NEAR_NS, span.offset_ns + _NEAR_NS)
    near = [
        own
        for own in video.found
        if _shared(own, around) > 0 and not any(_shared(own, true) > 0 for true in video.truth)
    ]
    if not near:
        return "nothing"
    return _answer(max(near, key=lambda own: (own.rejected is None, _shared(own, around))))


def _answer(own: FoundEvent) -> str:
    if own.rejected is None:
        return own.kind
    return own.rejected if own.rejected in _REASONS else "other"


def _hits(video: Video, kind: str) -> list[tuple[TrueEvent, FoundEvent]]:
    """Movements of a kind and the believed events of that kind that cover them by half."""
    truth = [true for true in video.truth if true.kind == kind]
    found = [own for own in _believed(video) if own.kind == kind]
    return [(truth[i], found[j]) for i, j in match(truth, found).items()]


def _is_found(video: Video, true: TrueEvent) -> bool:
    return any(each is true for each, _ in _hits(video, true.kind))


def _believed(video: Video) -> list[FoundEvent]:
    return [own for own in video.found if own.rejected is None]


def _shared(a: FoundEvent, b: TrueEvent | Disturbance) -> int:
    return min(a.offset_ns, b.offset_ns) - max(a.onset_ns, b.onset_ns)


def _apex(true: TrueEvent) -> int:
    assert true.apex_ns is not None  # of an injected movement it is known
    return true.apex_ns


def _errors(values_ns: Iterable[int], *, signed: bool) -> Errors:
    values = np.array(list(values_ns), np.float64) / NS_PER_MS
    if not len(values):
        return Errors(0, math.nan, math.nan, math.nan)
    size = np.abs(values)
    p95 = float(np.quantile(size if signed else values, 0.95))
    return Errors(len(values), float(np.median(values)), float(np.median(size)), p95)


def _clip_row(own: ClipScores) -> dict[str, Any]:
    return {
        "minutes_between": own.minutes,
        "recall": [
            {"amplitude_px": size, **_share_row(share)} for size, share in own.recall.items()
        ],
        "macro_recall": _share_row(own.macro_recall),
        "false_alarms_a_minute": dict(own.alarms_a_minute),
        "beside": own.beside,
    }


def _share_row(own: Share) -> dict[str, Any]:
    return {"found": own.found, "count": own.count, "rate": own.rate}


def _pass_row(each: JudgedPass) -> dict[str, Any]:
    video = each.video
    hits = {id(true): own for kind in KINDS for true, own in _hits(video, kind)}
    return {
        "clip": each.clip,
        "speaking": each.speaking,
        "seed": each.seed,
        "fps": video.fps,
        "seconds": video.seconds,
        "frames": each.frames,
        "faceless": each.faceless,
        "movements": [
            _span_row(true)
            | {"name": name, "amplitude_px": true.amplitude_px, "found": id(true) in hits}
            for true, name in zip(video.truth, each.names, strict=True)
        ],
        "others": [
            {
                "name": other.name,
                "onset_ms": other.onset_ns / NS_PER_MS,
                "offset_ms": other.offset_ns / NS_PER_MS,
            }
            for other in video.disturbances
        ],
        "told": [
            _span_row(own)
            | {
                "first_told_ms": own.told_ns / NS_PER_MS,
                "final_told_ms": own.final_ns / NS_PER_MS,
                "score": own.score,
                "rejected": own.rejected,
                "decisions": [decision.row() for decision in own.decisions],
            }
            for own in video.found
        ],
    }


def _span_row(event: TrueEvent | FoundEvent) -> dict[str, Any]:
    apex = None if event.apex_ns is None else event.apex_ns / NS_PER_MS
    return {
        "kind": event.kind,
        "label": event.label,
        "onset_ms": event.onset_ns / NS_PER_MS,
        "apex_ms": apex,
        "offset_ms": event.offset_ns / NS_PER_MS,
    }
