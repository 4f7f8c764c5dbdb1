"""Displacement fields of the muscles on the shipped face and on moved, turned, scaled faces."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htnet.engine.anatomy.geometry import FaceFrame
from htnet.engine.anatomy.muscles import (
    BROW_LOWER,
    BROW_RAISE,
    JAW_DROP,
    LID_TIGHTEN,
    LIP_CORNER_DEPRESS,
    LIP_CORNER_PULL,
    LIP_PRESS,
    MUSCLES,
    NOSE_WRINKLE,
    displacement,
    facs_name,
    field,
)
from htnet.engine.synth.face.portrait import load_portrait

LEFT_INNER_BROW, RIGHT_INNER_BROW = 107, 336  # of the picture
INNER_BROWS = [107, 336]
OUTER_BROWS = [70, 300]
BELOW_THE_EYES = [4, 6, 197, 0, 17, 61, 291, 152, 50, 280, 205, 425]
STABLE = [197, 195, 5, 4, 6]  # bridge and tip of the nose


@pytest.fixture(scope="module")
def landmarks():
    return load_portrait().landmarks * 2


@pytest.fixture(scope="module")
def at_landmarks(landmarks):
    face = FaceFrame.of(landmarks)
    return {
        name: displacement(m, landmarks, landmarks.astype(np.float64)) @ face.axes.T
        for name, m in MUSCLES.items()
    }


@given(
    stretch=st.tuples(st.floats(0.8, 1.25), st.floats(0.8, 1.25)),
    seed=st.integers(0, 2**16),
    muscle=st.sampled_from(list(MUSCLES)),
)
@settings(max_examples=25, deadline=None)
def test_the_peak_is_one_on_any_face(stretch, seed, muscle):
    # Every face has its longest vector elsewhere, and it has to be found there.
    face = load_portrait().landmarks * np.array(stretch, np.float32)
    face = (face + np.random.default_rng(seed).normal(0, 1.5, face.shape)).astype(np.float32)
    low = np.floor(face.min(0) - 60).astype(int)
    width, height = np.ceil(face.max(0) + 60).astype(int) - low
    values = field(MUSCLES[muscle], face, (int(width), int(height)), (int(low[0]), int(low[1])))
    assert np.hypot(values[..., 0], values[..., 1]).max() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("muscle", MUSCLES.values(), ids=list(MUSCLES))
def test_peak_is_one_and_far_away_is_zero(muscle, landmarks):
    values = field(muscle, landmarks, (1024, 640))
    assert values.dtype == np.float32
    length = np.hypot(values[..., 0], values[..., 1])
    assert length.max() == pytest.approx(1.0, abs=0.005)
    low, high = landmarks.min(0) - 25, landmarks.max(0) + 25
    y, x = np.mgrid[:640, :1024]
    outside = (x < low[0]) | (x > high[0]) | (y < low[1]) | (y > high[1])
    assert not values[outside].any()


@pytest.mark.parametrize("muscle", MUSCLES.values(), ids=list(MUSCLES))
def test_smooth_and_never_folding(muscle, landmarks):
    face = FaceFrame.of(landmarks)
    values = field(muscle, landmarks, (1024, 640)).astype(np.float64)
    slopes = np.stack(np.gradient(values, axis=(0, 1)))
    # 2 px of the crop must leave the map one to one; no step between neighbours
    assert 2.0 * face.crop_px * np.abs(slopes).max() < 0.5
    assert np.abs(np.diff(slopes, axis=1)).max() < 0.02


@pytest.mark.parametrize("muscle", MUSCLES.values(), ids=list(MUSCLES))
def test_window_of_a_field_is_the_field(muscle, landmarks):
    whole = field(muscle, landmarks, (600, 400))
    window = field(muscle, landmarks, (100, 80), (380, 200))
    np.testing.assert_array_equal(window, whole[200:280, 380:480])


@pytest.mark.parametrize("muscle", MUSCLES.values(), ids=list(MUSCLES))
def test_field_goes_with_the_face(muscle, landmarks):
    turn, grow, shift = np.deg2rad(14.0), 1.7, np.array([31.0, -12.0])
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = (landmarks @ matrix.T * grow + shift).astype(np.float32)
    here = displacement(muscle, landmarks, landmarks.astype(np.float64))
    there = displacement(muscle, moved, moved.astype(np.float64))
    np.testing.assert_allclose(there, here @ matrix.T, atol=1e-3)


def test_brow_raise_lifts_the_brows_and_nothing_below_the_eyes(at_landmarks):
    moved = at_landmarks[BROW_RAISE.name]
    assert (moved[INNER_BROWS + OUTER_BROWS, 1] < -0.5).all()
    assert (moved[[105, 334], 1] < -0.85).all()
    assert np.abs(moved[BELOW_THE_EYES]).max() < 0.02
    assert (moved[[159, 386], 1] < -0.05).all()  # upper lids follow a little
    assert (moved[[159, 386], 1] > -0.4).all()
    assert np.abs(moved[[145, 374]]).max() < 0.05  # lower lids do not
    assert (moved[[10], 1] > -0.4).all()  # the hairline hardly


def test_brow_lower_draws_the_inner_ends_down_and_together(at_landmarks):
    moved = at_landmarks[BROW_LOWER.name]
    assert (moved[INNER_BROWS, 1] > 0.7).all()
    assert moved[LEFT_INNER_BROW, 0] > 0.2
    assert moved[RIGHT_INNER_BROW, 0] < -0.2
    assert (moved[OUTER_BROWS, 1] < 0.6 * moved[INNER_BROWS, 1]).all()
    assert np.abs(moved[BELOW_THE_EYES]).max() < 0.1


def test_lip_corners_go_up_and_out_and_the_middle_of_the_mouth_stays(at_landmarks):
    moved = at_landmarks[LIP_CORNER_PULL.name]
    left, right = moved[61], moved[291]
    assert np.hypot(*left) > 0.95 and np.hypot(*right) > 0.95
    assert left[0] < -0.4 < 0.4 < right[0]
    assert left[1] < -0.4 and right[1] < -0.4
    np.testing.assert_allclose(left * [-1, 1], right, atol=0.08)
    assert np.abs(moved[[0, 13, 14, 17]]).max() < 0.05
    assert (moved[[205, 425], 1] < -0.3).all()  # the cheeks follow
    assert np.abs(moved[[145, 374]]).max() < 0.15  # the lower lids barely
    assert np.abs(moved[[70, 105, 107, 300, 334, 336, 10]]).max() == 0.0


def test_lids_narrow_the_eye_and_leave_brows_and_cheeks(at_landmarks):
    moved = at_landmarks[LID_TIGHTEN.name]
    assert (moved[[145, 374], 1] < -0.6).all()  # the lower lids rise
    assert (moved[[159, 386], 1] > 0.15).all()  # the upper ones come down a little
    assert moved[145, 0] > 0.05 and moved[374, 0] < -0.05  # towards the inner corners
    assert np.abs(moved[[105, 334, 107, 336, 205, 425, 61, 291]]).max() < 0.05


def test_nose_wrinkles_upwards_beside_its_back(at_landmarks):
    moved = at_landmarks[NOSE_WRINKLE.name]
    assert (moved[[129, 358], 1] < -0.8).all()
    assert (moved[[37, 267], 1] < 0.0).all()  # the upper lip follows
    assert np.abs(moved[[17, 152, 105, 334]]).max() < 0.02


def test_lip_corners_go_down_and_the_middle_of_the_mouth_stays(at_landmarks):
    moved = at_landmarks[LIP_CORNER_DEPRESS.name]
    assert (moved[[61, 291], 1] > 0.95).all()
    assert np.abs(moved[[0, 13, 14, 17, 129, 358, 145, 374]]).max() < 0.05


def test_lips_are_pressed_on_each_other(at_landmarks):
    moved = at_landmarks[LIP_PRESS.name]
    assert moved[0, 1] > 0.8 and moved[17, 1] < -0.8
    assert moved[13, 1] == pytest.approx(-moved[14, 1], abs=0.05)
    assert moved[61, 0] > 0.0 > moved[291, 0]
    assert np.abs(moved[[129, 358, 145, 374, 105, 334]]).max() < 0.05


def test_the_jaw_falls_and_the_upper_lip_stays(at_landmarks):
    moved = at_landmarks[JAW_DROP.name]
    assert moved[152, 1] > 0.85 and moved[17, 1] > 0.75
    assert moved[14, 1] > moved[13, 1] + 0.2  # the lips part
    assert np.abs(moved[[0, 13, 129, 358, 234, 454, 105, 334]]).max() < 0.05


def test_classes_of_the_muscles():
    labels = {name: muscle.label for name, muscle in MUSCLES.items()}
    assert labels == {
        "brow raise": "surprise",
        "jaw drop": "surprise",
        "lip corner pull": "positive",
        "brow lower": "negative",
        "nose wrinkle": "negative",
        "lip corner depress": "negative",
        "lip press": "negative",
        "lid tighten": "negative",
    }


def test_the_bridge_of_the_nose_is_stable(at_landmarks):
    for moved in at_landmarks.values():
        assert np.abs(moved[STABLE]).max() < 0.1


def test_the_display_name_has_the_action_unit_first():
    assert facs_name("lip corner pull") == "AU12 lip corner pull"
    assert facs_name("brow raise") == "AU1+2 brow raise"
