"""The shipped landmarks, portraits of other pictures, and a face tracker on the clip."""

import cv2
import numpy as np
import pytest

from htnet.engine.errors import FaceError
from htnet.engine.synth.demo import render_demo
from htnet.engine.synth.face.animator import Animator
from htnet.engine.synth.face.portrait import load_portrait, locate, portrait_of
from htnet.engine.synth.face.pose import Pose


@pytest.fixture(scope="module")
def find():
    mediapipe = pytest.importorskip("mediapipe")
    mesh = mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True, refine_landmarks=True, max_num_faces=1
    )

    def landmarks(bgr):
        result = mesh.process(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
        if not result.multi_face_landmarks:
            return None
        points = result.multi_face_landmarks[0].landmark
        return np.array([(p.x, p.y) for p in points], np.float32) * bgr.shape[1::-1]

    with mesh:
        yield landmarks


def test_shipped_portrait_is_whole(capfd):
    portrait = load_portrait()
    assert portrait.bgr.shape == (512, 512, 3) and portrait.bgr.dtype == np.uint8
    assert portrait.landmarks.shape == (478, 2) and portrait.landmarks.dtype == np.float32
    assert capfd.readouterr() == ("", "")  # not even libpng


def test_missing_portrait_is_a_sentence():
    with pytest.raises(FaceError, match="expected the portrait"):
        load_portrait("nobody")


def test_locate_gives_the_shipped_landmarks(find):
    portrait = load_portrait()
    found = locate(portrait.bgr, find)
    assert np.abs(found - portrait.landmarks).max() < 0.25  # of a px; the eyes are 41 px apart


def test_locate_without_a_face_is_a_sentence(find):
    with pytest.raises(FaceError, match="expected a picture with a face"):
        locate(np.full((120, 160, 3), 128, np.uint8), find)


def test_a_face_tracker_follows_the_clip(find):
    clip = render_demo()
    apexes = [round(e.apex_ns * 30e-9) for e in clip.truth]
    blinks = [round((0.42 * end + 0.58 * start) * 30e-9) for start, end in clip.blinks]
    for i in [0, 60, 359, *apexes, *blinks]:
        found = find(clip.frame(i).bgr)
        assert found is not None
        firm = [33, 133, 362, 263, 61, 291, 4, 168]
        assert np.abs(found - clip.landmarks(i))[firm].mean() < 1.5


def test_a_tight_face_is_laid_on_a_background_that_a_tracker_follows(find):
    shipped = load_portrait()
    (x0, y0), (x1, y1) = shipped.landmarks.min(0).astype(int), shipped.landmarks.max(0).astype(int)
    tight = shipped.bgr[y0 + 8 : y1, x0:x1]
    own = np.ones((*tight.shape[:2], 2), np.float32)
    portrait = portrait_of(tight, find, own)
    assert portrait.own.shape == (*portrait.bgr.shape[:2], 2)
    rows, columns = (
        np.flatnonzero(portrait.own[..., 0].any(1)),
        np.flatnonzero(portrait.own[0].any(1)),
    )
    assert len(rows) == tight.shape[0] and len(columns) == 0
    # its inner part is the picture, the rest is smooth
    top, left = rows[0], np.flatnonzero(portrait.own[rows[0], :, 0])[0]
    inner = np.s_[15:-15, 15:-15]
    there = portrait.bgr[top : top + tight.shape[0], left : left + tight.shape[1]]
    np.testing.assert_array_equal(there[inner], tight[inner])
    assert cv2.Laplacian(portrait.bgr[: top - 10], cv2.CV_32F).std() < 2.0
    corner = np.array([x0, y0 + 8]) - [left, top]
    assert np.median(np.abs(portrait.landmarks + corner - shipped.landmarks)) < 0.7
    animator = Animator(portrait)
    for pose in (Pose(), Pose(8.0, -6.0, 0.03), Pose(yaw=0.14), Pose(scale=1.3, pitch=0.1)):
        found = find(animator.render(pose))
        assert found is not None
        firm = [33, 133, 362, 263, 61, 291, 4, 168]
        assert np.abs(found - animator.landmarks(pose))[firm].mean() < 2.5


def test_a_wide_picture_is_taken_as_it_is(find):
    bgr = cv2.copyMakeBorder(load_portrait().bgr, 100, 0, 100, 100, cv2.BORDER_REFLECT_101)
    portrait = portrait_of(bgr, find)
    assert portrait.bgr is bgr and portrait.own is None
    with pytest.raises(FaceError, match="found none"):
        portrait_of(np.full((120, 160, 3), 128, np.uint8), find)
