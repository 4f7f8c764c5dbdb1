"""Four face regions: centres and tiling."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from htnet.engine.face import landmarks as lm
from htnet.engine.face.alignment import canonical_landmarks
from htnet.engine.face.regions import (
    PUBLISHED_CENTRES,
    PUBLISHED_TILES,
    REGIONS,
    region_centres,
    tile_regions,
)
from htnet.engine.types import F32
from htnet.training.augmentation.batches import tile_batch

SIDE = 14


def numbered(height: int, width: int) -> F32:
    """Picture (H, W, 3) whose channels are x, y and 1."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.dstack([x, y, np.ones_like(x)])


def tile(tiled: F32, row: int, column: int, side: int = SIDE) -> F32:
    return tiled[row * side : (row + 1) * side, column * side : (column + 1) * side]


def square(centre: tuple[float, float], height: int, width: int, side: int = SIDE) -> F32:
    """Expected square round ``centre`` of a `numbered` picture, its border repeated.

    A ramp is linear, so bilinear sampling between its pixels is exact.
    """
    x = np.clip(centre[0] - side / 2 + np.arange(side), 0, width - 1)
    y = np.clip(centre[1] - side / 2 + np.arange(side), 0, height - 1)
    return np.dstack([*np.meshgrid(x, y), np.ones((side, side))]).astype(np.float32)


def test_eyes_are_above_the_lips_of_their_side() -> None:
    assert REGIONS == ("left_eye", "left_lip", "right_eye", "right_lip")
    centres = np.array([[9, 8], [10, 20], [19, 8], [18, 20]], np.float32)
    tiled = tile_regions(numbered(28, 28), centres, SIDE)
    assert tiled.shape == (28, 28, 3) and tiled.dtype == np.float32
    for number, (row, column) in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)]):
        np.testing.assert_array_equal(tile(tiled, row, column), square(centres[number], 28, 28))


def test_the_published_order_makes_each_side_a_row() -> None:
    centres = np.array([[9, 8], [10, 20], [19, 8], [18, 20]], np.float32)
    tiled = tile_regions(numbered(28, 28), centres[PUBLISHED_TILES], SIDE)
    for number, (row, column) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        np.testing.assert_array_equal(tile(tiled, row, column), square(centres[number], 28, 28))


points = st.tuples(st.floats(-60, 90, width=32), st.floats(-60, 90, width=32))


@settings(max_examples=60)
@given(
    centres=st.lists(points, min_size=4, max_size=4),
    height=st.integers(8, 40),
    width=st.integers(8, 40),
    side=st.integers(1, 16),
)
def test_squares_lie_between_pixels_and_repeat_the_border(centres, height, width, side) -> None:
    tiled = tile_regions(numbered(height, width), np.array(centres, np.float32), side)
    assert tiled.shape == (2 * side, 2 * side, 3)
    for number, (row, column) in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)]):
        expected = square(centres[number], height, width, side)
        np.testing.assert_allclose(tile(tiled, row, column, side), expected, atol=1e-4)


@settings(max_examples=40)
@given(st.lists(points, min_size=4, max_size=4), st.integers(0, 2**32 - 1))
def test_training_cuts_the_same_squares(centres, seed) -> None:
    """Reference: grid_sample in `htnet.training.augmentation.batches.cut`, within 1e-4."""
    picture = np.random.default_rng(seed).normal(size=(28, 28, 3)).astype(np.float32)
    places = np.array(centres, np.float32) / 28
    served = tile_regions(picture, places * 28, SIDE)
    batch = torch.from_numpy(picture.transpose(2, 0, 1).copy())[None]
    trained = tile_batch(batch, torch.from_numpy(places)[None], torch.zeros(1, 1, 2), SIDE)
    np.testing.assert_allclose(trained[0].numpy().transpose(1, 2, 0), served, atol=1e-4)


def test_the_picture_is_left_alone_whatever_its_layout() -> None:
    picture = np.asfortranarray(numbered(28, 28))
    copy = picture.copy()
    centres = PUBLISHED_CENTRES * 28
    tiled = tile_regions(picture, centres, SIDE)
    np.testing.assert_array_equal(tiled, tile_regions(np.ascontiguousarray(copy), centres, SIDE))
    assert (picture == copy).all()


def test_centres_are_eye_and_lip_corners_of_the_pictures_left_and_right() -> None:
    landmarks = canonical_landmarks()
    landmarks[list(lm.LEFT_LIDS[0])] += 50  # a lid does not move an eye's centre
    centres = region_centres(landmarks) / (140, 170)
    assert centres.shape == (4, 2)
    expected = [[0.235, 0.26], [0.27, 0.735], [0.755, 0.26], [0.72, 0.73]]
    np.testing.assert_allclose(centres, expected, atol=1e-6)
    assert region_centres(landmarks).dtype == np.float32


def test_published_centres_lie_near_where_the_published_crops_have_the_landmarks() -> None:
    centres = region_centres(canonical_landmarks()) / (140, 170)
    assert np.abs(PUBLISHED_CENTRES - centres).max() < 0.17
