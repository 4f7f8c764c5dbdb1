"""Lamps that flicker with the mains, seen by a camera that is far too slow for them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from htnet.engine.types import F64

_LEAST_SHARE = 0.004
_OVER_THE_REST = 5.0
# A slower beat cannot be told from a head that sways or an exposure that adapts.
_SLOWEST_HZ = 2.0
# A clock is off by this share of its rate, and a lamp by this of its own, at most.
_CLOCK = 1e-3


@dataclass(frozen=True, slots=True)
class Flicker:
    """``mains_hz``: 50 or 60; None where both would beat alike at this frame rate. ``share``: the
    amplitude of the brightness over its mean."""

    mains_hz: int | None
    share: float


def beat_hz(mains_hz: int, fps: float) -> float:
    """How fast a lamp seems to flicker at ``fps``: it does so at twice the mains' frequency, and
    what remains is the distance to the nearest multiple of the frame rate."""
    return abs(2 * mains_hz - round(2 * mains_hz / fps) * fps)


def find_flicker(index: NDArray[np.int64], grey: F64, fps: float) -> Flicker | None:
    """The flicker in the mean brightness ``grey`` of frames ``index`` (N,) at ``fps``, or None.

    Frames are taken to be evenly apart, which a camera's are more than the times at which they
    arrive; those missing are filled in. Two seconds at least. The share is right to a quarter, but
    where the beat is half the frame rate it hangs on the phase. Not seen: 60 Hz mains at 30 frames a
    second and 50 Hz at 25 or 50, which beat too slowly and do little harm for the same reason.
    """
    if len(grey) < 2 or index[-1] - index[0] < 2 * fps:
        return None
    even = np.interp(np.arange(index[0], index[-1] + 1), index, grey)
    places = np.arange(len(even))
    rest = even - np.polyval(np.polyfit(places, even, 2), places)
    window = np.hanning(len(even))
    spectrum = 2 * np.abs(np.fft.rfft(rest * window, 4 * len(even))) / window.sum()
    hz = np.fft.rfftfreq(4 * len(even), 1 / fps)
    resolution = 2 * fps / len(even)
    found = []
    for mains in (50, 60):
        beat = beat_hz(mains, fps)
        if beat < max(_SLOWEST_HZ, resolution):
            continue
        near = np.abs(hz - beat) <= resolution + 2 * mains * _CLOCK
        others = (hz >= _SLOWEST_HZ) & (np.abs(hz - beat) > 3 * resolution)
        height = float(spectrum[near].max(initial=0.0))
        level = float(np.median(spectrum[others])) if others.any() else 0.0
        if height >= max(_LEAST_SHARE * float(even.mean()), _OVER_THE_REST * level):
            found.append((height / float(even.mean()), mains))
    if not found:
        return None
    share, mains = max(found)
    apart = abs(beat_hz(50, fps) - beat_hz(60, fps))
    return Flicker(mains if apart > resolution else None, share)
