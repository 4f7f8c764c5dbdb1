"""Geometry of a shown picture: square pixels, quarter turns and flips."""

import struct
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np

from htnet.engine.types import U8

_MATRIX_BYTES = 36
# Encoders write ratios such as 405:404 to make up for rounded sizes; resampling would only blur.
_SQUARE = Fraction(1, 200)
_MOST = 16


def square_size(width: int, height: int, pixel: Fraction | None) -> tuple[int, int]:
    """Return the width and height in square pixels of a picture whose pixels are ``pixel`` wide.

    ``pixel``: width by height of one pixel; None, 0 and absurd ratios count as 1. The picture is
    enlarged in one direction, never reduced.
    """
    if not pixel or not Fraction(1, _MOST) <= pixel <= _MOST or abs(pixel - 1) < _SQUARE:
        return width, height
    if pixel > 1:
        return round(width * pixel), height
    return width, round(height / pixel)


@dataclass(frozen=True, slots=True)
class Orientation:
    """Transposition of a picture, then its flips."""

    transposed: bool = False
    mirrored: bool = False
    upside_down: bool = False

    def applied(self, bgr: U8) -> U8:
        """Return the picture (H, W, 3) as it is shown."""
        if self == Orientation():
            return bgr
        if self.transposed:
            bgr = np.asarray(cv2.transpose(bgr), np.uint8)
        if self.mirrored or self.upside_down:
            axis = -1 if self.mirrored and self.upside_down else int(self.mirrored)
            bgr = np.asarray(cv2.flip(bgr, axis), np.uint8)
        return bgr


def orientation(matrix: bytes | None) -> Orientation:
    """Return the orientation of a display matrix, of the nearest quarter turn.

    ``matrix``: nine native 32-bit integers, as FFmpeg's side data; x' = m0 x + m3 y and
    y' = m1 x + m4 y, with y down.
    """
    if matrix is None or len(matrix) < _MATRIX_BYTES:
        return Orientation()
    a, b, _, c, d, *_ = struct.unpack("=9i", matrix[:_MATRIX_BYTES])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(mirrored=a < 0, upside_down=d < 0)
    return Orientation(transposed=True, mirrored=c < 0, upside_down=b < 0)
