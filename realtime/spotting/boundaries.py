"""Onset, apex and offset of a movement from its whole course."""

import numpy as np
from numpy.typing import NDArray

from htnet.engine.types import F64, NS_PER_MS

_NEAR_MS = 40.0
_SOFT_MS = 12.0
_UNSEEN_MS = 66.0
_LOW, _HIGH, _TOP = 0.3, 0.7, 0.8


def read_course(times: NDArray[np.int64], vectors: F64, peak_ns: int) -> tuple[int, int, int]:
    """Return onset, apex and offset in ns of one movement.

    ``times``: (N,) ns, increasing. ``vectors``: (N, R, D), every part's motion against a
    neutral face, in any unit. ``peak_ns``: approximate time of the peak.

    The course is projected on its own shape at the peak. The apex is the middle of its top. Onset
    and offset are those of a raised cosine as steep as the course between 30% and 70% of the top.
    """
    ms = (times - times[0]) / NS_PER_MS
    peak = (peak_ns - int(times[0])) / NS_PER_MS
    near = np.abs(ms - peak) <= _NEAR_MS
    shape = vectors[near].mean(axis=0)
    course = np.tensordot(vectors, shape, axes=2) / max(float((shape * shape).sum()), 1e-12)
    course = _soften(ms, course)
    # The peak was seen in a running mean, so it lies a little before ``peak_ns``.
    search = np.flatnonzero((ms >= peak - 3 * _NEAR_MS) & (ms <= peak + _NEAR_MS))
    top = int(search[course[search].argmax()])
    course = course / max(float(course[top]), 1e-6)
    rise = _foot(ms[: top + 1][::-1], course[: top + 1][::-1])
    fall = _foot(ms[top:], course[top:])
    apex = (
        _falls_through(ms[: top + 1][::-1], course[: top + 1][::-1], _TOP)
        + _falls_through(ms[top:], course[top:], _TOP)
    ) / 2
    # A slope may point beyond the samples. Nothing is claimed about the time before them, and of
    # the time after them no more than an event that closes on its way down leaves unseen.
    rise, fall = max(rise, 0.0), min(fall, float(ms[-1]) + _UNSEEN_MS)
    start = int(times[0])
    ns = [start + int(t * NS_PER_MS) for t in (min(rise, apex), apex, max(fall, apex))]
    return ns[0], ns[1], ns[2]


def _soften(ms: F64, course: F64) -> F64:
    """Return the course smoothed by a Gaussian of 12 ms.

    It changes nothing at 30 fps and removes two thirds of the noise at 200.
    """
    weights = np.exp(-0.5 * ((ms[:, None] - ms[None, :]) / _SOFT_MS) ** 2)
    softened: F64 = weights @ course / weights.sum(axis=1)
    return softened


def _foot(ms: F64, course: F64) -> float:
    """Return the time at which a flank that starts at the top (1) reaches 0.

    ``ms`` runs away from the top. A top may sag for seconds, so the slope is that of the last
    descent from `_HIGH`.
    """
    below = np.flatnonzero(course < _LOW)
    end = int(below[0]) if below.size else int(course.argmin())
    low = max(_LOW, float(course[end]))
    if low > 0.6:  # cut off before it fell: the last sample is all there is
        return float(ms[-1])
    start = int(np.flatnonzero(course[: end + 1] >= _HIGH)[-1])
    t_high, t_low = (_between(ms, course, start, end, level) for level in (_HIGH, low))
    x_high, x_low = (float(np.arccos(1 - 2 * level) / np.pi) for level in (_HIGH, low))
    return t_low + x_low * (t_low - t_high) / (x_high - x_low)


def _falls_through(ms: F64, course: F64, level: float) -> float:
    """Return the time at which a flank first falls below ``level``, interpolated."""
    below = np.flatnonzero(course < level)
    if not below.size:
        return float(ms[-1])
    end = max(int(below[0]), 1)
    return _between(ms, course, end - 1, end, level)


def _between(ms: F64, course: F64, start: int, end: int, level: float) -> float:
    """Return the time at which the descent from ``start`` to ``end`` first reaches ``level``."""
    i = start + 1 + int(np.flatnonzero(course[start + 1 : end + 1] <= level)[0])
    share = (course[i - 1] - level) / max(float(course[i - 1] - course[i]), 1e-9)
    return float(ms[i - 1] + share * (ms[i] - ms[i - 1]))
