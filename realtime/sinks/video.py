"""The overlay as a video file, in the Ticks' own time."""

import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from htnet.engine.errors import OutputError, UsageError
from htnet.engine.types import U8, Tick
from htnet.realtime.overlay.compose import Overlay
from htnet.realtime.sinks.paths import writable

_CODECS = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
_LONGEST_HOLD_S = 2.0
_CHECK_EVERY = 15
_ROOM = 20_000_000  # bytes


class OverlayVideo:
    """A video of ``fps`` frames a second, each the latest Tick's scene at its time.

    Late Ticks are held and surplus ones left out. A gap of more than two seconds (a pause, a lost
    camera) is shortened to that. The first scene fixes the size; later ones of another size are
    letterboxed. With an ``overlay`` shared with a window, a Tick is drawn once.
    """

    def __init__(
        self,
        path: str | Path,
        fps: float,
        overlay: Overlay | None = None,
        *,
        option: str = "--overlay-video",
    ) -> None:
        codec = _CODECS.get(Path(path).suffix.lower())
        if codec is None:
            raise UsageError(
                f"expected a video's name ending in {', '.join(_CODECS)} after {option}, but got "
                f"{str(path)!r}; use for example out.mp4"
            )
        if not 1 <= fps <= 1000:
            raise UsageError(f"expected 1 to 1000 frames a second for {option}, but got {fps:g}")
        self.path = writable(path, option)
        self.frames = 0
        self._option = option
        self._codec = codec
        self._fps = fps
        self._overlay = overlay or Overlay()
        self._writer: cv2.VideoWriter | None = None
        self._closed = False
        self._size = (0, 0)
        self._start_ns = self._last_ns = 0
        self._shown: U8 | None = None

    def __enter__(self) -> Self:
        return self

    def write(self, tick: Tick) -> None:
        """Add ``tick`` at its time."""
        if self._closed:
            raise ValueError("the video is closed")
        t_ns = tick.frame.t_ns
        if self._writer is None:
            self._start_ns = t_ns
        elif not 0 <= t_ns - self._last_ns <= _LONGEST_HOLD_S * 1e9:
            # Time jumped: continue with the next frame, after the longest hold if it jumped ahead.
            hold = _LONGEST_HOLD_S if t_ns > self._last_ns else 0.0
            self._start_ns = t_ns - round((self.frames / self._fps + hold) * 1e9)
        self._last_ns = t_ns
        place = round((t_ns - self._start_ns) * 1e-9 * self._fps)
        if place < self.frames:
            self._overlay.see(tick)
            return
        scene = self._overlay.annotate(tick)
        if self._writer is None:
            self._open(scene)
        if self._shown is not None:
            for _ in range(self.frames, place):
                self._put(self._shown)
        self._shown = self._fitted(scene)
        self._put(self._shown)

    def close(self) -> None:
        """Finish the file; a second call does nothing."""
        self._closed = True
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.release()
            self._shown = None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self, scene: U8) -> None:
        # The codecs take only even sizes.
        self._size = (scene.shape[1] + scene.shape[1] % 2, scene.shape[0] + scene.shape[0] % 2)
        code = cv2.VideoWriter.fourcc(*self._codec)
        writer = cv2.VideoWriter(str(self.path), code, self._fps, self._size)
        if not writer.isOpened():
            raise UsageError(
                f"expected a video that can be written after {self._option}, but OpenCV cannot "
                f"begin {str(self.path)!r} with {self._codec}; try a name ending in .avi"
            )
        self._writer = writer

    def _put(self, scene: U8) -> None:
        assert self._writer is not None
        # OpenCV does not report a full disk, and an .mp4 without its index at the end cannot be
        # read, so the video is ended while there is room for the index.
        if self.frames % _CHECK_EVERY == 0 and shutil.disk_usage(self.path.parent).free < _ROOM:
            self.close()
            raise OutputError(
                f"expected room on the disk for {self.path}, but less than {_ROOM // 10**6} MB are "
                "left; the recording was ended whole: make room, or choose another place"
            )
        self._writer.write(scene)
        self.frames += 1

    def _fitted(self, scene: U8) -> U8:
        width, height = self._size
        if scene.shape[1::-1] == self._size:
            return scene
        scale = min(width / scene.shape[1], height / scene.shape[0])
        if abs(scale - 1) > 0.01:
            size = round(scene.shape[1] * scale), round(scene.shape[0] * scale)
            scene = np.asarray(cv2.resize(scene, size, interpolation=cv2.INTER_AREA), np.uint8)
        canvas: U8 = np.zeros((height, width, 3), np.uint8)
        h, w = min(scene.shape[0], height), min(scene.shape[1], width)
        y, x = (height - h) // 2, (width - w) // 2
        canvas[y : y + h, x : x + w] = scene[:h, :w]
        return canvas
