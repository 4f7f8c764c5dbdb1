"""Analysis of one video: every frame through the live path, its results into a folder."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import datetime
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np

from htnet.calib.analysis.config import AnalysisConfig, VideoJob, VideoResult
from htnet.calib.analysis.facts import facts
from htnet.calib.analysis.neutral import neutral_profile
from htnet.calib.analysis.people import PeoplePipeline
from htnet.calib.analysis.report import write_index
from htnet.calib.analysis.results import PersonResults, ResultsConfig
from htnet.calib.analysis.session import video_observation, write_session
from htnet.calib.analysis.summary import write_summary
from htnet.calib.analysis.tracking_process import (
    TrackingConfig,
    TrackingProcess,
    open_stretch,
)
from htnet.calib.analysis.turned import turn_advice
from htnet.engine.face.tracker import FaceTracker
from htnet.engine.recognition.recognizer import Recognizer, open_recognizer
from htnet.engine.types import F32, Frame
from htnet.realtime.pipeline import Pipeline
from htnet.realtime.session_record import Tally
from htnet.realtime.spotting.config import SpotterConfig
from htnet.realtime.spotting.operating_point import score_for
from htnet.realtime.spotting.spotter import Spotter
from htnet.realtime.spotting.threshold import RollingThreshold
from htnet.realtime.tracking import TrackedFrame

Progress = Callable[[float], None]
"""Is given the share of the video that is analysed, 0 to 1."""

_TOLD_EVERY = 15
_MOSTLY = 0.5  # of the frames: with no face, or a lying one, in more, the picture may lie too


def no_progress(share: float) -> None:
    """Show no progress."""


def analyze_video(job: VideoJob, folder: Path, progress: Progress = no_progress) -> VideoResult:
    """Analyse a video, write its results to ``folder`` and return them in short.

    Raises the errors of `live`, and `OSError` where the folder cannot be written.
    """
    recognizer = _recognizer(job.config)
    work = _every_face if job.config.every_face else _one_face
    return work(job, folder, recognizer, progress)


def _one_face(
    job: VideoJob, folder: Path, recognizer: Recognizer, progress: Progress
) -> VideoResult:
    """Analyse the face that `live` would follow."""
    began, config, started = time.monotonic(), job.config, datetime.now().astimezone()
    notes: list[str] = []
    tracked_as = _tracked(job.video, config)
    with ExitStack() as stack:
        tracking = stack.enter_context(TrackingProcess(tracked_as))
        tracking.open()
        frames = iter(tracking)
        first = next(frames)
        least = _least(job.video, config, recognizer, tracking, first, notes)
        made_with = _made_with(job, recognizer, tracking.fps, first.frame)
        results = stack.enter_context(PersonResults(folder, made_with))
        spotter = Spotter(_spotting(config), RollingThreshold(least=least))
        pipeline = Pipeline(None, recognizer, spotter=spotter)
        for tracked in chain([first], frames):
            results.take(pipeline.judge(tracked))
            if results.counts.frames % _TOLD_EVERY == 0 and tracking.seconds > 0:
                progress(min(results.seconds / tracking.seconds, 1.0))
        results.finish(pipeline.finish())
    notes += [tracking.status] if tracking.status else []
    counts = results.counts
    unfit = counts.faceless + results.lying
    if unfit > _MOSTLY * counts.frames and (advice := turn_advice(tracked_as)):
        notes.append(advice)
    write_session(job, folder, results.files, counts, recognizer, started, tracking.fps)
    told = facts(config, recognizer, _spotting(config))
    return results.result(job.name, job.video, time.monotonic() - began, notes, told)


def _every_face(
    job: VideoJob, folder: Path, recognizer: Recognizer, progress: Progress
) -> VideoResult:
    """Analyse every person of a video into a folder of their own, person-1 and so on.

    A person's rows begin with the frame in which they are first told apart, 0.3 s after they came.
    """
    began, config, started = time.monotonic(), job.config, datetime.now().astimezone()
    whole, people = Tally(), dict[int, PersonResults]()
    tracked_as = _tracked(job.video, config)

    def pipeline_of(tracker: FaceTracker) -> Pipeline:
        return Pipeline(tracker, recognizer, spotter=Spotter(_spotting(config)))

    with ExitStack() as stack:
        source = stack.enter_context(closing(open_stretch(tracked_as)))
        pipeline = stack.enter_context(closing(PeoplePipeline(pipeline_of)))
        made_with: ResultsConfig | None = None
        for frame in _frames(source.read):
            made_with = made_with or _made_with(job, recognizer, source.fps, frame)
            ticks = pipeline.step(frame)
            for person, tick in ticks.items():
                if person not in people:
                    results = PersonResults(folder / f"person-{person}", made_with, person)
                    people[person] = stack.enter_context(results)
                people[person].take(tick)
            whole.count(frame, any(tick.face is not None for tick in ticks.values()))
            if whole.frames % _TOLD_EVERY == 0 and source.seconds > 0:
                progress(min((whole.last_ns - whole.first_ns) / 1e9 / source.seconds, 1.0))
        for person, rest in pipeline.finish().items():
            people[person].finish(rest)
    told = facts(config, recognizer, _spotting(config))
    took_s = time.monotonic() - began
    each = {
        person: results.result(f"person-{person}", job.video, took_s, (), told)
        for person, results in people.items()
    }
    whole.final = [event for results in people.values() for event in results.counts.final]
    files = [f"person-{person}/{name}" for person, own in people.items() for name in own.files]
    write_session(job, folder, files, whole, recognizer, started, source.fps)
    if config.report:
        write_index(folder / "index.html", list(each.values()), people_of=job.video.name)
    write_summary(folder / "summary.csv", list(each.values()))
    events = [row | {"person": person} for person, own in each.items() for row in own.events]
    return VideoResult(
        name=job.name,
        video=str(job.video),
        frames=whole.frames,
        faceless=whole.faceless,
        seconds=round((whole.last_ns - whole.first_ns) / 1e9, 6),
        took_s=round(took_s, 3),
        width=whole.size[0],
        height=whole.size[1],
        events=tuple(sorted(events, key=lambda row: (row["onset_ms"], row["person"]))),
        notes=tuple([source.status] if source.status else []),
        facts=told | {"People": str(len(each))},
    )


def _frames(read: Callable[[], Frame | None]) -> Iterator[Frame]:
    while (frame := read()) is not None:
        yield frame


def _made_with(job: VideoJob, recognizer: Recognizer, fps: float, first: Frame) -> ResultsConfig:
    return ResultsConfig(
        job.config,
        recognizer,
        video_observation(job, recognizer.spec.classes, fps),
        fps,
        start_ns=first.t_ns if job.config.start_s else None,
    )


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
