"""Matching of found to true events, as MEGC scores spotting, and causes of misses and false alarms.

A found event is a hit where its span and a true one's overlap by half of their union, and each
true event counts once (Li et al., "MEGC2022", ACM MM 2022, and its forerunners). Spans are of
time, from onset to offset. MEGC counts frames, both ends included, which makes its overlaps
greater by up to one frame; these are the stricter ones at low frame rates.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from htnet.engine.event_matching import (
    Pairing,
    Span,
    match_spans,
    overlap_ns,
    pair_greedily,
    possible_pairs,
)
from htnet.engine.types import NS_PER_MS, Disturbance
from htnet.training.spotting.records import FoundEvent, Outcome, TrueEvent, Video

MISPLACED, DOUBLE, NONE = "misplaced", "double", "none"
"""Causes of false alarms that no disturbance explains: an IoU of less than 0.5 with a true event;
a true event that another found event was matched to; nothing known."""

_MIN_IOU = 0.5
_NEAR_NS = 100 * NS_PER_MS


def match(truth: Sequence[Span], found: Sequence[Span]) -> dict[int, int]:
    """Match spans one to one: index of the true to index of the found.

    The largest IoU goes first, and of equal IoU the earlier onset, so the order in which spans
    are given does not matter.
    """
    return match_spans(truth, found, _MIN_IOU, _onsets)


def pairings(truth: Sequence[Span], found: Sequence[Span]) -> list[Pairing]:
    """Return all pairs that may be hits, in the order in which `match` takes them."""
    return possible_pairs(truth, found, _MIN_IOU, _onsets)


def hit_count(pairs: Iterable[Pairing]) -> int:
    """Return the number of hits among `pairings`."""
    return len(pair_greedily(pairs))


def outcomes(video: Video, cut: float = -np.inf) -> list[Outcome]:
    """Return hits, misses and false alarms of a video, whatever their kinds, by onset."""
    truth, found = video.truth, video.believed(cut)
    hits = match(truth, found)
    missed = [i for i in range(len(truth)) if i not in hits]
    candidates = video.rejected(cut)
    turned_down = match([truth[i] for i in missed], candidates)
    reasons = {missed[i]: candidates[j].rejected or "" for i, j in turned_down.items()}
    told: list[tuple[int, Outcome]] = []
    for i, true in enumerate(truth):
        if i in hits:
            own = found[hits[i]]
            shared, union = overlap_ns(true, own)
            told.append((true.onset_ns, Outcome(video, true, own, iou=shared / union)))
        else:
            told.append((true.onset_ns, Outcome(video, true, None, cause=reasons.get(i, ""))))
    taken = set(hits.values())
    for j, own in enumerate(found):
        if j not in taken:
            cause, near = _cause(video, own, hits)
            told.append((own.onset_ns, Outcome(video, None, own, cause=cause, near=near)))
    return [outcome for _, outcome in sorted(told, key=lambda pair: pair[0])]


def _onsets(true: Span, found: Span) -> tuple[int, int]:
    return true.onset_ns, found.onset_ns


def _cause(video: Video, own: FoundEvent, hits: Mapping[int, int]) -> tuple[str, TrueEvent | None]:
    """Return the cause of a false alarm, and the true event that it overlaps, if any."""
    beside = [(overlap_ns(true, own)[0], i) for i, true in enumerate(video.truth)]
    shared, i = max(beside, default=(0, 0))
    if shared > 0:
        return (DOUBLE if i in hits else MISPLACED), video.truth[i]
    # The smoothed motion signal shows a disturbance for a moment before and after it.
    around = Disturbance("", own.onset_ns - _NEAR_NS, own.offset_ns + _NEAR_NS)
    others = [(overlap_ns(other, around)[0], other.name) for other in video.disturbances]
    shared, name = max(others, default=(0, NONE))
    return (name if shared > 0 else NONE), None
