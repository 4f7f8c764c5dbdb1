"""Face tracking on real pictures, and its error sentences."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from htnet.engine.errors import DependencyError, FaceError
from htnet.engine.face import landmarks as lm
from htnet.engine.face import tracker as face_module
from htnet.engine.face.tracker import (
    MeshTracker,
    TaskTracker,
    eye_openness,
    find_face,
    open_tracker,
)
from htnet.engine.types import F32, U8

MS = 1_000_000


@pytest.fixture(scope="module")
def tracker() -> Iterator[MeshTracker]:
    pytest.importorskip("mediapipe")
    opened = MeshTracker()
    yield opened
    opened.close()


@pytest.fixture
def mesh(tracker: MeshTracker) -> MeshTracker:
    """Tracker after a reset."""
    tracker.reset()
    return tracker


def frames_of(path: Path) -> list[U8]:
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        read, frame = capture.read()
        if not read:
            return frames
        frames.append(np.asarray(frame, np.uint8))


@pytest.fixture(scope="module")
def clip(data: Path) -> list[U8]:
    return frames_of(data / "media" / "single_face.mp4")


@pytest.fixture(scope="module")
def head(clip: list[U8]) -> U8:
    """Head of one person, cut out."""
    found = find_face(clip[0])
    assert found is not None
    low, high = found.landmarks.min(axis=0), found.landmarks.max(axis=0)
    margin = 0.6 * (high - low)
    (x0, y0), (x1, y1) = np.maximum(low - margin, 0).astype(int), (high + margin).astype(int)
    return clip[0][y0:y1, x0:x1]


def scene(head: U8, left: float | None, right: float | None) -> U8:
    """Picture with the head at these sizes in its left and right half."""
    picture = np.full((480, 1000, 3), 90, np.uint8)
    for size, centre in ((left, 250), (right, 750)):
        if size is not None:
            pasted = cv2.resize(head, None, fx=size, fy=size)[:480, :480]
            height, width = pasted.shape[:2]
            x, y = centre - width // 2, 240 - height // 2
            picture[y : y + height, x : x + width] = pasted
    return picture


def side(points: F32) -> str:
    return "left" if points[:, 0].mean() < 500 else "right"


def test_every_frame_with_a_face_gives_it(mesh: MeshTracker, clip: list[U8]) -> None:
    assert len(clip) == 72
    faces = [mesh.find(frame, n * 33 * MS) for n, frame in enumerate(clip)]
    assert all(face is not None for face in faces)
    for face in faces:
        assert face.landmarks.shape == (478, 2) and face.landmarks.dtype == np.float32
        eyes = face.landmarks[[*lm.LEFT_EYE_CORNERS, *lm.RIGHT_EYE_CORNERS]]
        # Left and right are the picture's; the corners run from left to right.
        assert (np.diff(eyes[:, 0]) > 0).all()
        assert face.landmarks[lm.LEFT_LIP_CORNER, 0] < face.landmarks[lm.RIGHT_LIP_CORNER, 0]
        assert (eyes[:, 1] < face.landmarks[lm.UPPER_LIP, 1]).all()
    openness = [face.openness for face in faces]
    assert openness[0] > 0.25 and min(openness[24:30]) < 0.15  # the blink of frame 26


def test_no_face_gives_none(mesh: MeshTracker, data: Path) -> None:
    frames = frames_of(data / "media" / "no_face.mp4")
    assert len(frames) == 95
    assert all(mesh.find(frame, n * 33 * MS) is None for n, frame in enumerate(frames))


def test_landmarks_follow_a_step_within_one_frame(mesh: MeshTracker, clip: list[U8]) -> None:
    still = [mesh.find(clip[0], n * 33 * MS) for n in range(4)][-1]
    moved = mesh.find(np.roll(clip[0], (4, 6), axis=(0, 1)), 4 * 33 * MS)
    step = (moved.landmarks - still.landmarks).mean(axis=0)
    np.testing.assert_allclose(step, (6, 4), atol=0.5)


def test_the_largest_of_several_faces_is_chosen(mesh: MeshTracker, data: Path) -> None:
    group = cv2.imread(str(data / "media" / "multi_face.jpg"))
    assert mesh.find(group, 0) is not None
    near = group[190:500, 280:860]  # four of the five, large enough to be found all
    largest = find_face(near)
    assert largest is not None
    np.testing.assert_allclose(largest.landmarks.mean(axis=0), (453, 172), atol=8)
    for n in range(5):
        found = mesh.find(near, n * 33 * MS)
        np.testing.assert_allclose(found.landmarks.mean(axis=0), (453, 172), atol=8)


def test_the_chosen_face_stays_when_another_grows_larger(mesh: MeshTracker, head: U8) -> None:
    for n, size in enumerate(np.linspace(0.7, 1.3, 10)):
        picture = scene(head, 1.0, size)
        assert side(mesh.find(picture, n * 33 * MS).landmarks) == "left"
    assert side(find_face(picture).landmarks) == "right"


def test_the_other_face_is_taken_when_the_chosen_one_goes(mesh: MeshTracker, head: U8) -> None:
    assert side(mesh.find(scene(head, 1.2, 0.8), 0).landmarks) == "left"
    assert mesh.find(scene(head, None, 0.8), 33 * MS) is None  # it may come back for a second
    found = mesh.find(scene(head, None, 0.8), 1033 * MS)
    assert side(found.landmarks) == "right" and found.another
    assert side(mesh.find(scene(head, 1.2, 0.8), 1066 * MS).landmarks) == "right"


@pytest.mark.parametrize("gap_ms, expected", [(600, "left"), (1400, "right")])
def test_a_face_that_comes_back_soon_is_the_same(
    mesh: MeshTracker, head: U8, gap_ms: int, expected: str
) -> None:
    assert side(mesh.find(scene(head, 1.0, None), 0).landmarks) == "left"
    assert mesh.find(scene(head, None, None), 33 * MS) is None
    assert side(mesh.find(scene(head, 1.0, 1.25), gap_ms * MS).landmarks) == expected


def test_reset_chooses_anew(mesh: MeshTracker, head: U8) -> None:
    assert side(mesh.find(scene(head, 1.0, 0.8), 0).landmarks) == "left"
    picture = scene(head, 1.0, 1.25)
    assert side(mesh.find(picture, 33 * MS).landmarks) == "left"
    mesh.reset()
    assert side(mesh.find(picture, 66 * MS).landmarks) == "right"


def test_pictures_may_change_their_size(mesh: MeshTracker, clip: list[U8]) -> None:
    first = mesh.find(clip[0], 0)
    half = mesh.find(cv2.resize(clip[0], None, fx=0.5, fy=0.5), 33 * MS)
    np.testing.assert_allclose(half.landmarks * 2, first.landmarks, atol=6)
    again = mesh.find(clip[0], 66 * MS)
    np.testing.assert_allclose(again.landmarks, first.landmarks, atol=6)


def test_a_view_of_a_larger_array_will_do(mesh: MeshTracker, clip: list[U8]) -> None:
    wide = np.zeros((360, 800, 3), np.uint8)
    wide[:, 100:740] = clip[0]
    found = mesh.find(wide[:, 100:740], 0)
    mesh.reset()
    np.testing.assert_allclose(found.landmarks, mesh.find(clip[0], 0).landmarks, atol=0.01)


def test_stderr_stays_clean_while_tracking(
    mesh: MeshTracker, head: U8, capfd: pytest.CaptureFixture[str]
) -> None:
    for n in range(3):
        mesh.find(scene(head, None, None), n * 99 * MS)
        mesh.find(scene(head, 1.0, 0.8), n * 99 * MS + 33 * MS)
        mesh.find(scene(head, None, 0.8), n * 99 * MS + 66 * MS)
        mesh.reset()
    find_face(scene(head, 1.0, None))
    assert capfd.readouterr() == ("", "")


_GREETINGS = """
import sys, numpy as np, cv2
from htnet.engine.face.tracker import MeshTracker, find_face
picture = cv2.imread(sys.argv[1])
tracker = MeshTracker()
for n in range(3):
    assert tracker.find(np.zeros_like(picture), n) is None
    assert tracker.find(picture, n) is not None
    assert tracker.find(picture, n) is not None
    tracker.reset()
