"""Sensor noise: made, the same for the same seed and frame in whatever order, and measured."""

from collections.abc import Sequence
from statistics import NormalDist

import cv2
import numpy as np

from htnet.engine.types import F32, U8

# Second differences both ways: of white noise of deviation s they have 6 s, of shading none.
_SECOND = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_MEDIAN_TO_SIGMA = 1 / (0.6745 * 6 * np.sqrt(2))


def measured_noise(changes: Sequence[F32]) -> float:
    """The standard deviation of a camera's noise, grey levels.

    ``changes``: what patches of a picture, each (H, W) of at least 3 x 3 px, differ by from those of
    the picture before. The median of their second differences: a head that sways changes mostly
    shading, which has none, and edges are too few to move a median.
    """
    rough = [np.abs(cv2.filter2D(each, -1, _SECOND)[1:-1, 1:-1]).ravel() for each in changes]
    return float(np.median(np.concatenate(rough)) * _MEDIAN_TO_SIGMA)


class SensorNoise:
    """Luminance noise, the same on all channels: Gaussian, independent between pixels and frames,
    in whole grey levels. ``sigma``: its standard deviation in grey levels."""

    def __init__(self, seed: int, sigma: float = 2.5) -> None:
        self._seed = seed
        quantiles = np.array([NormalDist().inv_cdf((i + 0.5) / 256) for i in range(256)])
        levels = np.rint(quantiles * sigma / quantiles.std())
        self._levels = np.clip(levels, -128, 127).astype(np.int8)

    def add(self, picture: U8, index: int) -> U8:
        """``picture`` (H, W, 3) as frame ``index``'s sensor gives it."""
        height, width = picture.shape[:2]
        bits = np.random.Generator(np.random.SFC64([self._seed, index])).bytes(height * width)
        noise = cv2.LUT(np.frombuffer(bits, np.uint8).reshape(height, width), self._levels)
        return np.asarray(cv2.add(picture, cv2.merge([noise] * 3), dtype=cv2.CV_8U), np.uint8)
