"""Random draws of an injected pass: movements, their times, blinks, direction and tempo.

All randomness comes from the given generator, so one seed gives one pass.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from htnet.engine.anatomy.muscles import MUSCLES, field
from htnet.engine.errors import UsageError
from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH, crop_transform, transform_points
from htnet.engine.synth.face.time_course import TimeCourse
from htnet.engine.synth.injection.footage import Footage, PassConfig
from htnet.engine.synth.injection.movement import Injected, Movement, movement
from htnet.engine.types import F32

SHORTEST_PASS_S = 8.0
APART_S = 2.0
MOST_SIZES = 8
LEAD_S = 2.5  # before the first movement, for a live session to measure the face at rest
TAIL_S = 1.5  # after the last movement, for its final report
TEMPO = (0.8, 1.25)
_APEX_SHARE = (0.4, 0.65)  # of the way from onset to offset
_MICRO_HOLD, _MACRO_HOLD = 0.1, 0.5
_BLINK_S = (0.15, 0.35)
_BLINK_APART_S = 0.7  # between a blink and a movement

_TWO_MUSCLES, _ONE_SIDED = 0.3, 0.35  # chances
_SECOND_SHARE = (0.4, 1.0)
_WIDTH = (0.7, 1.4)
_TURN_DEGREES = 15.0
_SIDE_PX = 8.0  # scale of the fade of a one-sided movement at the midline

Source = Callable[[np.random.Generator, F32], Movement]
"""Draws a movement for a face's landmarks (478, 2) in px of the canonical crop."""


@dataclass(frozen=True, slots=True)
class InjectionPlan:
    """Plan of an injected pass of ``seconds``.

    ``amplitudes_px``: amplitudes used in turn, px of the crop at the field's 99th percentile; none
    for a pass without movements. ``per_minute``: range of the rate of movements. ``micro_s``,
    ``macro_s``: ranges of their durations, s. ``macro_share``: share of macro-expressions.
    ``blinks_per_minute``: rate of drawn blinks, which keep clear of the movements.
    """

    seconds: float = 60.0
    amplitudes_px: tuple[float, ...] = (1.0, 2.0)
    per_minute: tuple[float, float] = (6.0, 10.0)
    micro_s: tuple[float, float] = (0.2, 0.5)
    macro_s: tuple[float, float] = (0.5, 3.0)
    macro_share: float = 0.0
    blinks_per_minute: float = 6.0

    def __post_init__(self) -> None:
        if not self.seconds >= SHORTEST_PASS_S:
            raise UsageError(
                f"expected passes of at least {SHORTEST_PASS_S:g} s, so that a movement finds "
                f"place; got {self.seconds:g}: give --seconds 60."
            )
        if not all(0 < each <= 10 for each in self.amplitudes_px):
            told = ",".join(f"{each:g}" for each in self.amplitudes_px)
            raise UsageError(
                f"expected amplitudes above 0 and up to 10 px of the crop; got {told}: give "
                "such as --amplitude 1,2."
            )
        if len(self.amplitudes_px) > MOST_SIZES:
            raise UsageError(
                f"expected at most {MOST_SIZES} amplitudes, since a minute holds 6 to 10 "
                f"movements; got {len(self.amplitudes_px)}: give fewer."
            )
        if not 0.03 <= self.micro_s[0] <= self.micro_s[1] <= 0.5:
            raise UsageError(
                "expected micro-expressions of 0.03 to 0.5 s, the shorter first; got "
                f"{self.micro_s[0]:g} to {self.micro_s[1]:g}: give such as --duration 0.2,0.5."
            )


@dataclass(frozen=True, slots=True)
class Scheduled:
    """Time of a movement: its ``kind`` (micro or macro), time course and amplitude in px."""

    kind: str
    pulse: TimeCourse
    amplitude_px: float


def draw_schedule(rng: np.random.Generator, plan: InjectionPlan) -> tuple[Scheduled, ...]:
    """Draw the times of movements, at least `APART_S` from an offset to the next onset.

    Each amplitude occurs equally often, give or take one.
    """
    if not plan.amplitudes_px:
        return ()
    count = max(1, round(float(rng.uniform(*plan.per_minute)) * plan.seconds / 60))
    kinds = ["macro" if rng.random() < plan.macro_share else "micro" for _ in range(count)]
    durations = [
        float(rng.uniform(*(plan.macro_s if kind == "macro" else plan.micro_s))) for kind in kinds
    ]
    room = plan.seconds - LEAD_S - TAIL_S - APART_S * (count - 1)
    while sum(durations) > room:  # a short pass: shorten the longest movement
        longest = int(np.argmax(durations))
        durations[longest] = max(durations[longest] - (sum(durations) - room), plan.micro_s[0])
        kinds[longest] = "micro" if durations[longest] < plan.macro_s[0] else "macro"
    before = np.sort(rng.uniform(0.0, room - sum(durations), count))
    first = int(rng.integers(len(plan.amplitudes_px)))  # the amplitude that may occur once more
    sizes = [plan.amplitudes_px[(i + first) % len(plan.amplitudes_px)] for i in range(count)]
    order = rng.permutation(count)
    made = []
    passed = LEAD_S
    for number, (kind, lasts, wait) in enumerate(zip(kinds, durations, before, strict=True)):
        onset = round((passed + float(wait)) * 1e9)
        offset = onset + round(lasts * 1e9)
        apex = onset + round(lasts * float(rng.uniform(*_APEX_SHARE)) * 1e9)
        hold = _MACRO_HOLD if kind == "macro" else _MICRO_HOLD
        size = sizes[int(order[number])]
        made.append(Scheduled(kind, TimeCourse(onset, apex, offset, hold), size))
        passed += lasts + APART_S
    return tuple(made)


