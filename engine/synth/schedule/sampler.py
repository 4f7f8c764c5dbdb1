"""Sampler: draws a schedule from a plan and a seed.

Each kind of event or disturbance has a random stream of its own, so turning one on leaves the
others where they were. Only expressions look at the disturbances, to keep clear of them as their
plan says. Rates of blinks, turns and syllables are everyday figures, drawn uniformly; none was
fitted.
"""

from functools import partial

import numpy as np

from htnet.engine.errors import UsageError
from htnet.engine.synth.face.head_sway import HeadSway
from htnet.engine.synth.face.piecewise_motion import Move, PiecewiseMotion
from htnet.engine.synth.face.time_course import TimeCourse
from htnet.engine.synth.schedule.ground_truth import SimulatedEvent
from htnet.engine.synth.schedule.plan import EventPlan, HeadPlan, Plan
from htnet.engine.synth.schedule.schedule import ClipSchedule, Contraction, Glint
from htnet.engine.types import Disturbance

Rng = np.random.Generator

_SECOND = 1_000_000_000
_TRIES = 50  # attempts to place all events
_SWAY_OF_TURN = 0.15  # share of the plan's yaw and nod that is sway, at all times
_STREAMS = ("sway", "turns", "approach", "blinks", "gaze", "speech", "exposure", "glints", "events")


def draw_schedule(plan: Plan, seed: int, crop_px: float = 1.0) -> ClipSchedule:
    """Draw the schedule of a plan, independent of its frame rate.

    ``crop_px``: one pixel of the crop in px of the frame, for the sway. Disturbances without room
    are left out. Raises `UsageError` where not all events find room.
    """
    rng = {name: np.random.default_rng([seed, i]) for i, name in enumerate(_STREAMS)}
    seconds, head, eyes, light = plan.seconds, plan.head, plan.eyes, plan.light
    speech = _speech(rng["speech"], seconds, plan.speech.share)
    step = light.exposure_percent / 100
    make = partial(
        ClipSchedule,
        sway=_sway(rng["sway"], seconds, head, crop_px),
        turns=_turns(rng["turns"], seconds, head),
        approach=_approaches(rng["approach"], seconds, head.approaches_per_minute, head.approach),
        blinks=_blinks(rng["blinks"], seconds, eyes.blinks_per_minute),
        gaze=_gazes(rng["gaze"], seconds, eyes.gazes_per_minute, eyes.gaze_px),
        speech=[(_ns(start), _ns(end)) for start, end in speech],
        syllables=_syllables(rng["speech"], speech),
        exposure=_exposures(rng["exposure"], seconds, light.exposures_per_minute, step),
        glints=_glints(rng["glints"], seconds, light.glints_per_minute),
    )
    disturbances = make().truth.disturbances
    return make(_events(rng["events"], seconds, plan.events, disturbances))


class _FreeTime:
    """Free spans of a clip, in s."""

    def __init__(self, start: float, end: float) -> None:
        self._free = [(start, end)]

    def block(self, start: float, end: float) -> None:
        """Remove a span."""
        self._free = [
            part
            for a, b in self._free
            for part in ((a, min(b, start)), (max(a, end), b))
            if part[0] < part[1]
        ]

    def take(self, rng: Rng, length: float, apart: float) -> float | None:
        """Return the start of a free span of ``length``, drawn uniformly, or None.

        The span and ``apart`` on either side of it are removed.
        """
        slack = np.array([b - a - length for a, b in self._free]).clip(0.0)
        if not slack.any():
            return None
        which = int(rng.choice(len(slack), p=slack / slack.sum()))
        start = self._free[which][0] + float(rng.uniform(0.0, slack[which]))
        self.block(start - apart, start + length + apart)
        return start


def _scatter(
    rng: Rng, seconds: float, per_minute: float, lengths: tuple[float, float], apart: float
) -> list[tuple[float, float]]:
    """Draw spans (start, end) in s at a rate, in order.

    Their number is the rate times the duration, its fraction rounded up or down by chance.
    """
    room = _FreeTime(0.2, seconds - 0.2)
    spans = []
    for _ in range(int(per_minute * seconds / 60 + rng.uniform())):
        length = float(rng.uniform(*lengths))
        start = room.take(rng, length, apart)
        if start is not None:
            spans.append((start, start + length))
    return sorted(spans)


