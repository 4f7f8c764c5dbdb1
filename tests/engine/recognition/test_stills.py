"""Recognition of two picture files, and error sentences."""

import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from htnet.engine.errors import FaceError, UsageError
from htnet.engine.models.weights import default_weights, load
from htnet.engine.recognition.recognizer import Recognizer
from htnet.engine.recognition.stills import recognize, save_map
from htnet.engine.types import CLASSES, NEUTRAL, U8


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer(load(default_weights()))


@pytest.fixture(scope="module")
def clip(data: Path) -> list[U8]:
    pytest.importorskip("mediapipe")
    capture = cv2.VideoCapture(str(data / "media" / "single_face.mp4"))
    return [np.asarray(capture.read()[1], np.uint8) for _ in range(48)]


@pytest.fixture
def real(data: Path) -> tuple[Path, Path]:
    """Real onset and apex, canonical crops; label negative."""
    return tuple(data / f"pairs/006_006_1_2_{name}.png" for name in ("onset", "apex"))


def written(folder: Path, name: str, picture: np.ndarray) -> Path:
    path = folder / name
    assert cv2.imwrite(str(path), picture)
    return path


def shade(height: int = 170, width: int = 140) -> np.ndarray:
    """Picture without a face."""
    noise = np.random.default_rng(0).normal(size=(height, width))
    texture = cv2.GaussianBlur(noise, (0, 0), 3)
    return np.rint(128 + 30 * texture / texture.std()).clip(0, 255).astype(np.uint8)


def test_the_real_pair_as_crops(real, recognizer: Recognizer, data: Path) -> None:
    found = recognize(*real, recognizer, aligned=True)
    assert found.as_crops and not found.crop_shaped
    assert found.prediction.label == "negative"
    assert tuple(found.prediction.probabilities) == CLASSES
    published = cv2.imread(str(data / "composite/flow/006_006_1_2.png"))[..., ::-1]
    assert found.map.shape == (28, 28, 3) and found.map.dtype == np.float32
    for channel, least in enumerate((0.84, 0.90, 0.75)):  # against the published map
        alike = np.corrcoef(found.map[..., channel].ravel(), published[..., channel].ravel())
        assert alike[0, 1] >= least


def test_the_real_pair_with_its_face_found(real, recognizer: Recognizer) -> None:
    pytest.importorskip("mediapipe")
    found = recognize(*real, recognizer)
    assert not found.as_crops and found.crop_shaped
    assert found.prediction.label == "negative"


def test_a_smile_is_positive(clip: list[U8], tmp_path: Path, recognizer: Recognizer) -> None:
    neutral, smile = (
        written(tmp_path, name, clip[n]) for name, n in (("onset.png", 12), ("apex.png", 20))
    )
    found = recognize(neutral, smile, recognizer)
    assert not found.as_crops and not found.crop_shaped
    assert found.prediction.label == "positive"
    again = recognize(neutral, smile, recognizer)
    assert again.prediction.probabilities == found.prediction.probabilities
    assert (again.map == found.map).all()


def test_a_head_that_has_moved_far_has_its_own_crop(
    clip: list[U8], tmp_path: Path, recognizer: Recognizer
) -> None:
    onset = written(tmp_path, "onset.png", clip[12])
    here = recognize(onset, written(tmp_path, "apex.png", clip[22]), recognizer)
    away = np.roll(clip[22], (25, 60), axis=(0, 1))
    there = recognize(onset, written(tmp_path, "away.png", away), recognizer)
    assert not there.as_crops
    for channel in range(2):
        alike = np.corrcoef(here.map[..., channel].ravel(), there.map[..., channel].ravel())
        assert alike[0, 1] > 0.9


def test_pictures_of_two_sizes_can_be_compared(
    clip: list[U8], tmp_path: Path, recognizer: Recognizer
) -> None:
    onset = written(tmp_path, "onset.png", clip[12])
    large = cv2.resize(clip[22], None, fx=1.5, fy=1.5)
    assert recognize(onset, written(tmp_path, "l.png", large), recognizer).prediction.label


