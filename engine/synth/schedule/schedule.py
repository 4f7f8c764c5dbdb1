"""The schedule of a clip: every expression and disturbance, and their state at any time.

`htnet.engine.synth.schedule.sampler` draws one from a plan.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Generic, TypeVar

from htnet.engine.synth.face.head_sway import HeadSway
from htnet.engine.synth.face.piecewise_motion import PiecewiseMotion
from htnet.engine.synth.face.pose import REST, Pose
from htnet.engine.synth.face.time_course import TimeCourse
from htnet.engine.synth.schedule.ground_truth import SimulatedEvent, Truth
from htnet.engine.types import Disturbance

T = TypeVar("T")

NO_TURN = PiecewiseMotion((0.0, 0.0))
"""A head or gaze that stays straight ahead."""

CONSTANT = PiecewiseMotion((1.0,))
"""A size or brightness that stays 1."""


@dataclass(frozen=True, slots=True)
class Contraction:
    """One contraction of a muscle; ``px``: peak displacement in px of the crop."""

    muscle: str
    pulse: TimeCourse
    px: float


@dataclass(frozen=True, slots=True)
class Glint:
    """A bright spot on the face.

    ``x``, ``y``: place relative to the midpoint of the eyes, ``radius``: its size, ``slide``: its
    sideways speed a second, all in units of the distance between the eyes. ``levels``: brightness
    added in its middle, grey levels.
    """

    pulse: TimeCourse
    x: float
    y: float
    slide: float
    radius: float
    levels: float


class ClipSchedule:
    """Schedule of a clip. ``truth``: the same as records."""

    def __init__(
        self,
        events: Sequence[SimulatedEvent] = (),
        *,
        sway: HeadSway | None = None,
        turns: PiecewiseMotion = NO_TURN,
        approach: PiecewiseMotion = CONSTANT,
        blinks: Sequence[TimeCourse] = (),
        gaze: PiecewiseMotion = NO_TURN,
        speech: Sequence[tuple[int, int]] = (),
        syllables: Sequence[Contraction] = (),
        exposure: PiecewiseMotion = CONSTANT,
        glints: Sequence[Glint] = (),
    ) -> None:
        """``turns``: (yaw, pitch) in radians. ``approach``: (scale,). ``gaze``: (dx, dy) px of the
        crop. ``speech``: (start_ns, end_ns) each; ``syllables``: the contractions in them.
        ``exposure``: (brightness,) of the picture."""
        self._sway, self._turns, self._approach = sway, turns, approach
        self._gaze, self._exposure = gaze, exposure
        expressions = [Contraction(e.muscle, e.pulse, e.amplitude_px) for e in events]
        self._contractions = _Timeline((each.pulse, each) for each in chain(expressions, syllables))
        self._blinks = _Timeline((blink, None) for blink in blinks)
        self._glints = _Timeline((glint.pulse, glint) for glint in glints)
        spans: dict[str, Iterable[tuple[int, int]]] = {
            "blink": [(blink.onset_ns, blink.offset_ns) for blink in blinks],
            "gaze": _spans(gaze),
            "speech": speech,
            "head turn": _spans(turns),
            "approach": _spans(approach),
            "lighting": _spans(exposure),
            "glint": [(glint.pulse.onset_ns, glint.pulse.offset_ns) for glint in glints],
        }
        disturbances = [Disturbance(name, *span) for name in spans for span in spans[name]]
        self.truth = Truth(
            tuple(sorted(events, key=lambda e: e.onset_ns)),
            tuple(sorted(disturbances, key=lambda d: d.onset_ns)),
        )

    def pose(self, t_ns: int) -> Pose:
        """Return the pose of the head at a time."""
        yaw, pitch = self._turns.at(t_ns)
        (size,) = self._approach.at(t_ns)
        sway = REST if self._sway is None else self._sway.at(t_ns)
        return Pose(
            sway.x, sway.y, sway.roll, sway.scale * size, sway.yaw + yaw, sway.pitch + pitch
        )

    def activations(self, t_ns: int) -> dict[str, float]:
        """Return each active muscle's peak displacement at a time, px of the crop."""
        activations: dict[str, float] = {}
        for activation, each in self._contractions.at(t_ns):
            activations[each.muscle] = activations.get(each.muscle, 0.0) + activation * each.px
        return activations

    def closure(self, t_ns: int) -> float:
        """Return the closure of the eyelids at a time, 0 open to 1 shut."""
        return max((activation for activation, _ in self._blinks.at(t_ns)), default=0.0)

    def gaze(self, t_ns: int) -> tuple[float, float]:
        """Return the shift of the irises at a time: (dx, dy) px of the crop."""
        dx, dy = self._gaze.at(t_ns)
        return dx, dy

    def brightness(self, t_ns: int) -> float:
        """Return the gain of the automatic exposure at a time, 1 at rest."""
        (brightness,) = self._exposure.at(t_ns)
        return brightness

    def glints(self, t_ns: int) -> list[tuple[float, Glint]]:
        """Return the glints at a time, each after its intensity, 0..1."""
        return list(self._glints.at(t_ns))


def _spans(motion: PiecewiseMotion) -> list[tuple[int, int]]:
    return [(move.start_ns, move.end_ns) for move in motion.moves]


class _Timeline(Generic[T]):
    """Items with a time course each, found by time in logarithmic time."""

    def __init__(self, items: Iterable[tuple[TimeCourse, T]]) -> None:
        self._items = sorted(items, key=lambda item: item[0].onset_ns)
        self._onsets = [pulse.onset_ns for pulse, _ in self._items]
        self._longest = max((p.offset_ns - p.onset_ns for p, _ in self._items), default=0)

    def at(self, t_ns: int) -> Iterator[tuple[float, T]]:
        """Yield (activation, item) of those active at a time."""
        first = bisect_left(self._onsets, t_ns - self._longest)
        for pulse, item in self._items[first : bisect_right(self._onsets, t_ns)]:
            activation = pulse.at(t_ns)
            if activation > 0.0:
                yield activation, item