assert find_face(picture) is not None
tracker.close()
print("stderr is back", file=sys.stderr)
"""


def test_a_new_process_hears_no_greeting(head: U8, tmp_path: Path) -> None:
    """MediaPipe writes some lines once in a process, so only a new process shows them."""
    path = tmp_path / "scene.png"
    cv2.imwrite(str(path), scene(head, 1.0, None))
    done = subprocess.run(
        [sys.executable, "-c", _GREETINGS, str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "stderr is back\n")


def test_others_are_heard_while_nobody_is_in_the_picture(
    mesh: MeshTracker, head: U8, capfd: pytest.CaptureFixture[str], monkeypatch
) -> None:
    assert mesh.find(scene(head, 1.0, None), 0) is not None
    mesh.reset()
    run = face_module.run_mesh

    def talking(graph: object, rgb: U8) -> list[F32]:
        os.write(2, b"another thread's traceback\n")
        return run(graph, rgb)

    monkeypatch.setattr(face_module, "run_mesh", talking)
    assert mesh.find(scene(head, None, None), 33 * MS) is None
    assert capfd.readouterr().err == "another thread's traceback\n"


def test_openness_is_height_over_width_of_the_more_open_eye() -> None:
    points = np.zeros((478, 2), np.float32)
    for (outer, inner), lids, height in (
        (lm.LEFT_EYE_CORNERS, lm.LEFT_LIDS, 3.0),
        (lm.RIGHT_EYE_CORNERS, lm.RIGHT_LIDS, 8.0),
    ):
        points[inner] = (30, 0)
        for extra, (up, low) in zip((-1, 0, 1), lids, strict=True):
            points[up], points[low] = (15, -height / 2 - extra / 2), (15, height / 2 + extra / 2)
        assert points[outer].tolist() == [0, 0]
    assert eye_openness(points) == pytest.approx(8 / 30)
    assert eye_openness(np.zeros((478, 2), np.float32)) == 0  # no eye is no division by zero


def test_a_picture_without_a_face_has_none() -> None:
    pytest.importorskip("mediapipe")
    assert find_face(np.zeros((48, 64, 3), np.uint8)) is None
    assert find_face(np.zeros((1, 1, 3), np.uint8)) is None


@pytest.mark.parametrize("start", [MeshTracker, lambda: find_face(np.zeros((8, 8, 3), np.uint8))])
def test_without_mediapipe_a_sentence_says_what_to_install(start, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(DependencyError, match=r"^expected mediapipe .*: run 'pip install mediapi"):
        start()


def test_a_landmarker_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    for path in (tmp_path / "face_landmarker.task", tmp_path):
        with pytest.raises(FaceError, match=r"there is no such file: give the path of a face_land"):
            TaskTracker(path)


@pytest.mark.parametrize("content", [b"", b"garbage " * 99, b"PK\x03\x04 and no more"])
def test_a_landmarker_that_is_none_is_a_sentence(content: bytes, tmp_path: Path) -> None:
    pytest.importorskip("mediapipe")
    path = tmp_path / "face_landmarker.task"
    path.write_bytes(content)
    with pytest.raises(FaceError, match=r"^expected a .*MediaPipe cannot read it .*download") as e:
        TaskTracker(path)
    assert str(path) in str(e.value) and "\n" not in str(e.value)


def bundle(path: Path, landmarks: str) -> Path:
    """Write a .task bundle of the models inside MediaPipe's wheel."""
    mediapipe = pytest.importorskip("mediapipe")
    modules = Path(mediapipe.__file__).parent / "modules"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as made:
        made.write(
            modules / "face_detection/face_detection_short_range.tflite", "face_detector.tflite"
        )
        made.write(modules / f"face_landmark/{landmarks}.tflite", "face_landmarks_detector.tflite")
    return path


