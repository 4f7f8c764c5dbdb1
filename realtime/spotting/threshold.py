"""Adaptive thresholds: the level that each muscle does not exceed at rest."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.engine.types import F32, NS_PER_MS


@dataclass(frozen=True, slots=True)
class ThresholdConfig:
    """Settings of the thresholds.

    threshold = ``spreads`` x median(abs(activation)) over ``window_ms``, at least ``floor_px``. The
    median is robust while movement fills less than half of the window.
    ``start_px``: the threshold until ``warmup_ms`` of rest have been seen. In the first third of a
    window only rest counts, since one expression would fill it.
    ``per_turn``: px added for each radian that the head has turned since the onset, since the depth
    of a head is known only roughly.
    """

    floor_px: float = 0.12
    spreads: float = 7.5
    start_px: float = 1.0
    warmup_ms: float = 1000.0
    window_ms: float = 15000.0
    per_turn: float = 2.5


class RollingThreshold:
    """Thresholds (8,) of one face in front of one camera, updated every 250 ms."""

    _REFRESH_NS = 250 * NS_PER_MS

    def __init__(self, config: ThresholdConfig | None = None, least: F32 | None = None) -> None:
        """``least``: (8,) px, lower limits from a profile."""
        self._config = config or ThresholdConfig()
        floor = np.full(len(MUSCLE_NAMES), self._config.floor_px, np.float32)
        self._floor = floor if least is None else np.maximum(floor, least)
        self.reset()

    def reset(self) -> None:
        """Start over: another face, another camera."""
        self._seen: deque[tuple[int, F32, bool]] = deque(maxlen=4096)
        start = np.full(len(MUSCLE_NAMES), self._config.start_px, np.float32)
        # With a profile too: a face that has just appeared still moves.
        self._rest = np.maximum(start, self._floor)
        self._refreshed_ns: int | None = None

    def at(self, turn: F32) -> F32:
        """Return thresholds (8,) in px for a head that has turned by ``turn`` (2,) radians."""
        return self._rest + np.float32(self._config.per_turn * float(np.hypot(*turn)))

    def observe(self, t_ns: int, activations: F32, *, rest: bool) -> None:
        """Take in the activations (8,) px of a frame; ``rest``: no movement is under way."""
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
