"""Sensor noise: generation, reproducible by seed and frame, and measurement."""

from collections.abc import Sequence
from statistics import NormalDist

import cv2
import numpy as np

from htnet.engine.types import F32, U8

# Second differences both ways: deviation 6 s for white noise of deviation s, 0 for shading.
_SECOND = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_MEDIAN_TO_SIGMA = 1 / (0.6745 * 6 * np.sqrt(2))


def measured_noise(changes: Sequence[F32]) -> float:
    """Return the standard deviation of a camera's noise, grey levels.

    ``changes``: differences between patches of a picture and the picture before, each (H, W) of at
    least 3 x 3 px. The estimate is the median of their second differences: a swaying head changes
    mostly shading, whose second differences are 0, and edges are too few to move a median.
    """
    rough = [np.abs(cv2.filter2D(each, -1, _SECOND)[1:-1, 1:-1]).ravel() for each in changes]
    return float(np.median(np.concatenate(rough)) * _MEDIAN_TO_SIGMA)


class SensorNoise:
    """Gaussian luminance noise in whole grey levels, independent between pixels and frames.

    The same on all channels. ``sigma``: standard deviation, grey levels.
    """

    def __init__(self, seed: int, sigma: float = 2.5) -> None:
        self._seed = seed
        quantiles = np.array([NormalDist().inv_cdf((i + 0.5) / 256) for i in range(256)])
        levels = np.rint(quantiles * sigma / quantiles.std())
        self._levels = np.clip(levels, -128, 127).astype(np.int8)

    def add(self, picture: U8, index: int) -> U8:
        """Return ``picture`` (H, W, 3) with the noise of frame ``index``."""
        height, width = picture.shape[:2]
        bits = np.random.Generator(np.random.SFC64([self._seed, index])).bytes(height * width)
        noise = cv2.LUT(np.frombuffer(bits, np.uint8).reshape(height, width), self._levels)
        return np.asarray(cv2.add(picture, cv2.merge([noise] * 3), dtype=cv2.CV_8U), np.uint8)
