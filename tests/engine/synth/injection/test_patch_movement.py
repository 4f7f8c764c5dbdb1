"""Movements of skin: other shapes, widths and sides than the muscles that the live fit knows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htnet.engine.anatomy.muscles import MUSCLES, field
from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH, crop_transform, transform_points
from htnet.engine.synth.face.portrait import load_portrait
from htnet.engine.synth.injection.patch_movement import patch_movement
from htnet.engine.types import F32, F64


@pytest.fixture(scope="module")
def landmarks() -> F32:
    points = load_portrait().landmarks
    return transform_points(points, crop_transform(points))


@pytest.fixture(scope="module")
def known(landmarks: F32) -> F64:
    """What the fit explains movements by: the muscles, and the similarities of a head."""
    columns = [field(each, landmarks, (CROP_WIDTH, CROP_HEIGHT)) for each in MUSCLES.values()]
    y, x = np.indices((CROP_HEIGHT, CROP_WIDTH), np.float32) / CROP_WIDTH
    one, none = np.ones_like(x), np.zeros_like(x)
    columns += [np.stack(own, axis=-1) for own in ((one, none), (none, one), (x, y), (-y, x))]
    return np.stack([each.ravel() for each in columns], axis=1).astype(np.float64)


def lopsided(moved: F32) -> bool:
    length = np.hypot(moved[..., 0], moved[..., 1])
    halves = float(length[:, :60].sum()), float(length[:, 80:].sum())
    return max(halves) > 2 * min(halves)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_each_has_length_one_and_ends_inside_the_crop(landmarks: F32, seed: int) -> None:
    drawn = patch_movement(np.random.default_rng(seed), landmarks)
    length = np.hypot(drawn.field[..., 0], drawn.field[..., 1])
    assert drawn.field.shape == (CROP_HEIGHT, CROP_WIDTH, 2) and drawn.field.dtype == np.float32
    assert float(np.percentile(length, 99)) == pytest.approx(1.0, rel=1e-4)
    assert length[[0, -1]].max() == 0 and length[:, [0, -1]].max() == 0
    assert drawn.label is None and drawn.name.startswith("skin at ")


def test_no_sum_of_what_the_fit_knows_makes_them(landmarks: F32, known: F64) -> None:
    rng = np.random.default_rng(0)
    left = []
    for _ in range(20):
        moved = patch_movement(rng, landmarks).field.astype(np.float64).ravel()
        share = np.linalg.lstsq(known, moved, rcond=None)[0]
        left.append(float(np.square(moved - known @ share).sum() / np.square(moved).sum()))
    assert float(np.median(left)) > 0.5


def test_widths_and_sides_differ(landmarks: F32) -> None:
    rng = np.random.default_rng(0)
    drawn = [patch_movement(rng, landmarks) for _ in range(40)]
    areas = [float((np.hypot(d.field[..., 0], d.field[..., 1]) > 0.5).mean()) for d in drawn]
    assert max(areas) > 3 * min(areas)
    assert 5 < sum(lopsided(each.field) for each in drawn) < 25
    assert len({each.name for each in drawn}) > 30


def test_a_seed_draws_the_same(landmarks: F32) -> None:
    one, other = (patch_movement(np.random.default_rng(7), landmarks) for _ in range(2))
    assert one.name == other.name
    np.testing.assert_array_equal(one.field, other.field)
