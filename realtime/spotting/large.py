"""Large movements by landmarks: expressions of several px that last 0.5 s to seconds.

The measures of `htnet.engine.anatomy.measures` are compared with a baseline that follows the face
at rest and stands still while it moves. A movement opens where the distance from the baseline
exceeds a threshold, and closes where the face has gone back by more than half of it. A face that
rests in a displaced pose is compared with that pose too: the movement set out from whichever of the
two poses it returns to.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from htnet.engine.anatomy.measures import MEASURES
from htnet.engine.types import F32, NS_PER_MS

_WAY_BACK_NS = 600 * NS_PER_MS  # longest way back to rest after the end of a movement
_JUDGED_NS, _RECENT_NS = 250 * NS_PER_MS, 3000 * NS_PER_MS
_OPENING = MEASURES.index("mouth opening")


@dataclass(frozen=True, slots=True)
class LargeConfig:
    """Settings of the large movements.

    ``threshold_px``: distance (9 measures together) that opens a movement; at least ``jitters``
    times the usual step from frame to frame.
    ``closed_fraction``: of the peak, below which the face has returned. ``onset_fraction``: of the
    peak, at which it set out.
    ``baseline_ms``: time constant of the baseline at rest.
    ``calm_ms``, ``calm_px``: a face that moved less for so long is at rest.
    ``shortest_ms``, ``longest_ms``: durations of a large movement.
    ``settle_ms``: least time in a pose before a movement can set out from it.
    ``nested_fraction``: a movement from a pose in the middle of another one is one of its own if it
    reaches this fraction of the other's peak.
    ``apex_ms``: time since the peak at which a movement is told provisionally, if it has lasted for
    ``shortest_ms`` by then.
    ``turn_px``, ``turn_fraction``: the mouth reverses where it goes back by more than that, and by
    more than that fraction of the peak.
    """

    threshold_px: float = 3.0
    jitters: float = 9.0
    closed_fraction: float = 0.45
    onset_fraction: float = 0.25
    baseline_ms: float = 700.0
    calm_ms: float = 230.0
    calm_px: float = 1.6
    shortest_ms: float = 500.0
    longest_ms: float = 4000.0
    settle_ms: float = 200.0
    nested_fraction: float = 0.5
    apex_ms: float = 100.0
    turn_px: float = 1.5
    turn_fraction: float = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class LargeMovement:
    """A large movement. ``over``: the face has returned; otherwise it is told at its apex.

    ``peak``: (9,) px from the baseline at the apex, ``distance`` its length, ``threshold`` the
    distance that opened it. ``turns_a_second``: reversals of the mouth.
    """

    onset_ns: int
    apex_ns: int
    offset_ns: int
    peak: F32
    distance: float
    threshold: float
    turns_a_second: float
    over: bool = True


class LargeMovementSpotter:
    """Follows the landmark measures of one face and spots its large movements."""

    def __init__(self, config: LargeConfig | None = None) -> None:
        self._config = config or LargeConfig()
        self.reset()

    def reset(self) -> None:
        """Forget the face."""
        self._course: deque[tuple[int, F32]] = deque(maxlen=2048)
        self._outer: _Excursion | None = None
        self._inner: _Excursion | None = None
        self._jitter, self._judged_ns = 0.0, 0

    @property
    def moving(self) -> bool:
        """True while a large movement is under way."""
        return any(each is not None and each.opened for each in (self._outer, self._inner))

    def step(self, t_ns: int, measures: F32, blinking: bool) -> LargeMovement | None:
        """Take in the measures (9,) of a frame; return the movement that peaked or ended with it.

        ``blinking``: the frame is skipped, since lids move the landmarks round the eyes.
        """
        config = self._config
        if blinking:
            return None
        self._course.append((t_ns, measures))
        while t_ns - self._course[0][0] > (config.longest_ms + 1000) * NS_PER_MS:
            self._course.popleft()
        if self._outer is None:
            self._outer = _Excursion(measures, t_ns, config)
        threshold = self._threshold(t_ns)
        if self._inner is not None and self._inner.step(t_ns, measures, threshold):
            found = self._inner.movement(self._course, t_ns)
            if found is not None and found.distance > config.nested_fraction * self._outer.peak:
                # The pose that it returned to is where the face rests.
                self._outer, self._inner = self._inner, None
                return found
        if self._outer.step(t_ns, measures, threshold):
            self._inner = None
            return self._outer.movement(self._course, t_ns)
        if self._outer.opened and t_ns - self._outer.crossed_ns > config.longest_ms * NS_PER_MS:
            self._outer = self._inner or _Excursion(measures, t_ns, config)
            self._inner = None
        elif self._outer.opened and self._inner is None:
            calm = self._calm(t_ns, self._outer.crossed_ns)
            if calm is not None:
                self._inner = _Excursion(calm, t_ns, config)
        nested = self._inner is not None and self._inner.opened
        if not nested and self._outer.peaked(t_ns):
            return self._outer.movement(self._course, t_ns, over=False)
        return None

    def reach(self, since_ns: int, until_ns: int) -> float:
        """Return the largest distance of the measures from those at ``since_ns``, px.

        0 where none are known.
        """
        inside = [m for t, m in self._course if since_ns <= t <= until_ns]
        if not inside:
            return 0.0
        return float(np.linalg.norm(np.stack(inside) - inside[0], axis=1).max())

    def _calm(self, t_ns: int, since_ns: int) -> F32 | None:
        """Return the pose (9,) px in which the face has rested for `calm_ms`; None if it moved."""
        earliest = t_ns - int(self._config.calm_ms * NS_PER_MS)
        if earliest < since_ns:
            return None
        recent = np.stack([m for t, m in self._course if t >= earliest])
        middle: F32 = np.median(recent, axis=0).astype(np.float32)
        moved = np.linalg.norm(recent - middle, axis=1)
        return middle if len(recent) > 2 and moved.max() < self._config.calm_px else None

    def _threshold(self, t_ns: int) -> float:
        """Return the threshold in px, from the usual step of the measures between frames.

        It is updated every 250 ms.
        """
        config = self._config
        if t_ns - self._judged_ns >= _JUDGED_NS and len(self._course) >= 10:
            self._judged_ns = t_ns
            recent = np.stack([m for t, m in self._course if t_ns - t < _RECENT_NS])
            steps = np.linalg.norm(np.diff(recent, axis=0), axis=1)
            self._jitter = float(np.percentile(steps, 25)) if len(steps) else 0.0
        return max(config.threshold_px, min(config.jitters * self._jitter, 2 * config.threshold_px))


class _Excursion:
    """A displacement from one pose at rest, and its return."""

    def __init__(self, baseline: F32, t_ns: int, config: LargeConfig) -> None:
        self._config = config
        self._baseline = baseline.astype(np.float32).copy()
        self._since_ns = self._last_ns = t_ns
        self.opened = False
        self.crossed_ns = t_ns
        self.peak, self._peak_ns, self._threshold = 0.0, t_ns, 0.0
        self._told = False
        self._leaving, self._free_ns, self._before_ns = False, t_ns, t_ns

    def step(self, t_ns: int, measures: F32, threshold: float) -> bool:
        """Take in a frame; return True if the face returned with it."""
        config = self._config
        passed_ms, self._last_ns = (t_ns - self._last_ns) / NS_PER_MS, t_ns
        distance = float(np.linalg.norm(measures - self._baseline))
        if not self.opened:
            if self._leaving and distance > 0.8 * threshold and t_ns - self._free_ns < _WAY_BACK_NS:
                return False
            self._leaving = False
            if distance > threshold and t_ns - self._since_ns > config.settle_ms * NS_PER_MS:
                self.opened, self.crossed_ns, self._threshold = True, t_ns, threshold
                self._before_ns = self._free_ns
                self._told = False
                self.peak, self._peak_ns = distance, t_ns
                return False
            fresh = t_ns - self._since_ns < config.baseline_ms * NS_PER_MS
            time_ms = config.baseline_ms / 4 if fresh else config.baseline_ms
            share = 1 - np.exp(-min(passed_ms, 200.0) / time_ms)
            self._baseline += np.float32(share) * (measures - self._baseline)
            return False
        if distance > self.peak:
            self.peak, self._peak_ns = distance, t_ns
        if distance >= config.closed_fraction * self.peak:
            return False
        self.opened, self._leaving, self._free_ns = False, True, t_ns
        return True

    def peaked(self, t_ns: int) -> bool:
        """Return True, once, when the movement is large and past its apex."""
        config = self._config
        lasted = t_ns - self.crossed_ns >= config.shortest_ms * NS_PER_MS
        past = t_ns - self._peak_ns > config.apex_ms * NS_PER_MS
        if self._told or not (self.opened and lasted and past):
            return False
        self._told = True
        return True

    def movement(
        self, course: "deque[tuple[int, F32]]", t_ns: int, *, over: bool = True
    ) -> LargeMovement | None:
        """Return the movement until ``t_ns``; None for one that is too short."""
        config = self._config
        times = np.array([t for t, _ in course], np.int64)
        moved = np.stack([m for _, m in course]) - self._baseline
        top = int(np.abs(times - self._peak_ns).argmin())
        peak = moved[top]
        along = moved @ peak / max(float(peak @ peak), 1e-6)
        place = int(np.searchsorted(times, self.crossed_ns))
        first = int(np.searchsorted(times, self._before_ns))
        while place > first and along[place] > config.onset_fraction:
            place -= 1
        onset_ns = int(times[place])
        lasted_ms = (t_ns - onset_ns) / NS_PER_MS
        if lasted_ms < config.shortest_ms:
            return None
        turns = _turns(moved[place:], max(config.turn_px, config.turn_fraction * self.peak))
        return LargeMovement(
            onset_ns,
            int(self._peak_ns),
            t_ns,
            peak,
            self.peak,
            self._threshold,
            turns / (lasted_ms / 1000),
            over,
        )


def _turns(course: F32, least_px: float) -> int:
    """Return the reversals by more than ``least_px`` of the mouth measure with the most.

    ``course``: (N, 9) px.
    """
    wide, lifted = course[:, 2] - course[:, 0], course[:, 1] + course[:, 3]
    most = 0
    for values in (course[:, _OPENING], wide, lifted):
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
