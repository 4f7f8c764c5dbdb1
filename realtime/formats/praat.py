"""Praat's TextGrid."""

from htnet.realtime.formats.observation import Observation, Row
from htnet.realtime.formats.tiers import Tier, end_of, tiers

APEX = "apex"


def textgrid(rows: list[Row], observation: Observation, end_ms: float = 0.0) -> bytes:
    """Return a TextGrid in the long text format, UTF-8.

    An interval tier for each tier, the events' value as text, and a point tier "apex" with the
    values of the accepted ones. It ends at ``end_ms`` or with the last event.
    """
    told = tiers(rows)
    end = end_of(told, end_ms)
    items = [_intervals(tier, end) for tier in told]
    items.append(_points(told, end))
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {_seconds(end)}",
        "tiers? <exists>",
        f"size = {len(items)}",
        "item []:",
    ]
    for number, item in enumerate(items, 1):
        lines += [f"    item [{number}]:", *(f"        {line}" for line in item)]
    return ("\n".join(lines) + "\n").encode()


def _intervals(tier: Tier, end: int) -> list[str]:
    filled: list[tuple[int, int, str]] = []
    at = 0
    for span in tier.spans:
        if span.start_ms > at:
            filled.append((at, span.start_ms, ""))
        filled.append((span.start_ms, span.end_ms, span.value))
        at = span.end_ms
    if at < end:
        filled.append((at, end, ""))
    lines = _head("IntervalTier", tier.name, end)
    lines.append(f"intervals: size = {len(filled)}")
    for number, (start, stop, text) in enumerate(filled, 1):
        lines += [
            f"intervals [{number}]:",
            f"    xmin = {_seconds(start)}",
            f"    xmax = {_seconds(stop)}",
            f"    text = {_quoted(text)}",
        ]
    return lines


def _points(told: list[Tier], end: int) -> list[str]:
    marks: dict[int, list[str]] = {}  # Praat allows one point at a time
    for tier in told:
        for span in tier.spans:
            if not tier.rejected:
                marks.setdefault(span.apex_ms, []).append(span.value)
    lines = _head("TextTier", APEX, end)
    lines.append(f"points: size = {len(marks)}")
    for number, at in enumerate(sorted(marks), 1):
        lines += [
            f"points [{number}]:",
            f"    number = {_seconds(at)}",
            f"    mark = {_quoted(', '.join(marks[at]))}",
        ]
    return lines


def _head(kind: str, name: str, end: int) -> list[str]:
    return [
        f'class = "{kind}"',
        f"name = {_quoted(name)}",
        "xmin = 0",
        f"xmax = {_seconds(end)}",
    ]


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.3f}"


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
