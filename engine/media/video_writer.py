"""The writer of videos: pictures at their own times, whole whatever ends the process."""

import contextlib
import queue
import shutil
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import cv2
import numpy as np

from htnet.engine.errors import OutputError
from htnet.engine.media.video_file import TICK_NS, VideoFile
from htnet.engine.types import U8

_DEPTH = 8  # pictures that wait for the encoder
_CHECK_EVERY = 15
_ROOM = 20_000_000  # bytes


class VideoWriter:
    """A file of H.264 pictures, each at its own time; a context manager.

    Times are whole microseconds in MP4 and QuickTime, whole milliseconds in Matroska. ``fps``: the
    nominal rate of the header; the pictures' times need not agree with it. ``sound``: a file whose
    first sound is kept, on the pictures' clock, up to the end of the last picture. ``start_ns``:
    the time that is 0 in the file; None: the beginning of the sound, or else the first picture's
    time.

    The file is begun at the first picture, which fixes its size; later ones of another size are
    letterboxed. A thread of its own encodes, at most `_DEPTH` pictures behind; `write` waits for
    it. A killed process loses at most the last second of the video; the file can be opened from
    the first picture on, in Matroska from the second.
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
        self._fps = fps
        self._start_ns = start_ns
        self._sound = sound
        self._size = (0, 0)
        self._last = -1  # ticks
        self._last_ns = 0
        self._step_ns = round(1e9 / fps)
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
        if self._error is not None:
            self.close()
        if self.frames % _CHECK_EVERY == 0 and shutil.disk_usage(self.path.parent).free < _ROOM:
            self.close()
            raise OutputError(
                f"expected room on the disk for {self.path}, but less than {_ROOM // 10**6} MB are "
                "left; the recording was ended whole: make room, or choose another place"
            )
        if self._thread is None:
            self._begin(bgr, t_ns)
        else:
            self._waiting.put((self._yuv(bgr), self._ticks(t_ns)))
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

    def _begin(self, bgr: U8, t_ns: int) -> None:
        """Open the file and add the first picture, so that the header is on disk at once."""
        height, width = bgr.shape[:2]
        self._size = (width + width % 2, height + height % 2)  # H.264's colour needs even sizes
        try:
            file = VideoFile(self.path, self._fps, self._size, t_ns, self._start_ns, self._sound)
            self._start_ns = file.start_ns
            self._last_ns = t_ns - self._step_ns
            file.add(self._yuv(bgr), self._ticks(t_ns))
        except av.FFmpegError as error:
            self._closed = True
            raise self._unwritten(error) from error
        self._thread = threading.Thread(target=self._run, args=(file,), name="video", daemon=True)
        self._thread.start()

    def _unwritten(self, error: av.FFmpegError) -> OutputError:
        return OutputError(
            f"expected to write the video {self.path}; got {error.strerror or error}: make room, "
            "or choose another place"
        )

    def _yuv(self, bgr: U8) -> U8:
        picture = np.ascontiguousarray(letterboxed(bgr, self._size))
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), np.uint8)

    def _ticks(self, t_ns: int) -> int:
        """Return the time in the file, after the one before."""
        assert self._start_ns is not None
        if t_ns <= self._last_ns:  # the source began anew
            self._start_ns += t_ns - self._last_ns - self._step_ns
        else:
            self._step_ns = t_ns - self._last_ns
        self._last_ns = t_ns
        self._last = max(round((t_ns - self._start_ns) / TICK_NS), self._last + 1)
        return self._last

    def _run(self, file: VideoFile) -> None:
        """Encode the waiting pictures until None comes."""
        waiting: tuple[U8, int] | None = None
        try:
            while (waiting := self._waiting.get()) is not None:
                file.add(*waiting)
        except av.FFmpegError as error:
            self._error = error
            while self._waiting.get() is not None:  # so that `write` waits for no room
                pass
        try:
            file.finish(self._last + self._step_ns // TICK_NS)
        except av.FFmpegError as error:
            self._error = self._error or error


def letterboxed(bgr: U8, size: tuple[int, int]) -> U8:
    """Return a picture (H, W, 3) scaled into ``size`` (width, height) px, in the middle of black.

    Within 1% of its size it is not scaled: its edges are cut or filled.
    """
    width, height = size
    if bgr.shape[1::-1] == size:
        return bgr
    scale = min(width / bgr.shape[1], height / bgr.shape[0])
    if abs(scale - 1) > 0.01:
        within = max(1, round(bgr.shape[1] * scale)), max(1, round(bgr.shape[0] * scale))
        bgr = np.asarray(cv2.resize(bgr, within, interpolation=cv2.INTER_AREA), np.uint8)
    canvas: U8 = np.zeros((height, width, 3), np.uint8)
    h, w = min(bgr.shape[0], height), min(bgr.shape[1], width)
    y, x = (height - h) // 2, (width - w) // 2
    canvas[y : y + h, x : x + w] = bgr[:h, :w]
    return canvas
