"""The animator: its true landmarks and fields agree with the motion of the pixels."""

import cv2
import numpy as np
import pytest

from htnet.engine.anatomy.geometry import FaceFrame
from htnet.engine.anatomy.muscles import MUSCLES, field
from htnet.engine.errors import UsageError
from htnet.engine.face.alignment import crop_transform, cut, transform_points
from htnet.engine.flow.opencv import Dis
from htnet.engine.synth.face.animator import OWN, Animator
from htnet.engine.synth.face.portrait import Portrait, load_portrait
from htnet.engine.synth.face.pose import REST, Pose

SIZE = (640, 360)
MOVED = Pose(6.0, -3.0, 0.02, 1.008)


@pytest.fixture(scope="module")
def animator():
    return Animator(load_portrait(), SIZE)


def gray(picture):
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)


def track(before, after, points, guess):
    """Lucas-Kanade, (N, 2)."""
    found, _, _ = cv2.calcOpticalFlowPyrLK(
        before.astype(np.uint8),
        after.astype(np.uint8),
        points.reshape(-1, 1, 2).astype(np.float32),
        guess.reshape(-1, 1, 2).astype(np.float32).copy(),
        winSize=(13, 13),
        maxLevel=0,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
        criteria=(3, 60, 1e-4),
    )
    return found.reshape(-1, 2)


