"""Judging of videos: each is replayed through the live path, its events are the result.

Videos are judged in several processes, and every result is stored, so that a stopped run goes on.
The stored name is a digest of the code and of the video's recipe: a result of other code is never
reused.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from htnet.calib.evaluation.jobs import OWN_PX, VideoJob
from htnet.calib.evaluation.replay import replay
from htnet.calib.evaluation.run import code_digest, nothing, run_all
from htnet.engine.face.tracker import MeshTracker
from htnet.engine.recognition.recognizer import Recognizer, open_recognizer
from htnet.engine.synth.face.portrait import load_portrait
from htnet.engine.synth.simulation import Simulation
from htnet.engine.types import AlignedFace, Disturbance, Frame, Pair, Tick
from htnet.realtime.pipeline import Pipeline
from htnet.realtime.spotting.config import SpotterConfig
from htnet.realtime.spotting.spotter import Spotter
from htnet.training.augmentation.clip_portrait import clip_portrait, own_portrait
from htnet.training.datasets.composite import read_map
from htnet.training.spotting.records import TrueEvent, Video, found_events, true_events


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A judged video.

    ``given``: true label and the network's label of each true event, at the true onset and apex.
    ``faceless``: number of frames without a face. ``spot_ms``: median time of spotting a frame.
    """

    video: Video
    given: tuple[tuple[str, str], ...]
    frames: int
    faceless: int
    spot_ms: float


def judge_all(
    jobs: Sequence[VideoJob],
    store: Path,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] = nothing,
) -> list[Judged]:
    """Return all videos in the order of ``jobs``; those in ``store`` are not judged again."""
    code = code_digest()
    keys = [_digest(code, job) for job in jobs]
    return run_all(jobs, keys, judge, store, workers=workers, progress=progress)


def judge(job: VideoJob) -> Judged:
    """Make or read one video and run it through the live path, with an operating point of 0."""
    recognizer = open_recognizer(job.model, flow=job.flow, runtime="torch")
    tracker = MeshTracker()
    frames, truth, disturbances, fps = _video(job, tracker)
    tracker.reset()
    pipeline = Pipeline(tracker, recognizer, spotter=Spotter(SpotterConfig(score=0.0)))
    watch = _TickRecorder(truth)
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
    truth = simulation.truth
    return simulation.frames(), true_events(truth), truth.disturbances, job.plan.fps


class _TickRecorder:
    """Records the faces nearest to the true onsets and apexes, and the times of spotting."""

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


def _digest(code: str, job: VideoJob) -> str:
    weights = "" if job.model is None else hashlib.sha256(job.model.read_bytes()).hexdigest()
    text = json.dumps([code, repr(job), weights])
    return hashlib.sha256(text.encode()).hexdigest()[:20]
