"""Analysis of one video: every frame through the live path, its results into a folder."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import lru_cache
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from htnet.calib.analysis.columns import cells
from htnet.calib.analysis.config import AnalysisConfig, VideoJob, VideoResult
from htnet.calib.analysis.curve import MotionCourse
from htnet.calib.analysis.facts import facts
from htnet.calib.analysis.neutral import neutral_profile
from htnet.calib.analysis.pictures import Album
from htnet.calib.analysis.report import write_report
from htnet.calib.analysis.tables import FrameCsv, FrameParquet, FrameTable, write_events
from htnet.calib.analysis.tracking_process import TrackingConfig, TrackingProcess
from htnet.calib.analysis.turned import lies, turn_advice
from htnet.engine.recognition.recognizer import Recognizer, open_recognizer
from htnet.engine.types import F32, Event, Tick
from htnet.realtime.overlay.compose import Overlay
from htnet.realtime.pipeline import Pipeline
from htnet.realtime.sinks.events import EventLog
from htnet.realtime.sinks.video import OverlayVideo
from htnet.realtime.spotting.config import SpotterConfig
from htnet.realtime.spotting.operating_point import score_for
from htnet.realtime.spotting.spotter import Spotter
from htnet.realtime.spotting.threshold import RollingThreshold
from htnet.realtime.tracking import TrackedFrame

Progress = Callable[[float], None]
"""Is given the share of the video that is analysed, 0 to 1."""

_TOLD_EVERY = 15
_MOSTLY = 0.5  # of the frames: with no face, or a lying one, in more, the picture may lie too
_USUAL_FPS = 30.0


def no_progress(share: float) -> None:
    """Show no progress."""


class _Tally:
    """Counts and final events of a video."""

    def __init__(self) -> None:
        self.frames = self.faceless = self.lying = 0
        self.size = (0, 0)
        self.events: list[Event] = []
        self._first_ns = self._last_ns = self._step_ns = 0

    @property
    def seconds(self) -> float:
        """Duration, the last frame as long as the one before it."""
        return (self._last_ns - self._first_ns + self._step_ns) / 1e9

    def add(self, tick: Tick) -> None:
        """Count a Tick and keep its final events."""
        t_ns = tick.frame.t_ns
        if self.frames:
            self._step_ns = t_ns - self._last_ns
        else:
            self._first_ns = t_ns
            self.size = tick.frame.bgr.shape[1], tick.frame.bgr.shape[0]
        self._last_ns = t_ns
        self.frames += 1
        self.faceless += tick.face is None
        self.lying += tick.face is not None and lies(tick.face)
        self.keep(tick.events)

    def keep(self, events: tuple[Event, ...]) -> None:
        """Keep the final ones of ``events``."""
        self.events += [event for event in events if event.stage == "final"]


class _Outputs:
    """All that is written of a video, opened as one: tables, events, overlay video, report."""

    def __init__(
        self, folder: Path, config: AnalysisConfig, recognizer: Recognizer, fps: float
    ) -> None:
        self._folder = folder
        self._classes = recognizer.spec.classes
        self._tables: list[FrameTable] = [FrameCsv(folder / "frames.csv", self._classes)]
        if config.parquet:
            self._tables.append(FrameParquet(folder / "frames.parquet", self._classes))
        self._log = EventLog(folder / "events.jsonl", option="--out")
        self._video = None
        if config.overlay:
            self._video = OverlayVideo(
                folder / "overlay.mp4", fps, Overlay(recognizer.spec), option="--overlay-video"
            )
        self._album, self._course = Album(recognizer), MotionCourse()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for table in self._tables:
                stack.enter_context(table)
            stack.enter_context(self._log)
            if self._video is not None:
                stack.enter_context(self._video)
            self._stack = stack.pop_all()
        return self

    def write(self, tick: Tick) -> None:
        """Write a Tick to all of them."""
        row = cells(tick, self._classes)
        for table in self._tables:
            table.write(row)
        self._log.write(tick)
        if self._video is not None:
            self._video.write(tick)
        self._course.take(tick)
        self._album.take(tick)

    def add(self, events: tuple[Event, ...]) -> None:
        """Write the events that were open when the video ended."""
        self._log.add(events)
        for event in events:
            self._album.add(event)

    def sum_up(self, result: VideoResult, events: Sequence[Event], *, report: bool) -> None:
        """Write events.csv and, where wanted, the report."""
        write_events(self._folder / "events.csv", events, self._classes)
        if report:
            pictures = self._album.pictures
            write_report(self._folder / "report.html", result, self._course, pictures)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def analyze_video(job: VideoJob, folder: Path, progress: Progress = no_progress) -> VideoResult:
    """Analyse a video, write its results to ``folder`` and return them in short.

    Raises the errors of `live`, and `OSError` where the folder cannot be written.
    """
    began, config = time.monotonic(), job.config
    tally, notes = _Tally(), list[str]()
    tracked_as = _tracked(job.video, config)
    with ExitStack() as stack:
        tracking = stack.enter_context(TrackingProcess(tracked_as))
        recognizer = _recognizer(config)
        tracking.open()
        frames = iter(tracking)
        first = next(frames)
        least = _least(job.video, config, recognizer, tracking, first, notes)
        fps = tracking.fps or _USUAL_FPS
        outputs = stack.enter_context(_Outputs(folder, config, recognizer, fps))
        spotter = Spotter(_spotting(config), RollingThreshold(least=least))
        pipeline = Pipeline(None, recognizer, spotter=spotter)
        for tracked in chain([first], frames):
            tick = pipeline.judge(tracked)
            outputs.write(tick)
            tally.add(tick)
            if tally.frames % _TOLD_EVERY == 0 and tracking.seconds > 0:
                progress(min(tally.seconds / tracking.seconds, 1.0))
        rest = pipeline.finish()
        outputs.add(rest)
        tally.keep(rest)
    if tracking.status:
        notes.append(tracking.status)
    unfit = tally.faceless + tally.lying
    if unfit > _MOSTLY * tally.frames and (advice := turn_advice(tracked_as)):
        notes.append(advice)
    events = sorted(tally.events, key=lambda event: (event.onset_ns, event.id))
    result = VideoResult(
        name=job.name,
        video=str(job.video),
        frames=tally.frames,
        faceless=tally.faceless,
        seconds=round(tally.seconds, 6),
        took_s=round(time.monotonic() - began, 3),
        width=tally.size[0],
        height=tally.size[1],
        events=tuple(event.explained() for event in events),
        notes=tuple(notes),
        facts=facts(config, recognizer, _spotting(config)),
    )
    outputs.sum_up(result, events, report=config.report)
    return result


def _spotting(config: AnalysisConfig) -> SpotterConfig:
    rate = config.false_alarms
    return SpotterConfig() if rate is None else SpotterConfig(score=score_for(rate))


def _tracked(video: Path, config: AnalysisConfig) -> TrackingConfig:
    return TrackingConfig(
        video,
        config.start_s,
        config.end_s,
        config.rotate,
        config.landmarker,
        pictures=config.overlay,
    )


def _recognizer(config: AnalysisConfig) -> Recognizer:
    return _opened(config.model, config.flow, config.device, config.runtime, config.precision)


@lru_cache(maxsize=1)
def _opened(
    model: Path | None, flow: str | None, device: str, runtime: str, precision: str
) -> Recognizer:
    """Open the recognizer, once for all videos of a process; it keeps nothing of a video."""
    return open_recognizer(
        model, flow=flow, device=device, runtime=runtime, precision=precision, say=_silent
    )


def _silent(sentence: str) -> None:
    """Say nothing."""


def _least(
    video: Path,
    config: AnalysisConfig,
    recognizer: Recognizer,
    tracking: TrackingProcess,
    first: TrackedFrame,
    notes: list[str],
) -> F32 | None:
    """Return the least thresholds (8,) in px of the neutral stretch or the profile, or None.

    A profile is adapted to the video; ``notes`` is given the warnings.
    """
    if config.neutral is not None:
        profile = neutral_profile(video, config.neutral, config, recognizer)
    elif config.profile is not None:
        height, width = first.frame.bgr.shape[:2]
        fps = tracking.fps if 1 <= tracking.fps <= 1000 else config.profile.fps
        profile, warnings = config.profile.adapted(tracking.name, (width, height), fps)
        notes += [f"{each[:1].upper()}{each[1:]}." for each in warnings]
    else:
        return None
    return np.fromiter(profile.thresholds().values(), np.float32)
