"""The live path of one frame: no threads, no sleep, no printing.

`Pipeline.track` finds the face, `Pipeline.judge` measures it. "keeps": state from frame to frame.

1. tracker: Frame, bgr (H, W, 3) -> Face, landmarks (478, 2) in frame px. Keeps the chosen face.
2. aligner: Face -> AlignedFace, gray (170, 140), landmarks in crop px. Keeps the crop's transform.
3. Spotter.pair: AlignedFace -> Pair of onset and apex, blinking. Keeps the FaceBuffer, eye level.
4. Recognizer.measure: Pair -> PairMotion, flow (170, 140, 2) px without head motion. Keeps nothing.
5. MuscleFit: Pair -> MuscleActivations, (8,) px of both sides and (2, 8) px of left and right, head
   turn (2,) rad. Keeps the face's model.
6. Spotter.step: activations -> Motion, State, Spots. Keeps thresholds and the movement under way.
7. LargeMovementSpotter: landmark measures (9,) px -> LargeMovement. Keeps the face's pose at rest.
8. Arbiter: Spots and LargeMovement -> one stream of Spots. Keeps ids and answers held back.
9. recognize_course: up to four faces of the buffer for each Spot -> Event. Keeps nothing.
10. Recognizer.predict: PairMotion -> Prediction for the live pair -> Tick. Keeps nothing.

The halves share nothing but the `TrackedFrame` that passes between them, so they may overlap:
`overlapped` runs `track` of the next frame beside `judge` of this one and yields the same Ticks.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np

from htnet.engine.anatomy.measures import LandmarkMeasures
from htnet.engine.anatomy.muscles import MUSCLES
from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH, Aligner
from htnet.engine.face.tracker import FaceTracker
from htnet.engine.motion.muscle_fit import MuscleFit
from htnet.engine.motion.region_motion import PairMotion
from htnet.engine.recognition.course import CourseTimes, course_times, recognize_course
from htnet.engine.recognition.recognizer import Recognizer
from htnet.engine.types import (
    NEUTRAL,
    NS_PER_MS,
    AlignedFace,
    Event,
    Frame,
    Health,
    Motion,
    Pair,
    Prediction,
    State,
    Tick,
)
from htnet.realtime.spotting.arbiter import Arbiter, ArbiterConfig
from htnet.realtime.spotting.large import LargeMovementSpotter
from htnet.realtime.spotting.spot import Spot
from htnet.realtime.spotting.spotter import Spotter
from htnet.realtime.tracking import TrackedFrame, Tracking

_GAP_NS = 500 * NS_PER_MS
_CORNERS = np.array(
    [[0, 0, 1], [CROP_WIDTH, 0, 1], [CROP_WIDTH, CROP_HEIGHT, 1], [0, CROP_HEIGHT, 1]], np.float64
)


class Pipeline:
    """Turns Frames into Ticks. ``clock`` (ns) only times the stages.

    ``tracker``: None where `judge` alone is called, with frames that were tracked elsewhere.
    """

    def __init__(
        self,
        tracker: FaceTracker | None,
        recognizer: Recognizer,
        *,
        spotter: Spotter | None = None,
        aligner: Aligner | None = None,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._tracking = None if tracker is None else Tracking(tracker, aligner, clock)
        self._recognizer = recognizer
        self._spotter = spotter or Spotter()
        self._clock = clock
        self._muscle_fit: MuscleFit | None = None
        self._measures: LandmarkMeasures | None = None
        self._large = LargeMovementSpotter()
        self._arbiter = Arbiter(ArbiterConfig(score=self._spotter.score))
        self._last_ns: int | None = None

    def close(self) -> None:
        """Free the face tracker."""
        if self._tracking is not None:
            self._tracking.close()

    def step(self, frame: Frame, health: Health | None = None) -> Tick:
        """Return the Tick of ``frame``."""
        return self.judge(self.track(frame), health)

    def track(self, frame: Frame) -> TrackedFrame:
        """Find the face of a frame and align it."""
        if self._tracking is None:
            raise ValueError("this pipeline has no face tracker")
        return self._tracking.track(frame)

    def judge(self, tracked: TrackedFrame, health: Health | None = None) -> Tick:
        """Return the Tick of a tracked frame: motion, live pair, prediction and events."""
        frame, aligned = tracked.frame, tracked.aligned
        health = health or Health()
        events = self._interrupted(tracked)
        if aligned is None:
            events += self._cut_off("face lost")
            return Tick(
                frame=frame,
                face=None,
                aligned=None,
                motion=None,
                state=State.NO_FACE,
                pair=None,
                prediction=None,
                events=tuple(events),
                health=health,
                timings_ms=tracked.timings_ms,
            )
        self._last_ns = frame.t_ns
        pair, blinking = self._spotter.pair(aligned)
        began = self._clock()
        measured = self._recognizer.measure(pair)
        flowed = self._clock()
        motion, state, spots = self._spot(frame, pair, measured, blinking)
        events += map(self._event, spots)
        spotted = self._clock()
        prediction = self._recognizer.predict(measured, aligned.landmarks)
        if motion.magnitude < motion.threshold:
            prediction = replace(prediction, label=NEUTRAL)
        timings = tracked.timings_ms | {
            "flow": (flowed - began) / NS_PER_MS,
            "spot": (spotted - flowed) / NS_PER_MS,
            "network": (self._clock() - spotted) / NS_PER_MS,
        }
        return Tick(
            frame=frame,
            face=tracked.face,
            aligned=aligned,
            motion=motion,
            state=state,
            pair=pair,
            prediction=prediction,
            events=tuple(events),
            health=health,
            timings_ms=timings,
        )

    def _interrupted(self, tracked: TrackedFrame) -> list[Event]:
        """End what is under way where the frame does not continue the one before it."""
        frame, face = tracked.frame, tracked.face
        if frame.fresh:
            events = self._cut_off("source restarted")
            self._forget()
            return events
        if face is not None and face.another:
            events = self._cut_off("another face")
            self._forget()
            return events
        if self._last_ns is not None and not 0 <= frame.t_ns - self._last_ns <= _GAP_NS:
            return self._cut_off("frames missing")
        return []

    def _spot(
        self, frame: Frame, pair: Pair, measured: PairMotion, blinking: bool
    ) -> tuple[Motion, State, tuple[Spot, ...]]:
        """Spot small movements by muscle fit and large ones by landmarks, as one stream."""
        face = pair.apex
        if self._muscle_fit is None:
            self._muscle_fit = MuscleFit(face.landmarks)
        if self._measures is None:
            self._measures = LandmarkMeasures(face.landmarks)
        fitted = self._muscle_fit(pair.onset.gray, face.gray, measured)
        motion, state, small = self._spotter.step(
            pair, measured, fitted, blinking, outside=_out_of_frame(frame, face)
        )
        large = self._large.step(frame.t_ns, self._measures(face.landmarks), blinking)
        spots = self._arbiter.step(frame.t_ns, small, large, self._large.moving, self._large.reach)
        return motion, state, spots

    def finish(self) -> tuple[Event, ...]:
        """Return what is under way when the source ends, as rejected events."""
        return tuple(self._cut_off("source ended"))

    def _cut_off(self, reason: str) -> list[Event]:
        """End what is under way, rejected for ``reason``."""
        spots = self._arbiter.cut_off(self._last_ns or 0, self._spotter.cut_off(reason), reason)
        events = [self._event(spot) for spot in spots]
        self._large.reset()
        self._spotter.faces.clear()
        self._last_ns = None
        return events

    def _forget(self) -> None:
        """Reset what belongs to one face: another one follows."""
        self._spotter.reset()
        self._muscle_fit = self._measures = None

    def _event(self, spot: Spot) -> Event:
        """Return the event of a spot, with the label that the network gives its course."""
        prediction = self._recognize(spot)
        return Event(
            id=spot.id,
            stage=spot.stage,
            kind=spot.kind,
            label=prediction.label,
            probabilities=prediction.probabilities,
            onset_ns=spot.onset_ns,
            apex_ns=spot.apex_ns,
            offset_ns=spot.offset_ns,
            magnitude_px=spot.magnitude_px,
            rejected=spot.rejected,
            muscle=spot.muscle,
            score=spot.score,
            decisions=spot.decisions,
            units=MUSCLES[spot.muscle].units,
            left_px=spot.left_px,
            right_px=spot.right_px,
        )

    def _recognize(self, spot: Spot) -> Prediction:
        """Recognize the course of a spot from faces of the buffer."""
        times = course_times(spot.onset_ns, spot.apex_ns)
        if spot.rejected is not None:  # a rejected spot costs one pair
            times = CourseTimes(times.rest_ns[-1:], times.risen_ns[-1:])
        rest = [self._spotter.faces.onset_before(t_ns) for t_ns in times.rest_ns]
        risen = [self._spotter.faces.nearest(t_ns) for t_ns in times.risen_ns]
        return recognize_course(rest, risen, self._recognizer)


def _out_of_frame(frame: Frame, aligned: AlignedFace) -> bool:
    """Return True if 5% of the crop's width or height lie outside the frame."""
    corners = _CORNERS @ cv2.invertAffineTransform(aligned.to_crop).T
    height, width = frame.bgr.shape[:2]
    room = 0.05 * float(np.hypot(*(corners[1] - corners[0])))
    return bool((corners < -room).any() or (corners > np.array([width, height]) + room).any())


AHEAD = 3


def overlapped(
    pipeline: Pipeline, frames: Iterable[Frame], waiting: Callable[[], bool] = lambda: True
) -> Iterator[Tick]:
    """Yield the Ticks of ``frames``; `track` of the next ones runs beside `judge` of each.

    `track` runs at most `AHEAD` frames ahead, which evens out slow frames, and only while
    ``waiting`` returns True (another frame has come). A camera's frame is judged as soon as it is
    tracked, not when the next one comes.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="track") as executor:
        tracked: deque[Future[TrackedFrame]] = deque()
        for frame in frames:
            tracked.append(executor.submit(pipeline.track, frame))
            while tracked and (len(tracked) > AHEAD or not waiting()):
                yield pipeline.judge(tracked.popleft().result())
        while tracked:
            yield pipeline.judge(tracked.popleft().result())
