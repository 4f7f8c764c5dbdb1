"""The movement under way and the refractory period after it."""

from dataclasses import dataclass

from htnet.engine.types import F32, NS_PER_MS, AlignedFace, State
from htnet.realtime.spotting.config import SpotterConfig
from htnet.realtime.spotting.samples import FrameActivations

AT_REST = 0.5
"""Level, in thresholds, below which a muscle counts as at rest."""


@dataclass(slots=True, eq=False)
class OpenCandidate:
    """A movement under way, measured against one frozen onset; updated frame by frame.

    ``onset``: the face that it is measured against. ``since_ns``: start of its samples.
    ``crossed_ns``: time at which a muscle crossed its threshold. ``level``: (8,) activations at the
    peak, in thresholds; ``peak``: the highest of them; ``peak_ns``: its time. ``answered``: a
    provisional answer was computed for this peak. ``told``: one was believed and emitted.
    """

    onset: AlignedFace
    since_ns: int
    crossed_ns: int
    level: F32
    peak: float
    peak_ns: int
    state: State = State.RISING
    answered: bool = False
    told: bool = False

    def update(self, sample: FrameActivations, config: SpotterConfig) -> bool:
        """Take in a frame; return True once the movement is over."""
        strength = float(sample.level.max())
        if strength > self.peak:
            self.peak, self.peak_ns, self.level = strength, sample.t_ns, sample.level
            self.state = State.RISING
            self.answered = self.told  # a rejected lower peak may be believed at a higher one
        elif strength < AT_REST or sample.progress(self.level) < config.closed_fraction:
            # Another muscle, or the head, may still be on its way: this movement is over.
            return True
        elif strength < config.falling_fraction * self.peak:
            self.state = State.FALLING
        elif sample.t_ns - self.peak_ns >= config.apex_ms * NS_PER_MS:
            self.state = State.APEX
        return False


@dataclass(slots=True, eq=False)
class RefractoryPeriod:
    """The time after a movement in which the face is still measured against ``onset``.

    The face of `SpotterConfig.reference_ms` ago lies in the movement and is no onset.
    ``calmed``: every muscle has been at rest since.
    """

    onset: AlignedFace
    closed_ns: int
    until_ns: int
    calmed: bool = False
