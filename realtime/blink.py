"""Telling a blink from the rest of the face."""

import numpy as np

from htnet.engine.types import NS_PER_MS


class BlinkGate:
    """Whether the eyes are closing: openness well under its running level.

    The level is a slow maximum, so it follows a person's own eyes and forgets in seconds. Eyes
    that stay lower for longer than any blink look down: that becomes the level.
    """

    _FORGET_MS = 4000.0
    _LONGEST_NS = 600 * NS_PER_MS

    def __init__(self, ratio: float, margin_ms: float) -> None:
        self._ratio = ratio
        self._margin_ns = int(margin_ms * NS_PER_MS)
        self.reset()

    def reset(self) -> None:
        """Forget the level."""
        self._level = 0.0
        self._t_ns = 0
        self._since_ns: int | None = None
        self._until_ns: int | None = None

    def closing(self, t_ns: int, openness: float) -> bool:
        """Whether a blink is under way at ``t_ns``, or ended less than the margin ago."""
        passed_ms = (t_ns - self._t_ns) / NS_PER_MS if self._level else 0.0
        self._t_ns = t_ns
        decay = float(np.exp(-passed_ms / self._FORGET_MS))
        self._level = max(openness, openness + (self._level - openness) * decay)
        if openness >= self._ratio * self._level:
            self._since_ns = None
        else:
            self._since_ns = t_ns if self._since_ns is None else self._since_ns
            self._until_ns = t_ns + self._margin_ns
            if t_ns - self._since_ns > self._LONGEST_NS:
                self._level, self._since_ns, self._until_ns = openness, None, None
        return self._until_ns is not None and t_ns <= self._until_ns
