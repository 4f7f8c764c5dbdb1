"""The demonstration clip: a portrait that sways, blinks and shows three micro-expressions.

`DemoPlan` draws every event from the seed before a frame is rendered; `DemoClip` renders any frame.
Neither uses a network.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from htnet.engine.anatomy.muscles import BROW_LOWER, BROW_RAISE, LIP_CORNER_PULL
from htnet.engine.errors import UsageError
from htnet.engine.synth.camera.sensor_noise import SensorNoise
from htnet.engine.synth.face.animator import Animator
from htnet.engine.synth.face.head_sway import HeadSway
from htnet.engine.synth.face.portrait import Portrait, load_portrait
from htnet.engine.synth.face.pose import REST, Pose
from htnet.engine.synth.face.time_course import TimeCourse
from htnet.engine.synth.schedule.ground_truth import SimulatedEvent
from htnet.engine.types import F32, Frame

_SECOND = 1_000_000_000
_FIRST_EVENT = 2.5  # s, for a spotter to measure the noise at rest
_BETWEEN_EVENTS = 1.6  # s
_AFTER_LAST = 0.8  # s
_BLINK_TO_EVENT = 0.5  # s
_BLINK_TO_BLINK = 0.6  # s
_SHORTEST = 8.0  # s


@dataclass(frozen=True, slots=True)
class DemoConfig:
    """Settings of a demonstration clip.

    ``size``: (width, height) px. ``noise``: standard deviation, grey levels. ``still``: no sway,
    blinks or expressions, only noise.
    """

    seed: int = 0
    size: tuple[int, int] = (640, 360)
    fps: float = 30.0
    seconds: float = 12.0
    noise: float = 2.5
    still: bool = False

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise UsageError(f"expected a demo seed of 0 or more, got {self.seed}")
        if not 1.0 <= self.fps <= 1000.0:
            raise UsageError(f"expected 1 to 1000 frames a second, got {self.fps}")
        shortest = 1.0 / self.fps if self.still else _SHORTEST
        if not self.seconds >= shortest:
            raise UsageError(
                f"expected a demo clip of at least {shortest:.3g} s, got {self.seconds} s"
            )
        if not 0.0 <= self.noise <= 40.0:
            raise UsageError(f"expected noise of 0 to 40 grey levels, got {self.noise}")


@dataclass(frozen=True, slots=True, eq=False)
class DemoPlan:
    """Events of a clip. ``blinks``: (start_ns, end_ns) each. ``sway``: None for a still clip."""

    events: tuple[SimulatedEvent, ...] = ()
    blinks: tuple[tuple[int, int], ...] = ()
    sway: HeadSway | None = None

    @classmethod
    def draw(cls, config: DemoConfig) -> "DemoPlan":
        """Draw the plan of a configuration. Its frame rate has no effect, its size only scales the
        sway."""
        if config.still:
            return cls()
        rng = np.random.default_rng(config.seed)
        events = _draw_events(rng, config.seconds)
        blinks = _draw_blinks(rng, config.seconds, events)
        return cls(
            events, blinks, HeadSway.draw(rng, config.seconds, max(1.0, config.size[1] / 360))
        )


class DemoClip:
    """Frames of a plan, rendered on demand, in any order and always the same."""

    def __init__(self, config: DemoConfig, plan: DemoPlan, portrait: Portrait) -> None:
        self.config = config
        self.plan = plan
        self.truth = plan.events
        self.blinks = plan.blinks
        self.frame_count = round(config.seconds * config.fps)
        self.animator = Animator(portrait, config.size)
        self._noise = SensorNoise(config.seed, config.noise)
        # shut for a moment, and opening more slowly than closing
        self._lids = [
            TimeCourse(start, start + round(0.38 * (end - start)), end, hold=0.2)
            for start, end in plan.blinks
        ]

    def time_ns(self, i: int) -> int:
        """Return the time of frame ``i``."""
        return round(i * _SECOND / self.config.fps)

    def frame(self, i: int) -> Frame:
        """Render frame ``i``, 0 to ``frame_count`` - 1."""
        if not 0 <= i < self.frame_count:
            raise IndexError(f"frame {i} of {self.frame_count}")
        t = self.time_ns(i)
        clean = self.animator.render(self.pose(t), self.activations(t), self.closure(t))
        return Frame(i, t, self._noise.add(clean, i))

    def pose(self, t_ns: int) -> Pose:
        """Return the pose of the head at a time."""
        return REST if self.plan.sway is None else self.plan.sway.at(t_ns)

    def activations(self, t_ns: int) -> dict[str, float]:
        """Return each active muscle's peak displacement at a time, px of the crop."""
        activations: dict[str, float] = {}
        for event in self.truth:
            activation = event.pulse.at(t_ns)
            if activation > 0.0:
                activations[event.muscle] = (
                    activations.get(event.muscle, 0.0) + activation * event.amplitude_px
                )
        return activations

    def closure(self, t_ns: int) -> float:
        """Return the closure of the eyelids at a time, 0 open to 1 shut."""
        return max((lid.at(t_ns) for lid in self._lids), default=0.0)

    def landmarks(self, i: int) -> F32:
        """Return the true landmarks of frame ``i``: (478, 2) px."""
        t = self.time_ns(i)
        return self.animator.landmarks(self.pose(t), self.activations(t))

    def __len__(self) -> int:
        return self.frame_count

    def __iter__(self) -> Iterator[Frame]:
        return (self.frame(i) for i in range(self.frame_count))


