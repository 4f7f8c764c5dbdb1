"""Video files and folders of pictures, real ones made by ffmpeg."""

import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.engine.errors import DependencyError, SourceError, UsageError
from htnet.engine.types import Frame
from htnet.realtime.sources.base import Source, SourceConfig, open_source, shown
from htnet.realtime.sources.files import ImageFolder, VideoFile, natural_key
from htnet.realtime.sources.timestamps import Timestamps

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


def ffmpeg(*arguments: object) -> None:
    command = ["ffmpeg", "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, timeout=60)


def clip(path: Path, *options: object, size: str = "160x120", seconds: float = 2) -> Path:
    """A moving test picture at 30 fps."""
    ffmpeg("-f", "lavfi", "-i", f"testsrc=size={size}:rate=30:duration={seconds}", *options, path)
    return path


def opened(path: Path | str, **options: object) -> Source:
    return open_source(SourceConfig(source=str(path), **options))


def drain(source: Source) -> list[Frame]:
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    source.close()
    return frames


def media(name: str) -> Path:
    root = os.environ.get("HTNET_DATA")
    if not root:
        pytest.skip("HTNET_DATA does not point at the media")
    path = next((p for p in (Path(root, "media", name), Path(root, name)) if p.exists()), None)
    if path is None:
        pytest.skip(f"{name} is not under HTNET_DATA")
    return path


@needs_ffmpeg
def test_every_frame_comes_once_with_its_time(tmp_path: Path) -> None:
    source = opened(clip(tmp_path / "a.mp4"))
    frames = drain(source)
    assert not source.live and source.name == "a.mp4"
    assert [f.index for f in frames] == list(range(60))
    assert frames[0].bgr.shape == (120, 160, 3) and frames[0].bgr.dtype == np.uint8
    expected = np.arange(60) * 1e9 / 30
    assert np.abs(np.array([f.t_ns for f in frames]) - expected).max() < 1e6
    assert source.status == ""
    assert source.read() is None


@needs_ffmpeg
@pytest.mark.parametrize(
    "name, options",
    [("v.mp4", ("-c:v", "libx264", "-bf", "3")), ("v.mkv", ()), ("v.mp4", ("-c:v", "mpeg4"))],
)
def test_variable_frame_rate_keeps_the_files_own_times(
    tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    # Every third frame up to 45, then every one: 100 ms steps, then 33 ms.
    vary = ("-vf", r"select='not(mod(n\,3))+gt(n\,45)'", "-fps_mode", "vfr")
    path = clip(tmp_path / name, *vary, *options, seconds=3)
    probe = subprocess.run(
        [
            *[
                "ffprobe",
                "-v",
                "error",
                "-show_entries",
                "frame=pts_time",
                "-of",
                "default=nk=1:nw=1",
            ],
            path,
        ],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    truth = np.array([float(line) for line in probe.stdout.split()]) * 1e9
    source = opened(path)
    times = np.array([f.t_ns for f in drain(source)])
    assert len(times) == len(truth) == 60
    assert np.abs(times - (truth - truth[0])).max() < 1e6
    steps = np.diff(times) / 1e6
    assert abs(steps[:14] - 100).max() < 2 and abs(steps[20:] - 33.3).max() < 2
    # The matroska header promises 90 frames of a constant rate; that is no sign of damage.
    assert source.status == ""


@needs_ffmpeg
@pytest.mark.parametrize("name", ["raw.h264", "raw.mjpeg"])
def test_a_file_without_timestamps_runs_at_its_nominal_rate(tmp_path: Path, name: str) -> None:
    frames = drain(opened(clip(tmp_path / name, "-r", "25")))
    steps = np.diff([f.t_ns for f in frames])
    assert len(frames) > 40
    assert set(steps.tolist()) <= {40_000_000, 33_333_333}


@needs_ffmpeg
def test_joined_recordings_go_on_in_time(tmp_path: Path) -> None:
    part = clip(tmp_path / "a.ts", seconds=1).read_bytes()
    (tmp_path / "joined.ts").write_bytes(part + part)
    frames = drain(opened(tmp_path / "joined.ts"))
    steps = np.diff([f.t_ns for f in frames])
    assert len(frames) > 55
    assert steps.min() > 1e6 and abs(np.median(steps) - 1e9 / 30) < 1e6


@needs_ffmpeg
def test_frames_are_never_overwritten(tmp_path: Path) -> None:
    source = opened(clip(tmp_path / "a.mp4", seconds=1))
    first = source.read()
    assert first is not None
    before = first.bgr.copy()
    rest = drain(source)
    assert np.array_equal(first.bgr, before)
    assert not any(np.shares_memory(first.bgr, f.bgr) for f in rest)


@needs_ffmpeg
def test_a_truncated_video_gives_what_it_holds_and_says_so(tmp_path: Path) -> None:
    whole = clip(tmp_path / "a.mp4", "-movflags", "+faststart", size="320x240").read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) // 2])
    source = opened(cut)
    count = len(drain(source))
    assert 5 < count < 55
    assert "cut.mp4 ends early" in source.status and "about 60 frames" in source.status


@needs_ffmpeg
def test_a_video_cut_off_before_its_index_is_an_error(tmp_path: Path) -> None:
    whole = clip(tmp_path / "a.mp4", size="320x240").read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"cut off before its index"):
        opened(cut)


@needs_ffmpeg
def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", tmp_path / "a.wav")
    with pytest.raises(SourceError, match="no video can be read"):
        opened(tmp_path / "a.wav")


@needs_ffmpeg
def test_a_still_picture_in_a_video_is_noted_while_it_lasts(tmp_path: Path) -> None:
    path = tmp_path / "still.mkv"
    ffmpeg("-f", "lavfi", "-i", "color=gray:size=64x64:rate=10:duration=3", "-c:v", "ffv1", path)
    source = opened(path)
    states = []
    while source.read() is not None:
        states.append(source.status)
    assert states[5] == "" and "still.mkv has not changed for" in states[-1]


@needs_ffmpeg
def test_a_name_with_colon_percent_and_letters(tmp_path: Path, monkeypatch) -> None:
    clip(tmp_path / "plain.mp4", seconds=0.5).rename(tmp_path / "a:b %03d größe.mp4")
    monkeypatch.chdir(tmp_path)
    assert len(drain(opened("a:b %03d größe.mp4"))) == 15


@pytest.mark.parametrize("content", [b"hello\n", bytes(range(256)) * 20])
def test_other_files_are_no_video(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(SourceError, match="no video can be read"):
        opened(tmp_path / "a.mp4")


def test_missing_empty_and_unusable_paths(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(SourceError, match="the file is empty"):
        opened(tmp_path / "empty.mp4")
    with pytest.raises(SourceError, match="there is nothing"):
        opened(tmp_path / "missing.mp4")
    with pytest.raises(SourceError, match=r"cannot be used|there is nothing"):
        opened("nul\0byte.mp4")
    with pytest.raises(UsageError, match="--camera 3"):
        opened("3")


def test_opening_a_bad_file_writes_nothing_to_the_terminal(tmp_path: Path, capfd) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x" * 5000)
    with pytest.raises(SourceError):
        opened(tmp_path / "a.mp4")
    assert capfd.readouterr() == ("", "")


def test_single_face_is_read_whole() -> None:
    source = opened(media("single_face.mp4"))
    assert len(drain(source)) == 72 and source.status == ""


def test_hidden_frames_of_an_edit_list_are_no_damage() -> None:
    source = opened(media("no_face.mp4"))  # its header says 98
    assert len(drain(source)) == 95 and source.status == ""


class Scripted:
    """A capture that gives the pictures it is given; None stands for one that is broken."""

    def __init__(self, pictures: list[np.ndarray | None], count: float = 0) -> None:
        self.pictures = pictures
        self.count = count
        self.at = -1
        self.released = 0

    def isOpened(self) -> bool:
        return True

    def grab(self) -> bool:
        self.at += 1
        return self.at < len(self.pictures)

    def retrieve(self):
        picture = self.pictures[self.at]
        return picture is not None, picture

    def get(self, prop: int) -> float:
        known = {cv2.CAP_PROP_FPS: 25.0, cv2.CAP_PROP_FRAME_COUNT: self.count}
        return known.get(prop, self.at * 40.0)

    def set(self, prop: int, value: float) -> bool:
        return True

    def release(self) -> None:
        self.released += 1


def picture(width: int = 8, height: int = 6, value: int = 0) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_a_change_of_size_names_both_sizes_and_the_frame() -> None:
    source = VideoFile("clip", Scripted([picture(), picture(), picture(10, 6)]))
    assert source.read() is not None and source.read() is not None
    with pytest.raises(SourceError, match="8 x 6 like the first, but frame 2 is 10 x 6"):
        source.read()


def test_broken_frames_are_passed_over_and_keep_the_others_times() -> None:
    capture = Scripted([picture(), None, picture(value=1)], count=3)
    source = VideoFile("clip", capture)
    assert [(f.index, f.t_ns) for f in drain(source)] == [(0, 0), (1, 80_000_000)]
    source.close()
    assert capture.released == 1


def test_a_video_without_one_decodable_frame_is_an_error() -> None:
    with pytest.raises(SourceError, match="not one picture"):
        VideoFile("clip", Scripted([None, None])).read()


@pytest.mark.parametrize(
    "count, frames, warns",
    [(100, 99, False), (100, 96, False), (100, 60, True), (-1e18, 60, False), (5, 3, False)],
)
def test_only_a_real_shortfall_is_noted(count: float, frames: int, warns: bool) -> None:
    source = VideoFile("clip", Scripted([picture(value=i) for i in range(frames)], count))
    drain(source)
    assert bool(source.status) == warns


def test_a_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        cv2.imwrite(str(tmp_path / f"img{number}.png"), picture(value=number))
    cv2.imwrite(str(tmp_path / "img3.PNG"), picture(value=3)[:, :, 0])
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "._img1.png").write_bytes(b"no picture either")
    frames = drain(opened(tmp_path, fps=200))
    assert [int(f.bgr[0, 0, 0]) for f in frames] == [1, 2, 3, 10]
    assert [f.t_ns for f in frames] == [0, 5_000_000, 10_000_000, 15_000_000]
    assert all(f.bgr.shape == (6, 8, 3) for f in frames)


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds none"):
        opened(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a picture"])
def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), picture())
    (tmp_path / "2.png").write_bytes(content)
    source = opened(tmp_path)
    assert source.read() is not None
    with pytest.raises(SourceError, match=r"2\.png, number 2 of 2"):
        source.read()


def test_a_picture_of_another_size_is_named(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), picture())
    cv2.imwrite(str(tmp_path / "2.png"), picture(10, 12))
    source = ImageFolder(tmp_path)
    assert source.read() is not None
    with pytest.raises(SourceError, match=r"8 x 6 like the first, but picture 2\.png is 10 x 12"):
        source.read()