def draw_injected(
    rng: np.random.Generator, scheduled: Sequence[Scheduled], source: Source, landmarks: F32
) -> tuple[Injected, ...]:
    """Draw a movement of ``source`` for each of ``scheduled``.

    ``landmarks``: (478, 2) of the face at rest, px of the crop.
    """
    return tuple(
        Injected(source(rng, landmarks), each.pulse, each.amplitude_px) for each in scheduled
    )


def draw_blinks(
    rng: np.random.Generator, plan: InjectionPlan, scheduled: Sequence[Scheduled]
) -> tuple[TimeCourse, ...]:
    """Draw blinks in the gaps between movements, at the plan's rate."""
    edges = [0, *(t for s in scheduled for t in (s.pulse.onset_ns, s.pulse.offset_ns))]
    edges.append(round(plan.seconds * 1e9))
    gaps = [(edges[i], edges[i + 1]) for i in range(0, len(edges), 2)]
    blinks = []
    for low, high in gaps:
        start, end = low / 1e9 + _BLINK_APART_S, high / 1e9 - _BLINK_APART_S - _BLINK_S[1]
        # A long gap, such as a neutral pass, is divided into parts of one blink each.
        parts = max(1, round((end - start) * plan.blinks_per_minute / 60))
        chance = min(1.0, (high - low) / 1e9 * plan.blinks_per_minute / 60 / parts)
        for first, last in pairwise(np.linspace(start, end, parts + 1)):
            if end <= start or rng.random() >= chance:
                continue
            onset = float(rng.uniform(first, max(last - APART_S / 2, first)))
            lasts = float(rng.uniform(*_BLINK_S))
            times = (round(t * 1e9) for t in (onset, onset + 0.4 * lasts, onset + lasts))
            blinks.append(TimeCourse(*times))
    return tuple(blinks)


def draw_pass(rng: np.random.Generator, noise: float, seconds: float) -> PassConfig:
    """Draw the settings of a pass; ``noise``: the footage's own, grey levels."""
    return PassConfig(
        seconds=seconds,
        start=float(rng.random()),
        backwards=bool(rng.random() < 0.5),
        tempo=float(rng.uniform(*TEMPO)),
        noise=noise * float(rng.uniform(0.9, 1.1)),
        seed=int(rng.integers(2**31)),
    )


def crop_landmarks(footage: Footage) -> F32:
    """Return the landmarks (478, 2) of the footage's middle frame, px of its canonical crop."""
    points = footage.landmarks[len(footage.landmarks) // 2]
    return transform_points(points, crop_transform(points))


def muscle_movement(rng: np.random.Generator, landmarks: F32) -> Movement:
    """Draw a movement of one or two muscles, varied in shape.

    The fields are widened or narrowed and turned by up to 15 degrees, and a third of them keep one
    side alone: the live fit would find unvaried fields too easily, since it knows them.
    ``landmarks``: (478, 2) of the face at rest, px of the crop.
    """
    names = list(MUSCLES)
    count = 2 if rng.random() < _TWO_MUSCLES else 1
    chosen = [names[int(i)] for i in rng.choice(len(names), count, replace=False)]
    total = np.zeros((CROP_HEIGHT, CROP_WIDTH, 2), np.float32)
    for place, name in enumerate(chosen):
        share = 1.0 if place == 0 else float(rng.uniform(*_SECOND_SHARE))
        own = field(MUSCLES[name], landmarks, (CROP_WIDTH, CROP_HEIGHT))
        total += np.float32(share) * _varied(own, float(rng.uniform(*_WIDTH)), rng)
    told = " + ".join(chosen)
    if rng.random() < _ONE_SIDED:
        across = np.arange(CROP_WIDTH, dtype=np.float32) - np.float32(CROP_WIDTH / 2)
        side = 1 / (1 + np.exp(across / np.float32(_SIDE_PX)))
        left = bool(rng.random() < 0.5)
        total = total * (side if left else 1 - side)[None, :, None]
        told += ", left half" if left else ", right half"
    return movement(told, "", MUSCLES[chosen[0]].label, total.astype(np.float32))


def _varied(own: F32, width: float, rng: np.random.Generator) -> F32:
    """Return a field (170, 140, 2) scaled about the centre of each half, its vectors turned."""
    half = CROP_WIDTH // 2
    made = np.zeros_like(own)
    angle = np.radians(float(rng.uniform(-_TURN_DEGREES, _TURN_DEGREES)))
    for left, sign in ((True, 1.0), (False, -1.0)):
        part = own.copy()
        if left:
            part[:, half:] = 0
        else:
            part[:, :half] = 0
        weight = np.hypot(part[..., 0], part[..., 1])
        if not weight.any():
            continue
        y, x = (float((axis * weight).sum() / weight.sum()) for axis in np.indices(weight.shape))
        scale = np.array([[width, 0, (1 - width) * x], [0, width, (1 - width) * y]])
        wide = np.asarray(cv2.warpAffine(part, scale, (CROP_WIDTH, CROP_HEIGHT)), np.float32)
        c, s = np.cos(sign * angle), np.sin(sign * angle)  # the two sides turn as in a mirror
        made += wide @ np.array([[c, s], [-s, c]], np.float32)
    return np.asarray(cv2.GaussianBlur(made, (0, 0), 2.0), np.float32)  # no edge at the midline