def render_demo(config: DemoConfig | None = None) -> DemoClip:
    """Return the clip of a configuration, with the portrait that ships with the package."""
    config = config or DemoConfig()
    return DemoClip(config, DemoPlan.draw(config), load_portrait())


def _draw_events(rng: np.random.Generator, seconds: float) -> tuple[SimulatedEvent, ...]:
    muscles = (BROW_RAISE, BROW_LOWER, LIP_CORNER_PULL)
    durations = rng.uniform(0.12, 0.4, len(muscles))
    rises = rng.uniform(0.38, 0.46, len(muscles))
    amplitudes = rng.uniform(0.8, 2.0, len(muscles))
    needed = float(durations.sum()) + _BETWEEN_EVENTS * (len(muscles) - 1)
    slack = seconds - _FIRST_EVENT - _AFTER_LAST - needed
    shares = np.sort(rng.uniform(0.0, slack, len(muscles)))
    events = []
    elapsed = _FIRST_EVENT
    for i, which in enumerate(rng.permutation(len(muscles))):
        muscle, onset = muscles[which], elapsed + float(shares[i])
        events.append(
            SimulatedEvent(
                muscle.label,
                muscle.name,
                round(onset * _SECOND),
                round((onset + durations[i] * rises[i]) * _SECOND),
                round((onset + durations[i]) * _SECOND),
                float(amplitudes[i]),
            )
        )
        elapsed += float(durations[i]) + _BETWEEN_EVENTS
    return tuple(events)


def _draw_blinks(
    rng: np.random.Generator, seconds: float, events: tuple[SimulatedEvent, ...]
) -> tuple[tuple[int, int], ...]:
    """Draw three to five blinks clear of the expressions and of each other."""
    busy = [
        (e.onset_ns / _SECOND - _BLINK_TO_EVENT, e.offset_ns / _SECOND + _BLINK_TO_EVENT)
        for e in events
    ]
    blinks = []
    for duration in rng.uniform(0.15, 0.3, rng.integers(3, 6)):
        starts = np.arange(0.2, seconds - 0.2 - duration, 0.005)
        free = np.ones(len(starts), bool)
        for start, end in busy:
            free &= (starts + duration < start) | (starts > end)
        if not free.any():
            continue
        start = float(rng.choice(starts[free])) + float(rng.uniform(0.0, 0.004))
        blinks.append((round(start * _SECOND), round((start + duration) * _SECOND)))
        busy.append((start - _BLINK_TO_BLINK, start + duration + _BLINK_TO_BLINK))
    return tuple(sorted(blinks))
