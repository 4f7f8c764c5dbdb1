"""Slow head motion: a few sines of everyday frequencies."""

from dataclasses import dataclass

import numpy as np

from htnet.engine.synth.animator import Pose
from htnet.engine.types import F64

_LOW_HZ, _HIGH_HZ, _WAVES = 0.15, 0.4, 3
_AXES = ("x", "y", "roll", "scale")


@dataclass(frozen=True, slots=True, eq=False)
class Sway:
    """Per axis (x, y, roll, scale - 1) the sum of sines: ``amplitudes``, ``hz`` and ``phases``
    are (4, waves)."""

    amplitudes: F64
    hz: F64
    phases: F64

    @classmethod
    def draw(cls, rng: np.random.Generator, seconds: float, px: float = 1.0) -> "Sway":
        """Random sway whose peak over a clip (of 8 s or more) is 5.5..8 px in x, 2..4 in y, each
        times ``px``, at most 1.5 degrees in roll and 1% in scale."""
        shape = (len(_AXES), _WAVES)
        draft = cls(
            rng.uniform(0.3, 1.0, shape),
            rng.uniform(_LOW_HZ, _HIGH_HZ, shape),
            rng.uniform(0.0, 2 * np.pi, shape),
        )
        wanted = np.array(
            [
                px * rng.uniform(5.5, 8.0),
                px * rng.uniform(2.0, 4.0),
                np.deg2rad(rng.uniform(0.5, 1.5)),
                rng.uniform(0.003, 0.01),
            ]
        )
        peak = np.abs(draft._values(np.arange(0.0, max(seconds, 8.0), 0.02))).max(0)
        return cls(draft.amplitudes * (wanted / peak)[:, None], draft.hz, draft.phases)

    def at(self, t_ns: int) -> Pose:
        """The pose at a time."""
        x, y, roll, grow = self._values(np.array([t_ns * 1e-9]))[0]
        return Pose(float(x), float(y), float(roll), 1.0 + float(grow))

    def _values(self, seconds: F64) -> F64:
        angle = 2 * np.pi * self.hz * seconds[:, None, None] + self.phases
        result: F64 = (self.amplitudes * np.sin(angle)).sum(-1)
        return result
