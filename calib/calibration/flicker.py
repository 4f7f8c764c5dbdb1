"""Detection of mains flicker from its alias in the brightness of a camera's frames."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from htnet.engine.types import F64

_LEAST_SHARE = 0.004
_OVER_THE_REST = 5.0
# A slower alias cannot be told from a swaying head or an adapting exposure.
_SLOWEST_HZ = 2.0
# Largest relative error of a camera's clock, and of the mains' frequency.
_CLOCK = 1e-3


@dataclass(frozen=True, slots=True)
class Flicker:
    """Flicker that was found.

    ``mains_hz``: 50 or 60; None where both have the same alias at this frame rate. ``share``:
    amplitude of the brightness over its mean.
    """

    mains_hz: int | None
    share: float


def beat_hz(mains_hz: int, fps: float) -> float:
    """Return the alias frequency in Hz of a lamp at ``fps``: the distance of twice the mains'
    frequency from the nearest multiple of the frame rate."""
    return abs(2 * mains_hz - round(2 * mains_hz / fps) * fps)


def find_flicker(index: NDArray[np.int64], grey: F64, fps: float) -> Flicker | None:
    """Return the flicker in the mean brightness ``grey`` of frames ``index`` (N,) at ``fps``, or
    None.

    Frames are taken to be evenly spaced, as a camera's exposures are more so than their arrival
    times; missing frames are interpolated. Needs two seconds. The share is right to a quarter;
    where the alias is half the frame rate it depends on the phase. Not found: 60 Hz mains at 30
    frames a second and 50 Hz at 25 or 50, whose alias is too slow to tell and therefore does little
    harm.
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
