"""Videos as FFmpeg's own tools show them: times, colours, geometry, codecs."""

import subprocess
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from htnet.engine.errors import SourceError
from htnet.engine.media.reader import Reader, open_file
from htnet.engine.media.video_reader import VideoReader

Clip = Callable[..., Path]
Ffmpeg = Callable[..., None]

SOUND = ("-f", "lavfi", "-i", "sine=duration=2")
VARIED = ("-vf", r"select='not(mod(n\,3))+gt(n\,15)'", "-fps_mode", "vfr")


def drain(reader: Reader) -> tuple[list[int], list[np.ndarray]]:
    times, pictures = [], []
    while reader.grab():
        ok, bgr = reader.retrieve()
        assert ok
        times.append(reader.t_ns)
        pictures.append(bgr)
    reader.release()
    return times, pictures


def pictures_of(path: Path) -> np.ndarray:
    return np.stack(drain(open_file(path))[1])


TIMED = {
    "b frames": ("a.mp4", ("-c:v", "libx264", "-bf", "3")),
    "avi": ("a.avi", ("-c:v", "libx264", "-bf", "0")),
    "b frames of avi": ("a.avi", ("-c:v", "mpeg4", "-bf", "2")),
    "matroska": ("a.mkv", ("-c:v", "libx264", "-bf", "3")),
    "offset": ("a.mp4", ("-bf", "3", "-output_ts_offset", "2.5")),
    "offset of matroska": ("a.mkv", ("-output_ts_offset", "2.5")),
    "transport stream": ("a.ts", ("-bf", "3", "-c:v", "libx264")),
    "program stream": ("a.mpg", ("-bf", "2")),
    "variable rate": ("a.mp4", (*VARIED, "-c:v", "libx264", "-bf", "3")),
    "variable rate of matroska": ("a.mkv", VARIED),
    "hevc of 10 bits": ("a.mp4", ("-c:v", "libx265", "-pix_fmt", "yuv420p10le")),
    "vp9": ("a.webm", ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")),
    "gif": ("a.gif", ()),
    "fragmented": ("a.mp4", ("-movflags", "frag_keyframe+empty_moov")),
}


@pytest.mark.parametrize("case", TIMED)
def test_times_are_those_of_ffprobe(
    case: str, clip: Clip, probed: Callable[[Path], list[float]]
) -> None:
    name, options = TIMED[case]
    path = clip(name, *options)
    times = drain(open_file(path))[0]
    expected = probed(path)
    assert len(times) == len(expected)
    assert np.isnan(expected).sum() <= 1  # the last one, of containers without its time
    assert np.nanmax(np.abs(np.array(times) / 1e9 - expected)) < 1e-6
    assert all(a < b for a, b in pairwise(times))


def test_a_cut_by_an_edit_list(
    clip: Clip, ffmpeg: Ffmpeg, tmp_path: Path, probed: Callable[[Path], list[float]]
) -> None:
    ffmpeg("-ss", "0.53", "-i", clip("a.mp4", "-bf", "3"), "-c", "copy", tmp_path / "cut.mp4")
    reader = open_file(tmp_path / "cut.mp4")
    times = drain(reader)[0]
    expected = probed(tmp_path / "cut.mp4")
    assert 10 < len(times) == len(expected) < 20 < reader.frames
    assert np.abs(np.array(times) / 1e9 - expected).max() < 1e-6
    assert reader.missing_s < 0.05


def test_a_video_that_begins_after_its_sound(
    clip: Clip, probed: Callable[[Path], list[float]]
) -> None:
    path = clip("a.mp4", *SOUND, "-fps_mode", "passthrough", before=("-itsoffset", "0.7"))
    reader = open_file(path)
    times = drain(reader)[0]
    assert times[0] == 700_000_000 and len(times) == 30
    assert np.abs(np.array(times) / 1e9 - probed(path)).max() < 1e-6
    assert reader.missing_s < 0.05


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_longer_sound_is_no_missing_video(name: str, clip: Clip) -> None:
    reader = open_file(clip(name, "-f", "lavfi", "-i", "sine=duration=9", "-map", "0", "-map", "1"))
    assert len(drain(reader)[0]) == 30
    assert reader.missing_s < 0.1


@pytest.mark.slow
def test_the_real_files_that_failed(data: Path) -> None:
    plain = pictures_of(data / "media" / "single_face.mp4")
    assert np.abs(pictures_of(data / "media" / "av1.mp4") - plain.astype(int)).mean() < 2
    times, late = drain(open_file(data / "media" / "video_after_sound.mp4"))
    assert times[0] == 700_000_000 and np.array_equal(np.stack(late), plain)
    wide = pictures_of(data / "media" / "pixels_2_to_1.mp4")
    assert wide.shape == plain.shape
    assert np.abs(wide - plain.astype(int)).mean() < 3


def test_av1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SVT_LOG", "1")  # errors alone
    path = tmp_path / "a.mp4"
    written = [np.full((96, 128, 3), 60 + 40 * i, np.uint8) for i in range(4)]
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libsvtav1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for bgr in written:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(bgr, "bgr24")))
        out.mux(stream.encode())
    times, read = drain(open_file(path))
    assert times == [0, 40_000_000, 80_000_000, 120_000_000]
    assert all(abs(a.mean() - b.mean()) < 6 for a, b in zip(read, written, strict=True))


