"""Spotting and recognition scores of long videos, with intervals over subjects.

As in MEGC (Li et al., "MEGC2022", ACM MM 2022, and its forerunners), hits, false alarms and misses
are summed over all videos before precision, recall and F1 are computed.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from htnet.engine.errors import DataError
from htnet.engine.types import CLASSES
from htnet.training.spotting.breakdown import Part, Spread, parts_of, spread
from htnet.training.spotting.matching import match, outcomes
from htnet.training.spotting.records import KINDS, Outcome, Video

SETS = (*KINDS, "both", "either")
"""Ways to count. "micro" and "macro": events of that kind alone, true and found. "both": the sum of
the two, as MEGC's overall score, in which a kind taken for the other is a miss and a false alarm.
"either": all events as if of one kind; errors, delays and causes are taken over these."""


@dataclass(frozen=True, slots=True)
class SpottingScores:
    """Spotting and recognition scores of one of `SETS`.

    ``uf1`` and ``uar``: means over classes of F1 and recall, of the hits alone. ``f1_label``: the
    harmonic mean of the classes' mean precision and mean recall. ``strs``: ``f1`` times
    ``f1_label``, the spot-then-recognize score of MEGC as its authors compute it (Liong, See and
    Chan, Signal Processing: Image Communication 110, 2023). A class counts where it is true or
    predicted of any event, so a class of which nothing was spotted counts 0. Hits whose true label
    is none of the classes are left out. A prediction "uncertain" or "neutral" is wrong.
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
class Rejections:
    """Candidates rejected for one reason.

    ``wrongly``: those that would have been hits on missed events.
    """

    count: int
    wrongly: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All spotting results of a set of videos at one operating point.

    ``cut``: candidates of a lower score are ignored. ``scores``: by `SETS`. ``intervals``: 95%, of
    the rates of "either", over subjects; empty for a single subject. ``delay``: from the true apex
    to the first report. ``onset``, ``apex``: found minus true. ``causes``: false alarms by cause,
    most frequent first. ``rejected``: by reason. ``taken_back``: events that were reported at
    their apex and rejected in the end.
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


def evaluate(videos: Sequence[Video], cut: float = -np.inf) -> Evaluation:
    """Evaluate ``videos`` with candidates of a score below ``cut`` ignored.

    Raises `DataError` without videos, and for a video of no length.
    """
    require_videos(videos)
    told = [outcome for video in videos for outcome in outcomes(video, cut)]
    tallies = {kind: _tally(videos, cut, kind) for kind in (*KINDS, None)}
    sets = {**{kind: tallies[kind] for kind in KINDS}, "either": tallies[None]}
    sets["both"] = tallies["micro"].plus(tallies["macro"])
    hits = [(o.true, o.found) for o in told if o.true is not None and o.found is not None]
    alarms = [o.cause for o in told if o.true is None]
    turned_down = [own for video in videos for own in video.rejected(cut)]
    wrongly = Counter(o.cause for o in told if o.found is None and o.cause)
    reasons = Counter(own.rejected or "" for own in turned_down)
    return Evaluation(
        cut=cut,
        videos=len(videos),
        subjects=len({video.subject for video in videos}),
        minutes=sum(video.seconds for video in videos) / 60,
        scores={name: sets[name].scores() for name in SETS},
        intervals=_intervals(sets["either"]),
        delay=spread(own.told_ns - true.apex_ns for true, own in hits if true.apex_ns is not None),
        onset=spread(own.onset_ns - true.onset_ns for true, own in hits),
        apex=spread(own.apex_ns - true.apex_ns for true, own in hits if true.apex_ns is not None),
        causes=dict(Counter(alarms).most_common()),
        rejected={
            reason: Rejections(count, wrongly[reason]) for reason, count in reasons.most_common()
        },
        taken_back=sum(own.told_ns < own.final_ns for own in turned_down),
        parts=parts_of(told),
        outcomes=tuple(told),
    )


