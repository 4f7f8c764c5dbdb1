"""Canonical crop: eye positions, cutting, and the hysteresis of the transform."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htnet.engine.errors import UsageError
from htnet.engine.face import landmarks as lm
from htnet.engine.face.alignment import (
    LEFT_EYE,
    RIGHT_EYE,
    Aligner,
    align_once,
    as_crop,
    canonical_landmarks,
    crop_transform,
    cut,
    transform_points,
)
from htnet.engine.types import F32, F64, U8, Face, Frame

WIDTH, HEIGHT = 140, 170
CORNERS = np.array([[0, 0], [WIDTH, 0], [0, HEIGHT], [WIDTH, HEIGHT]], float)


def eyes_at(left: tuple[float, float], right: tuple[float, float]) -> F32:
    """Landmarks (478, 2) with these eye centres; their corners lie 10 px to each side."""
    points = np.zeros((478, 2), np.float32)
    for (outer, inner), centre in (
        (lm.LEFT_EYE_CORNERS, left),
        (lm.RIGHT_EYE_CORNERS, right),
    ):
        points[outer], points[inner] = np.subtract(centre, (10, 2)), np.add(centre, (10, 2))
    return points


def similarity(scale: float, angle: float, centre: tuple[float, float]) -> F64:
    """Transform to the crop: ``scale`` frame px to a crop px, ``centre`` to the crop's middle."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    return np.column_stack([turn, np.array([WIDTH / 2, HEIGHT / 2]) - turn @ np.array(centre)])


def back(points: F64, to_crop: F64) -> F64:
    inverse = cv2.invertAffineTransform(to_crop)
    return points @ inverse[:, :2].T + inverse[:, 2]


scales = st.floats(0.3, 8)
angles = st.floats(-np.pi, np.pi)
places = st.tuples(st.floats(-500, 3000), st.floats(-500, 3000))


@given(scale=scales, angle=angles, centre=places)
def test_eye_centres_land_where_the_published_maps_have_them(scale, angle, centre) -> None:
    there = similarity(scale, angle, centre)
    left, right = back(np.array([LEFT_EYE, RIGHT_EYE]), there)
    points = eyes_at(tuple(left), tuple(right))
    found = crop_transform(points)
    eyes = transform_points(np.array([left, right], np.float32), found)
    # Landmarks are float32: at 3000 px they are good to 0.0002 px, which is 0.001 of a small crop.
    assert np.abs(eyes / [WIDTH, HEIGHT] - [[0.235, 0.26], [0.755, 0.26]]).max() < 1e-4
    np.testing.assert_allclose(found, there, rtol=1e-3, atol=0.05)
    (a, b), (c, d) = found[:, :2]
    assert a == pytest.approx(d) and b == pytest.approx(-c)  # turned and scaled, not sheared


def test_eyes_in_one_place_give_no_crop() -> None:
    with pytest.raises(ValueError, match="same point"):
        crop_transform(np.zeros((478, 2), np.float32))


# A picture whose every crop is known: two waves laid out in crop px, sampled at the frame's px.
def waves(x: F64, y: F64) -> F64:
    return 128 + 50 * np.sin(2 * np.pi * x / 20 + 0.3) + 50 * np.sin(2 * np.pi * y / 23 + 1)


