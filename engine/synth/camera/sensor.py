"""The sensor: brightness, lamp flicker, glints and noise on a clean picture.

The noise of a webcam has colour, grows with brightness and is smoothed by the camera's processing.
Here it is white luminance noise of one deviation, which is harder on motion than smoothed noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from htnet.engine.types import U8

_POOL = 4  # frames' worth of noise, of which each frame takes a slice
_BAND = 4  # rows of one flicker level
_READOUT_S = 0.02  # rolling shutter, first row to last
_LEAST_CHANGE = 1 / 512  # of brightness: less changes no picture


@dataclass(frozen=True, slots=True)
class LampFlicker:
    """Flicker of lamps at twice the mains frequency, seen by a rolling shutter.

    The brightness of a row at its own time t is 1 + ``depth`` cos(2 pi ``hz`` t + ``phase``). At 30
    frames a second this gives bands that crawl at the beat of the two frequencies.
    """

    depth: float
    hz: float
    phase: float
    readout_s: float

    @classmethod
    def draw(
        cls, rng: np.random.Generator, depth: float, mains_hz: float, fps: float
    ) -> "LampFlicker | None":
        """Draw flicker of ``depth``, a share of brightness; None for 0. Mains vary by 0.05 Hz."""
        hz = 2 * (mains_hz + float(rng.uniform(-0.05, 0.05)))
        phase = float(rng.uniform(0.0, 2 * np.pi))
        return cls(depth, hz, phase, min(_READOUT_S, 0.8 / fps)) if depth else None

    def at(self, t_ns: int, rows: int) -> list[float]:
        """Return the brightness of each of ``rows`` bands of rows, 1 on average."""
        t = t_ns * 1e-9 + self.readout_s * (np.arange(rows) + 0.5) / rows
        levels: list[float] = (
            1.0 + self.depth * np.cos(2 * np.pi * self.hz * t + self.phase)
        ).tolist()
        return levels


@dataclass(frozen=True, slots=True)
class Glare:
    """A glint in the picture: middle and radius in px, brightness added in grey levels."""

    x: float
    y: float
    radius: float
    levels: float


class Sensor:
    """Sensor model for pictures of one ``size`` = (width, height).

    ``sigma``: standard deviation of the noise, grey levels. The noise of a frame is a slice of a
    pool of four frames' worth; its place is drawn from the seed and the frame's number, so the same
    number gives the same noise.
    """

    def __init__(
        self,
        size: tuple[int, int],
        seed: int,
        sigma: float = 0.0,
        flicker: LampFlicker | None = None,
    ) -> None:
        self._seed = seed
        self._flicker = flicker
        width, height = size
        self._shape = (height, width, 3)
        self._brighter = self._darker = np.empty(0, np.uint8)
        if sigma:
            rng = np.random.Generator(np.random.SFC64([seed, 101]))
            noise = rng.standard_normal(_POOL * width * height, np.float32) * np.float32(sigma)
            np.rint(noise, out=noise)
            # Split by sign for 8-bit arithmetic, which saturates and is the fastest.
            self._brighter, self._darker = (
                np.repeat(np.clip(part, 0, 255).astype(np.uint8), 3) for part in (noise, -noise)
            )

    def expose(
        self,
        clean: U8,
        t_ns: int,
        number: int,
        brightness: float = 1.0,
        spots: Sequence[Glare] = (),
    ) -> U8:
        """Return a new array: ``clean`` (H, W, 3) as picture ``number`` taken at ``t_ns``."""
        picture = self._lit(clean, t_ns, brightness)
        for spot in spots:
            picture = picture.copy() if picture is clean else picture
            _add_glare(picture, spot)
        if not self._brighter.size:
            return picture.copy() if picture is clean else picture
        length = picture.size
        rng = np.random.Generator(np.random.SFC64([self._seed, 102, number]))
        start = 3 * int(rng.integers((len(self._brighter) - length) // 3 + 1))
        brighter, darker = (
            pool[start : start + length].reshape(self._shape)
            for pool in (self._brighter, self._darker)
        )
        noisy = cv2.add(picture, brighter)
        return np.asarray(cv2.subtract(noisy, darker, dst=noisy), np.uint8)

    def _lit(self, clean: U8, t_ns: int, brightness: float) -> U8:
        if self._flicker is None:
            if abs(brightness - 1.0) < _LEAST_CHANGE:
                return clean
            return np.asarray(cv2.convertScaleAbs(clean, alpha=brightness), np.uint8)
        lit = np.empty_like(clean)
        bands = -(-len(clean) // _BAND)
        for band, level in enumerate(self._flicker.at(t_ns, bands)):
            rows = slice(band * _BAND, (band + 1) * _BAND)
            cv2.convertScaleAbs(clean[rows], lit[rows], alpha=level * brightness)
        return lit


def _add_glare(picture: U8, spot: Glare) -> None:
    """Add a Gaussian of deviation ``radius``, cut at three radii, to ``picture`` in place."""
    reach = 3 * spot.radius
    height, width = picture.shape[:2]
    x0, x1 = max(0, int(spot.x - reach)), min(width, int(spot.x + reach) + 2)
    y0, y1 = max(0, int(spot.y - reach)), min(height, int(spot.y + reach) + 2)
    if x0 >= x1 or y0 >= y1:
        return
    across = np.exp(-0.5 * ((np.arange(x0, x1) - spot.x) / spot.radius) ** 2)
    down = np.exp(-0.5 * ((np.arange(y0, y1) - spot.y) / spot.radius) ** 2)
    bell = np.rint(spot.levels * np.outer(down, across)).astype(np.uint8)
    patch = picture[y0:y1, x0:x1]
    patch[:] = cv2.add(patch, cv2.merge([bell, bell, bell]))
