"""Pictures of a calibration for injection: the face and its surroundings alone."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np

from htnet.engine.face.given import GivenFace
from htnet.engine.synth.injection.footage import Footage, footage_of, footage_scale, rescaled
from htnet.engine.types import F32, U8, Face, Frame, Tick

MOST_BYTES: Final = 130_000_000
"""Limit of the pictures kept. A second copy exists briefly while they become a footage."""
_LEAST_S: Final = 5.0  # that have to fit in: pictures are reduced until they do
_MARGIN: Final = 1.0  # of the face's box, kept on every side: a little more than a footage takes
_SLACK: Final = 0.97  # a face that sways a little is not reduced once more for the footage
_TIMED: Final = 30  # frames over which the frame rate is taken


class FaceKeeper:
    """Pictures of the last quiet seconds, as many as ``most_bytes`` hold."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._times_ns: deque[int] = deque(maxlen=_TIMED)
        self._kept: deque[tuple[Frame, Face]] = deque()
        self._nbytes = 0
        self._window: _Window | None = None
        self._seam = False

    @property
    def nbytes(self) -> int:
        """Size of the pictures kept."""
        return self._nbytes

    def take(self, tick: Tick, counts: bool) -> None:
        """Take in the next frame; its face is kept where it ``counts`` as quiet."""
        self._times_ns.append(tick.frame.t_ns)
        if not counts:
            return
        frame, face = tick.frame, tick.face
        if face is None:
            self._seam = True
            return
        if self._window is None:
            self._window = _Window.round(face.landmarks, frame.bgr, self._most_frame_bytes())
        picture = self._window.of(frame.bgr)
        kept = Face(self._window.points(face.landmarks), face.openness, face.another)
        self._kept.append(
            (Frame(frame.index, frame.t_ns, picture, self._seam or frame.fresh), kept)
        )
        self._seam = False
        self._nbytes += picture.nbytes
        while self._nbytes > self._most_bytes:
            self._nbytes -= self._kept.popleft()[0].bgr.nbytes

    def drop(self) -> None:
        """Discard the pictures: the try that they are of was rejected."""
        self._kept.clear()
        self._nbytes = 0
        self._window = None
        self._seam = False

    def footage(self, name: str) -> Footage:
        """Hand over the longest stretch kept with one face in it; nothing is kept afterwards.

        Raises what `footage_of` does where the pictures cannot be used.
        """
        found = GivenFace()

        def frames() -> Iterator[Frame]:
            while self._kept:
                frame, found.face = self._kept.popleft()
                yield frame

        try:
            return footage_of(name, frames(), found)
        finally:
            self.drop()

    def _most_frame_bytes(self) -> float:
        fps = 1e9 / float(np.median(np.diff(self._times_ns)))
        return self._most_bytes / (_LEAST_S * fps)


@dataclass(frozen=True, slots=True)
class _Window:
    """Part of a frame that is kept, and the (width, height) in px to which it is reduced."""

    rows: slice
    columns: slice
    size: tuple[int, int]

    @classmethod
    def round(cls, landmarks: F32, bgr: U8, most_bytes: float) -> Self:
        """Choose the surroundings of a face, in at most ``most_bytes`` a picture."""
        height, width = bgr.shape[:2]
        low, high = landmarks.min(axis=0), landmarks.max(axis=0)
        beside = _MARGIN * float((high - low).max())
        x0, y0 = np.clip(low - beside, 0, (width - 1, height - 1)).astype(int)
        x1, y1 = np.clip(high + beside, (x0 + 1, y0 + 1), (width, height)).astype(int)
        fitting = float(np.sqrt(most_bytes / bgr[y0:y1, x0:x1].nbytes))
        scale = min(1.0, fitting, _SLACK * footage_scale(landmarks))
        size = max(1, int((x1 - x0) * scale)), max(1, int((y1 - y0) * scale))
        return cls(slice(int(y0), int(y1)), slice(int(x0), int(x1)), size)

    def of(self, bgr: U8) -> U8:
        """Copy that part of a frame."""
        part = bgr[self.rows, self.columns]
        if part.shape[1::-1] == self.size:
            return part.copy()
        return np.asarray(cv2.resize(part, self.size, interpolation=cv2.INTER_AREA), np.uint8)

    def points(self, landmarks: F32) -> F32:
        """Return landmarks (478, 2) of a frame in px of that part."""
        offset = np.array([self.columns.start, self.rows.start], np.float32)
        whole = (self.columns.stop - self.columns.start, self.rows.stop - self.rows.start)
        gain = np.array(self.size, np.float32) / np.array(whole, np.float32)
        return rescaled(landmarks - offset, gain)
