"""Tiers: events as spans of whole milliseconds, micro and macro, accepted and rejected apart."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from htnet.realtime.formats.observation import Row

NAMES = ("micro", "macro", "rejected micro", "rejected macro")
"""Tiers that every document has, also where they are empty."""


@dataclass(frozen=True, slots=True)
class Span:
    """Event on a tier; times in ms from 0, ``end_ms`` at least 1 after ``start_ms``.

    ``value``: label, of a rejected event the reason, "-" for none. ``detail``: muscle, side, extent
    and score.
    """

    id: int
    start_ms: int
    apex_ms: int
    end_ms: int
    label: str
    value: str
    detail: str


@dataclass(frozen=True, slots=True)
class Tier:
    """Spans by onset that do not overlap.

    Of spans that overlap the later one lies on a further tier of the same ``base``, named
    "micro 2" and so on.
    """

    name: str
    base: str
    spans: list[Span] = field(default_factory=list)

    @property
    def rejected(self) -> bool:
        """True for rejected events."""
        return self.base.startswith("rejected ")


def tiers(rows: Iterable[Row]) -> list[Tier]:
    """Return the tiers of ``rows``: those of `NAMES` first, further ones as they are needed.

    Of an event told twice (provisional, then final) the last row counts.
    """
    latest = {row["id"]: row for row in rows}
    found = {name: Tier(name, name) for name in NAMES}
    for row in sorted(latest.values(), key=lambda row: (row["onset_ms"], row["id"])):
        span = _span(row)
        kind = one_line(str(row["kind"]))
        base = kind if row["rejected"] is None else f"rejected {kind}"
        number = 1
        while True:
            name = base if number == 1 else f"{base} {number}"
            tier = found.setdefault(name, Tier(name, base))
            if not tier.spans or tier.spans[-1].end_ms <= span.start_ms:
                tier.spans.append(span)
                break
            number += 1
    return list(found.values())


def one_line(text: str) -> str:
    """Return ``text`` on one line: white space and characters without a glyph become one space.

    XML, WebVTT and tab-separated tables cannot hold the latter.
    """
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def end_of(told: Sequence[Tier], end_ms: float = 0.0) -> int:
    """Return the end of the last span or ``end_ms``, whichever is later; at least 1 ms."""
    ends = [span.end_ms for tier in told for span in tier.spans[-1:]]
    return max([round(end_ms), 1, *ends])


def _span(row: Row) -> Span:
    start = max(round(row["onset_ms"]), 0)
    end = max(round(row["offset_ms"]), start + 1)
    label, reason = one_line(str(row["label"])), row["rejected"]
    side = "" if row["side"] == "both" else row["side"]
    muscle = one_line(f"{row['muscle']} {side}")
    about = [muscle, f"{row['magnitude_px']:.2f} px", f"score {row['score']:.2f}"]
    if reason is not None:
        about.insert(0, label)
    return Span(
        id=row["id"],
        start_ms=start,
        apex_ms=min(max(round(row["apex_ms"]), start), end),
        end_ms=end,
        label=label,
        value=(label if reason is None else one_line(str(reason))) or "-",
        detail=", ".join(each for each in about if each),
    )