def wavy(to_crop: F64, height: int, width: int) -> U8:
    y, x = np.mgrid[0:height, 0:width].astype(float)
    there = np.stack([x, y], axis=-1) @ to_crop[:, :2].T + to_crop[:, 2]
    gray = waves(there[..., 0], there[..., 1])
    return np.repeat(np.rint(gray).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def misplaced(got: U8) -> tuple[F64, float]:
    """Shift of the waves in a crop, px, and the largest remaining error, of 255."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    columns = [
        np.cos(2 * np.pi * x / 20 + 0.3) * 100 * np.pi / 20,
        np.cos(2 * np.pi * y / 23 + 1) * 100 * np.pi / 23,
        np.sin(2 * np.pi * x / 20 + 0.3),  # interpolation takes a little of the contrast
        np.sin(2 * np.pi * y / 23 + 1),
    ]
    design = np.stack([c.ravel() for c in columns], axis=1)
    error = (got - waves(x, y)).ravel()
    return np.linalg.lstsq(design, error, rcond=None)[0][:2], float(np.abs(error).max())


# 1.75 is where the reduction by area begins; each whole number is another reduction.
@pytest.mark.parametrize("scale", [0.7, 1.0, 1.74, 1.76, 2.0, 2.6, 3.3, 4.0, 5.5, 8.0])
@pytest.mark.parametrize("angle", [0.0, 0.31])
def test_cut_puts_pixels_where_the_transform_says_at_any_size(scale, angle) -> None:
    side = int(250 * scale)
    to_crop = similarity(scale, angle, (side / 2 + 0.37, side / 2 - 1.21))
    got = cut(wavy(to_crop, side, side), to_crop)
    assert got.shape == (HEIGHT, WIDTH) and got.dtype == np.uint8
    shift, worst = misplaced(got)
    assert np.abs(shift).max() < 0.017  # OpenCV places samples to 1/32 px, so within 1/64 of it
    assert worst < 5


@pytest.mark.parametrize("scale", [2.3, 3.0, 4.6])
def test_cut_of_a_large_face_agrees_with_a_supersampled_crop(scale) -> None:
    draw = np.random.default_rng(0)
    side = int(230 * scale)
    skin = cv2.GaussianBlur(draw.normal(size=(side, side)), (0, 0), 1.5 * scale)
    picture = np.rint(128 + 45 * skin / skin.std()).clip(0, 255).astype(np.uint8)
    to_crop = similarity(scale, 0.12, (side / 2 + 0.4, side / 2 - 0.7))
    # The reference: every crop px is the mean of 6 x 6 samples spread over it.
    fine = 6
    y, x = (np.mgrid[0 : HEIGHT * fine, 0 : WIDTH * fine] + 0.5) / fine - 0.5
    there = back(np.stack([x.ravel(), y.ravel()], axis=1), to_crop).astype(np.float32)
    samples = cv2.remap(
        picture.astype(np.float32),
        there[:, 0].reshape(x.shape),
        there[:, 1].reshape(x.shape),
        cv2.INTER_LINEAR,
    )
    expected = samples.reshape(HEIGHT, fine, WIDTH, fine).mean(axis=(1, 3))
    got = cut(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), to_crop).astype(float)
    dy, dx = np.gradient(expected)
    design = np.stack([dx.ravel(), dy.ravel()], axis=1)
    shift = np.linalg.lstsq(design, (expected - got).ravel(), rcond=None)[0]
    assert np.abs(shift).max() < 0.02  # px of the crop
    assert np.abs(got - expected).mean() < 2


def test_texture_finer_than_the_crop_does_not_alias() -> None:
    side = 900
    board = (np.indices((side, side)).sum(axis=0) % 2 * 255).astype(np.uint8)
    to_crop = similarity(4.03, 0.02, (450, 450))
    got = cut(np.repeat(board[..., None], 3, axis=2), to_crop)
    assert np.ptp(got.astype(int)) <= 4 and abs(got.mean() - 127.5) < 2


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.7])
@pytest.mark.parametrize("centre", [(12, 100), (190, 30), (100, 195), (-10, -10), (230, 100)])
def test_a_crop_that_leaves_the_picture_goes_on_with_its_border(scale, centre) -> None:
    draw = np.random.default_rng(1)
    picture = cv2.GaussianBlur(draw.normal(size=(200, 210, 3)), (0, 0), 3)
    picture = np.rint(128 + 40 * picture / picture.std()).clip(0, 255).astype(np.uint8)
    pad = 400
    padded = cv2.copyMakeBorder(picture, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    to_crop = similarity(scale, 0.2, centre)
    moved = to_crop.copy()
    moved[:, 2] -= to_crop[:, :2] @ (pad, pad)
    got, expected = cut(picture, to_crop).astype(int), cut(padded, moved).astype(int)
    assert np.abs(got - expected).max() <= 2  # OpenCV places samples to 1/32 px


@pytest.mark.parametrize("scale", [2.0, 3.4])
def test_a_large_face_at_the_border_stays_in_place(scale) -> None:
    side = int(250 * scale)
    for centre in ((side * 0.2, side * 0.5), (side * 0.5, side * 0.85)):
        to_crop = similarity(scale, 0.1, centre)
        got = cut(wavy(to_crop, side, side), to_crop)
        y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
        there = back(np.stack([x.ravel(), y.ravel()], axis=1), to_crop).reshape(HEIGHT, WIDTH, 2)
        inside = ((there > 2 * scale) & (there < side - 2 * scale)).all(axis=2)
        assert 0.3 < inside.mean() < 0.9
        assert np.abs(got - waves(x, y))[inside].max() < 5


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("centre", [(-5000, 50), (5000, 50), (50, -5000), (50, 5000), (9e6, -9e6)])
def test_a_crop_that_misses_the_picture_is_its_border(scale, centre) -> None:
    picture = np.full((90, 120, 3), 77, np.uint8)
    assert (cut(picture, similarity(scale, 0.3, centre)) == 77).all()


def test_a_picture_of_one_pixel_can_be_cut() -> None:
    picture = np.full((1, 1, 3), 9, np.uint8)
    assert (cut(picture, similarity(5, 0, (0, 0))) == 9).all()


def frame_of(points: F32, index: int = 0) -> tuple[Frame, Face]:
    return Frame(index, index * 33_000_000, np.zeros((20, 20, 3), np.uint8)), Face(points, 0.31)


def pull(held: F64, wanted: F64) -> float:
    """Largest distance of a corner of the wanted crop from its place in the held one, crop px."""
    there = back(CORNERS, wanted)
    return float(np.linalg.norm(there @ held[:, :2].T + held[:, 2] - CORNERS, axis=1).max())


def test_the_crop_stands_still_under_jitter() -> None:
    draw = np.random.default_rng(2)
    still = eyes_at((300, 220), (390, 224))
    aligner = Aligner()
    first = aligner.align(*frame_of(still)).to_crop
    for index in range(1, 60):
        # A corner of the crop is moved by up to about three times what its eyes are.
        jitter = draw.uniform(-0.15, 0.15, still.shape).astype(np.float32)
        assert pull(first, crop_transform(still + jitter)) < 0.75
        assert aligner.align(*frame_of(still + jitter, index)).to_crop is first


steps = st.lists(
    st.tuples(st.floats(-40, 40), st.floats(-40, 40), st.floats(-0.5, 0.5), st.floats(0.5, 2)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60)
@given(steps=steps, slack=st.floats(0.1, 3))
def test_the_leash_is_never_longer_than_its_slack(steps, slack) -> None:
    aligner = Aligner(slack)
    middle, half = complex(320, 240), complex(40, 3)
    for index, (dx, dy, turn, grow) in enumerate(steps):
        middle += complex(dx, dy)
        half *= complex(np.cos(turn), np.sin(turn)) * grow
        if not 8 < abs(half) < 400:
            half *= 40 / abs(half)
        ends = [((z).real, (z).imag) for z in (middle - half, middle + half)]
        points = eyes_at(*ends)
        aligned = aligner.align(*frame_of(points, index))
        assert pull(aligned.to_crop, crop_transform(points)) <= slack + 1e-6
        np.testing.assert_allclose(
            aligned.landmarks, transform_points(points, aligned.to_crop), atol=1e-3
        )


def test_the_crop_follows_a_drift_by_just_the_excess() -> None:
    aligner = Aligner(0.75)
    start = eyes_at((300, 220), (372.8, 220))  # a crop at the frame's own scale
    first = aligner.align(*frame_of(start)).to_crop
    previous = first
    for index in range(1, 101):
        points = start + np.array([0.2 * index, 0], np.float32)
        held = aligner.align(*frame_of(points, index)).to_crop
        # Never back, and never by more than the head itself has gone.
        assert -1e-6 <= previous[0, 2] - held[0, 2] <= 0.2 + 1e-3
        previous = held
    assert first[0, 2] - previous[0, 2] == pytest.approx(20 - 0.75, abs=0.01)


def test_reset_lets_go() -> None:
    aligner = Aligner()
    near, far = eyes_at((300, 220), (390, 224)), eyes_at((300.3, 220), (390.3, 224))
    held = aligner.align(*frame_of(near)).to_crop
    assert aligner.align(*frame_of(far)).to_crop is held
    aligner.reset()
    np.testing.assert_array_equal(aligner.align(*frame_of(far)).to_crop, crop_transform(far))


def test_align_carries_the_frame_and_the_face() -> None:
    frame, face = frame_of(eyes_at((3, 4), (12, 5)), 7)
    aligned = Aligner().align(frame, face)
    assert (aligned.frame_index, aligned.t_ns, aligned.openness) == (7, 231_000_000, 0.31)


def test_align_once_in_its_own_crop_and_in_another() -> None:
    points = eyes_at((30, 40), (103, 40))
    picture = np.random.default_rng(3).integers(0, 255, (240, 200, 3)).astype(np.uint8)
    own = align_once(picture, Face(points, 0.3))
    np.testing.assert_allclose(own.landmarks[list(lm.LEFT_EYE_CORNERS)].mean(0), LEFT_EYE, atol=0.1)
    other = own.to_crop + np.array([[0, 0, 5], [0, 0, -3]])
    moved = align_once(picture, Face(points, 0.3), other)
    np.testing.assert_allclose(moved.landmarks - own.landmarks, np.tile((5, -3), (478, 1)), 1e-3)
    # Compared away from where the crop leaves the picture on its left and above.
    assert np.abs(moved.gray[40:-5, 20:].astype(int) - own.gray[43:-2, 15:-5]).mean() < 1


def test_as_crop_takes_crops_alone() -> None:
    gray = np.zeros((HEIGHT, WIDTH), np.uint8)
    crop = as_crop(gray)
    assert crop.gray is gray and (crop.to_crop == np.eye(2, 3)).all()
    with pytest.raises(UsageError, match=r"140 x 170 px; got 170 x 140: leave --aligned out"):
        as_crop(np.zeros((WIDTH, HEIGHT), np.uint8))


def test_canonical_landmarks_are_where_the_published_crops_have_them() -> None:
    points = canonical_landmarks()
    assert points.shape == (478, 2) and points.dtype == np.float32
    np.testing.assert_allclose(crop_transform(points), np.eye(2, 3), atol=1e-5)
    lips = points[[lm.LEFT_LIP_CORNER, lm.RIGHT_LIP_CORNER]] / (WIDTH, HEIGHT)
    np.testing.assert_allclose(lips, [[0.27, 0.735], [0.72, 0.73]], atol=1e-6)
