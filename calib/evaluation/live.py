"""`htnet evaluate live`: whole videos through the very path that `live` takes, and their scores.

The one place besides the command line that knows two rooms: realtime replays, training scores.
Videos are independent, so they are made and judged in as many processes as asked for, and every
finished one is kept in a folder: a run that was stopped goes on where it was. Its name holds a digest
of the code and of the video's recipe, so what another spotter found is never taken for this one's.
"""

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from htnet.calib.evaluation.replay import replay
from htnet.calib.evaluation.run import code_digest, nothing, run_all
from htnet.engine.assets import asset
from htnet.engine.errors import DataError, UsageError
from htnet.engine.face.tracker import MeshTracker
from htnet.engine.files import write_json
from htnet.engine.recognition.recognizer import Recognizer, open_recognizer
from htnet.engine.synth.face.portrait import load_portrait
from htnet.engine.synth.schedule.plan import OWN, CameraPlan, EventPlan, HeadPlan, Plan, read_plan
from htnet.engine.synth.simulation import Simulation
from htnet.engine.types import CLASSES, NS_PER_MS, AlignedFace, Disturbance, Frame, Pair, Tick
from htnet.realtime.pipeline import Pipeline
from htnet.realtime.spotting.config import SpotterConfig
from htnet.realtime.spotting.spotter import Spotter
from htnet.training.augmentation.clip_portrait import clip_portrait, own_portrait
from htnet.training.datasets.clip import Clip
from htnet.training.datasets.composite import read_clips, read_map
from htnet.training.datasets.long_video import LongVideo
from htnet.training.datasets.long_videos import read_megc
from htnet.training.evaluation.metrics import scores
from htnet.training.spotting.curve import Point, curve, cut_for, cuts
from htnet.training.spotting.records import FoundEvent, TrueEvent, Video, found_events, true_events
from htnet.training.spotting.scoring import Evaluation, evaluate

if TYPE_CHECKING:
    from rich.table import Table

__all__ = [
    "Changes",
    "Judged",
    "Summary",
    "VideoJob",
    "changed",
    "given_table",
    "judge_all",
    "read_plan",
    "reanimated_jobs",
    "recorded_jobs",
    "simulated_jobs",
    "summed",
    "write_operating",
]

HALVES = ("tuned", "untouched")
FACES_FILE = asset("plans/faces.csv")
OWN_PX = 2.0
"""How far a re-animated clip's apex picture is taken to be from its neutral face, px of the crop."""


@dataclass(frozen=True, slots=True)
class VideoJob:
    """One video to be made and judged. One of ``plan`` and ``recording`` is given; ``face``: the
    clip whose apex face acts the plan, None for the portrait that ships; ``own``: with that clip's own
    published movement. ``model``: weights, None for those that ship."""

    name: str
    subject: str
    plan: Plan | None = None
    seed: int = 0
    face: Clip | None = None
    own: bool = False
    recording: LongVideo | None = None
    model: Path | None = None
    flow: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """``given``: for each true event its label, and what the network says where onset and apex are
    the truth's. ``spot_ms``: the median of what spotting took of a frame."""

    video: Video
    given: tuple[tuple[str, str], ...]
    frames: int
    faceless: int
    spot_ms: float


@dataclass(frozen=True, slots=True)
class Changes:
    """What an evaluation asks of a plan instead of what it says; None leaves it."""

    seconds: float | None = None
    amplitude_px: tuple[float, float] | None = None
    micro_s: tuple[float, float] | None = None
    macro_share: float | None = None
    neutral: bool = False
    quiet: bool = False


def changed(plan: Plan, changes: Changes) -> Plan:
    """``plan`` with ``changes``; "quiet" leaves nothing but the sensor's noise."""
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


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """``evaluation`` at the operating point, and the curve over all of them. ``given``: UF1 and UAR
    of the network where onset and apex are the truth's, whatever was spotted. ``videos``: what was
    there and what was told of it."""

    evaluation: Evaluation
    points: tuple[Point, ...]
    given: tuple[float, float]
    given_events: int
    frames: int
    faceless: int
    spot_ms: float
    videos: tuple[Video, ...] = ()

    def row(self) -> dict[str, object]:
        """What the spotting row does not say."""
        return {
            "truth_given": {
                "events": self.given_events,
                "uf1": round(self.given[0], 4),
                "uar": round(self.given[1], 4),
            },
            "frames": self.frames,
            "faceless": self.faceless,
            "spot_ms": round(self.spot_ms, 3),
            "candidates": [_candidate(video, own) for video in self.videos for own in video.found],
        }