# The wheel has no model of 478 points for Tasks, and its one of 468 gives (x, y, z) where Tasks
# takes 956 numbers for (x, y): so of the points that come back each third is a true one, with two
# thirds of its number. That is enough to see that pixels, sizes and faces are handled rightly.
COME_BACK, TRUE = np.arange(0, 477, 3), np.arange(0, 318, 2)


def test_a_landmarker_gives_the_places_that_the_mesh_gives(
    clip: list[U8], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tracker = open_tracker(bundle(tmp_path / "own.task", "face_landmark"))
    assert isinstance(tracker, TaskTracker)
    half = cv2.resize(clip[0], None, fx=0.5, fy=0.5)
    for picture, near in ((clip[0], 3.0), (half, 2.0)):
        found, mesh = tracker.find(picture, 0), find_face(picture)
        assert found.landmarks.shape == (478, 2) and found.landmarks.dtype == np.float32
        error = np.abs(found.landmarks[COME_BACK] - mesh.landmarks[TRUE])
        assert error.mean() < near  # px; two models, raw and with attention
    assert tracker.find(np.zeros_like(clip[0]), 33 * MS) is None
    tracker.reset()
    tracker.close()
    assert capfd.readouterr().err == ""


def test_a_landmarker_stays_with_its_face_until_reset(head: U8, tmp_path: Path) -> None:
    tracker = TaskTracker(bundle(tmp_path / "own.task", "face_landmark"))

    def found(left: float | None, right: float | None) -> str:
        return side(tracker.find(scene(head, left, right), 0).landmarks[COME_BACK])

    assert [found(1.0, 0.8), found(1.0, 1.1), found(1.0, 1.25)] == ["left"] * 3
    assert tracker.find(scene(head, None, 1.25), 33 * MS) is None
    assert tracker.find(scene(head, None, 1.25), 2000 * MS).another
    tracker.reset()
    assert found(1.0, 1.25) == "right"
    tracker.close()


def test_a_landmarker_of_other_models_is_a_sentence(clip: list[U8], tmp_path: Path) -> None:
    tracker = TaskTracker(bundle(tmp_path / "own.task", "face_landmark_with_attention"))
    with pytest.raises(FaceError, match="models do not fit together: download face_landmarker"):
        tracker.find(clip[0], 0)


def test_the_mesh_is_the_default() -> None:
    pytest.importorskip("mediapipe")
    tracker = open_tracker()
    assert isinstance(tracker, MeshTracker)
    tracker.close()
