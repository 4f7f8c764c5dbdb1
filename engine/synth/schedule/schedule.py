"""What happens when in a made video: every expression and disturbance, and their state at any time.

`htnet.engine.synth.schedule.sampler` draws one from a plan.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Generic, TypeVar

from htnet.engine.synth.face.animator import REST, Pose
from htnet.engine.synth.face.head_sway import HeadSway
from htnet.engine.synth.face.piecewise_motion import PiecewiseMotion
from htnet.engine.synth.face.time_course import TimeCourse
from htnet.engine.synth.schedule.ground_truth import SimulatedEvent, Truth
from htnet.engine.types import Disturbance

T = TypeVar("T")

AHEAD = PiecewiseMotion((0.0, 0.0))
"""A head or a gaze that never turns."""

STEADY = PiecewiseMotion((1.0,))
"""A size or a brightness that never changes."""


@dataclass(frozen=True, slots=True)
class Contraction:
    """A muscle that contracts once; ``px`` of the crop at its peak."""

    muscle: str
    pulse: TimeCourse
    px: float


@dataclass(frozen=True, slots=True)
class Glint:
    """A bright spot on the face, at (``x``, ``y``) in units of the distance between the eyes, from
    midway between them; ``radius`` alike. It slides sideways by ``slide`` a second. ``levels``: how
    many grey levels brighter its middle is."""

    pulse: TimeCourse
    x: float
    y: float
    slide: float
    radius: float
    levels: float


class ClipSchedule:
    """All that happens in a clip; ``truth`` says it in records."""

    def __init__(
        self,
        events: Sequence[SimulatedEvent] = (),
        *,
        sway: HeadSway | None = None,
        turns: PiecewiseMotion = AHEAD,
        approach: PiecewiseMotion = STEADY,
        blinks: Sequence[TimeCourse] = (),
        gaze: PiecewiseMotion = AHEAD,
        speech: Sequence[tuple[int, int]] = (),
        syllables: Sequence[Contraction] = (),
        exposure: PiecewiseMotion = STEADY,
        glints: Sequence[Glint] = (),
    ) -> None:
        """``turns``: (yaw, pitch) in radians. ``approach``: (scale,). ``gaze``: (dx, dy) px of the
        crop. ``speech``: (start_ns, end_ns) each; ``syllables``: what the face does in them.
        ``exposure``: (brightness,) of the picture."""
        self._sway, self._turns, self._approach = sway, turns, approach
        self._gaze, self._exposure = gaze, exposure
        expressions = [Contraction(e.muscle, e.pulse, e.amplitude_px) for e in events]
        self._pulls = _Agenda((pull.pulse, pull) for pull in chain(expressions, syllables))
        self._blinks = _Agenda((blink, None) for blink in blinks)
        self._glints = _Agenda((glint.pulse, glint) for glint in glints)
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
        """Of the head, at a time."""
        yaw, pitch = self._turns.at(t_ns)
        (size,) = self._approach.at(t_ns)
        sway = REST if self._sway is None else self._sway.at(t_ns)
        return Pose(
            sway.x, sway.y, sway.roll, sway.scale * size, sway.yaw + yaw, sway.pitch + pitch
        )

    def activations(self, t_ns: int) -> dict[str, float]:
        """Each muscle's peak displacement at a time, in px of the crop; those at rest left out."""
        activations: dict[str, float] = {}
        for activation, pull in self._pulls.at(t_ns):
            activations[pull.muscle] = activations.get(pull.muscle, 0.0) + activation * pull.px
        return activations

    def closure(self, t_ns: int) -> float:
        """Of the eyelids, at a time: 0 open to 1 shut."""
        return max((activation for activation, _ in self._blinks.at(t_ns)), default=0.0)

    def gaze(self, t_ns: int) -> tuple[float, float]:
        """Of the irises from the middle, at a time: (dx, dy) px of the crop."""
        dx, dy = self._gaze.at(t_ns)
        return dx, dy

    def brightness(self, t_ns: int) -> float:
        """What the automatic exposure makes of the picture's brightness at a time, 1 at rest."""
        (brightness,) = self._exposure.at(t_ns)
        return brightness

    def glints(self, t_ns: int) -> list[tuple[float, Glint]]:
        """What glints at a time, and how far each has flared up, 0..1."""
        return list(self._glints.at(t_ns))


def _spans(glide: PiecewiseMotion) -> list[tuple[int, int]]:
    return [(move.start_ns, move.end_ns) for move in glide.moves]


class _Agenda(Generic[T]):
    """Things that come and go with their pulses, found by time however many there are."""

    def __init__(self, items: Iterable[tuple[TimeCourse, T]]) -> None:
        self._items = sorted(items, key=lambda item: item[0].onset_ns)
        self._onsets = [pulse.onset_ns for pulse, _ in self._items]
        self._longest = max((p.offset_ns - p.onset_ns for p, _ in self._items), default=0)

    def at(self, t_ns: int) -> Iterator[tuple[float, T]]:
        """Those active at a time, with their activation."""
        first = bisect_left(self._onsets, t_ns - self._longest)
        for pulse, item in self._items[first : bisect_right(self._onsets, t_ns)]:
            activation = pulse.at(t_ns)
            if activation > 0.0:
                yield activation, item
