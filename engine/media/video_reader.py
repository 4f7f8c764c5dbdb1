"""Reading of video by FFmpeg: times, colours and geometry as the container tells them."""

from collections.abc import Generator, Iterator
from typing import Any

import av
import numpy as np
from av.container import Flags, InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from htnet.engine.errors import SourceError
from htnet.engine.media.deinterlacer import Deinterlacer
from htnet.engine.media.display import Orientation, orientation, square_size
from htnet.engine.media.timestamps import BestEffort, Timestamps, to_ns
from htnet.engine.types import U8

# FFmpeg plays text files as the screens of a terminal.
_NO_VIDEO = frozenset({"tty", "bin", "xbin", "adf", "idf"})
# Protocols whose pictures cannot be read twice. Packets seen while the streams are analysed are not
# kept, since they are old; RTSP over TCP loses none.
_LIVE_SCHEMES = frozenset({"rtmp", "rtmps", "rtp", "rtsp", "rtsps", "srt", "tcp", "udp"})
_LIVE_OPTIONS = {"fflags": "nobuffer", "rtsp_transport": "tcp"}
_DAMAGED_READS = 100
# Packets of a live stream in a row without a picture, after which it counts as failed: more than
# lie between two key frames.
_LIVE_PATIENCE = 600


def open_container(place: str, *, timeout_s: float | None = None) -> InputContainer | None:
    """Return the opened file or address ``place``; None where no video can be read from it.

    ``timeout_s``: longest wait for the opening and for each packet. Raises `SourceError` for a
    protocol that this FFmpeg has not.
    """
    scheme = place.split("://", 1)[0].lower() if "://" in place else ""
    options = _LIVE_OPTIONS if scheme in _LIVE_SCHEMES else {}
    try:
        container = av.open(
            place, "r", options=options, metadata_errors="replace", timeout=timeout_s
        )
    except av.ProtocolNotFoundError:
        raise SourceError(
            f"expected an address of a kind that this FFmpeg can open, but got {scheme}://; "
            "have the camera or a converter serve RTSP or HTTP"
        ) from None
    except (av.FFmpegError, OSError, ValueError, RuntimeError):
        return None
    if container.format.name in _NO_VIDEO or _video_of(container) is None:
        container.close()
        return None
    # PyAV asks for made-up presentation times, which are one frame late in AVI.
    made_up: Any = Flags.gen_pts.value
    container.flags &= ~made_up
    return container


