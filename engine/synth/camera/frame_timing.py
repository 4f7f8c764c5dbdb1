"""When a camera takes its frames, which of them arrive, and what their timestamps say."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from htnet.engine.synth.schedule.plan import TimingPlan


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame as it arrives. ``t_ns``: its timestamp. ``taken_ns``: when the picture in it was
    taken. ``number``: of the picture, counting also those that were lost. ``again``: it is the
    picture before once more."""

    t_ns: int
    taken_ns: int
    number: int
    again: bool = False


class Timing:
    """The shots of a clip of ``seconds`` at ``fps``, the same for a seed however often asked for.

    Frames are lost, repeated and misdated each by itself, not in bursts. The first frame always
    comes, at 0. All times are whole microseconds, as in a video file. Frames are taken on time;
    only their timestamps are off.
    """

    def __init__(self, fps: float, seconds: float, plan: TimingPlan, seed: int) -> None:
        rng = np.random.default_rng([seed, 100])
        count = max(1, round(seconds * fps))
        taken = np.rint(np.arange(count) * (1e6 / fps)).astype(np.int64)  # in us, as a file's are
        fate = rng.random(count)
        error = np.clip(rng.standard_normal(count), -3, 3) * plan.jitter_ms * 1e3
        error[0] = 0.0
        # late ones push the next: a timestamp never comes before the one before it
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