def summed(
    judged: Sequence[Judged],
    *,
    score: float | None = None,
    false_alarms_per_minute: float | None = None,
) -> Summary:
    """The scores at ``score``, or where there are no more than so many false alarms a minute, or
    at what `live` uses."""
    videos = [each.video for each in judged]
    points = tuple(curve(videos, cuts(videos)))
    if false_alarms_per_minute is not None:
        score = cut_for(points, false_alarms_per_minute)
    evaluation = evaluate(videos, SpotterConfig().score if score is None else score)
    pairs = [pair for each in judged for pair in each.given]
    given = (float("nan"), float("nan"))
    if pairs:
        there, said = ([CLASSES.index(pair[i]) for pair in pairs] for i in (0, 1))
        known = scores(there, said)
        given = known.uf1, known.uar
    return Summary(
        evaluation,
        points,
        given,
        len(pairs),
        sum(each.frames for each in judged),
        sum(each.faceless for each in judged),
        float(np.median([each.spot_ms for each in judged])),
        tuple(videos),
    )


def _candidate(video: Video, own: FoundEvent) -> dict[str, object]:
    """A candidate with what each rule measured of it, as ``live --explain`` writes it."""
    return {
        "video": video.name,
        "kind": own.kind,
        "label": own.label,
        "onset_ms": round(own.onset_ns / NS_PER_MS, 3),
        "apex_ms": round(own.apex_ns / NS_PER_MS, 3),
        "offset_ms": round(own.offset_ns / NS_PER_MS, 3),
        "score": round(own.score, 3),
        "rejected": own.rejected,
        "decisions": [decision.row() for decision in own.decisions],
    }


def write_operating(path: Path, summary: Summary, command: str) -> None:
    """The curve that `htnet.realtime.spotting.operating_point` reads: meant for neutral faces alone, on which every
    believed event is a false alarm."""
    rates = {
        round(point.cut + 5e-4, 3): round(point.false_alarms_a_minute, 3)  # never rounded down
        for point in summary.points
        if SpotterConfig().score <= point.cut < float("inf")
    }
    minutes = round(summary.evaluation.minutes, 1)
    write_json(
        path, {"v": 1, "command": command, "minutes": minutes, "points": list(rates.items())}
    )


def given_table(summary: Summary) -> "Table":
    """What spotting costs: recognition with the truth's onset and apex."""
    from rich.table import Table

    table = Table("truth's onset and apex given", "events", "UF1", "UAR")
    uf1, uar = summary.given
    table.add_row("network alone", str(summary.given_events), f"{uf1:.3f}", f"{uar:.3f}")
    table.caption = (
        f"{summary.frames} frames, no face in {summary.faceless}; spotting took "
        f"{summary.spot_ms:.2f} ms of one (median)"
    )
    return table


def simulated_jobs(
    plan: Plan, rates: Sequence[float], faces: Path | None, half: str | None, model: Path | None
) -> list[VideoJob]:
    """The plan acted by the listed faces of the composite at ``faces`` (by one ``half`` of them, or
    all), or by the portrait that ships, at every frame rate."""
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
    """Each clip's own movement on its own face, once, from neutral over onset and apex to offset;
    judged by the weights in ``folds`` (SUBJECT.safetensors) that never saw the subject."""
    jobs = []
    for number, clip in enumerate(read_clips(composite)):
        if number % every:
            continue
        weights = folds / f"{clip.subject}.safetensors"
        if not weights.is_file():
            raise DataError(
                f"expected the weights of the fold without {clip.subject} at {weights}; found none: "
                "run htnet evaluate loso --fold-weights first and name its folder."
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
    """The long videos of a dataset as it was released."""
    return [
        VideoJob(video.name, video.subject, recording=video, model=model)
        for video in read_megc(folder)
    ]


def judge_all(
    jobs: Sequence[VideoJob],
    store: Path,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] = nothing,
) -> list[Judged]:
    """All videos, in the order of ``jobs``; those that ``store`` holds are not made again."""
    code = code_digest()
    keys = [_digest(code, job) for job in jobs]
    return run_all(jobs, keys, judge, store, workers=workers, progress=progress)