class VideoReader:
    """Frames of the main video stream of an opened container; a `Reader`.

    Pictures come in the order and at the times of presentation. The matrix and range of their
    colours are obeyed; a matrix that the stream does not name is BT.601, as FFmpeg has it. Frames
    flagged as interlaced are deinterlaced, the display matrix is applied, and pixels that are not
    square are resampled so that none is lost. Deeper pictures are reduced to 8 bits. Packets that
    cannot be decoded are counted and passed over.

    One decoding thread: frames come without delay, and the cores stay with the pipeline.
    """

    def __init__(self, container: InputContainer) -> None:
        stream = _video_of(container)
        assert stream is not None, "open_container has found one"
        stream.thread_count = 1
        self.fps = float(stream.average_rate or stream.guessed_rate or 0)
        self.seconds = None if container.duration is None else container.duration / av.time_base
        self.frames = stream.frames or round((self.seconds or 0) * self.fps)
        self.t_ns = 0
        self.broken = 0
        self._container: InputContainer | None = container
        self._stream = stream
        self._pixel = stream.sample_aspect_ratio
        self._orientation: Orientation | None = None
        self._best_effort = BestEffort()
        self._stamps = Timestamps(self.fps)
        self._interval_ns = round(1e9 / self.fps) if self.fps else 0
        self._reformatter = VideoReformatter()
        self._of_video = bool(stream.duration)
        self._promised_ns = self._promise()
        self._reached_ns = 0
        self._decoded = self._deinterlaced()
        self._frame: VideoFrame | None = None

    @property
    def missing_s(self) -> float:
        """Time between the end of what was read and the end that the container promises, in s."""
        if self._promised_ns is None:
            return 0.0
        return max(0.0, (self._promised_ns - self._reached_ns) / 1e9)

    def grab(self) -> bool:
        """Decode the next frame; False at the end or when the source fails."""
        self._frame = next(self._decoded, None)
        if self._frame is None:
            return False
        time_base = self._frame.time_base or self._stream.time_base
        count = self._best_effort.choose(self._frame.pts, self._frame.dts)
        known = None if count is None or time_base is None else to_ns(count, time_base)
        self.t_ns = self._stamps.next(known)
        self._reached_ns = max(self._reached_ns, self.t_ns + self._interval_ns)
        return True

    def retrieve(self) -> tuple[bool, U8 | None]:
        """Return True and the frame last grabbed, (H, W, 3) uint8 BGR; False where it is broken."""
        frame = self._frame
        if frame is None:
            return False, None
        if self._orientation is None:
            self._orientation = _orientation_of(frame)
        width, height = square_size(frame.width, frame.height, self._pixel)
        resized = (width, height) != (frame.width, frame.height)
        try:
            shown = self._reformatter.reformat(
                frame,
                width=width,
                height=height,
                format="bgr24",
                interpolation=Interpolation.BICUBIC if resized else None,
                threads=1,
            )
        except (av.FFmpegError, MemoryError, ValueError):
            return False, None
        bgr = np.ascontiguousarray(shown.to_ndarray(), np.uint8)
        return True, self._orientation.applied(bgr)

    def release(self) -> None:
        """Close the container; more than once."""
        self._decoded.close()
        self._frame = None
        if self._container is not None:
            self._container.close()
            self._container = None

    def _promise(self) -> int | None:
        """Return the promised end in ns: of the video where the container tells it, else of all."""
        stream, container = self._stream, self._container
        if stream.duration and stream.time_base is not None:
            return to_ns((stream.start_time or 0) + stream.duration, stream.time_base)
        if container is None or container.duration is None:
            return None
        return container.duration * 1_000_000_000 // av.time_base

    def _deinterlaced(self) -> Generator[VideoFrame, None, None]:
        """Yield the frames; those from the first interlaced one on pass the deinterlacer."""
        filtering: Deinterlacer | None = None
        for frame in self._frames():
            if filtering is not None and not filtering.takes(frame):
                yield from filtering.flush()
                filtering = None
            if filtering is None and frame.interlaced_frame:
                filtering = _deinterlacer(frame)
            if filtering is None:
                yield frame
            else:
                yield from filtering.push(frame)
        if filtering is not None:
            yield from filtering.flush()

    def _frames(self) -> Iterator[VideoFrame]:
        waited = 0
        for packet in self._packets():
            try:
                frames = packet.decode()
            except av.EOFError:
                return
            except av.FFmpegError:
                self.broken += 1
                frames = []
            yield from frames
            waited = 0 if frames else waited + 1
            if self.seconds is None and waited >= _LIVE_PATIENCE:
                return
        try:
            yield from self._stream.decode(None)
        except av.FFmpegError:  # it has been flushed
            return

    def _packets(self) -> "Iterator[av.Packet[Any]]":
        """Yield the packets of the video; damage between them is passed over in a recording."""
        container = self._container
        for _ in range(_DAMAGED_READS if self.seconds else 1):
            if container is None:
                return
            try:
                for packet in container.demux():
                    if packet.stream_index == self._stream.index:
                        yield packet
                    else:
                        self._note_end(packet)
                return
            except (av.ExitError, av.ConnectionResetError):
                return
            except (av.FFmpegError, OSError):
                self.broken += 1

    def _note_end(self, packet: "av.Packet[Any]") -> None:
        if not self._of_video and packet.pts is not None:
            end = to_ns(packet.pts + (packet.duration or 0), packet.time_base)
            self._reached_ns = max(self._reached_ns, end)


def _deinterlacer(frame: VideoFrame) -> Deinterlacer | None:
    """Return a deinterlacer from ``frame`` on; None where its size or format allows none."""
    try:
        return Deinterlacer(frame)
    except (av.FFmpegError, ValueError):
        return None


def _orientation_of(frame: VideoFrame) -> Orientation:
    side_data: Any = frame.side_data  # PyAV's stub knows motion vectors only
    matrix = side_data.get("DISPLAYMATRIX")
    return orientation(None if matrix is None else bytes(matrix))


def _video_of(container: InputContainer) -> VideoStream | None:
    """Return the main video stream; a cover picture is none."""
    best = container.streams.best("video")
    for stream in [best, *container.streams.video]:
        if (
            isinstance(stream, VideoStream)
            and stream.codec_context is not None
            and not stream.disposition & Disposition.attached_pic
        ):
            return stream
    return None
