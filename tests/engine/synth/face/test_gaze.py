"""Gaze moves the pixels between the lids and nothing else."""

import cv2
import numpy as np
import pytest

from htnet.engine.anatomy import geometry as g
from htnet.engine.synth.face.animator import Animator
from htnet.engine.synth.face.portrait import load_portrait
from htnet.engine.synth.face.pose import Pose

LOOKS = [(3.0, 0.0), (-3.0, 0.0), (0.0, -1.5), (2.0, 1.0)]


@pytest.fixture(scope="module")
def animator():
    return Animator(load_portrait())


def gray(picture):
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)


def openings(animator, wider=1.5):
    """The pixels between the lids of both eyes, and ``wider`` px round them."""
    mask = np.zeros((360, 640), np.uint8)
    for upper, lower in (
        (g.RIGHT_UPPER_LID, g.RIGHT_LOWER_LID),
        (g.LEFT_UPPER_LID, g.LEFT_LOWER_LID),
    ):
        ring = animator.neutral[[*upper, *lower[::-1]]]
        cv2.fillPoly(mask, [np.rint(ring).astype(np.int32)], 1)
    return cv2.dilate(mask, np.ones((3, 3)), iterations=round(wider)) > 0


@pytest.mark.parametrize("gaze", LOOKS)
def test_the_skin_stays(animator, gaze):
    changed = (animator.render(gaze=gaze) != animator.render()).any(-1)
    assert changed.sum() > 50
    if gaze[1] <= 0:  # the upper lid follows a look down
        assert not changed[~openings(animator, 5)].any()


@pytest.mark.parametrize("gaze", LOOKS)
def test_the_irises_go_where_the_truth_says(animator, gaze):
    """The dark of each iris moves sideways by the gaze."""
    still, looking = gray(animator.render()), gray(animator.render(gaze=gaze))
    shift = animator.landmarks(gaze=gaze) - animator.landmarks()
    np.testing.assert_allclose(shift[g.IRISES], np.tile(shift[468], (10, 1)), atol=1e-4)
    np.testing.assert_allclose(
        np.hypot(*shift[468]), np.hypot(*gaze) * animator.face.crop_px, rtol=1e-3
    )
    assert not shift[:468].any()
    for iris in (468, 473):
        x, y = np.rint(animator.neutral[iris]).astype(int)
        template = still[y - 2 : y + 3, x - 5 : x + 6]
        search = looking[y - 2 : y + 3, x - 12 : x + 13]
        if gaze[1] == 0.0:
            score = cv2.matchTemplate(search, template, cv2.TM_SQDIFF)[0]
            assert abs(int(np.argmin(score)) - 7 - shift[iris, 0]) < 1.0


def test_looking_turns_with_the_head_and_lids_close_over_it(animator):
    pose = Pose(roll=0.02, x=4.0, yaw=0.1)
    moved = animator.landmarks(pose, gaze=(2.0, 0.0)) - animator.landmarks(pose)
    assert moved[468, 0] > 1.5 and np.abs(moved[:468]).max() < 1e-4
    shut = animator.render(closure=1.0)
    looking = animator.render(closure=1.0, gaze=(3.0, 0.0))
    assert np.abs(shut.astype(int) - looking).mean() < 0.05


def test_the_upper_lid_follows_a_look_down(animator):
    down, up = animator.render(gaze=(0.0, 2.0)), animator.render(gaze=(0.0, -2.0))
    still = animator.render()
    lids = [*g.RIGHT_UPPER_LID[3:6], *g.LEFT_UPPER_LID[3:6]]
    columns, rows = np.rint(animator.neutral[lids] - [0, 2]).astype(int).T
    assert (down[rows, columns] != still[rows, columns]).any()
    np.testing.assert_array_equal(up[rows, columns], still[rows, columns])
