"""The shipped landmarks, how they came about, and what a face tracker makes of the clip."""

import cv2
import numpy as np
import pytest

from htnet.engine.errors import FaceError
from htnet.engine.synth.demo import render_demo
from htnet.engine.synth.portrait import load_portrait, locate


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
