"""Videos to be judged: simulated, re-animated or recorded, each described by a `VideoJob`."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from htnet.engine.assets import asset
from htnet.engine.errors import DataError, UsageError
from htnet.engine.synth.schedule.plan import OWN, CameraPlan, EventPlan, HeadPlan, Plan, read_plan
from htnet.engine.types import CLASSES
from htnet.training.datasets.clip import Clip
from htnet.training.datasets.composite import read_clips
from htnet.training.datasets.long_video import LongVideo
from htnet.training.datasets.long_videos import read_megc

HALVES = ("tuned", "untouched")
FACES_FILE = asset("plans/faces.csv")
OWN_PX = 2.0
"""Assumed movement between a re-animated clip's neutral face and its apex picture, px of the
crop."""


@dataclass(frozen=True, slots=True)
class VideoJob:
    """A video to be judged, simulated by ``plan`` or recorded.

    ``face``: clip whose apex face acts the plan, None for the shipped portrait. ``own``: the face
    moves by the clip's own published flow. ``recording``: long video instead of a plan. ``model``:
    weights, None for the shipped ones.
    """

    name: str
    subject: str
    plan: Plan | None = None
    seed: int = 0
    face: Clip | None = None
    own: bool = False
    recording: LongVideo | None = None
    model: Path | None = None
    flow: str | None = None


@dataclass(frozen=True, slots=True)
class PlanChanges:
    """Changes of a simulation plan; None keeps the plan's value."""

    seconds: float | None = None
    amplitude_px: tuple[float, float] | None = None
    micro_s: tuple[float, float] | None = None
    macro_share: float | None = None
    neutral: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class VideoConfig:
    """The videos of an evaluation, of which one of three kinds is given.

    ``data``: folder of a dataset of long videos, as released. ``simulate``: a plan by name or TOML
    file, with ``changes``, acted by the portrait or by ``half`` of the listed ``faces`` of a
    composite. ``reanimate``: a composite, one in ``every`` of its clips, judged by the weights in
    ``folds``. ``rates``: frames a second of simulated and re-animated videos.
    """

    data: Path | None = None
    simulate: str | None = None
    reanimate: Path | None = None
    faces: Path | None = None
    half: str | None = None
    rates: tuple[float, ...] = (30.0,)
    changes: PlanChanges = field(default_factory=PlanChanges)
    folds: Path | None = None
    every: int = 1
    model: Path | None = None

    def __post_init__(self) -> None:
        if [self.data, self.simulate, self.reanimate].count(None) != 2:
            raise UsageError(
                "expected one of --data, --simulate and --reanimate; got none or several: give one."
            )


def video_jobs(config: VideoConfig) -> list[VideoJob]:
    """Return the jobs of all videos of ``config``.

    Raises `UsageError` for re-animated videos without ``folds``, and `DataError` for data that
    cannot be read.
    """
    if config.data is not None:
        return recorded_jobs(config.data, config.model)
    if config.reanimate is not None:
        if config.folds is None:
            raise UsageError(
                "expected --folds with --reanimate, the folder of weights that evaluate loso "
                "keeps, so that nobody is judged by a network that has seen them; got none: "
                "give it."
            )
        return reanimated_jobs(config.reanimate, config.rates, config.folds, config.every)
    plan = changed(read_plan(config.simulate or "standard"), config.changes)
    return simulated_jobs(plan, config.rates, config.faces, config.half, config.model)


def changed(plan: Plan, changes: PlanChanges) -> Plan:
    """Return ``plan`` with ``changes``; "quiet" removes every disturbance but the sensor's
    noise."""
    if changes.seconds is not None:
        plan = replace(plan, seconds=changes.seconds)
    if changes.quiet:
        bare = Plan(events=plan.events, camera=CameraPlan(noise=plan.camera.noise))
        plan = replace(bare, size=plan.size, fps=plan.fps, seconds=plan.seconds, seed=plan.seed)
    events = plan.events
    if changes.amplitude_px is not None:
        events = replace(events, amplitude_px=changes.amplitude_px)
    if changes.micro_s is not None:
        events = replace(events, micro_s=changes.micro_s)
    if changes.macro_share is not None:
        events = replace(events, macro_share=changes.macro_share)
    return replace(plan, events=EventPlan() if changes.neutral else events)


