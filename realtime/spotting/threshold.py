"""What each muscle of this face in front of this camera does not exceed at rest."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.engine.types import F32, NS_PER_MS


@dataclass(frozen=True, slots=True)
class ThresholdConfig:
    """``floor_px`` is never undercut. A muscle's threshold is ``spreads`` times the median of how far
    it was from nought over ``window_ms``, expressions and speech and all: for that it takes less than
    half of the time. Until ``warmup_ms`` of rest have been seen it is ``start_px``, and in the first
    third of a window rest alone counts, since one expression would fill it. Every radian that the head
    has turned since the onset adds ``per_turn`` px, since no head has quite the depth it is taken to
    have.
    """

    floor_px: float = 0.12
    spreads: float = 7.5
    start_px: float = 1.0
    warmup_ms: float = 1000.0
    window_ms: float = 15000.0
    per_turn: float = 2.5


class RollingThreshold:
    """Adapts to what is measured; the seam for calibration."""

    _REFRESH_NS = 250 * NS_PER_MS

    def __init__(self, config: ThresholdConfig | None = None, least: F32 | None = None) -> None:
        """``least``: (8,) px that a profile says are the least to hold a muscle against."""
        self._config = config or ThresholdConfig()
        floor = np.full(len(MUSCLE_NAMES), self._config.floor_px, np.float32)
        self._floor = floor if least is None else np.maximum(floor, least)
        self.reset()

    def reset(self) -> None:
        """Start over: another face, another camera."""
        self._seen: deque[tuple[int, F32, bool]] = deque(maxlen=4096)
        start = np.full(len(MUSCLE_NAMES), self._config.start_px, np.float32)
        # With a profile too: a face that has just come is still settling.
        self._rest = np.maximum(start, self._floor)
        self._refreshed_ns: int | None = None

    def at(self, turn: F32) -> F32:
        """Thresholds (8,) in px for a head that has turned by ``turn`` (2,) radians."""
        return self._rest + np.float32(self._config.per_turn * float(np.hypot(*turn)))

    def observe(self, t_ns: int, activations: F32, *, rest: bool) -> None:
        """Take in the pulls (8,) of a frame; ``rest``: nothing is under way in it."""
        config, seen = self._config, self._seen
        seen.append((t_ns, activations, rest))
        while t_ns - seen[0][0] > config.window_ms * NS_PER_MS:
            seen.popleft()
        if self._refreshed_ns is None:
            self._refreshed_ns = t_ns
        if t_ns - self._refreshed_ns < self._REFRESH_NS:
            return
        self._refreshed_ns = t_ns
        span_ms = (t_ns - seen[0][0]) / NS_PER_MS
        kept = [each for _, each, quiet in seen if quiet]
        if span_ms * len(kept) / len(seen) < config.warmup_ms:
            return
        if span_ms > config.window_ms / 3:
            kept = [each for _, each, _ in seen]
        usual = np.median(np.abs(kept), axis=0)
        self._rest = np.maximum(self._floor, config.spreads * usual).astype(np.float32)