def _sway(rng: Rng, seconds: float, head: HeadPlan, crop_px: float) -> HeadSway | None:
    """Draw the slow sway of the head, or None."""
    px = float(rng.uniform(*head.sway_px)) * crop_px
    angles = [
        _SWAY_OF_TURN * float(np.radians(most)) for most in (head.yaw_degrees, head.nod_degrees)
    ]
    if not px and not any(angles):
        return None
    roll, grow = (np.radians(rng.uniform(0.5, 1.5)), rng.uniform(0.003, 0.01)) if px else (0, 0)
    return HeadSway.within(rng, seconds, (px, px / 2, float(roll), float(grow), *angles))


def _turns(rng: Rng, seconds: float, head: HeadPlan) -> PiecewiseMotion:
    """Draw turns (yaw, pitch) of 0.35 to 1 s to a new direction, or half the time to the front."""
    most = (1 - _SWAY_OF_TURN) * np.radians([head.yaw_degrees, head.nod_degrees])
    spans = _scatter(rng, seconds, head.turns_per_minute, (0.35, 1.0), 0.8) if most.any() else []
    moves = []
    away = False
    for start, end in spans:
        away = not (away and rng.random() < 0.5)
        yaw, pitch = most * rng.uniform(-1.0, 1.0, 2) if away else (0.0, 0.0)
        moves.append(Move(_ns(start), _ns(end), (float(yaw), float(pitch))))
    return PiecewiseMotion((0.0, 0.0), moves)


def _approaches(rng: Rng, seconds: float, per_minute: float, larger: float) -> PiecewiseMotion:
    """Draw approaches (scale,) to the camera and back again, of 1.5 to 3.5 s each."""
    spans = _scatter(rng, seconds, per_minute, (1.5, 3.5), 1.0)
    sizes = (1.0 + larger, 1.0)
    return PiecewiseMotion(
        (1.0,), [Move(_ns(a), _ns(b), (sizes[i % 2],)) for i, (a, b) in enumerate(spans)]
    )


def _blinks(rng: Rng, seconds: float, per_minute: float) -> list[TimeCourse]:
    """Draw blinks of 150 to 300 ms, opening more slowly than closing."""
    spans = _scatter(rng, seconds, per_minute, (0.15, 0.3), 0.6)
    return [TimeCourse(_ns(a), _ns(a + 0.38 * (b - a)), _ns(b), hold=0.2) for a, b in spans]


def _gazes(rng: Rng, seconds: float, per_minute: float, px: float) -> PiecewiseMotion:
    """Draw saccades (dx, dy) of 30 to 70 ms, half the time back to the middle."""
    moves = []
    away = False
    for start, end in _scatter(rng, seconds, per_minute, (0.03, 0.07), 0.25):
        away = not (away and rng.random() < 0.5)
        reach, angle = px * rng.uniform(0.3, 1.0), rng.uniform(0.0, 2 * np.pi)
        to = (reach * np.cos(angle), 0.5 * reach * np.sin(angle)) if away else (0.0, 0.0)
        moves.append(Move(_ns(start), _ns(end), (float(to[0]), float(to[1]))))
    return PiecewiseMotion((0.0, 0.0), moves)


def _exposures(rng: Rng, seconds: float, per_minute: float, step: float) -> PiecewiseMotion:
    """Draw exposure steps (brightness,) of 0.1 to 0.6 s: half to all of ``step`` either way, every
    other one back."""
    moves = []
    for i, (start, end) in enumerate(_scatter(rng, seconds, per_minute, (0.1, 0.6), 0.8)):
        change = float(rng.uniform(0.5, 1.0) * rng.choice([-1.0, 1.0])) * step
        moves.append(Move(_ns(start), _ns(end), (1.0 if i % 2 else 1.0 + change,)))
    return PiecewiseMotion((1.0,), moves)


def _glints(rng: Rng, seconds: float, per_minute: float) -> list[Glint]:
    """Draw glints of 0.15 to 1.5 s."""
    glints = []
    for start, end in _scatter(rng, seconds, per_minute, (0.15, 1.5), 0.3):
        middle = start + (end - start) * float(rng.uniform(0.3, 0.6))
        x, y = rng.uniform(-0.8, 0.8), rng.uniform(-0.4, 0.9)
        slide, radius = rng.uniform(-0.15, 0.15), rng.uniform(0.03, 0.12)
        glints.append(
            Glint(
                TimeCourse(_ns(start), _ns(middle), _ns(end), hold=0.3),
                float(x),
                float(y),
                float(slide),
                float(radius),
                float(rng.uniform(60.0, 180.0)),
            )
        )
    return glints


