"""Large movements: expressions of several px and half a second to seconds, by landmarks.

The measures of `htnet.engine.anatomy.measures` are held against a baseline that follows the face
while it is at rest and stands while it moves. A movement opens where the distance exceeds the
threshold, and closes where the face has gone back by more than half of its way.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from htnet.engine.types import F32, NS_PER_MS

@dataclass(frozen=True, slots=True)
class LargeConfig:
    """``threshold_px``: the distance from the baseline that opens a movement. ``spreads``: it is at
    least so many times the median step of the distance over 200 ms. ``closed``: the share of the
    peak under which it has gone back. ``onset``: the share of the peak at which it began.
    ``follow_ms``: the time constant of the baseline at rest. ``longest_ms``: what has not gone back
    by then is another pose. ``turns_a_second``: a mouth that turns back more often speaks, where a
    turn is more than ``turn_px``."""

    threshold_px: float = 2.4
    spreads: float = 6.0
    closed: float = 0.45
    onset: float = 0.25
    follow_ms: float = 700.0
    settle_ms: float = 350.0
    shortest_ms: float = 400.0
    longest_ms: float = 5000.0
    turns_a_second: float = 3.0
    turn_px: float = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class LargeMovement:
    """A large movement that is over. ``peak``: (9,) px from the baseline at its peak; ``distance``:
    its length. ``turns_a_second``: how often the mouth turned back. ``returned``: whether the face
    went back."""

    onset_ns: int
    apex_ns: int
    offset_ns: int
    peak: F32
    distance: float
    threshold: float
    turns_a_second: float
    returned: bool


class LargeMovements:
    """Follows the measures of one face."""

    def __init__(self, config: LargeConfig | None = None) -> None:
        self._config = config or LargeConfig()
        self.reset()

    def reset(self) -> None:
        """Forget the face."""
        self._baseline: F32 | None = None
        self._settled_ns: int | None = None
        self._course: deque[tuple[int, F32, float]] = deque(maxlen=2048)
        self._opened = False
        self._peak = 0.0
        self._peak_ns = 0
        self._last_ns = 0

    @property
    def moving(self) -> bool:
        """Whether a large movement is under way."""
        return self._opened

    def step(self, t_ns: int, measures: F32, blinking: bool) -> LargeMovement | None:
        """Take in the measures (9,) of a frame; the movement that ended with it. ``blinking``: the
        lids pull the landmarks of the eye corners, so the frame tells nothing."""
        config = self._config
        passed_ms, self._last_ns = (t_ns - self._last_ns) / NS_PER_MS, t_ns
        if self._baseline is None:
            self._baseline, self._settled_ns = measures.copy(), t_ns
        if blinking:
            return None
        distance = float(np.linalg.norm(measures - self._baseline))
        self._course.append((t_ns, measures, distance))
        while t_ns - self._course[0][0] > (config.longest_ms + 1000) * NS_PER_MS:
            self._course.popleft()
        if not self._opened:
            threshold = self._threshold()
            if distance > threshold and self._settled(t_ns):
                self._opened, self._peak, self._peak_ns = True, distance, t_ns
                self._crossed_ns, self._at = t_ns, threshold
                self._rest = self._baseline.copy()
            else:
                share = 1 - np.exp(-min(passed_ms, 200.0) / self._follow(t_ns))
                self._baseline += np.float32(share) * (measures - self._baseline)
            return None
        if distance > self._peak:
            self._peak, self._peak_ns = distance, t_ns
        if distance < config.closed * self._peak:
            return self._close(t_ns, returned=True)
        if t_ns - self._crossed_ns > config.longest_ms * NS_PER_MS:
            return self._close(t_ns, returned=False)
        return None

    def _settled(self, t_ns: int) -> bool:
        assert self._settled_ns is not None
        return t_ns - self._settled_ns > self._config.settle_ms * NS_PER_MS

    def _follow(self, t_ns: int) -> float:
        """The baseline's time constant in ms: short until the face has settled."""
        return self._config.follow_ms if self._settled(t_ns) else self._config.follow_ms / 4

    def _threshold(self) -> float:
        """px; from the usual step of the measures over 200 ms while nothing is open."""
        steps = [d for _, _, d in self._course]
        noise = float(np.median(steps)) if len(steps) > 10 else 0.0
        return max(self._config.threshold_px, min(self._config.spreads * noise, 3 * self._config.threshold_px))

    def _close(self, t_ns: int, *, returned: bool) -> LargeMovement:
        times = np.array([t for t, _, _ in self._course], np.int64)
        moved = np.stack([m for _, m, _ in self._course]) - self._rest
        peak = moved[int(np.abs(times - self._peak_ns).argmin())]
        along = moved @ peak / max(float(peak @ peak), 1e-6)
        place = int(np.searchsorted(times, self._crossed_ns))
        while place > 0 and along[place] > self._config.onset:
            place -= 1
        onset_ns = int(times[place])
        inside = moved[place:]
        seconds = max((t_ns - onset_ns) / 1e9, 1e-3)
        self._opened = False
        self._settled_ns = t_ns - int((0 if not returned else self._config.settle_ms) * NS_PER_MS)
        self._baseline = moved[-1] + self._rest
        result = LargeMovement(
            onset_ns,
            self._peak_ns,
            t_ns,
            peak,
            self._peak,
            self._at,
            _turns(inside, self._config.turn_px) / seconds,
            returned,
        )
        self._course.clear()
        return result


def _turns(course: F32, least_px: float) -> int:
    """How often the measure of the mouth that turned back most did, by more than ``least_px``;
    course (N, 9)."""
    mouth = np.column_stack([course[:, 8], course[:, 2] - course[:, 0], course[:, 1] + course[:, 3]])
    most = 0
    for values in mouth.T:
        turns, way, extreme = 0, 0.0, float(values[0])
        for value in map(float, values):
            if way == 0.0:
                if abs(value - extreme) > least_px:
                    way, extreme = float(np.sign(value - extreme)), value
            elif way * (value - extreme) > 0:
                extreme = value
            elif way * (extreme - value) > least_px:
                turns, way, extreme = turns + 1, -way, value
        most = max(most, turns)
    return most
