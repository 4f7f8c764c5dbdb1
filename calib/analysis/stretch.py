"""A stretch of a video, its pictures turned."""

from dataclasses import replace

import cv2
import numpy as np

from htnet.engine.errors import UsageError
from htnet.engine.types import Frame
from htnet.realtime.sources.base import Source

TURNS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
"""Degrees clockwise -> OpenCV's code."""


class Stretch:
    """The frames of a recording from ``start_s`` to before ``end_s``, in its own time.

    Frames keep their index and time in the recording. ``rotate``: degrees clockwise by which
    pictures are turned. Owns ``source``. Raises `UsageError` where no frame lies in the stretch.
    """

    live = False

    def __init__(
        self, source: Source, start_s: float = 0.0, end_s: float | None = None, rotate: int = 0
    ) -> None:
        if rotate not in (0, *TURNS):
            raise UsageError(f"expected --rotate 90, 180 or 270; got {rotate}: choose one.")
        if end_s is not None and end_s <= start_s:
            raise UsageError(
                f"expected an end after the start; got {start_s:g} to {end_s:g} s: correct them."
            )
        self._source = source
        self._start_ns = round(start_s * 1e9)
        self._end_ns = None if end_s is None else round(end_s * 1e9)
        self._rotate = rotate
        self._given = False
        self._last_ns = self._step_ns = 0
        self._cut_short = False

    @property
    def name(self) -> str:
        """The recording's name."""
        return self._source.name

    @property
    def fps(self) -> float:
        """The recording's nominal rate, 0 where it is unknown."""
        return float(getattr(self._source, "fps", 0.0) or 0.0)

    @property
    def seconds(self) -> float:
        """Length of the stretch as far as the recording tells its own, s; 0 where it does not."""
        whole = float(getattr(self._source, "seconds", 0.0) or 0.0)
        end_s = whole if self._end_ns is None else min(self._end_ns / 1e9, whole)
        return max(end_s - self._start_ns / 1e9, 0.0)

    @property
    def status(self) -> str:
        """Sentence about a problem of the recording; "" without one."""
        said = str(getattr(self._source, "status", ""))
        # A video lasts as long as its last frame is shown.
        ended_ns = self._last_ns + self._step_ns
        if not said and self._cut_short and self._end_ns is not None and ended_ns < self._end_ns:
            return (
                f"{self.name} ends at {ended_ns / 1e9:.2f} s, before the end of "
                f"{self._end_ns / 1e9:g} s asked for: analysed to its own end"
            )
        return said

    def read(self) -> Frame | None:
        """Return the next frame of the stretch; None at its end."""
        while (frame := self._source.read()) is not None:
            self._step_ns, self._last_ns = frame.t_ns - self._last_ns, frame.t_ns
            if frame.t_ns < self._start_ns:
                continue
            if self._end_ns is not None and frame.t_ns >= self._end_ns:
                break
            self._given = True
            return self._turned(frame)
        self._cut_short = frame is None
        if not self._given:
            raise UsageError(
                f"expected frames of {self.name} from {self._start_ns / 1e9:g} s on; it ends at "
                f"{self._last_ns / 1e9:.2f} s: give an earlier start."
            )
        return None

    def close(self) -> None:
        """Close the recording."""
        self._source.close()

    def _turned(self, frame: Frame) -> Frame:
        if not self._rotate:
            return frame
        return replace(frame, bgr=np.asarray(cv2.rotate(frame.bgr, TURNS[self._rotate]), np.uint8))