@pytest.mark.parametrize(
    "options",
    [
        {"camera": 0, "source": "a.mp4"},
        {"camera": -1},
        {"source": " "},
        {"size": (0, 360)},
        {"fps": 0},
        {"fps": float("nan")},
        {"give_up_s": 0},
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(options: dict) -> None:
    with pytest.raises(UsageError, match="expected"):
        SourceConfig(**options)


def test_an_address_is_shown_without_its_secrets() -> None:
    assert shown("rtsp://me:secret@cam.local:554/live?token=x") == "rtsp://cam.local:554/live"
    assert shown("http://[::1]:80/a") == "http://[::1]:80/a"
    assert "secret" not in shown("http://me:secret@host:bad/a")
    assert shown("clip.mp4") == "clip.mp4"


positions = st.floats(allow_nan=True, allow_infinity=True) | st.floats(0, 1e6)


@given(st.lists(positions, max_size=50), st.floats(allow_nan=True))
def test_stamps_always_increase(reported: list[float], fps: float) -> None:
    stamps = Timestamps(fps)
    times = [stamps.next(position) for position in reported]
    assert all(a < b for a, b in pairwise(times))


@given(st.lists(st.integers(0, 10**9), unique=True, min_size=1))
def test_stamps_leave_increasing_times_alone(us: list[int]) -> None:
    stamps = Timestamps(30)
    for t in sorted(us):
        assert stamps.next(t / 1e3) == pytest.approx(t * 1e3, abs=1)


@given(st.integers(1, 30), st.lists(st.integers(1, 100), min_size=3, max_size=20))
def test_one_repeated_or_late_stamp_moves_no_other(at: int, steps: list[int]) -> None:
    times = np.cumsum([0, *steps]).tolist()
    at = 1 + at % (len(times) - 2)
    stamps = Timestamps(1000)
    got = [stamps.next(times[i - 1] if i == at else t) for i, t in enumerate(times)]
    # Where the true step was long enough, the rest of the line is untouched.
    if times[at + 1] - times[at - 1] > 1:
        assert got[at + 1 :] == [t * 1_000_000 for t in times[at + 1 :]]


@given(st.lists(st.integers(0, 5000), unique=True))
def test_numbers_in_names_sort_by_value(numbers: list[int]) -> None:
    names = sorted((f"img_{n}.png" for n in numbers), key=natural_key)
    assert names == [f"img_{n}.png" for n in sorted(numbers)]


def test_without_opencv_the_system_libraries_are_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(DependencyError, match="libgl1"):
        opened("clip.mp4")
