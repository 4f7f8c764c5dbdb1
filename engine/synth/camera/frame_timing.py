"""Frame timing: the times of a camera's frames, their losses, repeats and timestamps."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from htnet.engine.synth.schedule.plan import TimingPlan


@dataclass(frozen=True, slots=True)
class Shot:
    """A frame as it arrives.

    ``t_ns``: its timestamp. ``taken_ns``: time at which its picture was taken. ``number``: index of
    the picture, lost ones counted. ``again``: it repeats the picture before.
    """

    t_ns: int
    taken_ns: int
    number: int
    again: bool = False


class Timing:
    """Shots of a clip of ``seconds`` at ``fps``; the same seed gives the same shots.

    Losses, repeats and timestamp errors are independent from frame to frame, not in bursts. The
    first frame always arrives, at 0. All times are whole microseconds, as in a video file. Pictures
    are taken on time; only their timestamps are off.
    """

    def __init__(self, fps: float, seconds: float, plan: TimingPlan, seed: int) -> None:
        rng = np.random.default_rng([seed, 100])
        count = max(1, round(seconds * fps))
        taken = np.rint(np.arange(count) * (1e6 / fps)).astype(np.int64)  # in us, as a file's are
        fate = rng.random(count)
        error = np.clip(rng.standard_normal(count), -3, 3) * plan.jitter_ms * 1e3
        error[0] = 0.0
        # strictly increasing: a late timestamp pushes the next one
        order = np.arange(count)
        stamps = taken + np.rint(error).astype(np.int64)
        stamps = np.maximum.accumulate(np.maximum(stamps, 0) - order) + order
        self._taken, self._stamps = 1000 * taken, 1000 * stamps
        lost = fate < plan.dropped_percent / 100
        self._again = fate >= 1 - plan.duplicated_percent / 100
        lost[0] = self._again[0] = False
        self._kept = np.flatnonzero(~lost)

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Shot]:
        number = 0
        for i in map(int, self._kept):
            again = bool(self._again[i])
            number = number if again else i
            yield Shot(int(self._stamps[i]), int(self._taken[number]), number, again)
