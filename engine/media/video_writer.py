"""The writer of videos: pictures at their own times, whole whatever ends the process."""

import contextlib
import queue
import shutil
import threading
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.frame import PictureType
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc
from av.video.stream import VideoStream

from htnet.engine.errors import OutputError
from htnet.engine.media.sound import SoundTrack
from htnet.engine.types import U8

MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""FFmpeg's muxer by suffix. An .avi is none of them: it holds a rate, and no times."""

TICKS = 1_000_000  # a second: the time base
_FRAGMENT_S = 0.25
_TICK_NS = 1_000
_KEY_EVERY = TICKS  # ticks
_DEPTH = 8  # pictures that wait for the encoder
_CHECK_EVERY = 15
_ROOM = 20_000_000  # bytes

_BT601 = 6  # AVCOL_SPC_SMPTE170M, which readers that ignore tags take for granted
_ENCODER = {"preset": "ultrafast", "tune": "zerolatency", "crf": "20", "forced-idr": "1"}
_FLUSHED = {"flush_packets": "1", "max_interleave_delta": str(round(_FRAGMENT_S * 1e6))}


class VideoWriter:
    """A file of H.264 pictures, each at its own time; a context manager.

    Times are whole microseconds in MP4 and QuickTime, whole milliseconds in Matroska. ``fps``: the
    nominal rate of the header; the pictures' times need not agree with it. ``start_ns``: the time
    that is 0 in the file; None: the sound's beginning, or else the first picture's time.
    ``sound``: a file whose first sound is kept, on the pictures' clock, up to the last picture.

    The file is begun at the first picture, which fixes its size; later ones of another size are
    letterboxed. A thread of its own encodes, at most `_DEPTH` pictures behind; `write` waits for
    it. A killed process loses at most the last second of the video.
    """

    def __init__(
        self,
        path: Path,
        fps: float = 30.0,
        *,
        start_ns: int | None = None,
        sound: Path | None = None,
    ) -> None:
        self.path = path
        self.frames = 0
        self._muxer = MUXERS[path.suffix.lower()]
        self._fps = Fraction(fps).limit_denominator(TICKS)
        self._start_ns = start_ns
        self._sound_path = sound
        self._size = (0, 0)
        self._last_ns = 0
        self._step_ns = round(1e9 / fps)
        self._last = -1  # ticks
        self._closed = False
        self._error: av.FFmpegError | None = None
        self._waiting: queue.Queue[tuple[U8, int] | None] = queue.Queue(_DEPTH)
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def write(self, bgr: U8, t_ns: int) -> None:
        """Add a picture (H, W, 3) that is shown from ``t_ns`` on.

        A time that is not after the one before follows it at once. Raises `OutputError`, and ends
        the file whole, where the disk is nearly full or cannot be written.
        """
        if self._closed:
            raise ValueError("the video is closed")
        if self._thread is None:
            self._open(bgr, t_ns)
        if self._error is not None:
            self.close()
        if self.frames % _CHECK_EVERY == 0 and shutil.disk_usage(self.path.parent).free < _ROOM:
            self.close()
            raise OutputError(
                f"expected room on the disk for {self.path}, but less than {_ROOM // 10**6} MB are "
                "left; the recording was ended whole: make room, or choose another place"
            )
        picture = np.ascontiguousarray(letterboxed(bgr, self._size))
        yuv = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), np.uint8)
        self._waiting.put((yuv, self._ticks(t_ns)))
        self.frames += 1

    def close(self) -> None:
        """Finish the file; a second call does nothing.

        Raises `OutputError` where its rest could not be written.
        """
        self._closed = True
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._waiting.put(None)
        thread.join()
        if self._error is not None:
            raise self._unwritten(self._error) from self._error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The error under way tells more than the one that it leaves behind.
        with contextlib.nullcontext() if error is None else contextlib.suppress(OutputError):
            self.close()

    def _open(self, bgr: U8, t_ns: int) -> None:
        height, width = bgr.shape[:2]
        self._size = (width + width % 2, height + height % 2)  # H.264's colour needs even sizes
        at_zero = self._sound_path is None and self._start_ns in (None, t_ns)
        try:
            output = av.open(
                str(self.path.absolute()),
                "w",
                format=self._muxer,
                container_options=self._options(at_zero),
            )
            stream = self._stream(output)
            sound = SoundTrack.of(self._sound_path, output)
            if self._start_ns is None:
                self._start_ns = t_ns if sound is None else min(sound.start_ns, t_ns)
            if sound is not None:
                sound.start_ns = self._start_ns
            output.start_encoding()
        except av.FFmpegError as error:
            raise self._unwritten(error) from error
        self._last_ns = t_ns - self._step_ns
        self._thread = threading.Thread(
            target=self._run, args=(output, stream, sound), name="video", daemon=True
        )
        self._thread.start()

    def _options(self, at_zero: bool) -> dict[str, str]:
        """Return the muxer's options; ``at_zero``: the first picture is shown from 0 on."""
        if self._muxer == "matroska":
            return {"cluster_time_limit": str(round(_FRAGMENT_S * 1e3)), **_FLUSHED}
        # Fragments while it grows, an ordinary file with one index once it is closed. A header
        # that is written at once lets a file of no fragment be opened, and knows no later start.
        flags = "hybrid_fragmented+default_base_moof" + ("" if at_zero else "+delay_moov")
        return {"movflags": flags, "frag_duration": str(round(_FRAGMENT_S * 1e6)), **_FLUSHED}

    def _stream(self, output: OutputContainer) -> VideoStream:
        stream = output.add_stream("libx264", rate=self._fps, options=dict(_ENCODER))
        stream.width, stream.height = self._size
        stream.time_base = Fraction(1, TICKS)
        context = stream.codec_context
        context.time_base = Fraction(1, TICKS)
        context.thread_count = 1
        context.gop_size = 10_000  # key frames are asked for by time
        context.colorspace = _BT601
        context.color_range = ColorRange.MPEG
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        return stream

    def _unwritten(self, error: av.FFmpegError) -> OutputError:
        return OutputError(
            f"expected to write the video {self.path}; got {error.strerror or error}: make room, "
            "or choose another place"
        )

    def _ticks(self, t_ns: int) -> int:
        """Return the time in the file, after the one before."""
        assert self._start_ns is not None
        if t_ns <= self._last_ns:  # the source began anew
            self._start_ns += t_ns - self._last_ns - self._step_ns
        else:
            self._step_ns = t_ns - self._last_ns
        self._last_ns = t_ns
        self._last = max(round((t_ns - self._start_ns) / _TICK_NS), self._last + 1)
        return self._last

    def _run(self, output: OutputContainer, stream: VideoStream, sound: SoundTrack | None) -> None:
        """Encode the waiting pictures until None comes."""
        waiting: tuple[U8, int] | None = None
        key = -_KEY_EVERY
        try:
            with output:
                while (waiting := self._waiting.get()) is not None:
                    yuv, ticks = waiting
                    frame = av.VideoFrame.from_ndarray(yuv, format="yuv420p")
                    frame.pts, frame.time_base = ticks, Fraction(1, TICKS)
                    if ticks - key >= _KEY_EVERY:
                        key, frame.pict_type = ticks, PictureType.I
                    if sound is not None:
                        sound.copy_until(ticks * _TICK_NS)
                    output.mux(stream.encode(frame))
                if sound is not None:
                    sound.copy_until(self._last * _TICK_NS + self._step_ns)
                output.mux(stream.encode(None))
        except av.FFmpegError as error:
            self._error = error
            while waiting is not None:  # so that `write` waits for no room
                waiting = self._waiting.get()
        finally:
            if sound is not None:
                sound.close()


def letterboxed(bgr: U8, size: tuple[int, int]) -> U8:
    """Return a picture (H, W, 3) scaled into ``size`` (width, height) px, in the middle of black.

    Within 1% of its size it is not scaled: its edges are cut or filled.
    """
    width, height = size
    if bgr.shape[1::-1] == size:
        return bgr
    scale = min(width / bgr.shape[1], height / bgr.shape[0])
    if abs(scale - 1) > 0.01:
        within = round(bgr.shape[1] * scale), round(bgr.shape[0] * scale)
        bgr = np.asarray(cv2.resize(bgr, within, interpolation=cv2.INTER_AREA), np.uint8)
    canvas: U8 = np.zeros((height, width, 3), np.uint8)
    h, w = min(bgr.shape[0], height), min(bgr.shape[1], width)
    y, x = (height - h) // 2, (width - w) // 2
    canvas[y : y + h, x : x + w] = bgr[:h, :w]
    return canvas
