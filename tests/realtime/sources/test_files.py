"""Video files and folders of pictures, real ones made by ffmpeg."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.engine.errors import DependencyError, SourceError, UsageError
from htnet.engine.types import Frame
from htnet.realtime.sources.base import Source, SourceConfig, open_source, shown
from htnet.realtime.sources.files import ImageFolder, VideoFile, folder_pictures, natural_key

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
    assert np.abs(np.array([f.t_ns for f in frames]) - expected).max() <= 1
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
    assert np.abs(times - truth).max() < 1e3
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


@needs_ffmpeg
def test_a_real_change_of_size_ends_the_source(tmp_path: Path) -> None:
    small, large = (
        clip(tmp_path / "a.ts", seconds=1),
        clip(tmp_path / "b.ts", size="320x240", seconds=1),
    )
    (tmp_path / "both.ts").write_bytes(small.read_bytes() + large.read_bytes())
    source = opened(tmp_path / "both.ts")
    with pytest.raises(SourceError, match=r"160 x 120 like the first, but frame .* is 320 x 240"):
        drain(source)


@needs_ffmpeg
def test_a_hole_in_a_video_is_told(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", "-g", "10", "-c:v", "libx264")
    content = bytearray(path.read_bytes())
    middle = content.index(b"mdat") + 5000
    content[middle : middle + 2500] = np.random.default_rng(0).bytes(2500)
    path.write_bytes(content)
    source = opened(path)
    assert len(drain(source)) > 20
    assert "a.mp4 is damaged: " in source.status or "a.mp4 ends early" in source.status


@needs_ffmpeg
def test_a_short_video_under_longer_sound_tells_its_own_length(tmp_path: Path) -> None:
    sound = ("-f", "lavfi", "-i", "sine=duration=9", "-movflags", "+faststart", "-c:v", "mjpeg")
    whole = clip(tmp_path / "a.mp4", *sound, "-map", "0", "-map", "1").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 3])
    source = opened(tmp_path / "cut.mp4")
    drain(source)
    assert "of 2.0 s" in source.status and "of about 60 frames" in source.status


NO_DAMAGE = {
    "cut by an edit list": ("-ss", "0.53", "-i", "{}", "-c", "copy"),
    "begins after its sound": (
        *("-f", "lavfi", "-i", "sine=duration=2", "-itsoffset", "0.7", "-i", "{}"),
        *("-map", "0", "-map", "1", "-c:v", "copy"),
    ),
    "longer sound": (
        *("-i", "{}", "-f", "lavfi", "-i", "sine=duration=9", "-map", "0", "-map", "1"),
        *("-c:v", "copy"),
    ),
}


@needs_ffmpeg
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("case", NO_DAMAGE)
def test_a_whole_file_is_not_called_damaged(case: str, suffix: str, tmp_path: Path) -> None:
    whole, path = clip(tmp_path / "whole.mp4", "-bf", "3"), tmp_path / f"a.{suffix}"
    ffmpeg(*(str(part).format(whole) for part in NO_DAMAGE[case]), path)
    source = opened(path)
    frames = drain(source)
    assert source.status == "" and len(frames) > 40
    late = case == "begins after its sound"
    assert abs(frames[0].t_ns - (700_000_000 if late else 0)) < 50_000_000


@needs_ffmpeg
def test_a_name_that_is_no_utf_8_is_read_and_can_be_shown(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"gr\xf6sse\xff.mp4")
    clip(tmp_path / "a.mp4", seconds=0.5).rename(path)
    source = opened(path)
    assert source.name == "gr\ufffdsse\ufffd.mp4" and len(drain(source)) == 15
    path.write_bytes(b"no video")
    for bad in (path, tmp_path / os.fsdecode(b"\xff.mp4")):
        with pytest.raises(SourceError) as caught:
            opened(bad)
        str(caught.value).encode("utf-8")


class Scripted:
    """A reader that gives the pictures it is given; None stands for one that is broken."""

    def __init__(self, pictures: list[np.ndarray | None], frames: int = 0, broken: int = 0) -> None:
        self.pictures = pictures
        self.fps = 25.0
        self.frames = frames
        self.seconds = frames / self.fps
        self.broken = broken
        self.at = -1
        self.released = 0

    @property
    def t_ns(self) -> int:
        return self.at * 40_000_000

    @property
    def missing_s(self) -> float:
        return max(0.0, self.seconds - len(self.pictures) / self.fps)

    def grab(self) -> bool:
        self.at += 1
        return self.at < len(self.pictures)

    def retrieve(self):
        picture = self.pictures[self.at]
        return picture is not None, picture

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
    reader = Scripted([picture(), None, picture(value=1)], frames=3)
    source = VideoFile("clip", reader)
    assert [(f.index, f.t_ns) for f in drain(source)] == [(0, 0), (1, 80_000_000)]
    source.close()
    assert reader.released == 1


def test_a_video_without_one_decodable_frame_is_an_error() -> None:
    with pytest.raises(SourceError, match="not one picture"):
        VideoFile("clip", Scripted([None, None])).read()


@pytest.mark.parametrize(
    "count, frames, warns",
    [(100, 99, False), (100, 96, False), (100, 60, True), (0, 60, False), (5, 3, False)],
)
def test_only_a_real_shortfall_is_noted(count: int, frames: int, warns: bool) -> None:
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


@pytest.mark.parametrize("pattern", ["img%d.png", "img%02d.png", "img*.png", "im[a-g]*.png"])
def test_a_pattern_names_a_sequence(pattern: str, tmp_path: Path) -> None:
    for number in (10, 2, 1):
        cv2.imwrite(str(tmp_path / f"img{number:02d}.png"), picture(value=number))
        cv2.imwrite(str(tmp_path / f"other{number:02d}.png"), picture(value=100))
    source = opened(tmp_path / pattern, fps=50)
    assert source.name == pattern
    assert [(int(f.bgr[0, 0, 0]), f.t_ns) for f in drain(source)] == [
        (1, 0),
        (2, 20_000_000),
        (10, 40_000_000),
    ]


def test_a_pattern_counts_its_digits_and_may_name_nothing(tmp_path: Path) -> None:
    for name in ("img1.png", "img0002.png", "img12345.png", "img0003.jpg", "img000x.png"):
        cv2.imwrite(str(tmp_path / name), picture())
    assert len(drain(opened(tmp_path / "img%04d.png"))) == 2
    with pytest.raises(SourceError, match="there are none"):
        opened(tmp_path / "image%04d.png")
    with pytest.raises(SourceError, match=r"cannot|No such"):
        opened(tmp_path / "absent" / "img%04d.png")


def test_a_file_may_have_the_name_of_a_pattern(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "img%d.png"), picture(value=7))
    cv2.imwrite(str(tmp_path / "img1.png"), picture(value=1))
    assert [int(f.bgr[0, 0, 0]) for f in drain(opened(tmp_path / "img%d.png"))] == [7]


def test_one_picture_is_a_source_of_one_frame(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), picture(value=7))
    assert [f.t_ns for f in drain(opened(tmp_path / "a.png"))] == [0]


def test_pictures_of_12_bits_share_one_scale(tmp_path: Path) -> None:
    for number, level in enumerate([900, 3000, 500, 4095, 100]):
        deep = np.full((6, 8), level, np.uint16)
        cv2.imwrite(str(tmp_path / f"{number}.png"), deep)
    levels = [int(f.bgr[0, 0, 0]) for f in drain(opened(tmp_path))]
    assert levels == [56, 187, 31, 255, 6]


@pytest.mark.parametrize("content", [b"", b"not a picture"])
def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), picture())
    (tmp_path / "2.png").write_bytes(content)
    source = opened(tmp_path)
    assert source.read() is not None
    with pytest.raises(SourceError, match=r"number 2 of 2, in .*2\.png"):
        source.read()


def test_a_picture_of_another_size_is_named(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), picture())
    cv2.imwrite(str(tmp_path / "2.png"), picture(10, 12))
    source = ImageFolder("folder", folder_pictures(tmp_path))
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


@given(st.lists(st.integers(0, 5000), unique=True))
def test_numbers_in_names_sort_by_value(numbers: list[int]) -> None:
    names = sorted((f"img_{n}.png" for n in numbers), key=natural_key)
    assert names == [f"img_{n}.png" for n in sorted(numbers)]


def test_without_opencv_the_system_libraries_are_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(DependencyError, match="libgl1"):
        opened("clip.mp4")
