"""Still pictures: depths, orientation, names, and what is no picture."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from htnet.engine.errors import DataError, SourceError, UsageError
from htnet.engine.media.pictures import depth_of, needed_depth, read_picture, to_8_bits

RAMP = np.repeat(np.linspace(0, 255, 64).round()[None], 48, axis=0)


def written(path: Path, picture: np.ndarray) -> Path:
    done, data = cv2.imencode(path.suffix, picture)
    assert done
    path.write_bytes(data.tobytes())
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_deep_samples_keep_their_brightness(
    bits: int, channels: int, suffix: str, tmp_path: Path
) -> None:
    deep = (RAMP / 255 * (2**bits - 1)).round().astype(np.uint16)
    path = written(tmp_path / f"a{suffix}", deep if channels == 1 else np.dstack([deep] * 3))
    read = read_picture(path)
    assert read.dtype == np.uint8 and read.shape == (48, 64, 3)
    assert np.abs(read - RAMP[..., None]).max() <= 1
    assert depth_of(path) == bits


def test_a_given_depth_is_kept(tmp_path: Path) -> None:
    dark = written(tmp_path / "a.png", np.full((4, 4), 1000, np.uint16))
    assert read_picture(dark)[0, 0, 0] == 249  # as 10 bits
    assert read_picture(dark, depth=12)[0, 0, 0] == 62
    assert read_picture(dark, depth=16)[0, 0, 0] == 4
    bright = written(tmp_path / "b.png", np.full((4, 4), 9000, np.uint16))
    assert read_picture(bright, depth=12)[0, 0, 0] == 255


@given(st.lists(st.integers(0, 65535), min_size=1, max_size=20))
def test_reduction_keeps_the_order_and_the_ends(values: list[int]) -> None:
    samples = np.array(sorted(values), np.uint16)
    depth = needed_depth(samples)
    reduced = to_8_bits(samples, depth).astype(int)
    assert (np.diff(reduced) >= 0).all()
    assert samples.max() < 2**depth
    assert to_8_bits(np.array([0, 2**depth - 1], np.uint16), depth).tolist() == [0, 255]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tif"])
def test_8_bits_are_those_of_opencv(suffix: str, tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    path = written(tmp_path / f"a{suffix}", cv2.GaussianBlur(colours, (0, 0), 2))
    assert np.array_equal(read_picture(path), cv2.imread(str(path)))
    assert depth_of(path) == 0


def test_exif_turns_a_picture(tmp_path: Path) -> None:
    image = Image.fromarray(np.dstack([RAMP.astype(np.uint8)] * 3))
    exif = image.getexif()
    exif[0x0112] = 6  # a quarter turn clockwise
    image.save(tmp_path / "a.jpg", exif=exif)
    read = read_picture(tmp_path / "a.jpg")
    assert read.shape == (64, 48, 3) and read[0].mean() < 5 and read[-1].mean() > 250


def test_a_format_that_pillow_alone_reads(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([RAMP.astype(np.uint8)] * 3)).save(tmp_path / "a.tga")
    assert np.array_equal(read_picture(tmp_path / "a.tga")[..., 0], RAMP)


def test_a_name_that_is_no_utf_8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff\xf6.png")
    path.write_bytes(written(tmp_path / "a.png", RAMP.astype(np.uint8)).read_bytes())
    assert read_picture(path).shape == (48, 64, 3)
    path.write_bytes(b"")
    with pytest.raises(SourceError) as caught:
        read_picture(path)
    str(caught.value).encode("utf-8")


@pytest.mark.parametrize("content", [b"no picture", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBPVP8X"])
def test_what_is_no_picture_is_told_in_the_callers_words(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"expected a flow map in .*a\.png; it holds none.*: see x"):
        read_picture(path, "a flow map", DataError, "see x")


def test_a_path_without_a_file_is_a_sentence(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.png", tmp_path):
        with pytest.raises(UsageError, match=r"there is no such file: check the path\.$"):
            read_picture(path, error=UsageError)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_grey_and_alpha_are_read_as_bgr(channels: int, tmp_path: Path) -> None:
    gray = RAMP.astype(np.uint8)
    opaque = [gray] * 3 + [np.full_like(gray, 9)]
    picture = gray if channels == 1 else np.dstack(opaque[:channels])
    assert np.array_equal(read_picture(written(tmp_path / "größe.png", picture))[..., 1], gray)
