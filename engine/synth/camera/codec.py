"""Compression of a video, in memory and as a file with true timestamps."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from htnet.engine.errors import DependencyError, OutputError
from htnet.engine.synth.camera.matroska import JPEG, PNG, RAW, write_matroska
from htnet.engine.types import U8, Frame

_TICKS = 1_000_000  # a second: the time base of the file
_KEY_EVERY = 60  # frames


@dataclass(frozen=True, slots=True)
class Codec:
    """Codec of a video.

    ``name``: one of `htnet.engine.synth.schedule.plan.CODECS`. ``quality``: of JPEG, 1 to 100.
    ``crf``: H.264's constant rate factor, 0 to 51.
    """

    name: str = "none"
    quality: int = 60
    crf: int = 26

    @property
    def suffix(self) -> str:
        """Suffix of the video file."""
        return ".mp4" if self.name == "h264" else ".mkv"


@dataclass(frozen=True, slots=True)
class Format:
    """Format of a video: ``size`` (width, height) px, nominal frame rate and duration."""

    size: tuple[int, int]
    fps: float
    seconds: float


def compressed(frames: Iterable[Frame], codec: Codec, form: Format) -> Iterator[Frame]:
    """Yield the frames as a reader of the compressed video sees them.

    JPEG works frame by frame. H.264 encodes all frames before it yields the first, and raises
    `DependencyError` without ffmpeg.
    """
    if codec.name == "h264":
        yield from _through_h264(frames, codec, form)
    elif codec.name == "mjpeg":
        before: tuple[U8, U8] | None = None
        for frame in frames:
            if before is None or frame.bgr is not before[0]:
                decoded = cv2.imdecode(_jpeg(frame.bgr, codec.quality), cv2.IMREAD_COLOR)
                before = frame.bgr, np.asarray(decoded, np.uint8)
            yield Frame(frame.index, frame.t_ns, before[1])
    else:
        yield from frames


def write_video(path: Path, frames: Iterable[Frame], codec: Codec, form: Format) -> None:
    """Write a video file with the frames' timestamps, in whole microseconds from 0.

    Reading it gives the frames of `compressed`; decoders of JPEG differ by a few grey levels,
    mostly in their upsampling of colour. The codec "none" stores PNG, which is lossless.

    Raises `OutputError` where ffmpeg fails, `DependencyError` where H.264 is wanted without ffmpeg.
    """
    if codec.name == "h264":
        _write_h264(path, frames, codec, form)
        return
    kind = JPEG if codec.name == "mjpeg" else PNG
    pictures = (
        (f.t_ns, (_jpeg(f.bgr, codec.quality) if kind == JPEG else _png(f.bgr)).tobytes())
        for f in frames
    )
    with path.open("wb") as file:
        write_matroska(file, pictures, kind, form.size, form.fps, form.seconds)


def _jpeg(bgr: U8, quality: int) -> U8:
    # as cameras do, colour is subsampled in width alone
    how = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    ]
    return np.asarray(cv2.imencode(".jpg", bgr, how)[1], np.uint8)


def _png(bgr: U8) -> U8:
    return np.asarray(cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1], np.uint8)


def _write_h264(path: Path, frames: Iterable[Frame], codec: Codec, form: Format) -> None:
    """Encode with ffmpeg, which reads raw pictures with their times from a pipe."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise DependencyError(
            "expected ffmpeg on the path for H.264; there is none: install it, or plan with the "
            "codec mjpeg."
        )
    command = [ffmpeg, "-v", "error", "-y", "-f", "matroska", "-i", "pipe:0", "-an"]
    command += ["-c:v", "libx264", "-crf", str(codec.crf), "-preset", "veryfast"]
    command += ["-tune", "zerolatency", "-g", str(_KEY_EVERY), "-threads", "1"]
    # the default mode would repeat frames to fill so fine a time base
    command += ["-fps_mode", "passthrough"]
    command += ["-pix_fmt", "yuv420p", "-enc_time_base", f"1:{_TICKS}"]
    command += ["-video_track_timescale", str(_TICKS), str(path.absolute())]
    with tempfile.TemporaryFile() as log:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=log) as process:
            assert process.stdin is not None
            try:
                pictures = ((f.t_ns, f.bgr.tobytes()) for f in frames)
                write_matroska(process.stdin, pictures, RAW, form.size, form.fps, form.seconds)
                process.stdin.close()
            except BrokenPipeError:
                pass  # ffmpeg has failed; its message is read below
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            log.seek(0)
            lines = log.read().decode(errors="replace").strip().splitlines() or ["nothing"]
            raise OutputError(
                f"expected ffmpeg to write H.264 to {path}; it failed and said {lines[-1]!r}: "
                "see that it is of version 5.1 or later, has libx264, and that the disk has room."
            )


def _through_h264(frames: Iterable[Frame], codec: Codec, form: Format) -> Iterator[Frame]:
    stamps: list[tuple[int, int]] = []

    def noted() -> Iterator[Frame]:
        for frame in frames:
            stamps.append((frame.index, frame.t_ns))
            yield frame

    with tempfile.TemporaryDirectory(prefix="htnet-") as folder:
        path = Path(folder) / f"video{codec.suffix}"
        _write_h264(path, noted(), codec, form)
        video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        try:
            for index, t_ns in stamps:
                there, bgr = video.read()
                if not there:
                    raise OutputError(
                        f"expected {len(stamps)} frames back from ffmpeg; got {index}: see that it "
                        "works, or plan with the codec mjpeg."
                    )
                yield Frame(index, t_ns, np.asarray(bgr, np.uint8))
        finally:
            video.release()
