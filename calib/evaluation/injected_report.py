"""Report on injected movements: tables for the console, one row of JSON."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htnet.calib.evaluation.injected import ClipProperties, Injection, JudgedPass
from htnet.calib.evaluation.injected_scores import (
    ANSWERS,
    ClipScores,
    InjectedScores,
    Share,
    hits,
)
from htnet.engine.files import plain, write_json
from htnet.engine.types import NS_PER_MS
from htnet.training.spotting.records import KINDS, FoundEvent, TrueEvent

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

_COUNTED = 4  # number of sizes up to which counts fit into 80 columns


def injected_row(injection: Injection, scores: InjectedScores) -> dict[str, Any]:
    """Return the row of ``htnet evaluate live --inject ... --json``: scores, and every pass with
    its true and found events. Times in ms; missing numbers are null."""
    plan = injection.config.plan
    row: dict[str, Any] = {
        "v": 1,
        "plan": asdict(plan),
        "movements": "muscles" if injection.config.movements is None else "published",
        "seeds": injection.config.seeds,
        "clips": [
            asdict(look) | _clip_row(own)
            for look, own in zip(injection.properties, scores.clips, strict=True)
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
    """Write `injected_row` as a JSON file."""
    write_json(path, injected_row(injection, scores))


def injected_tables(injection: Injection, scores: InjectedScores) -> "list[Group]":
    """Return the tables, at most 80 columns wide."""
    return [
        _recall_table(scores),
        _alarms_table(injection.properties, scores),
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


def _alarms_table(properties: Sequence[ClipProperties], scores: InjectedScores) -> "Group":
    from rich.table import Table

    heads = ("micro", "macro", "beside", "minutes", "at rest", "fps")
    table = _table(Table, "false alarms a minute", *heads)
    for look, own in zip(properties, scores.clips, strict=True):
        rest = "speaks" if own.speaking else f"{look.neutral:.0%}"
        table.add_row(_short(own.name), *_alarms(own), rest, f"{look.fps:.0f}")
    table.add_section()
    table.add_row(_short(scores.neutral.name), *_alarms(scores.neutral), "", "")
    note = (
        "minutes: without the movements, which the first two columns are of; beside:\n"
        "number believed on a movement without finding it; at rest: share in which\n"
        "the face is still"
    )
    restless = [each.name for each in properties if not each.speaking and each.neutral < 0.5]
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
        cells = (str(row[each]) if row[each] else "." for each in ANSWERS)
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
    """Return a table with a note under it, which may be wider."""
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
    found = {id(true): own for kind in KINDS for true, own in hits(video, kind)}
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
            | {"name": name, "amplitude_px": true.amplitude_px, "found": id(true) in found}
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