def rates(
    counts: NDArray[np.int64], minutes: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Return rates (...) of counts (..., 3) of true events, found events and hits."""
    events, found, hits = np.moveaxis(counts, -1, 0)
    return {
        "precision": hits / np.maximum(found, 1),
        "recall": hits / np.maximum(events, 1),
        "f1": 2 * hits / np.maximum(events + found, 1),
        "false_alarms_a_minute": (found - hits) / minutes,
    }


def require_videos(videos: Sequence[Video]) -> None:
    """Raise `DataError` without videos, and for a video of no length."""
    if not videos:
        raise DataError("expected videos to score; got none: give a folder or a plan with some.")
    if empty := [video.name for video in videos if video.seconds <= 0]:
        raise DataError(
            f"expected videos that last; got {empty[0]} of no length: take it out, or look whether "
            "its pictures can be read."
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Tally:
    """Counts of one set of events by subject.

    ``counts``: (S, 3) true events, found events and hits. ``table``: (S, C, C + 1) hits by true
    class and prediction, the last column for any other prediction. ``minutes``: (S,). ``named``:
    (C,), True for a class that is true or predicted of any event.
    """

    counts: NDArray[np.int64]
    table: NDArray[np.int64]
    minutes: NDArray[np.float64]
    named: NDArray[np.bool_]

    def plus(self, other: "_Tally") -> "_Tally":
        """Return the sum of two sets of events in the same videos."""
        return _Tally(
            self.counts + other.counts,
            self.table + other.table,
            self.minutes,
            self.named | other.named,
        )

    def figures(self, times: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
        """Return the rates (...) of `SpottingScores`, each subject taken ``times`` (..., S)."""
        spotting = rates(times @ self.counts, times @ self.minutes)
        named = _named_rates(np.tensordot(times, self.table, axes=1), self.named)
        return {**spotting, **named, "strs": spotting["f1"] * named["f1_label"]}

    def scores(self) -> SpottingScores:
        """Return the scores over all subjects, each taken once."""
        events, found, hits = self.counts.sum(axis=0)
        figures = self.figures(np.ones(len(self.counts), np.int64))
        values = {name: float(value) for name, value in figures.items()}
        return SpottingScores(int(events), int(found), int(hits), **values)


def _tally(videos: Sequence[Video], cut: float, kind: str | None) -> _Tally:
    """Count the events of one kind, or of all kinds as if they were one."""
    people = {name: row for row, name in enumerate(dict.fromkeys(v.subject for v in videos))}
    classes = {name: column for column, name in enumerate(CLASSES)}
    counts = np.zeros((len(people), 3), np.int64)
    table = np.zeros((len(people), len(CLASSES), len(CLASSES) + 1), np.int64)
    minutes = np.zeros(len(people))
    labels: set[str | None] = set()
    for video in videos:
        row = people[video.subject]
        truth = [true for true in video.truth if kind in (None, true.kind)]
        found = [own for own in video.believed(cut) if kind in (None, own.kind)]
        hits = match(truth, found)
        counts[row] += (len(truth), len(found), len(hits))
        minutes[row] += video.seconds / 60
        labels |= {true.label for true in truth} | {own.label for own in found}
        for i, j in hits.items():
            label = truth[i].label
            if label in classes:
                table[row, classes[label], classes.get(found[j].label, -1)] += 1
    return _Tally(counts, table, minutes, np.array([name in labels for name in CLASSES]))


def _named_rates(
    table: NDArray[np.int64], named: NDArray[np.bool_]
) -> dict[str, NDArray[np.float64]]:
    """Return recognition rates (...) of predictions (..., C, C + 1) over the ``named`` classes."""
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


def _intervals(tally: _Tally, draws: int = 2000) -> dict[str, tuple[float, float]]:
    """Return percentile bootstrap intervals: whole subjects drawn with replacement."""
    people = len(tally.counts)
    if people < 2:
        return {}
    share = np.full(people, 1 / people)
    times = np.random.default_rng(0).multinomial(people, share, size=draws)
    found = tally.figures(times)
    bounds = {name: np.quantile(values, [0.025, 0.975]) for name, values in found.items()}
    return {name: (float(low), float(high)) for name, (low, high) in bounds.items()}
