"""Animated WebP."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from htnet.engine.errors import SourceError
from htnet.engine.media.animated import AnimatedWebP, is_animated_webp
from htnet.engine.media.reader import open_file

DURATIONS = [100, 40, 40, 250, 40]


def animation(path: Path) -> list[np.ndarray]:
    pictures = [np.full((24, 32, 3), 30 + 40 * i, np.uint8) for i in range(len(DURATIONS))]
    for i, picture in enumerate(pictures):
        picture[:, i : i + 4] = (255, 0, 0)
    first, *rest = [Image.fromarray(picture) for picture in pictures]
    first.save(path, save_all=True, append_images=rest, duration=DURATIONS, lossless=True)
    return pictures


def test_every_frame_comes_at_its_time(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    pictures = animation(path)
    reader = open_file(path)
    assert isinstance(reader, AnimatedWebP)
    times = []
    for rgb in pictures:
        assert reader.grab()
        times.append(reader.t_ns // 1_000_000)
        ok, bgr = reader.retrieve()
        assert ok and bgr is not None and np.array_equal(bgr[..., ::-1], rgb)
    assert times == [0, 100, 140, 180, 430]
    assert not reader.grab() and reader.missing_s == 0
    reader.release()
    reader.release()
    assert not reader.grab()


def test_one_cut_short_gives_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    animation(path)
    assert is_animated_webp(path.read_bytes()[:32])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    try:
        reader = open_file(path)
    except SourceError as error:
        assert "a.webp" in str(error)
        return
    count = 0
    while reader.grab():
        count += 1
    assert count < len(DURATIONS) and reader.missing_s > 0


@pytest.mark.parametrize("head", [b"", b"RIFF", b"RIFF\0\0\0\0WEBPVP8 " + bytes(16)])
def test_other_files_are_none(head: bytes) -> None:
    assert not is_animated_webp(head)


def test_garbage_in_its_shape_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    path.write_bytes(b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\x02" + bytes(40))
    with pytest.raises(SourceError, match=r"a\.webp"):
        open_file(path)
