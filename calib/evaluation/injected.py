"""`htnet evaluate live --inject`: live recognition on real footage with known, injected movements.

A pass plays one clip forwards and backwards, with movements or without, through the pipeline of
``live``. Its true events (movements), disturbances (drawn blinks, head turns of the clip) and found
events are a `Video` of `htnet.training.spotting.records`.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from htnet.calib.evaluation.replay import replay
from htnet.calib.evaluation.run import code_digest, file_digest, nothing, run_all
from htnet.engine.errors import UsageError
from htnet.engine.face.tracker import FaceTracker, MeshTracker
from htnet.engine.recognition.recognizer import Recognizer, open_recognizer
from htnet.engine.synth.injection.footage import Footage, Pass, footage_of
from htnet.engine.synth.injection.footage_motion import require_neutral, turns
from htnet.engine.synth.injection.movement import Movement, movement
from htnet.engine.synth.injection.schedule import (
    TAIL_S,
    InjectionPlan,
    Source,
    crop_landmarks,
    draw_blinks,
    draw_injected,
    draw_pass,
    draw_schedule,
    muscle_movement,
)
from htnet.engine.types import CLASSES, F32, Disturbance, Frame
from htnet.realtime.pipeline import Pipeline
from htnet.realtime.sources.base import SourceConfig, open_source
from htnet.realtime.spotting.config import SpotterConfig
from htnet.realtime.spotting.spotter import Spotter
from htnet.realtime.spotting.threshold import RollingThreshold
from htnet.training.spotting.records import TrueEvent, Video, found_events

if TYPE_CHECKING:
    from htnet.training.datasets.clip import Clip

BLINK, TURN = "drawn blink", "head turn"
_TURN_APART_NS = 500_000_000  # least time between a counted head turn and a movement or blink


@dataclass(frozen=True, slots=True)
class InjectConfig:
    """Configuration of an evaluation with injected movements.

    ``clips``: videos of neutral faces, into which movements are injected. ``speaking``: videos of
    speech, played unchanged. ``movements``: composite with published flow fields, None for drawn
    muscles. ``seeds``: number of passes of each clip. ``score``: operating point, None for that of
    ``live``. ``model``: weights, None for the shipped ones.
    """

    clips: tuple[Path, ...]
    speaking: tuple[Path, ...] = ()
    movements: Path | None = None
    plan: InjectionPlan = field(default_factory=InjectionPlan)
    seeds: int = 3
    score: float | None = None
    model: Path | None = None

    def __post_init__(self) -> None:
        if not self.clips:
            raise UsageError("expected a video after --inject; got none: give one.")
        names = [each.name for each in (*self.clips, *self.speaking)]
        twice = {each.name for each in self.clips if each in self.speaking}
        if twice:
            raise UsageError(
                f"expected each video as --inject or as --speaking; got {min(twice)} as both: "
                "leave one out."
            )
        if same := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise UsageError(
                "expected videos of different names, which tell their results apart; got "
                f"{same[0]} more than once: leave one out, or rename it."
            )


@dataclass(frozen=True, slots=True)
class PassJob:
    """A pass to be judged: clip, plan and seed."""

    clip: Path
    speaking: bool
    seed: int
    plan: InjectionPlan
    movements: Path | None = None
    score: float | None = None
    model: Path | None = None


@dataclass(frozen=True, slots=True)
class ClipProperties:
    """Properties of a clip.

    ``seconds``: length of its stretch with one face. ``neutral``: fraction of that stretch in which
    the face is still. ``noise``: standard deviation of the camera's noise, grey levels.
    """

    name: str
    speaking: bool
    fps: float
    seconds: float
    neutral: float
    noise: float


@dataclass(frozen=True, slots=True)
class JudgedPass:
    """A judged pass. ``names``: names of the movements, in the order of their times."""

    clip: str
    speaking: bool
    seed: int
    video: Video
    names: tuple[str, ...] = ()
    frames: int = 0
    faceless: int = 0


@dataclass(frozen=True, slots=True)
class Injection:
    """Result of an evaluation: properties of the clips, and all passes."""

    config: InjectConfig
    properties: tuple[ClipProperties, ...]
    passes: tuple[JudgedPass, ...]


def evaluate_injected(
    config: InjectConfig,
    store: Path,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] = nothing,
) -> Injection:
    """Inspect every clip, then play and judge every pass; results are stored in ``store``.

    Raises an `HTNetError` that names an unusable clip before any pass is played.
    """
    code = code_digest()
    clips = [(path, False) for path in config.clips] + [(path, True) for path in config.speaking]
    own = {path: file_digest(path) for path, _ in clips}
    properties = run_all(
        clips,
        [_key(code, "clip", own[path], path.name, told) for path, told in clips],
        inspect_clip,
        store,
        workers=workers,
    )
    jobs = [
        PassJob(path, told, seed, _plan(config, told), config.movements, config.score, config.model)
        for path, told in clips
        for seed in range(config.seeds)
    ]
    labels = None if config.movements is None else config.movements / "labels.csv"
    shared = (code, file_digest(labels), file_digest(config.model))
    keys = [_key(*shared, own[job.clip], repr(job)) for job in jobs]
    passes = run_all(jobs, keys, judge_pass, store, workers=workers, progress=progress)
    return Injection(config, tuple(properties), tuple(passes))


def inspect_clip(clip: tuple[Path, bool]) -> ClipProperties:
    """Return the properties of a clip, given as (path, speaking); raises `HTNetError` for an
    unusable one."""
    path, speaking = clip
    tracker = MeshTracker()
    try:
        footage = footage_of(path.name, frames_of(path), tracker)
    finally:
        tracker.close()
    neutral = 0.0 if speaking else require_neutral(footage)
    seconds = float(footage.t_ns[-1] - footage.t_ns[0]) / 1e9
    return ClipProperties(path.name, speaking, footage.fps, seconds, neutral, footage.noise)


def judge_pass(job: PassJob) -> JudgedPass:
    """Read the clip, draw the pass from its seed and judge it."""
    rng = np.random.default_rng([job.seed, *hashlib.sha256(job.clip.name.encode()).digest()[:4]])
    tracker = MeshTracker()
    footage = footage_of(job.clip.name, frames_of(job.clip), tracker)
    if rng.random() < 0.5:
        footage = footage.mirrored(tracker)
    source = muscle_movement if job.movements is None else published(job.movements)
    played, kinds = draw_injection(rng, footage, job.plan, source)
    recognizer = open_recognizer(job.model, runtime="torch")
    video, frames, faceless = judge_played(played, kinds, tracker, recognizer, job.score)
    names = tuple(each.movement.name for each in played.movements)
    return JudgedPass(job.clip.name, job.speaking, job.seed, video, names, frames, faceless)


def draw_injection(
    rng: np.random.Generator, footage: Footage, plan: InjectionPlan, source: Source
) -> tuple[Pass, tuple[str, ...]]:
    """Return a pass through ``footage`` drawn by ``plan``, and the kinds of its movements.

    ``source``: draws a movement for the landmarks of the face at rest, as `muscle_movement` does.
    """
    config = draw_pass(rng, footage.noise, plan.seconds)
    scheduled = draw_schedule(rng, plan)
    injected = draw_injected(rng, scheduled, source, crop_landmarks(footage))
    blinks = draw_blinks(rng, plan, scheduled)
    return Pass(footage, config, injected, blinks), tuple(each.kind for each in scheduled)


def judge_played(
    played: Pass,
    kinds: Sequence[str],
    tracker: FaceTracker,
    recognizer: Recognizer,
    score: float | None = None,
    *,
    least: F32 | None = None,
    go_on: Callable[[int], bool] | None = None,
) -> tuple[Video, int, int]:
    """Run a pass through the pipeline of ``live`` and close ``tracker``.

    Returns true and found events, the number of frames and that of frames without a face.
    ``least``: (8,) px, a profile's thresholds. ``go_on``: takes the time of each frame in ns before
    it is played; the pass stops where it returns False, and counts as far as it went.
    """
    tracker.reset()
    config = SpotterConfig() if score is None else SpotterConfig(score=score)
    pipeline = Pipeline(tracker, recognizer, spotter=Spotter(config, RollingThreshold(least=least)))
    frames = played.frames()
    wanted = frames if go_on is None else takewhile(lambda frame: go_on(frame.t_ns), frames)
    try:
        seen = replay(wanted, pipeline)
    finally:
        pipeline.close()
    truth = tuple(
        TrueEvent(
            kind,
            each.movement.label,
            each.pulse.onset_ns,
            each.pulse.apex_ns,
            each.pulse.offset_ns,
            each.amplitude_px,
        )
        for each, kind in zip(played.movements, kinds, strict=True)
    )
    blinks = tuple(Disturbance(BLINK, each.onset_ns, each.offset_ns) for each in played.blinks)
    busy = [(each.onset_ns, each.offset_ns) for each in truth]
    busy += [(each.onset_ns, each.offset_ns) for each in blinks]
    heads = tuple(
        Disturbance(TURN, low, high)
        for low, high in turns(played)
        if all(high + _TURN_APART_NS <= a or b + _TURN_APART_NS <= low for a, b in busy)
    )
    found = found_events(
        ((report.event, report.told_ns) for report in seen.reports), lambda event: event.score
    )
    name = played.footage.name
    video = Video(name, name, seen.seconds, truth, found, (*blinks, *heads), seen.fps)
    stopped = next(frames, None) is not None
    return _over(video) if stopped else video, seen.frames, seen.faceless


def _over(video: Video) -> Video:
    """Of a video that was stopped, the movements that were over, and told of, by its end."""
    end = round((video.seconds - TAIL_S) * 1e9)
    truth = tuple(each for each in video.truth if each.offset_ns <= end)
    late = [each for each in video.truth if each.offset_ns > end]
    found = tuple(
        own
        for own in video.found
        if not any(own.onset_ns < each.offset_ns and each.onset_ns < own.offset_ns for each in late)
    )
    over = tuple(each for each in video.disturbances if each.offset_ns <= end)
    return replace(video, truth=truth, found=found, disturbances=over)


def published(composite: Path) -> Source:
    """Return a source of the published fields of a composite, uniform over its clips."""
    # Imported here: whoever injects drawn movements needs no data set.
    from htnet.training.augmentation.reanimate import published_field
    from htnet.training.datasets.composite import read_map

    clips = _clips(composite)

    def draw(rng: np.random.Generator, landmarks: F32) -> Movement:
        clip = clips[int(rng.integers(len(clips)))]
        own = published_field(read_map(clip.flow), 1.0)
        name = f"{clip.dataset} {clip.name}"
        return movement(name, clip.subject, CLASSES[clip.label], own)

    return draw


def frames_of(path: Path) -> Iterator[Frame]:
    """Yield the frames of a video file or a folder of pictures."""
    source = open_source(SourceConfig(source=str(path)))
    try:
        while (frame := source.read()) is not None:
            yield frame
    finally:
        source.close()


@lru_cache(maxsize=2)
def _clips(composite: Path) -> "list[Clip]":
    from htnet.training.datasets.composite import read_clips

    return read_clips(composite)


def _plan(config: InjectConfig, speaking: bool) -> InjectionPlan:
    if not speaking:
        return config.plan
    return InjectionPlan(config.plan.seconds, amplitudes_px=(), blinks_per_minute=0.0)


def _key(*parts: object) -> str:
    return hashlib.sha256(json.dumps([str(each) for each in parts]).encode()).hexdigest()[:20]