def test_the_same_picture_twice_is_neutral(
    clip: list[U8], tmp_path: Path, recognizer: Recognizer
) -> None:
    onset = written(tmp_path, "onset.png", clip[12])
    found = recognize(onset, onset, recognizer)
    assert found.prediction.label == NEUTRAL and not found.map.any()


def test_the_same_crop_twice_is_neutral(tmp_path: Path, recognizer: Recognizer) -> None:
    crop = written(tmp_path, "crop.png", shade())
    assert recognize(crop, crop, recognizer, aligned=True).prediction.label == NEUTRAL


def test_a_picture_without_a_face_is_a_sentence(
    clip: list[U8], tmp_path: Path, recognizer: Recognizer
) -> None:
    face, none = (
        written(tmp_path, "face.png", clip[0]),
        written(tmp_path, "no.png", shade(360, 640)),
    )
    for onset, apex in ((none, face), (face, none), (none, none)):
        with pytest.raises(FaceError, match=r"none was found: use a picture .* or --aligned") as e:
            recognize(onset, apex, recognizer)
        assert f"expected a face in {none};" in str(e.value)


def test_crops_in_which_no_face_is_found_are_taken_as_they_are(
    tmp_path: Path, recognizer: Recognizer
) -> None:
    pytest.importorskip("mediapipe")
    onset = written(tmp_path, "onset.png", shade())
    apex = written(tmp_path, "apex.png", np.roll(shade(), 1, axis=1))
    found = recognize(onset, apex, recognizer)
    assert found.as_crops and not found.crop_shaped
    aligned = recognize(onset, apex, recognizer, aligned=True)
    assert found.prediction.probabilities == aligned.prediction.probabilities


def test_aligned_needs_no_mediapipe_and_takes_crops_alone(
    tmp_path: Path, recognizer: Recognizer, monkeypatch
) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    crop = written(tmp_path, "crop.png", shade())
    recognize(crop, crop, recognizer, aligned=True)
    wide = written(tmp_path, "wide.png", shade(140, 170))
    with pytest.raises(UsageError, match="crop of 140 x 170 px; got 170 x 140: leave --aligned"):
        recognize(crop, wide, recognizer, aligned=True)


def huge_png(side: int) -> bytes:
    """PNG whose header claims more pixels than OpenCV decodes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(99))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize(
    "content, what",
    [
        (b"", "the file is empty"),
        (b"garbage " * 99, "it holds none that can be decoded"),
        (b"\xff\xd8\xff\xe0 a jpeg no more", "it holds none that can be decoded"),
        (huge_png(60_000), "it holds none that can be decoded"),
    ],
)
def test_a_file_that_is_no_picture_is_a_sentence(
    content: bytes, what: str, tmp_path: Path, recognizer: Recognizer
) -> None:
    good, bad = written(tmp_path, "good.png", shade()), tmp_path / "bad.png"
    bad.write_bytes(content)
    for onset, apex in ((bad, good), (good, bad)):
        with pytest.raises(UsageError) as e:
            recognize(onset, apex, recognizer, aligned=True)
        assert str(e.value) == f"expected a picture in {bad}; {what}: give a PNG or JPEG."


def test_a_saved_map_is_rgb_as_the_published_ones(tmp_path: Path) -> None:
    map_ = np.random.default_rng(0).uniform(-1, 256, (28, 28, 3)).astype(np.float32)
    save_map(map_, tmp_path / "map.png")
    read = cv2.imread(str(tmp_path / "map.png"))[..., ::-1]  # OpenCV reads BGR
    np.testing.assert_array_equal(read, np.rint(map_).clip(0, 255))


@pytest.mark.parametrize("name", ["gone/map.png", "map.nope", "map"])
def test_a_map_that_cannot_be_written_is_a_sentence(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be written: use an existing folder and a name"):
        save_map(np.zeros((28, 28, 3), np.float32), tmp_path / name)
