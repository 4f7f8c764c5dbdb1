"""A source that is checked against a stored profile."""

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from htnet.engine.errors import SourceError
from htnet.engine.types import F32
from htnet.realtime.profiles.profile import Profile
from htnet.realtime.sources.base import Source
from htnet.realtime.sources.capture import Size, size_of

_TIMED: Final = 30


def open_profiled(
    open_one: Callable[[], Source], profile: Profile, say: Callable[[str], None]
) -> tuple[Source, F32]:
    """Return the source of ``open_one`` and the profile's thresholds (8,) in px.

    The thresholds are adapted to the size and frame rate of the source; ``say`` is given warnings.
    A camera's rate is measured over `_TIMED` frames, since drivers seldom report the true one. A
    recording is opened twice. Raises `UsageError` where the profile cannot be adapted and
    `SourceError` where no pictures come.
    """
    source = open_one()
    try:
        size, fps = _seen(source)
        profile, warnings = profile.adapted(source.name, size, fps or profile.fps)
        for each in warnings:
            say(f"{each[:1].upper()}{each[1:]}.")
        if not source.live:
            source.close()
            source = open_one()
    except BaseException:
        source.close()
        raise
    return source, np.fromiter(profile.thresholds().values(), np.float32)


def _seen(source: Source) -> tuple[Size, float | None]:
    """Return the pictures' size and frame rate; None where a recording does not say."""
    first = source.read()
    if first is None:
        raise SourceError(f"expected pictures from {source.name}; it ended without one: check it.")
    size = size_of(first.bgr)
    if not source.live:
        fps = float(getattr(source, "fps", 0.0))
        return size, fps if math.isfinite(fps) and 1 <= fps <= 1000 else None
    last, count = first, 0
    while count < _TIMED and (frame := source.read()) is not None:
        last, count = frame, count + 1
    seconds = (last.t_ns - first.t_ns) / 1e9
    return size, count / seconds if seconds > 0 else None
