"""Greedy one-to-one matching of spans of time by intersection over union (IoU).

A span is anything with ``onset_ns`` and ``offset_ns``.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from htnet.engine.types import Event


class Span(Protocol):
    """A span of time in ns; ``offset_ns`` is its end."""

    @property
    def onset_ns(self) -> int: ...
    @property
    def offset_ns(self) -> int: ...


Pairing = tuple[float, int, int]
"""IoU of a possible pair, index of the true span, index of the found one."""

_T = TypeVar("_T", bound=Span)
_F = TypeVar("_F", bound=Span)


def _no_key(true: Span, found: Span) -> None:
    return None


def match_spans(
    truth: Sequence[_T],
    found: Sequence[_F],
    min_iou: float = 0.0,
    key: Callable[[_T, _F], Any] = _no_key,
) -> dict[int, int]:
    """Match greedily by `possible_pairs`: index of the true span to index of the found one."""
    return pair_greedily(possible_pairs(truth, found, min_iou, key))


def possible_pairs(
    truth: Sequence[_T],
    found: Sequence[_F],
    min_iou: float = 0.0,
    key: Callable[[_T, _F], Any] = _no_key,
) -> list[Pairing]:
    """Return all pairs that overlap with an IoU of at least ``min_iou``, the largest IoU first.

    Of equal IoU the pair of the smaller ``key(true, found)`` comes first, then that of the
    smaller indices. Spans that only touch are no pair, even at ``min_iou`` 0.
    """
    pairs = []
    for i, true in enumerate(truth):
        for j, own in enumerate(found):
            shared, union = overlap_ns(true, own)
            if shared > 0 and shared / union >= min_iou:
                pairs.append((-shared / union, key(true, own), i, j))
    return [(-iou, i, j) for iou, _, i, j in sorted(pairs)]


def pair_greedily(pairs: Iterable[Pairing]) -> dict[int, int]:
    """Take each of ``pairs`` in turn whose two spans are free: true index to found index."""
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in pairs:
        if i not in partner and j not in taken:
            partner[i] = j
            taken.add(j)
    return partner


def overlap_ns(a: Span, b: Span) -> tuple[int, int]:
    """Return intersection, at least 0, and union of two spans in ns; a gap counts as union."""
    shared = min(a.offset_ns, b.offset_ns) - max(a.onset_ns, b.onset_ns)
    return max(shared, 0), max(a.offset_ns, b.offset_ns) - min(a.onset_ns, b.onset_ns)


def match_events(
    truth: Iterable[_T], events: Iterable[Event]
) -> list[tuple[_T | None, Event | None]]:
    """Match what overlaps in time, in order of onset.

    Only final events that are not rejected count. Any overlap is enough; of equal IoU the
    earlier in the given order goes first. A true event without a partner comes as (true, None),
    a false alarm as (None, event).
    """
    truths = list(truth)
    found = [e for e in events if e.stage == "final" and e.rejected is None]
    partner = match_spans(truths, found)
    taken = set(partner.values())
    matches: list[tuple[int, tuple[_T | None, Event | None]]] = []
    for i, true in enumerate(truths):
        event = found[partner[i]] if i in partner else None
        matches.append((true.onset_ns, (true, event)))
    matches += [(e.onset_ns, (None, e)) for j, e in enumerate(found) if j not in taken]
    return [match for _, match in sorted(matches, key=lambda m: m[0])]