def judge(job: VideoJob) -> Judged:
    """Make or read one video and run it through the live path, the spotter wide open."""
    recognizer = open_recognizer(job.model, flow=job.flow, runtime="torch")
    tracker = MeshTracker()
    frames, truth, disturbances, fps = _video(job, tracker)
    tracker.reset()
    pipeline = Pipeline(tracker, recognizer, spotter=Spotter(SpotterConfig(score=0.0)))
    watch = _Watch(truth)
    try:
        seen = replay(frames, pipeline, watch)
    finally:
        pipeline.close()
    found = found_events(
        ((report.event, report.told_ns) for report in seen.reports), lambda event: event.score
    )
    video = Video(job.name, job.subject, seen.seconds, truth, found, disturbances, fps)
    return Judged(video, watch.given(recognizer), seen.frames, seen.faceless, watch.spot_ms())


def _video(
    job: VideoJob, tracker: MeshTracker
) -> tuple[Iterable[Frame], tuple[TrueEvent, ...], tuple[Disturbance, ...], float]:
    if job.recording is not None:
        return job.recording.frames(), job.recording.events, (), job.recording.fps
    assert job.plan is not None
    if job.face is None:
        portrait = load_portrait()
    elif job.own:
        portrait = own_portrait(job.face, read_map(job.face.flow), OWN_PX, tracker)
    else:
        portrait = clip_portrait(job.face, tracker)
    simulation = Simulation(job.plan, portrait, job.seed)
    return (
        simulation.frames(),
        true_events(simulation.truth),
        simulation.truth.disturbances,
        job.plan.fps,
    )


class _Watch:
    """Keeps the faces nearest to the true onsets and apexes, and how long spotting took."""

    def __init__(self, truth: Sequence[TrueEvent]) -> None:
        self._truth = truth
        self._nearest: dict[int, AlignedFace] = {}
        self._times = [t for e in truth for t in (e.onset_ns, e.apex_ns or e.onset_ns)]
        self._spot: list[float] = []

    def __call__(self, tick: Tick) -> None:
        if tick.aligned is None:
            return
        self._spot.append(tick.timings_ms["spot"])
        for place, t_ns in enumerate(self._times):
            best = self._nearest.get(place)
            if best is None or abs(tick.aligned.t_ns - t_ns) < abs(best.t_ns - t_ns):
                self._nearest[place] = tick.aligned

    def given(self, recognizer: Recognizer) -> tuple[tuple[str, str], ...]:
        answers = []
        for number, event in enumerate(self._truth):
            if event.label is None or 2 * number + 1 not in self._nearest:
                continue
            pair = Pair(self._nearest[2 * number], self._nearest[2 * number + 1])
            measured = recognizer.measure(pair)
            answer = recognizer.predict(measured, pair.apex.landmarks)
            best = max(answer.probabilities, key=answer.probabilities.__getitem__)
            answers.append((event.label, best))
        return tuple(answers)

    def spot_ms(self) -> float:
        return float(np.median(self._spot)) if self._spot else 0.0


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
    """A still head before a webcam: noise and compression, so that what is measured is the clip's
    own movement."""
    camera = CameraPlan(noise=(2.0, 4.0), codec="mjpeg", quality=(60.0, 80.0))
    return Plan(camera=camera, head=HeadPlan(sway_px=(1.0, 3.0)))


def _digest(code: str, job: VideoJob) -> str:
    weights = "" if job.model is None else hashlib.sha256(job.model.read_bytes()).hexdigest()
    text = json.dumps([code, repr(job), weights])
    return hashlib.sha256(text.encode()).hexdigest()[:20]
