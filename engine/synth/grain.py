"""Sensor noise that is the same for the same seed and frame, in whatever order it is asked for."""

from statistics import NormalDist

import cv2
import numpy as np

from htnet.engine.types import U8


class Grain:
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
