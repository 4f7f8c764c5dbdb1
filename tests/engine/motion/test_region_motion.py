"""Motion of a pair: head motion removed, and the mean vector of each region."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.engine.face import landmarks as lm
from htnet.engine.face.alignment import as_crop, canonical_landmarks
from htnet.engine.flow import solver_named
from htnet.engine.motion.region_motion import (
    REGION_NAMES,
    measure_motion,
    motion_box,
    motion_centres,
    region_motion,
)
from htnet.engine.types import F32, U8, Pair

PLACES = {
    lm.LEFT_INNER_BROW: (52, 28),
    lm.RIGHT_INNER_BROW: (88, 28),
    lm.LEFT_OUTER_BROW: (24, 30),
    lm.RIGHT_OUTER_BROW: (116, 30),
    (lm.UPPER_LIP,): (70, 116),
    (lm.LOWER_LIP,): (70, 140),
}


def landmarks() -> F32:
    """Canonical landmarks with brows and lips in their places."""
    points = canonical_landmarks()
    for indices, place in PLACES.items():
        points[list(indices)] = place
    return points


def still() -> F32:
    return np.zeros((170, 140, 2), np.float32)


def test_every_region_is_measured_where_it_is() -> None:
    centres = motion_centres(landmarks())
    assert tuple(centres) == REGION_NAMES
    assert {name: len(sides) for name, sides in centres.items()} == {
        "inner brows": 2,
        "outer brows": 2,
        "eyes": 2,
        "lip corners": 2,
        "upper lip": 1,
        "lower lip": 1,
    }
    np.testing.assert_allclose(centres["inner brows"], [(52, 28), (88, 28)], atol=1e-4)
    np.testing.assert_allclose(centres["eyes"][0], (0.235 * 140, 0.26 * 170), atol=1e-4)


def test_a_region_says_its_mean_vector_and_no_other_region_hears_it() -> None:
    flow = still()
    flow[133:147, 58:82] = (0.5, 1.25)
    regions = region_motion(flow, landmarks())
    np.testing.assert_allclose(regions["lower lip"], (0.5, 1.25), atol=1e-6)
    assert all(not regions[name].any() for name in REGION_NAMES if name != "lower lip")
    assert regions["lower lip"].dtype == np.float32


def test_left_and_right_are_averaged_as_mirror_images() -> None:
    centres = landmarks()[[lm.LEFT_LIP_CORNER, lm.RIGHT_LIP_CORNER]].round().astype(int)
    smile, shift = still(), still()
    for (x, y), outwards in zip(centres, (-1, 1), strict=True):
        box = np.s_[y - 12 : y + 12, x - 12 : x + 12]
        smile[box] = (outwards * 2, -1)
        shift[box] = (2, -1)
    np.testing.assert_allclose(region_motion(smile, landmarks())["lip corners"], (2, -1), atol=1e-6)
    # What both corners do to the same side is the head's, and cancels.
    np.testing.assert_allclose(region_motion(shift, landmarks())["lip corners"], (0, -1), atol=1e-6)


@given(
    x=st.floats(-1e4, 1e4),
    y=st.floats(-1e4, 1e4),
    half=st.sampled_from([(11, 7), (10, 10), (1, 1)]),
)
def test_a_box_is_in_the_crop_and_never_empty(x, y, half) -> None:
    x0, y0, x1, y1 = motion_box(np.array([x, y], np.float32), half)
    assert 0 <= x0 < x1 <= 140 and 0 <= y0 < y1 <= 170
    assert half[0] <= x1 - x0 <= 2 * half[0] and half[1] <= y1 - y0 <= 2 * half[1]


def test_a_box_inside_is_centred() -> None:
    assert motion_box(np.array([70.2, 80.4], np.float32), (12, 7)) == (58, 73, 82, 87)


@pytest.mark.parametrize("far", [(-500, -500), (900, 900), (-500, 900)])
def test_landmarks_outside_the_crop_read_its_border(far) -> None:
    points = landmarks()
    points[lm.LOWER_LIP] = far
    flow = still()
    flow[:] = (1, 2)
    regions = region_motion(flow, points)
    np.testing.assert_allclose(regions["lower lip"], (1, 2), atol=1e-6)


def skin(seed: int = 0) -> F32:
    noise = np.random.default_rng(seed).normal(size=(300, 300))
    texture = cv2.GaussianBlur(noise, (0, 0), 2)
    return np.asarray(128 + 40 * texture / texture.std(), np.float32)


def warped(flow: F32) -> U8:
    """Texture moved so that its flow to the unmoved one is ``flow``."""
    y, x = np.mgrid[65:235, 80:220].astype(np.float32)
    moved = cv2.remap(skin(), x + flow[..., 0], y + flow[..., 1], cv2.INTER_CUBIC)
    return np.rint(moved).clip(0, 255).astype(np.uint8)


def pair(flow: F32) -> Pair:
    return Pair(as_crop(warped(flow), landmarks()), as_crop(warped(still()), landmarks()))


def muscle() -> F32:
    y, x = np.mgrid[0:170, 0:140].astype(np.float32)
    flow = still()
    for left in (52, 88):
        flow[..., 1] -= 2 * np.exp(-((x - left) ** 2 + (y - 26) ** 2) / (2 * 12**2))
    return flow


def test_the_heads_motion_is_measured_and_taken_out() -> None:
    head = still()
    head[:] = (1.5, -0.75)
    measured = measure_motion(pair(head + muscle()), solver_named("dis"))
    assert measured.flow.shape == (170, 140, 2)
    np.testing.assert_allclose(measured.head[:2], (1.5, -0.75), atol=0.15)
    assert float(np.hypot(*measured.head[:2])) == pytest.approx(np.hypot(1.5, 0.75), abs=0.15)
    # The brows' rise is left, less what the solver smooths away; the mouth has not moved.
    assert measured.regions["inner brows"][1] == pytest.approx(-1.6, abs=0.4)
    assert np.hypot(*measured.regions["lower lip"]) < 0.2


def test_registered_crops_keep_all_their_motion() -> None:
    shift = still()
    shift[:] = (1.5, -0.75)
    measured = measure_motion(pair(shift), solver_named("dis"), registered=True)
    assert not measured.head.any() and np.hypot(*measured.head[:2]) == 0
    np.testing.assert_allclose(measured.regions["lower lip"], (1.5, -0.75), atol=0.15)


def test_the_same_crop_twice_has_no_motion_at_all() -> None:
    crop = as_crop(warped(still()), landmarks())
    measured = measure_motion(Pair(crop, crop), solver_named("dis"))
    assert not measured.flow.any() and not measured.head.any()
    assert not any(vector.any() for vector in measured.regions.values())
