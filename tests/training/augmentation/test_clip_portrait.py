"""Portraits of the composite's clips move as their maps say."""

import cv2
import numpy as np
import pytest

from htnet.engine.anatomy.geometry import FaceFrame
from htnet.engine.face.alignment import crop_transform, cut
from htnet.engine.flow.opencv import Dis
from htnet.engine.synth.face.animator import OWN, Animator
from htnet.engine.synth.face.pose import Pose
from htnet.training.augmentation.clip_portrait import field_on_picture, own_portrait, restore_height
from htnet.training.datasets.clip import IDENTITY
from htnet.training.datasets.composite import SAMM_TO_MAP, read_clips, read_map

FIRM = [33, 133, 362, 263, 61, 291, 4, 168]


@pytest.fixture(scope="module")
def tracker():
    pytest.importorskip("mediapipe")
    from htnet.engine.face.tracker import MeshTracker

    tracker = MeshTracker()
    yield tracker
    tracker.close()


def spot(x, y):
    """A map whose v has a spot at (x, y) of its size, and the rest at the median."""
    grid_y, grid_x = (np.mgrid[0:28, 0:28] + 0.5) / 28
    bump = np.exp(-((grid_x - x) ** 2 + (grid_y - y) ** 2) / (2 * 0.06**2))
    return np.dstack([np.full((28, 28), 100.0), 50 + 200 * bump, 0 * bump]).astype(np.float32)


def centre(own):
    length = np.hypot(own[..., 0], own[..., 1])
    y, x = np.indices(length.shape)
    weights = length * (length > 0.2 * length.max())
    return (x * weights).sum() / weights.sum(), (y * weights).sum() / weights.sum()


@pytest.mark.parametrize("to_map", [IDENTITY, SAMM_TO_MAP], ids=["same crop", "samm"])
def test_a_spot_of_the_map_lands_where_the_clip_says(to_map):
    own = field_on_picture(spot(0.3, 0.5), 272, 224, to_map)
    assert own.shape == (272, 224, 2) and own.dtype == np.float32
    x, y = centre(own)
    (sx, ox), (sy, oy) = to_map
    assert x == pytest.approx((0.3 - ox) / sx * 224 - 0.5, abs=1.0)
    assert y == pytest.approx((0.5 - oy) / sy * 272 - 0.5, abs=1.0)
    assert np.abs(own[..., 0]).max() < 1e-3 and own[..., 1].max() > 0.5
    assert not own[[0, -1]].round(3).any() and not own[:, [0, -1]].round(3).any()


def test_unsqueezed_has_the_crops_proportions():
    assert restore_height(np.zeros((224, 224, 3), np.uint8)).shape == (272, 224, 3)


@pytest.mark.slow
@pytest.mark.parametrize("number", [3, 60, 200, 330, 420])
def test_a_clip_moves_by_its_own_field_and_is_followed(published, tracker, number):
    clip = read_clips(published)[number]
    portrait = own_portrait(clip, read_map(clip.flow), 3.0, tracker)
    length = np.hypot(*np.moveaxis(portrait.own, -1, 0))
    unit = FaceFrame.of(portrait.landmarks).crop_px
    assert np.percentile(length[length > 0], 99) == pytest.approx(unit, rel=0.05)
    animator = Animator(portrait, quick=True)

    to_crop = crop_transform(animator.neutral)
    onset, apex = (cut(animator.render(activations={OWN: pull}), to_crop) for pull in (0.0, 3.0))
    told = true_flow(animator, portrait, to_crop)
    seen = Dis()(onset, apex)
    inside = np.s_[12:-12, 12:-12]
    assert np.corrcoef(seen[inside].ravel(), told[inside].ravel())[0, 1] > 0.8

    tracker.reset()
    poses = (Pose(), Pose(8.0, -6.0, 0.02, 1.01), Pose(yaw=0.14), Pose(scale=1.3, pitch=0.1))
    for frame, pose in enumerate(poses):
        found = tracker.find(animator.render(pose, {OWN: 1.5}), frame * 40_000_000)
        assert found is not None and not found.another
        truth = animator.landmarks(pose, {OWN: 1.5})
        assert np.abs(found.landmarks - truth)[FIRM].mean() < 3.0


def true_flow(animator, portrait, to_crop):
    """3 px of the portrait's own field on the crop (170, 140, 2)."""
    ids = [33, 133, 362, 263]
    picture, frame = portrait.landmarks[ids], animator.landmarks(activations={OWN: 3.0})[ids]
    to_frame, _ = cv2.estimateAffinePartial2D(picture, frame)
    whole = np.vstack([to_crop, [0, 0, 1]]) @ np.vstack([to_frame, [0, 0, 1]])
    own = cv2.warpAffine(portrait.own, whole[:2], (140, 170))
    return 3.0 * own @ whole[:2, :2].T
