"""Timestamps of a recording, made strictly increasing."""

import math
from fractions import Fraction

_TICK_NS = 1_000
_JUMP_BACK_NS = 500_000_000


def to_ns(count: int, time_base: Fraction) -> int:
    """Return ``count`` ticks of ``time_base`` seconds in ns, rounded."""
    scaled = count * time_base.numerator * 1_000_000_000
    return (scaled + time_base.denominator // 2) // time_base.denominator


class BestEffort:
    """Chooses between a frame's presentation and decoding time, as FFmpeg's best effort.

    Damage makes a decoder give a frame a time long past. Whichever of the two stepped back less
    often is believed.
    """

    def __init__(self) -> None:
        self._last: list[int | None] = [None, None]
        self._faults = [0, 0]

    def choose(self, pts: int | None, dts: int | None) -> int | None:
        """Return the time of the next frame in ticks; None without any."""
        for which, count, other in ((0, pts, dts), (1, dts, pts)):
            last = self._last[which]
            if count is not None and last is not None:
                self._faults[which] += count <= last
            self._last[which] = other if count is None else count
        if pts is not None and (dts is None or self._faults[0] <= self._faults[1]):
            return pts
        return dts


class Timestamps:
    """Converts a container's presentation times to strictly increasing ones.

    Increasing times pass unchanged, so variable frame rates stay true. A repeated or absent time is
    placed one nominal interval after the last frame, a small step back just after it. Where the
    clock starts anew (joined recordings) the times continue from there. ``fps`` is the nominal
    frame rate.
    """

    def __init__(self, fps: float) -> None:
        if not (math.isfinite(fps) and 1 <= fps <= 1000):
            fps = 30.0
        self._interval_ns = round(1e9 / fps)
        self._raw_ns: int | None = None
        self._last_ns: int | None = None
        self._offset_ns = 0

    def next(self, presented_ns: int | None) -> int:
        """Return the frame's time in ns; ``presented_ns`` is the container's, None if absent."""
        raw = (self._raw_ns or 0) if presented_ns is None else presented_ns
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
