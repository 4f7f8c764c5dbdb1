"""Contrast of a crop, independent of lighting, and its samples at the points of a fit."""

from dataclasses import dataclass

import cv2
import numpy as np

from htnet.engine.types import F32, U8

_NOISE_SIGMA, _LIGHT_SIGMA = 0.8, 5.0  # px: smoothing of sensor noise; scale of lighting
_CONTRAST_FLOOR = 12.0  # grey levels: weaker contrast is not amplified to the common level


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """Crop sampled at the N points of the fit.

    ``values``: normalised contrast (N,). ``slope_x``, ``slope_y``: its derivatives per px (N,).
    ``eyes``: contrast at the points round the eyes.
    """

    values: F32
    slope_x: F32
    slope_y: F32
    eyes: F32


def normalized_contrast(gray: U8) -> F32:
    """Normalised contrast of a crop, independent of lighting.

    20 x difference from the local mean / (local standard deviation + `_CONTRAST_FLOOR`).
    """
    smooth = cv2.GaussianBlur(gray.astype(np.float32), (0, 0), _NOISE_SIGMA)
    detail = smooth - cv2.GaussianBlur(smooth, (0, 0), _LIGHT_SIGMA)
    contrast = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), _LIGHT_SIGMA))
    normalized: F32 = detail * (20 / (contrast + np.float32(_CONTRAST_FLOOR)))
    return normalized


def slopes(picture: F32) -> tuple[F32, F32]:
    """Derivatives of a picture along x and y, grey levels per px."""
    across, down = (
        cv2.Sobel(picture, cv2.CV_32F, *order, scale=0.125) for order in ((1, 0), (0, 1))
    )
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def sample(picture: F32, x: F32, y: F32) -> F32:
    """Sample ``picture`` (H, W) at N points, bicubic."""
    found = cv2.remap(picture, x[None], y[None], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found[0], np.float32)
