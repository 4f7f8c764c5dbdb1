"""Operating curve: precision, recall and false alarms as functions of the score threshold."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from htnet.engine.errors import UsageError
from htnet.training.spotting.matching import hit_count, pairings
from htnet.training.spotting.records import Video
from htnet.training.spotting.scoring import rates, require_videos


@dataclass(frozen=True, slots=True)
class Point:
    """The scores of "either" when events of a score below ``cut`` are ignored."""

    cut: float
    precision: float
    recall: float
    f1: float
    false_alarms_a_minute: float


def cuts(videos: Sequence[Video], count: int = 60) -> tuple[float, ...]:
    """Return at most ``count`` cuts, spread over the found scores, and one above them all."""
    scores = sorted({own.score for video in videos for own in video.believed(-np.inf)})
    if not scores:
        return (0.0,)
    kept = np.unique(np.linspace(0, len(scores) - 1, min(count - 1, len(scores))).astype(int))
    return (*(scores[i] for i in kept), float(np.nextafter(scores[-1], np.inf)))


def curve(videos: Sequence[Video], cuts: Iterable[float]) -> list[Point]:
    """Return a point for each cut, kinds disregarded, the lowest cut first.

    Raises `DataError` as `scoring.evaluate` does.
    """
    require_videos(videos)
    events = sum(len(video.truth) for video in videos)
    minutes = sum(video.seconds for video in videos) / 60
    believed = [video.believed(-np.inf) for video in videos]
    pairs = [pairings(video.truth, found) for video, found in zip(videos, believed, strict=True)]
    points = []
    for cut in sorted(set(cuts)):
        found = hits = 0
        for own, possible in zip(believed, pairs, strict=True):
            found += sum(one.score >= cut for one in own)
            hits += hit_count(pair for pair in possible if own[pair[-1]].score >= cut)
        values = rates(np.array([events, found, hits]), np.array(minutes))
        points.append(Point(cut, **{name: float(value) for name, value in values.items()}))
    return points


def cut_for(points: Sequence[Point], false_alarms_per_minute: float) -> float:
    """Return the lowest cut from which on no point exceeds ``false_alarms_per_minute``.

    Raises `UsageError` where even the highest cut exceeds it.
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
