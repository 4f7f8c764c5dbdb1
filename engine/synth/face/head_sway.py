"""Head sway: slow motion as a sum of sines."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from htnet.engine.synth.face.pose import Pose
from htnet.engine.types import F64

_LOW_HZ, _HIGH_HZ, _WAVES = 0.15, 0.4, 3


@dataclass(frozen=True, slots=True, eq=False)
class HeadSway:
    """A sum of sines for each axis: x, y, roll, scale - 1 and, if given, yaw and pitch.

    ``amplitudes``, ``hz`` and ``phases``: (axes, waves).
    """

    amplitudes: F64
    hz: F64
    phases: F64

    @classmethod
    def draw(cls, rng: np.random.Generator, seconds: float, px: float = 1.0) -> "HeadSway":
        """Draw sway whose peak over a clip is ``px`` times 5.5..8 px in x and 2..4 px in y, and at
        most 1.5 degrees in roll and 1% in scale. Clips under 8 s count as 8 s."""
        draft = cls._waves(rng, axes=4)
        peaks = [
            px * rng.uniform(5.5, 8.0),
            px * rng.uniform(2.0, 4.0),
            np.deg2rad(rng.uniform(0.5, 1.5)),
            rng.uniform(0.003, 0.01),
        ]
        return draft._reaching(peaks, seconds)

    @classmethod
    def within(cls, rng: np.random.Generator, seconds: float, peaks: Sequence[float]) -> "HeadSway":
        """Draw sway that reaches ``peaks``, one for each axis. Clips under 8 s count as 8 s."""
        return cls._waves(rng, len(peaks))._reaching(peaks, seconds)

    def at(self, t_ns: int) -> Pose:
        """Return the pose at a time."""
        x, y, roll, grow, *turn = self._values(np.array([t_ns * 1e-9]))[0].tolist()
        return Pose(x, y, roll, 1.0 + grow, *turn)

    @classmethod
    def _waves(cls, rng: np.random.Generator, axes: int) -> "HeadSway":
        shape = (axes, _WAVES)
        return cls(
            rng.uniform(0.3, 1.0, shape),
            rng.uniform(_LOW_HZ, _HIGH_HZ, shape),
            rng.uniform(0.0, 2 * np.pi, shape),
        )

    def _reaching(self, peaks: Sequence[float], seconds: float) -> "HeadSway":
        """Return the same waves, each axis scaled to its peak over the clip."""
        reached = np.abs(self._values(np.arange(0.0, max(seconds, 8.0), 0.02))).max(0)
        scale = (np.asarray(peaks) / reached)[:, None]
        return HeadSway(self.amplitudes * scale, self.hz, self.phases)

    def _values(self, seconds: F64) -> F64:
        angle = 2 * np.pi * self.hz * seconds[:, None, None] + self.phases
        result: F64 = (self.amplitudes * np.sin(angle)).sum(-1)
        return result
