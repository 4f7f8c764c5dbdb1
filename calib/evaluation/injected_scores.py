"""Scores of injected movements: recall by amplitude, false alarms, time errors, answers."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from htnet.calib.evaluation.injected import BLINK, TURN, JudgedPass
from htnet.engine.types import NS_PER_MS, Disturbance
from htnet.training.spotting.matching import match
from htnet.training.spotting.records import KINDS, FoundEvent, TrueEvent, Video

MICRO, MACRO = (f"injected {kind}" for kind in KINDS)
SPEAKING = "speaking clip"
CAUSES = (MICRO, MACRO, BLINK, SPEAKING, TURN)
"""Kinds of true events, disturbances and clips."""
ANSWERS = ("micro", "macro", "beside", "blink", "speech", "head turn", "other", "nothing")
"""Answers to them: a believed event of either kind; a believed event with an IoU below 0.5
("beside"); the reason for which a candidate was rejected; nothing."""
_REASONS = ("blink", "speech", "head turn")
_NEAR_NS = 100 * NS_PER_MS


@dataclass(frozen=True, slots=True)
class Share:
    """A fraction: ``found`` of ``count``."""

    found: int
    count: int

    @property
    def rate(self) -> float:
        """The fraction; NaN if ``count`` is 0."""
        return self.found / self.count if self.count else math.nan


@dataclass(frozen=True, slots=True)
class Errors:
    """Statistics of ``count`` times in ms; NaN if there are none.

    ``absolute``: median of the absolute values. ``p95``: 95th percentile, of the absolute values
    for errors, of the signed values for delays.
    """

    count: int
    median: float
    absolute: float
    p95: float


@dataclass(frozen=True, slots=True)
class ClipScores:
    """Scores of one clip, or of several.

    ``minutes``: duration without the movements. ``recall``: by amplitude in px, of
    micro-expressions reported as micro at IoU 0.5. ``macro_recall``: the same of macro-expressions.
    ``alarms_a_minute``: by kind, believed events that overlap no movement. ``beside``: number of
    believed events that overlap a movement without being a hit.
    """

    name: str
    speaking: bool
    minutes: float
    recall: Mapping[float, Share]
    macro_recall: Share
    alarms_a_minute: Mapping[str, float]
    beside: int


@dataclass(frozen=True, slots=True)
class InjectedScores:
    """Scores of all passes.

    ``neutral``: all neutral clips together. ``onset``, ``apex``: found minus true time of the
    micro-expressions found. ``delay``: time from their true apex to the first report. ``rejected``:
    by reason, the number of candidates (``count``) and of those that lie on a missed movement at
    IoU 0.5 (``found``). ``told``: counts of each of `ANSWERS` for each of `CAUSES`.
    """

    clips: tuple[ClipScores, ...]
    neutral: ClipScores
    onset: Errors
    apex: Errors
    delay: Errors
    rejected: Mapping[str, Share]
    told: Mapping[str, Mapping[str, int]]


def score_injected(passes: Sequence[JudgedPass]) -> InjectedScores:
    """Return the scores of all passes, of each clip and of the neutral clips together."""
    names = dict.fromkeys((each.clip, each.speaking) for each in passes)
    clips = [
        _clip(name, speaking, [p.video for p in passes if (p.clip, p.speaking) == (name, speaking)])
        for name, speaking in names
    ]
    neutral = [each.video for each in passes if not each.speaking]
    found = [pair for video in neutral for pair in hits(video, "micro")]
    return InjectedScores(
        clips=tuple(clips),
        neutral=_clip("all neutral clips", False, neutral),
        onset=_errors((own.onset_ns - true.onset_ns for true, own in found), signed=True),
        apex=_errors((own.apex_ns - _apex(true) for true, own in found), signed=True),
        delay=_errors((own.told_ns - _apex(true) for true, own in found), signed=False),
        rejected=_rejected(neutral),
        told=_answers(passes),
    )


def _clip(name: str, speaking: bool, videos: Sequence[Video]) -> ClipScores:
    sizes: dict[float, list[bool]] = {}
    macros: list[bool] = []
    alarms: Counter[str] = Counter()
    beside = 0
    minutes = 0.0
    for video in videos:
        micro, macro = ({id(true) for true, _ in hits(video, kind)} for kind in KINDS)
        counted = {id(own) for kind in KINDS for _, own in hits(video, kind)}
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


def _answers(passes: Sequence[JudgedPass]) -> dict[str, dict[str, int]]:
    table = {there: dict.fromkeys(ANSWERS, 0) for there in CAUSES}
    for each in passes:
        video = each.video
        if each.speaking:
            for own in video.found:
                table[SPEAKING][_answer(own)] += 1
            continue
        believed = _believed(video)
        told_of = match(video.truth, believed)
        for i, true in enumerate(video.truth):
            told = _answer(believed[told_of[i]]) if i in told_of else _answer_to_missed(video, true)
            table[f"injected {true.kind}"][told] += 1
        for span in video.disturbances:
            table[span.name][_answer_to_disturbance(video, span)] += 1
    return table


def _answer_to_missed(video: Video, true: TrueEvent) -> str:
    """Return the answer to a movement that no believed event hits."""
    if any(_shared(own, true) > 0 for own in _believed(video)):
        return "beside"
    turned_down = [own for own in video.found if own.rejected is not None]
    shared, _, own = max(
        ((_shared(own, true), -n, own) for n, own in enumerate(turned_down)),
        default=(0, 0, None),
        key=lambda found: found[:2],
    )
    return _answer(own) if own is not None and shared > 0 else "nothing"


def _answer_to_disturbance(video: Video, span: Disturbance) -> str:
    """Return the answer to a disturbance, believed events before rejected ones.

    Events that overlap a movement belong to that movement.
    """
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


def hits(video: Video, kind: str) -> list[tuple[TrueEvent, FoundEvent]]:
    """Return the movements of a kind that are hit, each with the believed event of that kind."""
    truth = [true for true in video.truth if true.kind == kind]
    found = [own for own in _believed(video) if own.kind == kind]
    return [(truth[i], found[j]) for i, j in match(truth, found).items()]


def _is_found(video: Video, true: TrueEvent) -> bool:
    return any(each is true for each, _ in hits(video, true.kind))


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
