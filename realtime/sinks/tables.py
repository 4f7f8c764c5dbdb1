"""Events and profiles as tables for a terminal."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from rich import box
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from htnet.engine.event_matching import match_events
from htnet.engine.types import NS_PER_MS, Event
from htnet.realtime.profiles.profile import Profile

if TYPE_CHECKING:
    from htnet.realtime.sources.demo import SimulatedEvent

LABELS: Final = {"negative": "#f08040", "positive": "#56b4e9", "surprise": "#f0e442"}
MOVING: Final = "#46d8aa"
ALERT: Final = "bold #ff8246"

_WORDS = ("kind", "label", "true", "found", "result", "rejected", "profile", "made", "camera")


def summary_table(events: Iterable[Event], *, rejected: bool = False) -> Table:
    """Return the final events of a run that were found, by onset; times as in the rows.

    ``rejected``: the rejected ones too, dimmed.
    """
    final = _by_onset(events)
    found = sum(e.rejected is None for e in final)
    columns = ["time", "kind", "label", "prob.", "onset", "apex", "offset", "ms", "px"]
    if not rejected:
        final = [e for e in final if e.rejected is None]
    elif found < len(final):
        columns.append("rejected")
    table = _table("Events", columns)
    for event in final:
        cells: list[str | Text] = [
            f"{event.onset_ns / 1e9:.2f} s",
            event.kind,
            Text(event.label, "" if event.rejected else LABELS.get(event.label, "")),
            f"{100 * event.probabilities.get(event.label, 0.0):.0f} %",
        ]
        for t_ns in (event.onset_ns, event.apex_ns, event.offset_ns):
            cells.append(f"{t_ns / NS_PER_MS:.0f}")
        cells += [f"{event.duration_ms:.0f}", f"{event.magnitude_px:.2f}"]
        if "rejected" in columns:
            cells.append(Text(event.rejected or ""))
        table.add_row(*cells, style="dim" if event.rejected else "")
    table.caption = f"{found} found; onset, apex, offset and length in ms"
    return table


def rejected_line(events: Iterable[Event]) -> str:
    """Return the rejected final events as counts by reason, the most frequent first; "" for none"""
    reasons = Counter(e.rejected for e in _by_onset(events) if e.rejected is not None)
    counts = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
    return f"{reasons.total()} rejected: {counts}" if counts else ""


def _by_onset(events: Iterable[Event]) -> list[Event]:
    """Return the final events by onset."""
    return sorted((e for e in events if e.stage == "final"), key=lambda e: (e.onset_ns, e.id))


def truth_table(truth: Iterable["SimulatedEvent"], events: Iterable[Event]) -> Table:
    """Return the ground truth beside the events that were found, with the errors of times."""
    table = _table(
        "Truth and found",
        ["true", "at", "ms", "px", "found", "ms", "onset", "apex", "offset", "result"],
    )
    hits = total = 0
    for true, event in match_events(truth, events):
        cells: list[str | Text] = ["", f"{event.onset_ns / 1e9:.2f} s" if event else "", "", ""]
        if true is not None:
            total += 1
            length = (true.offset_ns - true.onset_ns) / NS_PER_MS
            at = f"{true.onset_ns / 1e9:.2f} s"
            cells = [_label(true.label), at, f"{length:.0f}", f"{true.amplitude_px:.2f}"]
        if event is None:
            cells += [Text("nothing", "dim"), ""]
        else:
            cells += [_label(event.label), f"{event.duration_ms:.0f}"]
        if true is None or event is None:
            cells += ["", "", "", Text("missed" if event is None else "false alarm", ALERT)]
        else:
            cells += _errors(true, event)
            hit = event.label == true.label
            hits += hit
            cells.append(Text("hit", MOVING) if hit else Text("wrong label", ALERT))
        table.add_row(*cells)
    table.caption = f"{hits} of {total} hit; onset, apex and offset: found less true, in ms"
    return table


def profiles_table(profiles: Iterable[Profile]) -> Table:
    """Return stored profiles: camera and noise of each, and the range of its thresholds."""
    table = _table("Profiles", ["profile", "made", "camera", "size", "fps", "noise", "px"])
    for each in profiles:
        thresholds = each.thresholds().values()
        table.add_row(
            each.name,
            each.made[:16].replace("T", " "),
            each.camera,
            f"{each.size[0]} x {each.size[1]}",
            f"{each.fps:.0f}",
            f"{each.noise:.1f}",
            f"{min(thresholds):.2f} to {max(thresholds):.2f}",
        )
    table.caption = "noise in grey levels; px: what the muscles do not exceed at rest"
    return table


def _errors(true: "SimulatedEvent", event: Event) -> list[str]:
    pairs = (
        (event.onset_ns, true.onset_ns),
        (event.apex_ns, true.apex_ns),
        (event.offset_ns, true.offset_ns),
    )
    return [f"{round((found - real) / NS_PER_MS):+d}" for found, real in pairs]


def _label(label: str) -> Text:
    return Text(label, LABELS.get(label, ""))


def _table(title: str, columns: Sequence[str]) -> Table:
    """Return an empty table, narrow enough for 80 columns."""
    table = Table(
        title=title,
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        title_justify="left",
        title_style="bold",
        caption_justify="left",
    )
    for name in columns:
        justify: JustifyMethod = "left" if name in _WORDS else "right"
        table.add_column(name, justify=justify, no_wrap=name != "rejected")
    return table