def undo(picture, animator, name, pull, pose=REST):
    """Return the neutral picture from a moved one: picture(pose(x + field(x)))."""
    x, y = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in SIZE))
    points = np.stack([x, y], -1)
    forward = np.float32(pull * animator.face.crop_px)
    points = points + forward * field(MUSCLES[name], animator.neutral, SIZE)
    matrix = pose.matrix(animator.pivot)
    points = (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    return cv2.remap(picture, points[..., 0], points[..., 1], cv2.INTER_LANCZOS4)


def test_face_is_where_and_as_large_as_the_demo_needs(animator):
    assert 75 <= animator.face.unit <= 95
    assert animator.neutral.min() > 30
    assert (animator.neutral.max(0) < np.array(SIZE) - 30).all()
    picture = animator.render()
    assert picture.shape == (360, 640, 3) and picture.dtype == np.uint8


@pytest.mark.slow
@pytest.mark.parametrize("pull", [0.8, 2.0])
@pytest.mark.parametrize("name", list(MUSCLES))
def test_the_motion_in_the_pixels_has_the_size_that_was_asked_for(animator, name, pull):
    """Undo the motion by the true field times k: what is left is least at k = 1."""
    still, apex = gray(animator.render()), gray(animator.render(REST, {name: pull}))
    unit = field(MUSCLES[name], animator.neutral, SIZE)
    where = np.hypot(unit[..., 0], unit[..., 1]) > 0.2
    factors = np.arange(0.7, 1.31, 0.1)
    left = [
        float(((undo(apex, animator, name, k * pull) - still)[where] ** 2).mean()) for k in factors
    ]
    a, b, _ = np.polyfit(factors[1:-1], left[1:-1], 2)
    assert -b / (2 * a) == pytest.approx(1.0, abs=0.03)
    at_one = left[int(np.argmin(np.abs(factors - 1.0)))]
    assert at_one < 1.5  # grey levels squared: little more than rounding
    assert at_one < 0.1 * float(((apex - still)[where] ** 2).mean())


@pytest.mark.parametrize("pose", [REST, MOVED], ids=["rest", "moved"])
@pytest.mark.parametrize("pull", [0.8, 2.0])
@pytest.mark.parametrize("name", list(MUSCLES))
def test_landmarks_move_by_the_field(animator, name, pull, pose):
    still, apex = gray(animator.render()), gray(animator.render(pose, {name: pull}))
    before, after = animator.landmarks(), animator.landmarks(REST, {name: pull})
    moved = np.hypot(*(after - before).T) / animator.face.crop_px
    assert 0.9 * pull < moved.max() < 1.02 * pull
    # a window straddles motions of several sizes, so track what is left when the truth is undone
    found = track(still, undo(apex, animator, name, pull, pose), before, before)
    error = np.hypot(*(found - before).T) / animator.face.crop_px
    columns, rows = np.rint(before).astype(int).T
    texture = cv2.cornerMinEigenVal(still.astype(np.uint8), 13)[rows, columns]
    carried = moved > 0.4 * pull
    assert error[carried & (texture > 2e-3)].max(initial=0.0) < 0.1  # a chin has none
    assert np.median(error[carried & (texture > 5e-4)]) < 0.1  # faint texture: LK itself wavers


def test_pose_carries_the_landmarks(animator):
    still, moved = gray(animator.render()), gray(animator.render(MOVED))
    ids = [33, 133, 362, 263, 61, 291, 168, 4, 107, 336]
    truth = animator.landmarks(MOVED)[ids]
    found = track(still, moved, animator.neutral[ids], truth)
    assert np.hypot(*(found - truth).T).max() < 0.12
    inverse = cv2.invertAffineTransform(MOVED.matrix(animator.pivot))
    back = animator.landmarks(MOVED) @ inverse[:, :2].T + inverse[:, 2]
    np.testing.assert_allclose(back, animator.neutral, atol=1e-3)


def test_a_moving_head_leaves_the_background(animator):
    still, moved = animator.render().astype(int), animator.render(Pose(8.0, 4.0, 0.026, 1.01))
    np.testing.assert_array_equal(moved[:, :40], still[:, :40])
    np.testing.assert_array_equal(moved[:, -40:], still[:, -40:])


def test_muscles_work_at_the_same_time(animator):
    both = animator.render(REST, {"brow raise": 2.0, "lip corner pull": 2.0})
    brow, lips = animator.render(REST, {"brow raise": 2.0}), animator.render()
    eyes = int(animator.face.origin[1])
    np.testing.assert_array_equal(both[: eyes - 10], brow[: eyes - 10])
    assert (both[eyes + 40 :] != lips[eyes + 40 :]).any()
    np.testing.assert_array_equal(animator.render(REST, {"brow raise": 0.0}), animator.render())


def eye_boxes(animator, widen):
    """Boxes of rows and columns round the eyes, from lid landmarks to the brow."""
    for eye, brow in (
        ((33, 133, 159, 145), (46, 53, 52, 65, 55)),
        ((263, 362, 386, 374), (276, 283, 282, 295, 285)),
    ):
        points = animator.neutral[list(eye + brow)]
        (x0, y0), (x1, y1) = points.min(0) - widen, points.max(0) + widen
        yield np.s_[int(y0) : int(y1) + 1, int(x0) : int(x1) + 1]


def test_a_blink_moves_nothing_outside_the_eyes(animator):
    still = animator.render()
    outside = np.ones(still.shape[:2], bool)
    for box in eye_boxes(animator, 6):
        outside[box] = False
    for closure in (0.2, 0.6, 1.0):
        changed = (animator.render(REST, {}, closure) != still).any(-1)
        assert changed.any()
        assert not (changed & outside).any()


def test_the_lid_comes_down_from_above_and_covers_the_iris(animator):
    still, shut = gray(animator.render()), gray(animator.render(REST, {}, 1.0))
    half = gray(animator.render(REST, {}, 0.5))
    for iris, upper, lower in ((468, 159, 145), (473, 386, 374)):
        x, _ = animator.neutral[iris]
        top, bottom = animator.neutral[upper, 1], animator.neutral[lower, 1]
        columns = slice(int(x) - 2, int(x) + 4)

        def rows(a, b, top=top, bottom=bottom):
            return slice(round(top + a * (bottom - top)), round(top + b * (bottom - top)))

        upper_half, lower_half = rows(0.05, 0.45), rows(0.65, 1.0)
        # dark iris to bright skin; at half way the lower part is still the open eye
        assert shut[upper_half, columns].mean() > still[upper_half, columns].mean() + 25
        np.testing.assert_array_equal(half[lower_half, columns], still[lower_half, columns])
        assert np.abs(half[upper_half, columns] - still[upper_half, columns]).mean() > 5
        # the lash line arrives at the lower lid
        lashes = shut[int(bottom) - 2 : int(bottom) + 2, columns].mean()
        assert lashes < shut[upper_half, columns].mean() - 30


def test_other_sizes_and_faces_keep_the_head_inside():
    portrait = load_portrait()
    for size in ((640, 480), (360, 640), (1280, 720)):
        animator = Animator(portrait, size)
        assert animator.render(MOVED, {"brow raise": 2.0}, 0.5).shape == (size[1], size[0], 3)
        assert animator.neutral.min() > 0
        assert (animator.neutral.max(0) < size).all()
    assert Animator(portrait, SIZE, eyes_px=90.0).face.unit == pytest.approx(90.0, rel=0.01)
    with pytest.raises(UsageError, match="64 x 64"):
        Animator(portrait, (32, 32))


def test_face_frame_measures_the_canonical_crop(animator):
    face = FaceFrame.of(animator.neutral)
    assert face.crop_px == pytest.approx(face.unit / 0.52 / 140)
    np.testing.assert_allclose(face.to_face(face.origin), 0.0, atol=1e-9)
    np.testing.assert_allclose(face.axes @ face.axes.T, np.eye(2), atol=1e-9)


@pytest.mark.parametrize("name", list(MUSCLES))
def test_a_solver_sees_each_muscle_in_the_crop(animator, name):
    to_crop = crop_transform(animator.neutral)
    onset, apex = (cut(animator.render(REST, {name: pull}), to_crop) for pull in (0.0, 2.0))
    seen = Dis()(onset, apex)
    told = field(MUSCLES[name], transform_points(animator.neutral, to_crop), (140, 170))
    inside = np.s_[8:-8, 8:-8]
    assert np.corrcoef(seen[inside].ravel(), told[inside].ravel())[0, 1] > 0.9


def test_quick_frames_have_the_same_face(animator):
    quick = Animator(load_portrait(), SIZE, quick=True)
    one, other = (a.render(MOVED, {"brow raise": 1.0}, 0.4) for a in (animator, quick))
    (x0, y0), (x1, y1) = (f(animator.landmarks(MOVED), 0).astype(int) for f in (np.min, np.max))
    np.testing.assert_array_equal(quick_face := other[y0:y1, x0:x1], one[y0:y1, x0:x1])
    assert quick_face.size
    assert np.abs(one.astype(int) - other).max() < 16


def test_an_own_field_takes_the_picture_back_to_rest():
    """The picture is the pull at its full size; halfway and none are where the truth says."""
    plain = load_portrait()
    unit = FaceFrame.of(plain.landmarks).crop_px
    own = field(MUSCLES["lip corner pull"], plain.landmarks, (512, 512)) * np.float32(unit)
    animator = Animator(Portrait(plain.bgr, plain.landmarks, own, 2.0), SIZE)
    bare = Animator(plain, SIZE)
    np.testing.assert_array_equal(animator.render(REST, {OWN: 2.0}), bare.render())
    np.testing.assert_allclose(animator.landmarks(REST, {OWN: 2.0}), bare.neutral, atol=0.02)
    corners = [61, 291]
    for pull in (0.0, 1.0):
        moved = bare.neutral - animator.landmarks(REST, {OWN: pull})
        length = np.hypot(*moved[corners].T) / animator.face.crop_px
        np.testing.assert_allclose(length, 2.0 - pull, rtol=0.12)
        found = track(
            gray(bare.render()),
            gray(animator.render(REST, {OWN: pull})),
            bare.neutral[corners],
            animator.landmarks(REST, {OWN: pull})[corners],
        )
        truth = animator.landmarks(REST, {OWN: pull})[corners]
        assert np.hypot(*(found - truth).T).max() < 0.4
    np.testing.assert_array_equal(animator.neutral, animator.landmarks())
