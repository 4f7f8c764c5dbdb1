"""Every face of a source under the number of its person: real people side by side."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from htnet.engine.face.people import PeopleTracker
from htnet.engine.types import U8, Face

STEP_NS = 33_333_333
FRAMES = 45
HEIGHT = 360


@pytest.fixture(scope="module")
def clips(data: Path) -> dict[str, list[U8]]:
    """The first frames of three people, 360 px high."""
    names = {"still": "neutral_stare.mp4", "talks": "talking_2.mp4", "acts": "acting.mp4"}
    return {name: list(pictures(data / "faces" / clip)) for name, clip in names.items()}


def pictures(path: Path, count: int = 60) -> Iterator[U8]:
    capture = cv2.VideoCapture(str(path))
    for _ in range(count):
        there, bgr = capture.read()
        if not there:
            return
        width = round(bgr.shape[1] * HEIGHT / bgr.shape[0])
        yield np.asarray(cv2.resize(bgr, (width, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def side_by_side(
    clips: dict[str, list[U8]], names: tuple[str, ...], count: int = FRAMES
) -> Iterator[U8]:
    for i in range(count):
        if names:
            yield np.hstack([clips[name][(10 + i) % len(clips[name])] for name in names])
        else:
            yield np.zeros((HEIGHT, 2 * HEIGHT, 3), np.uint8)


def told(
    faces: dict[int, Face], clips: dict[str, list[U8]], names: tuple[str, ...]
) -> set[tuple[int, str]]:
    """(number, name of the clip in whose part of the picture the face is)."""
    edges = np.cumsum([clips[name][0].shape[1] for name in names])
    return {
        (number, names[int((float(face.landmarks[:, 0].mean()) > edges).sum())])
        for number, face in faces.items()
    }


@pytest.mark.slow
def test_people_keep_their_numbers_when_they_leave_and_come_back_elsewhere(
    clips: dict[str, list[U8]],
) -> None:
    tracker = PeopleTracker()
    seen: list[set[tuple[int, str]]] = []
    t_ns = 0
    for names in (("still", "talks", "acts"), (), ("acts", "still", "talks"), ("still",)):
        for picture in side_by_side(clips, names):
            faces = tracker.find(picture, t_ns)
            t_ns += STEP_NS
        seen.append(told(faces, clips, names))
    tracker.close()
    everyone = seen[0]
    assert len(everyone) == 3 and {name for _, name in everyone} == set(clips)
    assert {number for number, _ in everyone} == {1, 2, 3}
    assert seen[1] == set() and seen[2] == everyone
    assert seen[3] == {each for each in everyone if each[1] == "still"}
    assert tracker.count == 3


@pytest.mark.slow
def test_another_person_on_the_same_place_gets_another_number(clips: dict[str, list[U8]]) -> None:
    tracker = PeopleTracker()
    t_ns = 0
    last = []
    for names in (("still",), (), ("talks",)):
        for picture in side_by_side(clips, names):
            faces = tracker.find(picture, t_ns)
            t_ns += STEP_NS
        last.append(set(faces))
    tracker.close()
    assert last == [{1}, set(), {2}]


@pytest.mark.slow
def test_two_people_of_one_clip_stay_two(data: Path) -> None:
    tracker = PeopleTracker()
    places: dict[int, list[float]] = {}
    capture = cv2.VideoCapture(str(data / "faces" / "two_people.gif"))
    frames = 0
    while True:
        there, bgr = capture.read()
        if not there:
            break
        for number, face in tracker.find(np.asarray(bgr, np.uint8), frames * 2 * STEP_NS).items():
            places.setdefault(number, []).append(float(face.landmarks[:, 0].mean()))
        frames += 1
    tracker.close()
    assert set(places) == {1, 2} and frames > 50
    for where in places.values():
        assert len(where) >= frames - 6  # all but the first 0.3 s
        assert np.abs(np.diff(where)).max() < 30
