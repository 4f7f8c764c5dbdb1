"""D&C-RoIs against rendered clips whose apex is known."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htnet.engine.anatomy.muscles import MUSCLES
from htnet.engine.errors import UsageError
from htnet.engine.face.alignment import crop_transform, cut, transform_points
from htnet.engine.synth.face.animator import Animator
from htnet.engine.synth.face.portrait import load_portrait
from htnet.engine.synth.face.pose import Pose
from htnet.engine.synth.face.time_course import TimeCourse
from htnet.training.datasets.apex import divide_and_conquer, find_apex, onset_distances


@pytest.fixture(scope="module")
def animator():
    return Animator(load_portrait(), (640, 360))


@pytest.fixture(scope="module")
def to_crop(animator):
    return crop_transform(animator.landmarks())


@pytest.fixture(scope="module")
def landmarks(animator, to_crop):
    return transform_points(animator.landmarks(), to_crop)


def faces(animator, to_crop, muscle, pixels, length, apex, noise=0.0, drift=0.0):
    """Crops of a clip that begins at its onset and ends at its offset."""
    draw = np.random.default_rng(length)
    pulse = TimeCourse(0, apex, length - 1)
    for number in range(length):
        pose = Pose(x=drift * number / length, y=drift * number / length / 2)
        picture = animator.render(pose, {muscle: pixels * pulse.at(number)})
        noisy = picture + draw.normal(0, noise, picture.shape)
        yield cut(np.clip(np.rint(noisy), 0, 255).astype(np.uint8), to_crop)


def errors(animator, to_crop, landmarks, pixels, **other):
    """Share of the clip by which the apex is missed, for each muscle, an early and a late one."""
    return [
        abs(find_apex(list(faces(animator, to_crop, *clip, **other)), landmarks) - clip[3])
        / clip[2]
        for clip in ((muscle, pixels, *t) for muscle in MUSCLES for t in ((24, 9), (30, 19)))
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pixels", "other", "mean", "worst"),
    [
        (2.0, {}, 0.05, 0.1),
        (2.0, {"noise": 2.0}, 0.08, 0.15),
        (1.0, {}, 0.07, 0.15),
        (2.0, {"noise": 2.0, "drift": 1.5}, 0.1, 0.2),
    ],
)
def test_the_apex_of_a_muscle_pulse(animator, to_crop, landmarks, pixels, other, mean, worst):
    found = errors(animator, to_crop, landmarks, pixels, **other)
    assert np.mean(found) <= mean
    assert max(found) <= worst


def test_the_same_picture_is_no_distance_away(animator, to_crop, landmarks):
    onset, other = faces(animator, to_crop, "brow raise", 2.0, 2, 0.5)
    raised = cut(animator.render(Pose(), {"brow raise": 2.0}), to_crop)
    distances = onset_distances([onset, onset, raised, other], landmarks)
    np.testing.assert_allclose(distances[:2], 0.0, atol=1e-12)
    assert distances[2] > 0.01


def test_the_head_does_not_count_as_an_expression(animator, to_crop, landmarks):
    onset, moved, raised = (
        cut(animator.render(pose, activations), to_crop)
        for pose, activations in (
            (Pose(), {}),
            (Pose(x=2.0, y=1.0, roll=0.01), {}),
            (Pose(), {"brow raise": 2.0}),
        )
    )
    _, head, brows = onset_distances([onset, moved, raised], landmarks)
    assert head < brows / 2


@given(st.integers(1, 300), st.data())
def test_halving_finds_a_single_peak(length, data):
    peak = data.draw(st.integers(0, length - 1))
    distances = np.zeros(length)
    distances[peak] = 1.0
    assert divide_and_conquer(distances) == peak


@given(st.lists(st.floats(0, 2), min_size=1, max_size=64))
def test_halving_stays_inside(values):
    assert 0 <= divide_and_conquer(np.array(values)) < len(values)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_landmarks_anywhere_are_no_crash(seed):
    draw = np.random.default_rng(seed)
    crop = cv2.GaussianBlur(draw.integers(0, 255, (170, 140)).astype(np.uint8), (0, 0), 3)
    wild = draw.uniform(-200, 400, (478, 2)).astype(np.float32)
    assert find_apex([crop, crop[::-1].copy()], wild) in (0, 1)


def test_too_few_faces_or_of_another_size(landmarks):
    crop = np.zeros((170, 140), np.uint8)
    for wrong in ([], [crop], [crop, crop[:100]]):
        with pytest.raises(UsageError, match="140 x 170"):
            find_apex(wrong, landmarks)