def simulated_jobs(
    plan: Plan, rates: Sequence[float], faces: Path | None, half: str | None, model: Path | None
) -> list[VideoJob]:
    """Return the plan's videos at every frame rate, acted by the listed faces of the composite
    ``faces`` (one ``half`` of them, or all), or by the shipped portrait."""
    actors: list[tuple[str, int, Clip | None]] = [("portrait", plan.seed, None)]
    if faces is not None:
        actors = list(_listed(faces, half))
    return [
        VideoJob(f"{name} at {rate:g}", name, replace(plan, fps=rate), seed, face, model=model)
        for rate in rates
        for name, seed, face in actors
    ]


def reanimated_jobs(
    composite: Path, rates: Sequence[float], folds: Path, every: int = 1
) -> list[VideoJob]:
    """Return videos of each clip's own movement on its own face, once, from neutral over onset and
    apex to offset.

    They are judged by the weights in ``folds`` (SUBJECT.safetensors) trained without the subject.
    Raises `DataError` for a subject without weights.
    """
    jobs = []
    for number, clip in enumerate(read_clips(composite)):
        if number % every:
            continue
        weights = folds / f"{clip.subject}.safetensors"
        if not weights.is_file():
            raise DataError(
                f"expected the weights of the fold without {clip.subject} at {weights}; found "
                "none: run htnet evaluate loso --fold-weights first and name its folder."
            )
        draw = np.random.default_rng([7, number])
        events = EventPlan(
            count=1,
            amplitude_px=(OWN_PX, OWN_PX),
            micro_s=(0.2, 0.5),
            muscles={OWN: CLASSES[clip.label]},
            first_s=1.6,
            apart_s=0.7,
        )
        seconds = 3.2 + float(draw.uniform(0, 0.3))
        plan = replace(_camera_alone(), events=events, seconds=seconds)
        subject = f"{clip.dataset}-{clip.subject}"
        jobs += [
            VideoJob(
                f"{clip.dataset} {clip.name} at {rate:g}",
                subject,
                replace(plan, fps=rate),
                number,
                clip,
                own=True,
                model=weights,
            )
            for rate in rates
        ]
    return jobs


def recorded_jobs(folder: Path, model: Path | None) -> list[VideoJob]:
    """Return the long videos of a dataset as it was released."""
    return [
        VideoJob(video.name, video.subject, recording=video, model=model)
        for video in read_megc(folder)
    ]


def _listed(composite: Path, half: str | None) -> Iterator[tuple[str, int, Clip]]:
    if half not in (None, *HALVES):
        raise UsageError(f"expected a half among {', '.join(HALVES)}; got {half!r}: choose one.")
    clips = {(c.dataset, c.subject, c.name): c for c in read_clips(composite)}
    with FACES_FILE.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if half is not None and row["half"] != half:
                continue
            key = row["dataset"], row["subject"], row["clip"]
            if key not in clips:
                raise DataError(
                    f"expected the clip {' '.join(key)} in {composite}; found none: give the whole "
                    "composite."
                )
            yield f"{key[0]}-{key[1]}", int(row["seed"]), clips[key]


def _camera_alone() -> Plan:
    """Return a plan of a still head with a webcam's noise and compression, so that the only
    movement is the clip's own."""
    camera = CameraPlan(noise=(2.0, 4.0), codec="mjpeg", quality=(60.0, 80.0))
    return Plan(camera=camera, head=HeadPlan(sway_px=(1.0, 3.0)))
