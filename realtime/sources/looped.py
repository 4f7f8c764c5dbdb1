"""A looped recording."""

from collections.abc import Callable
from dataclasses import replace

from htnet.engine.types import Frame
from htnet.realtime.sources.base import Source


class LoopedSource:
    """Reopens a recording whenever it ends, up to ``frames`` frames.

    Numbers and times continue. The first frame of every round but the first is `Frame.fresh`, so
    that no motion is measured across the seam.
    """

    live = False

    def __init__(self, open_again: Callable[[], Source], frames: int) -> None:
        self._open_again = open_again
        self._frames = frames
        self._source = open_again()
        self.name = self._source.name
        self._count = 0
        self._offset_ns = 0
        self._last_ns = 0
        self._step_ns = 33_333_333

    def read(self) -> Frame | None:
        """Return the next frame; None after ``frames`` of them, or if the recording is empty."""
        if self._count >= self._frames:
            return None
        frame = self._source.read()
        seam = frame is None
        if frame is None:
            self._source.close()
            self._source = self._open_again()
            frame = self._source.read()
            if frame is None:
                return None
            self._offset_ns = self._last_ns + self._step_ns - frame.t_ns
        t_ns = frame.t_ns + self._offset_ns
        if self._count and not seam:
            self._step_ns = t_ns - self._last_ns
        self._last_ns = t_ns
        frame = replace(frame, index=self._count, t_ns=t_ns, fresh=seam or frame.fresh)
        self._count += 1
        return frame

    def close(self) -> None:
        """Close the recording."""
        self._source.close()
