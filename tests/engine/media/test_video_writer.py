"""Videos: true times, true colours, the sound kept, and whole after a kill at any moment."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htnet.engine.errors import OutputError
from htnet.engine.media.video_writer import VideoWriter, letterboxed
from htnet.engine.types import U8

GREY = np.full((48, 64, 3), 90, np.uint8)


def pictures(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def times_us(path: Path) -> list[int]:
    return [round(each.pts * each.time_base * 1_000_000) for each in pictures(path)]


@settings(max_examples=40)
@given(steps=st.lists(st.integers(1, 40_000_000), min_size=1, max_size=12))
def test_times_are_kept_to_the_microsecond(steps: list[int]) -> None:
    shown = np.cumsum([7_000_000, *steps]).tolist()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.mp4"
        with VideoWriter(path) as video:
            for t_us in shown:
                video.write(GREY, t_us * 1000)
        assert times_us(path) == [t_us - shown[0] for t_us in shown]


@pytest.mark.parametrize(("ending", "unit"), [(".mp4", 1), (".mov", 1), (".mkv", 1000)])
@pytest.mark.parametrize("gap_s", [1, 7200, 86_400])
def test_a_gap_of_any_length_is_kept(tmp_path: Path, ending: str, unit: int, gap_s: int) -> None:
    path, gap = tmp_path / f"out{ending}", gap_s * 1_000_000
    shown = [0, 33_333, 66_667, 66_667 + gap, 100_000 + gap]
    with VideoWriter(path) as video:
        for t_us in shown:
            video.write(GREY, t_us * 1000)
        assert video.frames == len(shown)
    told = times_us(path)
    assert [*told[:3], *told[-2:]] == [round(t / unit) * unit for t in shown]


def test_colours_are_read_back_with_tags_and_without(tmp_path: Path) -> None:
    colours = [(0, 0, 255), (0, 255, 0), (255, 0, 0), (30, 120, 200), (90, 90, 90), (255,) * 3]
    drawn = np.zeros((64, 32 * len(colours), 3), np.uint8)
    for i, colour in enumerate(colours):
        drawn[:, 32 * i : 32 * (i + 1)] = colour
    path = tmp_path / "out.mp4"
    with VideoWriter(path) as video:
        video.write(drawn, 0)
    (picture,) = pictures(path)
    assert (picture.colorspace, picture.color_range) == (6, 1)  # BT.601, limited
    for told in (picture.to_ndarray(format="bgr24"), cv2.VideoCapture(str(path)).read()[1]):
        middles = told[32, 16::32].astype(int)
        assert np.abs(middles - np.array(colours)).max() <= 4


def test_odd_and_changing_sizes(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with VideoWriter(path) as video:
        for i, (width, height) in enumerate([(65, 49), (65, 49), (48, 64), (130, 98)]):
            video.write(np.full((height, width, 3), 200, np.uint8), i * 40_000_000)
    shown = [np.asarray(each.to_ndarray(format="bgr24")) for each in pictures(path)]
    assert {each.shape for each in shown} == {(50, 66, 3)}
    assert shown[2][:, :10].max() < 20 and shown[2][:, 25:40].min() > 180
    assert shown[3][5:-5, 5:-5].min() > 180


@given(
    width=st.integers(1, 60), height=st.integers(1, 60), w=st.integers(1, 90), h=st.integers(1, 90)
)
def test_a_letterbox_has_its_size_and_lies_in_its_middle(
    width: int, height: int, w: int, h: int
) -> None:
    made = letterboxed(np.full((h, w, 3), 255, np.uint8), (width, height))
    assert made.shape == (height, width, 3)
    lit = np.argwhere(made[..., 0] > 0)
    before, after = lit.min(0), [height - 1, width - 1] - lit.max(0)
    assert np.abs(before - after).max() <= 1  # in the middle
    assert min(before.max(), before.min()) == 0  # and as large as it fits


def test_what_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="expected to write the video"),
        VideoWriter(tmp_path / "gone" / "out.mp4") as video,
    ):
        (tmp_path / "gone").mkdir()  # room is asked for there
        (tmp_path / "gone" / "out.mp4").mkdir()
        video.write(GREY, 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_disk_that_fills_up_is_a_sentence_and_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "out.mkv"
    path.symlink_to("/dev/full")
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    with pytest.raises(OutputError, match="No space left"), VideoWriter(path) as video:
        for i in range(200):
            video.write(noise, i * 40_000_000)


def beep(path: Path, codec: str, *options: str) -> None:
    """Make a test video of 3 s whose sound is silent but for 0.1 s from 2 s on."""
    sound = r"aevalsrc=if(between(t\,2\,2.1)\,sin(2*PI*1000*t)\,0):s=44100:d=3"
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=3"]
    command += ["-f", "lavfi", "-i", sound, "-c:a", codec, *options, str(path)]
    subprocess.run(command, check=True)


def first_loud(path: Path) -> float:
    """The time at which a file's sound begins, in seconds."""
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            samples = np.abs(frame.to_ndarray().astype(float)).ravel()
            samples /= 32768 if frame.format.name.startswith("s16") else 1
            loud = np.flatnonzero(samples > 0.3)
            if len(loud):
                return float(frame.pts * frame.time_base) + loud[0] / frame.sample_rate
    raise AssertionError("silent")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize(
    ("source", "codec", "ending", "kept"),
    [
        ("a.mp4", "aac", ".mp4", "aac"),
        ("a.avi", "pcm_s16le", ".mp4", "aac"),
        ("a.avi", "pcm_s16le", ".mkv", "pcm_s16le"),
        ("a.ts", "mp2", ".mov", "aac"),
        ("a.mkv", "flac", ".mkv", "flac"),
    ],
)
def test_the_sound_is_kept_beside_its_pictures(
    tmp_path: Path, source: str, codec: str, ending: str, kept: str
) -> None:
    given, path = tmp_path / source, tmp_path / f"out{ending}"
    beep(given, codec)
    with av.open(str(given)) as container:
        start = Fraction(container.start_time or 0, 1_000_000)
        shown = [each.pts * each.time_base for each in container.decode(video=0)]
    with VideoWriter(path, 25, sound=given) as video:
        for t in shown:
            video.write(GREY, round(t * 10**9))
    unit = 1e-3 if ending == ".mkv" else 1e-6
    told = np.array(times_us(path)) / 1e6
    assert told == pytest.approx([float(t - start) for t in shown], abs=0.51 * unit + 1e-6)
    assert first_loud(path) - told[0] == pytest.approx(2.0, abs=0.012)
    with av.open(str(path)) as container:
        assert container.streams.audio[0].codec_context.name == kept


