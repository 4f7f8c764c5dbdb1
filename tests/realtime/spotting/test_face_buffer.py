import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH
from htnet.engine.types import AlignedFace
from htnet.realtime.spotting.face_buffer import FaceBuffer


def face(t_ns: int, shade: int = 0) -> AlignedFace:
    return AlignedFace(
        frame_index=t_ns,
        t_ns=t_ns,
        gray=np.full((CROP_HEIGHT, CROP_WIDTH), shade, np.uint8),
        landmarks=np.full((478, 2), shade, np.float32),
        to_crop=np.eye(2, 3),
        openness=0.3,
    )


@settings(max_examples=50, deadline=None)
@given(
    gaps=st.lists(st.integers(5, 120), min_size=1, max_size=60),
    blinks=st.sets(st.integers(0, 59)),
    asked=st.integers(-100, 4000),
)
def test_it_gives_what_a_plain_list_would(gaps: list[int], blinks: set[int], asked: int) -> None:
    faces = FaceBuffer(seconds=0.8, max_fps=240)
    kept: list[tuple[int, bool]] = []
    t_ns = 0
    for place, gap in enumerate(gaps):
        t_ns += gap * 1_000_000
        faces.push(face(t_ns), usable=place not in blinks)
        kept.append((t_ns, place not in blinks))
    kept = [(t, ok) for t, ok in kept if kept[-1][0] - t <= 800_000_000]
    assert len(faces) == len(kept)
    asked_ns = asked * 1_000_000
    times = [t for t, _ in kept]
    assert abs(faces.nearest(asked_ns).t_ns - asked_ns) == min(abs(t - asked_ns) for t in times)
    usable = [t for t, ok in kept if ok]
    before = [t for t in usable if t <= asked_ns]
    expected = before[-1] if before else usable[0] if usable else times[0]
    assert faces.onset_before(asked_ns).t_ns == expected


def test_what_it_gives_is_a_copy_that_outlives_the_buffer() -> None:
    faces = FaceBuffer(seconds=0.1, max_fps=100)
    faces.push(face(0, shade=7))
    held = faces.nearest(0)
    for i in range(1, 50):
        faces.push(face(i * 10_000_000, shade=200))
    assert held.gray.max() == 7
    assert held.landmarks.max() == 7


def test_a_source_faster_than_the_buffer_is_thinned_and_the_seconds_stay() -> None:
    faces = FaceBuffer(seconds=1.0, max_fps=100)
    for i in range(3000):
        faces.push(face(i * 1_000_000))  # 1000 fps
    newest = faces.nearest(10**12).t_ns
    assert newest - faces.onset_before(-1).t_ns == pytest.approx(1e9, abs=2e7)


def test_spoiled_faces_are_no_onset() -> None:
    faces = FaceBuffer(seconds=2.0)
    for i in range(10):
        faces.push(face(i * 33_000_000))
    faces.spoil_since(5 * 33_000_000)
    assert faces.onset_before(9 * 33_000_000).t_ns == 4 * 33_000_000
    assert faces.nearest(9 * 33_000_000).t_ns == 9 * 33_000_000


def test_an_empty_ring_says_so() -> None:
    faces = FaceBuffer(seconds=1.0)
    faces.push(face(0))
    faces.clear()
    with pytest.raises(LookupError):
        faces.nearest(0)
    with pytest.raises(LookupError):
        faces.onset_before(0)
