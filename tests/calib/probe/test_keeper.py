"""Kept is the face with what lies round it, bounded in bytes, and nothing of a try that failed."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from htnet.calib.probe.keeper import MOST_BYTES, FaceKeeper
from htnet.engine.errors import FaceError, HTNetError, UsageError
from htnet.engine.face.alignment import crop_transform
from htnet.engine.synth.face.portrait import load_portrait
from htnet.engine.types import F32, Face, Frame, State, Tick

Filmed = Callable[..., Iterator[Tick]]
FACE = load_portrait().landmarks


def wide(count: int, fps: float = 30.0) -> Iterator[Tick]:
    """A face in the middle of a large frame that is marked beyond what lies round it."""
    face = FACE / np.ptp(FACE, axis=0).max() * 160
    face = (face - face.min(axis=0) + (880, 440)).astype(np.float32)
    bgr = np.full((1080, 1920, 3), 255, np.uint8)
    bgr[440 - 170 : 600 + 170, 880 - 170 : 1040 + 170] = 90
    for index in range(count):
        frame = Frame(index, round(index * 1e9 / fps), bgr)
        yield Tick(frame, Face(face, 0.3), None, None, State.NO_FACE, None, None, ())


def kept(keeper: FaceKeeper, ticks: Iterator[Tick]) -> FaceKeeper:
    """All but the first two count: a calibration settles first."""
    for index, tick in enumerate(ticks):
        keeper.take(tick, index > 1)
    return keeper


def test_only_what_lies_round_the_face_is_kept() -> None:
    keeper = kept(FaceKeeper(), wide(93))
    assert keeper.nbytes < 1.5 * 90 * (3 * 160) ** 2 * 3
    footage = keeper.footage("camera 0")
    assert len(footage.pictures) == 91
    assert all((picture == 90).all() for picture in footage.pictures)


def test_as_many_bytes_as_it_may_and_the_last_pictures() -> None:
    keeper = FaceKeeper(most_bytes=30_000_000)
    for index, tick in enumerate(wide(200)):
        keeper.take(tick, index > 1)
        assert keeper.nbytes <= 30_000_000
    footage = keeper.footage("camera 0")
    assert (footage.t_ns[-1] - footage.t_ns[0]) / 1e9 + 0.1 >= 5.0
    assert footage.t_ns[-1] == round(199 * 1e9 / 30)
    assert keeper.nbytes == 0


@pytest.mark.parametrize("fps", [30.0, 200.0])
def test_a_fast_camera_is_kept_as_long_in_smaller_pictures(fps: float) -> None:
    keeper = kept(FaceKeeper(most_bytes=MOST_BYTES // 10), wide(round(6 * fps), fps))
    footage = keeper.footage("camera 0")
    assert (footage.t_ns[-1] - footage.t_ns[0]) / 1e9 == pytest.approx(5, abs=0.6)
    assert sum(each.nbytes for each in footage.pictures) <= MOST_BYTES // 10


def test_landmarks_stay_on_the_face(filmed: Filmed) -> None:
    small = kept(FaceKeeper(most_bytes=8_000_000), filmed(93)).footage("camera 0")
    large = kept(FaceKeeper(), filmed(93)).footage("camera 0")
    assert small.pictures[0].shape[0] < 0.8 * large.pictures[0].shape[0]
    crops = []
    for footage in (small, large):
        to_crop = crop_transform(footage.landmarks[0])
        eye, mouth = footage.landmarks[0][[33, 17]] @ to_crop[:, :2].T + to_crop[:, 2]
        crops.append((eye, mouth))
    np.testing.assert_allclose(crops[0], crops[1], atol=0.1)
    scale = small.pictures[0].shape[1] / large.pictures[0].shape[1]
    np.testing.assert_allclose(small.landmarks[0], large.landmarks[0] * scale, atol=1.0)


def test_a_try_begun_anew_keeps_nothing_of_the_last_one(filmed: Filmed) -> None:
    keeper = kept(FaceKeeper(), filmed(60))
    assert keeper.nbytes > 0
    keeper.drop()
    assert keeper.nbytes == 0
    with pytest.raises(FaceError, match="found none"):
        keeper.footage("camera 0")


def test_what_does_not_count_is_not_kept(filmed: Filmed) -> None:
    keeper = kept(FaceKeeper(), filmed(12))
    before = keeper.nbytes
    for tick in filmed(3):
        keeper.take(tick, False)
    assert keeper.nbytes == before


def test_a_face_that_was_lost_or_another_ends_a_stretch(filmed: Filmed) -> None:
    ticks = list(filmed(143))
    ticks[50] = replace(ticks[50], face=None)
    assert ticks[80].face is not None
    ticks[80] = replace(ticks[80], face=replace(ticks[80].face, another=True))
    footage = kept(FaceKeeper(), iter(ticks)).footage("camera 0")
    assert len(footage.pictures) == 63
    assert footage.t_ns[0] == ticks[80].frame.t_ns


def lost(count: int) -> list[F32 | None]:
    """A face that is gone every second."""
    return [None if index % 30 == 0 else FACE for index in range(count)]


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"count": 60, "faces": [None] * 60}, FaceError, "a face in camera 0; found none"),
        (
            {"count": 150, "faces": lost(150)},
            UsageError,
            "1.5 s of one face in camera 0; got 0.9 s",
        ),
        ({"count": 60, "light": 0.05}, UsageError, "20 of 255 grey levels in camera 0"),
        ({"count": 40, "fps": 5.0}, UsageError, "10 frames a second in camera 0.*in more light"),
    ],
)
def test_pictures_that_cannot_be_used_are_a_sentence(
    filmed: Filmed, changes: dict[str, Any], error: type[HTNetError], told: str
) -> None:
    keeper = kept(FaceKeeper(), filmed(**changes))
    with pytest.raises(error, match=f"expected .*{told}"):
        keeper.footage("camera 0")
    assert keeper.nbytes == 0


def test_a_large_face_is_reduced_once() -> None:
    face = (FACE / np.ptp(FACE, axis=0).max() * 800).astype(np.float32)
    face += np.float32(960) - face.mean(axis=0)
    bgr = np.zeros((1920, 1920, 3), np.uint8)
    bgr[::2] = 160
    keeper = FaceKeeper()
    for index in range(60):
        frame = Frame(index, round(index * 1e9 / 30), bgr)
        swaying = face + np.float32(index % 7)
        keeper.take(
            Tick(frame, Face(swaying, 0.3), None, None, State.NO_FACE, None, None, ()), index > 1
        )
    kept_size = np.ptp(face, axis=0).max() * np.sqrt(keeper.nbytes / 58 / 3) / 1920
    footage = keeper.footage("camera 0")
    assert max(footage.pictures[0].shape) <= 720
    sizes = [float(np.ptp(points, axis=0).max()) for points in footage.landmarks]
    assert sizes == pytest.approx([kept_size] * len(sizes), rel=0.02)
