"""Time course of one expression or blink: onset, apex, offset."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimeCourse:
    """Activation over time: 0 up to ``onset_ns``, 1 at ``apex_ns``, 0 again from ``offset_ns``.

    After the apex it stays 1 for the fraction ``hold`` of the time from apex to offset.

    Rise and fall are the minimum-jerk curve 10 t^3 - 15 t^4 + 6 t^5 (Flash and Hogan 1985).
    """

    onset_ns: int
    apex_ns: int
    offset_ns: int
    hold: float = 0.1

    def __post_init__(self) -> None:
        if not self.onset_ns < self.apex_ns < self.offset_ns:
            raise ValueError("a time course needs onset < apex < offset")
        if not 0.0 <= self.hold < 1.0:
            raise ValueError(f"hold is a fraction from 0 to below 1, not {self.hold}")

    def at(self, t_ns: int) -> float:
        """Return the activation, 0..1, at a time."""
        if t_ns <= self.onset_ns or t_ns >= self.offset_ns:
            return 0.0
        if t_ns < self.apex_ns:
            return min_jerk((t_ns - self.onset_ns) / (self.apex_ns - self.onset_ns))
        left = (self.offset_ns - t_ns) / (self.offset_ns - self.apex_ns) / (1.0 - self.hold)
        return min_jerk(min(left, 1.0))


def min_jerk(t: float) -> float:
    """Return the minimum-jerk curve at ``t``, 0..1: from 0 to 1 (Flash and Hogan 1985)."""
    return t * t * t * (10.0 + t * (6.0 * t - 15.0))