def _speech(rng: Rng, seconds: float, share: float) -> list[tuple[float, float]]:
    """Draw spans (start, end) of speech, 1 to 4 s each, which sum to the share.

    The last one may be shorter, down to 0.4 s.
    """
    room = _FreeTime(0.2, seconds - 0.2)
    left = share * seconds
    spans = []
    while left > 0.4:
        length = min(left, float(rng.uniform(1.0, 4.0)))
        start = room.take(rng, length, 0.6)
        if start is None:
            break
        spans.append((start, start + length))
        left -= length
    return sorted(spans)


def _syllables(rng: Rng, speech: list[tuple[float, float]]) -> list[Contraction]:
    """Draw the contractions of jaw, lips and brows during speech."""
    contractions = []
    for start, end in speech:
        t = start
        while (length := float(rng.uniform(0.14, 0.3))) < end - t:
            contractions.append(_contraction(rng, "jaw drop", t, length, (1.5, 5.0)))
            if rng.random() < 0.5:
                lips = str(rng.choice(["lip press", "lip corner pull", "lip corner depress"]))
                contractions.append(_contraction(rng, lips, t, length, (0.3, 1.5)))
            t += length * float(rng.uniform(0.9, 1.3))
        stress = float(rng.uniform(0.3, 0.7))
        if stress < end - start and rng.random() < 0.5:
            at = start + float(rng.uniform(0.0, end - start - stress))
            contractions.append(_contraction(rng, "brow raise", at, stress, (0.5, 2.0)))
    return contractions


def _contraction(
    rng: Rng, muscle: str, start: float, length: float, px: tuple[float, float]
) -> Contraction:
    apex = start + length * float(rng.uniform(0.35, 0.6))
    return Contraction(
        muscle, TimeCourse(_ns(start), _ns(apex), _ns(start + length)), float(rng.uniform(*px))
    )


def _events(
    rng: Rng, seconds: float, plan: EventPlan, disturbances: tuple[Disturbance, ...]
) -> list[SimulatedEvent]:
    """Draw the expressions, in order of time."""
    number = plan.number(seconds)
    macro = rng.permutation(number) < plan.macros(seconds)
    lengths = [float(rng.uniform(*(plan.macro_s if large else plan.micro_s))) for large in macro]
    starts = _starts(rng, seconds, plan, disturbances, lengths)
    events = []
    for start, length, large, (muscle, label) in zip(
        starts, lengths, macro, _expressions(rng, plan, number), strict=True
    ):
        # a macro-expression rises as fast as a micro-expression, and then stays
        rise = float(rng.uniform(0.2, 0.35) if large else rng.uniform(0.35, 0.5))
        px = float(rng.uniform(*(plan.macro_px if large else plan.amplitude_px)))
        onset = _ns(start)
        offset = onset + _ns(length)
        events.append(SimulatedEvent(label, muscle, onset, onset + _ns(rise * length), offset, px))
    return sorted(events, key=lambda event: event.onset_ns)


def _expressions(rng: Rng, plan: EventPlan, number: int) -> list[tuple[str, str]]:
    """Draw (muscle, class) of each event: classes equally often, muscles of a class by chance."""
    if not number:
        return []
    muscles: dict[str, list[str]] = {}
    for muscle, label in plan.muscles.items():
        muscles.setdefault(label, []).append(muscle)
    chosen: list[tuple[str, str]] = []
    for _ in range(-(-number // len(muscles))):
        labels = list(muscles)
        for i in rng.permutation(len(labels)):
            label = labels[i]
            chosen.append((str(rng.choice(muscles[label])), label))
    return chosen[:number]


def _starts(
    rng: Rng,
    seconds: float,
    plan: EventPlan,
    disturbances: tuple[Disturbance, ...],
    lengths: list[float],
) -> list[float]:
    """Draw a start for every event, in s; the longest are placed first."""
    longest_first = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    for _ in range(_TRIES):
        room = _FreeTime(plan.first_s, seconds - plan.apart_s)
        for d in disturbances:
            if (clear := plan.clear_s.get(d.name)) is not None:
                room.block(d.onset_ns / _SECOND - clear, d.offset_ns / _SECOND + clear)
        starts = {i: room.take(rng, lengths[i], plan.apart_s) for i in longest_first}
        found = [start for _, start in sorted(starts.items()) if start is not None]
        if len(found) == len(lengths):
            return found
    raise UsageError(
        f"expected room for {len(lengths)} events, {plan.apart_s:g} s apart and clear of "
        f"{', '.join(plan.clear_s) or 'nothing'}, in a clip of {seconds:g} s; it was not found: "
        "make the clip longer, or the events fewer."
    )


def _ns(seconds: float) -> int:
    return round(seconds * _SECOND)
