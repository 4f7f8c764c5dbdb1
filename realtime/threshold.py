"""The motion threshold: what this face in front of this camera does not exceed at rest."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from htnet.engine.types import NS_PER_MS


@dataclass(frozen=True, slots=True)
class ThresholdConfig:
    """``floor_px`` is never undercut. The threshold is the median of the magnitude at rest plus
    ``spreads`` times the distance from the median to its 90th percentile, over ``window_ms``;
    until ``warmup_ms`` of rest have been seen it is ``start_px``.
    """

    floor_px: float = 0.25
    spreads: float = 3.0
    start_px: float = 0.35
    warmup_ms: float = 1000.0
    window_ms: float = 8000.0


class RollingThreshold:
    """Adapts to the measured noise while the face is neutral.

    The seam for calibration: whatever has `value` and `observe` can take its place.
    """

    _REFRESH_NS = 250 * NS_PER_MS

    def __init__(self, config: ThresholdConfig | None = None) -> None:
        self._config = config or ThresholdConfig()
        self._rest: deque[tuple[int, float]] = deque(maxlen=4096)
        self._value = self._config.start_px
        self._refreshed_ns: int | None = None

    @property
    def value(self) -> float:
        """The threshold now, px of the crop."""
        return self._value

    def reset(self) -> None:
        """Start over: another face, another camera."""
        self._rest.clear()
        self._value = self._config.start_px
        self._refreshed_ns = None

    def observe(self, t_ns: int, magnitude: float) -> None:
        """Take in the magnitude of a neutral frame."""
        config = self._config
        rest = self._rest
        rest.append((t_ns, magnitude))
        while t_ns - rest[0][0] > config.window_ms * NS_PER_MS:
            rest.popleft()
        if self._refreshed_ns is None:
            self._refreshed_ns = t_ns
        if t_ns - self._refreshed_ns < self._REFRESH_NS:
            return
        if t_ns - rest[0][0] < config.warmup_ms * NS_PER_MS:
            return
        self._refreshed_ns = t_ns
        middle, high = np.percentile([m for _, m in rest], (50, 90))
        self._value = max(config.floor_px, float(middle + config.spreads * (high - middle)))
