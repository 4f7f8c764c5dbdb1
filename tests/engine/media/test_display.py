"""Square pixels, quarter turns and flips."""

import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.engine.media.display import Orientation, orientation, square_size

ONE = 1 << 16
ratios = st.fractions(Fraction(1, 16), 16, max_denominator=100)


@given(st.integers(16, 4000), st.integers(16, 4000), ratios)
def test_the_shape_is_kept_and_nothing_is_reduced(width: int, height: int, pixel: Fraction) -> None:
    wide, high = square_size(width, height, pixel)
    assert (wide == width and high >= height) or (high == height and wide >= width)
    assert abs(Fraction(wide, high) / (Fraction(width, height) * pixel) - 1) < Fraction(1, 15)


@pytest.mark.parametrize("pixel", [None, Fraction(0), Fraction(1, 99), Fraction(404, 405)])
def test_unknown_absurd_and_nearly_square_pixels_change_nothing(pixel: Fraction | None) -> None:
    assert square_size(160, 120, pixel) == (160, 120)


def matrix(a: int, b: int, c: int, d: int) -> bytes:
    return struct.pack("=9i", a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30)


QUARTERS = [
    (a, b, c, d)
    for one in (-1, 1)
    for two in (-1, 1)
    for a, b, c, d in ((one, 0, 0, two), (0, one, two, 0))
]


@pytest.mark.parametrize("turn", QUARTERS)
def test_each_pixel_goes_where_the_matrix_says(turn: tuple[int, int, int, int]) -> None:
    a, b, c, d = turn
    picture = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    shown = orientation(matrix(*turn)).applied(picture)
    y, x = np.mgrid[:4, :6]
    to_x, to_y = a * x + c * y, b * x + d * y
    assert np.array_equal(shown[to_y - to_y.min(), to_x - to_x.min()], picture)
    assert shown.flags.c_contiguous


@given(st.binary(max_size=60))
def test_any_bytes_give_an_orientation(data: bytes) -> None:
    assert isinstance(orientation(data), Orientation)
    assert orientation(None) == Orientation()