def test_pictures_may_begin_after_their_sound_and_end_before_it(data: Path, tmp_path: Path) -> None:
    given, path = data / "media" / "video_after_sound.mp4", tmp_path / "out.mp4"
    with av.open(str(given)) as container:
        shown = [each.pts * each.time_base for each in container.decode(video=0)][:30]
    with VideoWriter(path, sound=given) as video:
        for t in shown:
            video.write(GREY, round(t * 10**9))
    assert times_us(path) == [round(t * 1_000_000) for t in shown] and shown[0] > 0.5
    with av.open(str(path)) as container:
        heard = [float(each.pts * each.time_base) for each in container.decode(audio=0)]
    assert heard[0] == pytest.approx(0, abs=0.03)
    assert heard[-1] == pytest.approx(float(shown[-1]), abs=0.1)


def test_a_source_without_sound_gives_a_video_without(tmp_path: Path) -> None:
    silent, path = tmp_path / "silent.mp4", tmp_path / "out.mp4"
    for each, sound in ((silent, None), (path, silent), (path, tmp_path), (path, tmp_path / "x")):
        with VideoWriter(each, sound=sound) as video:
            video.write(GREY, 0)
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
    assert times_us(path) == [0]


PACED = """
import sys, time
import numpy as np
from pathlib import Path
from htnet.engine.media.video_writer import VideoWriter
noise = np.random.default_rng(0).integers(0, 256, (4, 120, 160, 3), dtype=np.uint8)
with VideoWriter(Path(sys.argv[1])) as video:
    for i in range(10**9):
        t_ns = time.monotonic_ns()
        video.write(noise[i % 4], t_ns)
        print(t_ns, flush=True)
        time.sleep(0.02)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_a_killed_recording_opens_and_loses_at_most_its_last_second(
    tmp_path: Path, ending: str
) -> None:
    draw = random.Random(ending)
    for lives_s in (0.0, *(draw.uniform(0.05, 3) for _ in range(3))):
        path = tmp_path / f"{lives_s:.3f}{ending}"
        command = [sys.executable, "-c", PACED, str(path)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        first = int(child.stdout.readline())
        # Matroska's first cluster is on disk with the second picture, at most 8 pictures late.
        more = [int(child.stdout.readline()) for _ in range(11 if ending == ".mkv" else 0)]
        time.sleep(lives_s)
        os.kill(child.pid, signal.SIGKILL)
        written = [first, *more, *map(int, child.stdout.read().split())]
        child.wait(timeout=20)
        child.stdout.close()
        told = times_us(path)
        lost = [t for t in written[len(told) :] if written[-1] - t > 1_000_000_000]
        assert not lost
        assert told == pytest.approx([(t - first) / 1000 for t in written[: len(told)]], abs=501)
        probe = shutil.which("ffprobe")
        if probe is not None:
            command = [probe, "-v", "error", "-count_frames", "-show_entries"]
            command += ["stream=nb_read_frames", "-of", "csv=p=0", str(path)]
            asked = subprocess.run(command, capture_output=True, text=True, check=True)
            assert asked.stdout.strip() == str(len(told) or "N/A") and not asked.stderr


def test_memory_holds_few_pictures_and_none_of_the_callers(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    own: U8 = GREY.copy()
    with VideoWriter(path) as video:
        for i in range(40):
            own[:] = 5 * i
            video.write(own, i * 40_000_000)
            assert video._waiting.qsize() <= 8
    for i, picture in enumerate(pictures(path)):
        assert picture.to_ndarray(format="bgr24").mean() == pytest.approx(5 * i, abs=2)
