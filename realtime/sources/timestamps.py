"""Timestamps of a file, made finite and strictly increasing."""

import math

_TICK_NS = 1_000
_JUMP_BACK_NS = 500_000_000
_ABSURD_MS = 1e11  # three years; OpenCV reports more for a container without timestamps


class Timestamps:
    """Converts the positions that a decoder reports to strictly increasing ns.

    Increasing positions pass unchanged, so variable frame rates stay true. A repeated or absent
    position is placed one nominal interval after the last frame, a small step back just after it.
    Where the clock starts anew (joined recordings) the times continue from there. ``fps`` is the
    nominal frame rate.
    """

    def __init__(self, fps: float) -> None:
        if not (math.isfinite(fps) and 1 <= fps <= 1000):
            fps = 30.0
        self._interval_ns = round(1e9 / fps)
        self._raw_ns: int | None = None
        self._last_ns: int | None = None
        self._offset_ns = 0

    def next(self, position_ms: float) -> int:
        """Return the frame's time in ns from ``CAP_PROP_POS_MSEC``, read after the grab."""
        known = math.isfinite(position_ms) and abs(position_ms) < _ABSURD_MS
        raw = round(position_ms * 1e6) if known else self._raw_ns or 0
        if self._last_ns is None or self._raw_ns is None:
            t_ns = raw
        elif raw == self._raw_ns:
            t_ns = self._last_ns + self._interval_ns
        else:
            if raw < self._raw_ns - _JUMP_BACK_NS:
                self._offset_ns = self._last_ns + self._interval_ns - raw
            t_ns = max(raw + self._offset_ns, self._last_ns + _TICK_NS)
        self._raw_ns, self._last_ns = raw, t_ns
        return t_ns
