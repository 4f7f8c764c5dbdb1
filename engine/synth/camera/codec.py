"""Compression of a video, in memory and as a file with true timestamps."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from htnet.engine.errors import OutputError
from htnet.engine.media.h264 import TICKS, TIME_BASE, set_up
from htnet.engine.types import U8, Frame

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
        return ".mp4" if self.name == "h264" else ".mov"


@dataclass(frozen=True, slots=True)
class Format:
    """Format of a video: ``size`` (width, height) px, nominal frame rate and duration."""

    size: tuple[int, int]
    fps: float
    seconds: float


def compressed(frames: Iterable[Frame], codec: Codec, form: Format) -> Iterator[Frame]:
    """Yield the frames as a reader of the compressed video sees them, one by one."""
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
    mostly in their upsampling of colour. The codec "none" stores PNG, which is lossless. Pictures
    lie in QuickTime, since FFmpeg's Matroska holds whole milliseconds.

    Raises `OutputError` where it cannot be written.
    """
    muxer = "mp4" if codec.name == "h264" else "mov"
    write = _write_h264 if codec.name == "h264" else _write_pictures
    try:
        with av.open(str(path.absolute()), "w", format=muxer) as output:
            write(output, frames, codec, form)
    except av.FFmpegError as error:
        raise OutputError(
            f"expected to write the video {path}; got {error.strerror or error}: see that the disk "
            "has room."
        ) from error


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


def _write_pictures(
    output: OutputContainer, frames: Iterable[Frame], codec: Codec, form: Format
) -> None:
    """Write each frame as a JPEG or PNG of its own."""
    width, height = form.size
    kind = "mjpeg" if codec.name == "mjpeg" else "png"
    rate = Fraction(form.fps).limit_denominator(TICKS)
    stream = output.add_mux_stream(kind, rate, width=width, height=height, time_base=TIME_BASE)
    for frame in frames:
        encoded = _jpeg(frame.bgr, codec.quality) if kind == "mjpeg" else _png(frame.bgr)
        packet = av.Packet(encoded.tobytes())
        packet.pts = packet.dts = _ticks(frame)
        packet.duration = round(TICKS / form.fps)
        packet.time_base, packet.stream, packet.is_keyframe = TIME_BASE, stream, True
        output.mux(packet)


def _write_h264(
    output: OutputContainer, frames: Iterable[Frame], codec: Codec, form: Format
) -> None:
    stream = output.add_stream("libx264", rate=Fraction(form.fps).limit_denominator(TICKS))
    stream.time_base = TIME_BASE
    _set_up(stream.codec_context, codec, form)
    for frame in frames:
        output.mux(stream.encode(_yuv(frame)))
    output.mux(stream.encode(None))


def _through_h264(frames: Iterable[Frame], codec: Codec, form: Format) -> Iterator[Frame]:
    encoder = av.CodecContext.create("libx264", "w")
    _set_up(encoder, codec, form)
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    under_way: deque[Frame] = deque()

    def decoded(yuv: av.VideoFrame | None) -> Iterator[Frame]:
        packets = [*encoder.encode(yuv), *([None] if yuv is None else [])]
        for packet in packets:
            for picture in decoder.decode(packet):
                frame = under_way.popleft()
                yield Frame(frame.index, frame.t_ns, _bgr(picture))

    for frame in frames:
        under_way.append(frame)
        yield from decoded(_yuv(frame))
    yield from decoded(None)


def _set_up(encoder: VideoCodecContext, codec: Codec, form: Format) -> None:
    options = {"preset": "veryfast", "tune": "zerolatency", "crf": str(codec.crf)}
    set_up(encoder, form.size, form.fps, options, _KEY_EVERY)


def _ticks(frame: Frame) -> int:
    return frame.t_ns * TICKS // 1_000_000_000


def _yuv(frame: Frame) -> av.VideoFrame:
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.bgr), format="bgr24")
    yuv = picture.reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU601,
        dst_color_range=ColorRange.MPEG,
        interpolation=Interpolation.BICUBIC,
        threads=1,
    )
    yuv.pts, yuv.time_base = _ticks(frame), TIME_BASE
    return yuv


def _bgr(picture: av.VideoFrame) -> U8:
    bgr = picture.reformat(format="bgr24", interpolation=Interpolation.BICUBIC, threads=1)
    return np.asarray(bgr.to_ndarray(), np.uint8)
