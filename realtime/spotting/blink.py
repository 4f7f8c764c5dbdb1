"""Blink detection by eye openness."""

from collections import deque

import numpy as np

from htnet.engine.types import NS_PER_MS


class BlinkDetector:
    """Blink detector: openness well below its running median, and below its noise.

    The median of the last 4 s follows a person's own eyes. Eyes that stay lower for longer than any
    blink (0.6 s) look down, and that becomes the level. Narrow eyes or spectacles make openness
    noisy, so a blink also has to exceed 4 standard deviations of the noise.
    """

    _WINDOW_NS = 4000 * NS_PER_MS
    _REFRESH_NS = 200 * NS_PER_MS
    _LONGEST_NS = 600 * NS_PER_MS
    _DEVIATIONS = 4.0

    def __init__(self, ratio: float, margin_ms: float) -> None:
        self._ratio = ratio
        self._margin_ns = int(margin_ms * NS_PER_MS)
        self.reset()

    def reset(self) -> None:
        """Forget the level."""
        self._seen: deque[tuple[int, float]] = deque(maxlen=2048)
        self._least = 0.0
        self._refreshed_ns: int | None = None
        self._since_ns: int | None = None
        self._until_ns: int | None = None

    def closing(self, t_ns: int, openness: float) -> bool:
        """Return True while a blink is under way, or ended less than the margin ago."""
        self._seen.append((t_ns, openness))
        while t_ns - self._seen[0][0] > self._WINDOW_NS:
            self._seen.popleft()
        if self._refreshed_ns is None or t_ns - self._refreshed_ns >= self._REFRESH_NS:
            self._refreshed_ns = t_ns
            self._least = self._lowest_open()
        if openness >= self._least:
            self._since_ns = None
        else:
            self._since_ns = t_ns if self._since_ns is None else self._since_ns
            self._until_ns = t_ns + self._margin_ns
            if t_ns - self._since_ns > self._LONGEST_NS:
                self._seen.clear()
                self._seen.append((t_ns, openness))
                self._least, self._since_ns, self._until_ns = 0.0, None, None
        return self._until_ns is not None and t_ns <= self._until_ns

    def _lowest_open(self) -> float:
        """Return the least openness that is no blink."""
        values = np.array([each for _, each in self._seen])
        level = float(np.median(values))
        # Noise of the steps from frame to frame, in which blinks are rare.
        steps = np.abs(np.diff(values)) if len(values) > 8 else np.zeros(1)
        noise = 1.4826 * float(np.median(steps)) / np.sqrt(2)
        return float(min(self._ratio * level, level - self._DEVIATIONS * noise))