MATRICES = [
    ("bt601", "smpte170m", "tv", "yuv420p"),
    ("bt601", "smpte170m", "pc", "yuv420p"),
    ("bt709", "bt709", "tv", "yuv420p"),
    ("bt709", "bt709", "pc", "yuv420p"),
    ("bt709", "bt709", "tv", "yuv420p10le"),
    ("bt709", "bt709", "pc", "yuv422p10le"),
    ("bt2020", "bt2020nc", "tv", "yuv420p10le"),
]


@pytest.mark.parametrize("matrix, tag, levels, format_", MATRICES)
@pytest.mark.parametrize("bgr", [(40, 60, 220), (30, 200, 60), (210, 90, 20), (255, 255, 255)])
def test_colours_are_those_that_were_written(
    matrix: str, tag: str, levels: str, format_: str, bgr: tuple[int, int, int], ffmpeg, tmp_path
) -> None:
    blue, green, red = bgr
    ffmpeg(
        *("-f", "lavfi", "-i", f"color=0x{red:02x}{green:02x}{blue:02x}:size=64x48:duration=0.1"),
        *(
            "-vf",
            f"format=gbrp,scale=out_color_matrix={matrix}:out_range={levels},format={format_}",
        ),
        *("-c:v", "ffv1", "-colorspace", tag, "-color_range", levels, tmp_path / "a.mkv"),
    )
    assert np.abs(pictures_of(tmp_path / "a.mkv")[0, 24, 32] - np.array(bgr)).max() <= 3


def test_an_unnamed_matrix_is_bt601_as_in_opencv(clip: Clip) -> None:
    path = clip("a.mp4", "-c:v", "libx264")
    capture = cv2.VideoCapture(str(path))
    assert np.array_equal(pictures_of(path)[0], capture.read()[1])
    capture.release()


def shown_by_ffmpeg(path: Path, width: int, height: int) -> np.ndarray:
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "bgr24", "-"]
    raw = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


TURNS = [(angle, *flips) for angle in (0, 90, 180, 270) for flips in ((0, 0), (1, 0), (0, 1))]


