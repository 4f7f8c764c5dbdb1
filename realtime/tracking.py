"""The first half of the live path of one frame: the face is found and aligned."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from htnet.engine.face.alignment import Aligner
from htnet.engine.face.tracker import FaceTracker
from htnet.engine.types import NS_PER_MS, AlignedFace, Face, Frame


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFrame:
    """A frame with its face found and aligned; ``timings_ms``: of the stages so far."""

    frame: Frame
    face: Face | None
    aligned: AlignedFace | None
    timings_ms: dict[str, float]


class Tracking:
    """Turns Frames into TrackedFrames. ``clock`` (ns) only times the stages."""

    def __init__(
        self,
        tracker: FaceTracker,
        aligner: Aligner | None = None,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._tracker = tracker
        self._aligner = aligner or Aligner()
        self._clock = clock

    def close(self) -> None:
        """Free the face tracker."""
        self._tracker.close()

    def track(self, frame: Frame) -> TrackedFrame:
        """Find the face of a frame and align it."""
        if frame.fresh:
            self._tracker.reset()
            self._aligner.reset()
        began = self._clock()
        face = self._tracker.find(frame.bgr, frame.t_ns)
        found = self._clock()
        aligned = None
        if face is None:
            self._aligner.reset()
        else:
            if face.another:
                self._aligner.reset()
            aligned = self._aligner.align(frame, face)
        timings = {
            "face": (found - began) / NS_PER_MS,
            "align": (self._clock() - found) / NS_PER_MS,
        }
        return TrackedFrame(frame, face, aligned, timings)