@pytest.mark.parametrize("angle, mirrored, upside_down", TURNS)
def test_a_picture_is_turned_and_flipped_as_ffmpeg_shows_it(
    angle: int, mirrored: int, upside_down: int, clip: Clip, tmp_path: Path
) -> None:
    plain = clip("a.mp4", "-c:v", "libx264", seconds=0.2)
    turned = tmp_path / "turned.mp4"
    with av.open(str(plain)) as source, av.open(str(turned), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        stream.set_display_rotation(angle, hflip=bool(mirrored), vflip=bool(upside_down))
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    mine = pictures_of(turned)
    theirs = shown_by_ffmpeg(turned, mine.shape[2], mine.shape[1])
    assert mine.shape[1:3] == ((160, 120) if angle % 180 else (120, 160))
    # Their chroma is turned before it is enlarged.
    assert np.abs(mine.astype(int) - theirs).mean() < 4
    assert angle or not mirrored or np.abs(mine.astype(int) - theirs[:, :, ::-1]).mean() > 20


@pytest.mark.parametrize(
    "ratio, size", [("2/1", (320, 120)), ("1/2", (160, 240)), ("1/1", (160, 120))]
)
def test_pixels_are_square(ratio: str, size: tuple[int, int], clip: Clip) -> None:
    mine = pictures_of(clip("a.mp4", "-vf", f"setsar={ratio}", seconds=0.1))
    assert (mine.shape[2], mine.shape[1]) == size


def test_absurd_and_nearly_square_pixels_change_nothing(clip: Clip) -> None:
    assert pictures_of(clip("a.mp4", "-vf", "setsar=404/405", seconds=0.1)).shape[1:3] == (120, 160)
    assert pictures_of(clip("b.mkv", "-vf", "setsar=99/1", seconds=0.1)).shape[1:3] == (120, 160)


def combing(pictures: np.ndarray) -> float:
    """Mean difference of neighbouring rows against that of rows two apart."""
    gray = pictures.astype(float).mean(axis=3)
    return float(np.abs(np.diff(gray, axis=1)).mean() / np.abs(gray[:, 2:] - gray[:, :-2]).mean())


def test_interlaced_pictures_lose_their_combs(ffmpeg: Ffmpeg, tmp_path: Path, probed) -> None:
    moving = "testsrc=size=160x120:rate=50:duration=1,crop=120:90:x='mod(n*6,40)':y=10"
    woven = f"{moving},tinterlace=interleave_top,fieldorder=tff"
    made = ("-f", "lavfi", "-i", woven, "-c:v", "libx264", "-x264-params", "tff=1", "-qp", "1")
    ffmpeg(*made, tmp_path / "woven.mp4")
    times, pictures = drain(open_file(tmp_path / "woven.mp4"))
    combed = shown_by_ffmpeg(tmp_path / "woven.mp4", 120, 90)
    assert len(pictures) == len(combed) == 25
    assert combing(np.stack(pictures)) < 0.7 * combing(combed)
    assert np.abs(np.array(times) / 1e9 - probed(tmp_path / "woven.mp4")).max() < 1e-6


def test_progressive_pictures_are_left_alone(clip: Clip) -> None:
    path = clip("a.mkv", "-c:v", "ffv1", "-pix_fmt", "bgr0", seconds=0.2)
    assert np.array_equal(pictures_of(path), shown_by_ffmpeg(path, 160, 120))


def test_a_name_that_is_no_utf_8(clip: Clip, tmp_path: Path) -> None:
    name = tmp_path / b"\xff\xfe gr\xf6sse.mp4".decode("utf-8", "surrogateescape")
    clip("a.mp4").rename(name)
    assert len(drain(open_file(name))[0]) == 30


def test_a_cover_picture_is_no_video(ffmpeg: Ffmpeg, clip: Clip, tmp_path: Path) -> None:
    cover = clip("cover.png", "-frames:v", "1")
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", "-i", cover, "-map", "0", "-map", "1",
           "-c:v", "copy", "-disposition:v", "attached_pic", tmp_path / "song.mp3")  # fmt: skip
    with pytest.raises(SourceError, match="no video can be read"):
        open_file(tmp_path / "song.mp3")


def test_a_text_file_is_no_video(tmp_path: Path) -> None:
    for name in ("a.txt", "a.nfo", "a.mp4"):
        (tmp_path / name).write_text("The quick brown fox.\n" * 50)
        with pytest.raises(SourceError, match="no video can be read"):
            open_file(tmp_path / name)


def test_a_video_of_no_frames(clip: Clip) -> None:
    path = clip("a.mkv", "-frames:v", "0")
    with pytest.raises(SourceError, match="no video can be read"):
        open_file(path)


def test_garbage_behind_a_video_changes_nothing(clip: Clip) -> None:
    for name in ("a.mp4", "a.ts", "a.mkv"):
        path = clip(name)
        whole = drain(open_file(path))[0]
        path.write_bytes(path.read_bytes() + np.random.default_rng(0).bytes(30_000))
        reader = open_file(path)
        assert drain(reader)[0][: len(whole)] == whole
        assert reader.missing_s < 0.1


def test_a_hole_is_counted_and_the_rest_keeps_its_times(clip: Clip) -> None:
    path = clip("a.mp4", "-g", "10", "-c:v", "libx264", seconds=2)
    content = bytearray(path.read_bytes())
    middle = content.index(b"mdat") + 5000
    content[middle : middle + 2500] = np.random.default_rng(0).bytes(2500)
    path.write_bytes(content)
    reader = open_file(path)
    times = drain(reader)[0]
    assert reader.broken > 0 and 20 < len(times) < 60
    assert abs(times[-1] - 59e9 / 30) < 50e6


def test_release_twice_and_in_the_middle(clip: Clip) -> None:
    reader = open_file(clip("a.mp4"))
    assert isinstance(reader, VideoReader) and reader.grab()
    reader.release()
    reader.release()
    assert reader.retrieve() == (False, None)


def test_the_rate_and_length_are_told(clip: Clip) -> None:
    reader = open_file(clip("a.mp4"))
    assert (reader.fps, reader.frames, reader.seconds) == (30, 30, pytest.approx(1))
    assert Fraction(reader.fps) == 30
    reader.release()
