"""The live path on real pictures: the demo clip, a still face, and recordings of people."""

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

from htnet.engine.anatomy.muscles import MUSCLES
from htnet.engine.face.tracker import MeshTracker
from htnet.engine.models.weights import default_weights, load
from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.engine.recognition.recognizer import Recognizer
from htnet.engine.synth.demo import DemoClip, DemoConfig, render_demo
from htnet.engine.synth.face.animator import Animator
from htnet.engine.synth.face.portrait import load_portrait
from htnet.engine.synth.face.time_course import TimeCourse
from htnet.engine.types import NEUTRAL, Frame, State, Tick
from htnet.realtime.pipeline import Pipeline, overlapped
from htnet.realtime.sources.base import SourceConfig, open_source
from htnet.realtime.spotting.arbiter import PART


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer(load(default_weights()))


@pytest.fixture
def pipeline(recognizer: Recognizer) -> Iterator[Pipeline]:
    pipeline = Pipeline(MeshTracker(), recognizer)
    yield pipeline
    pipeline.close()


@pytest.fixture(scope="module")
def clip() -> DemoClip:
    return render_demo(DemoConfig(seed=0))


@pytest.fixture(scope="module")
def demo_ticks(recognizer: Recognizer, clip: DemoClip) -> list[Tick]:
    pipeline = Pipeline(MeshTracker(), recognizer)
    ticks = [pipeline.step(frame) for frame in clip]
    pipeline.close()
    return ticks


@pytest.mark.slow
def test_the_demo_finds_exactly_its_three(demo_ticks: list[Tick], clip: DemoClip) -> None:
    finals = [e for t in demo_ticks for e in t.events if e.stage == "final"]
    events = [e for e in finals if e.rejected is None]
    assert {e.rejected for e in finals} <= {None, "blink"}
    assert [e.label for e in events] == [truth.label for truth in clip.truth]
    for event, truth in zip(events, clip.truth, strict=True):
        assert event.kind == "micro"
        assert event.muscle == truth.muscle
        assert event.units == MUSCLES[truth.muscle].units
        # The demo's movements are equal on both sides.
        assert event.side == "both"
        assert event.left_px == pytest.approx(event.magnitude_px, rel=0.3)
        assert event.right_px == pytest.approx(event.left_px, rel=0.25)
        assert event.score > 1
        assert abs(event.onset_ns - truth.onset_ns) <= 50e6
        assert abs(event.apex_ns - truth.apex_ns) <= 50e6


@pytest.mark.slow
def test_every_frame_has_its_pair_and_its_answer(demo_ticks: list[Tick]) -> None:
    for index, tick in enumerate(demo_ticks):
        assert tick.frame.index == index
        assert tick.aligned is not None and tick.aligned.frame_index == index
        assert tick.pair is not None and tick.pair.apex is tick.aligned
        assert tick.motion is not None and tick.prediction is not None
        assert sum(tick.prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)
        quiet = tick.motion.magnitude < tick.motion.threshold
        assert (tick.prediction.label == NEUTRAL) == quiet
        assert tuple(tick.motion.activations) == MUSCLE_NAMES
        assert tick.motion.magnitude == max(tick.motion.activations[tick.motion.leading], 0)
        for each in (tick.motion.left, tick.motion.right, tick.motion.thresholds):
            assert tuple(each) == MUSCLE_NAMES
        assert tick.motion.threshold == tick.motion.thresholds[tick.motion.leading]
        assert set(tick.timings_ms) == {"face", "align", "flow", "spot", "network"}


def told(tick: Tick) -> tuple[object, ...]:
    motion, prediction = tick.motion, tick.prediction
    return (
        tick.frame.index,
        tick.state,
        None if motion is None else (motion.magnitude, motion.threshold, dict(motion.activations)),
        None if prediction is None else (prediction.label, dict(prediction.probabilities)),
        None if tick.pair is None else tick.pair.onset.t_ns,
        [event.row() for event in tick.events],
    )


@pytest.mark.slow
def test_overlapped_and_in_turn_give_identical_ticks(
    pipeline: Pipeline, demo_ticks: list[Tick], clip: DemoClip
) -> None:
    frames = [clip.frame(i) for i in range(150)]
    waiting = cycle([True, True, False])  # both ways of going on, mixed
    beside = list(overlapped(pipeline, frames, lambda: next(waiting)))
    assert [told(tick) for tick in beside] == [told(tick) for tick in demo_ticks[:150]]


@pytest.mark.slow
def test_a_still_noisy_face_is_no_event(pipeline: Pipeline) -> None:
    still = render_demo(DemoConfig(still=True, seconds=20.0))
    ticks = [pipeline.step(frame) for frame in still]
    assert [e.row() for t in ticks for e in t.events] == []
    assert {t.state for t in ticks} == {State.NEUTRAL}


def recorded(path: Path) -> Iterator[Frame]:
    source = open_source(SourceConfig(source=str(path)))
    while (frame := source.read()) is not None:
        yield frame
    source.close()


def test_no_face_is_said_and_nothing_else(pipeline: Pipeline, data: Path) -> None:
    ticks = [pipeline.step(frame) for frame in recorded(data / "media" / "no_face.mp4")]
    assert len(ticks) == 95
    assert {t.state for t in ticks} == {State.NO_FACE}
    assert [e for t in ticks for e in t.events] == []


@pytest.mark.slow
def test_a_real_smile_is_one_macro_event(pipeline: Pipeline, data: Path) -> None:
    # single_face.mp4 holds one acted grin, from about 0.45 s to 2.35 s, where it ends
    ticks = [pipeline.step(frame) for frame in recorded(data / "media" / "single_face.mp4")]
    first, event = (e for t in ticks for e in t.events)
    assert (first.stage, first.label, first.rejected) == ("provisional", "positive", None)
    assert (event.stage, event.label, event.rejected) == ("final", "positive", None)
    assert (event.id, event.kind, event.muscle) == (first.id, "macro", "lip corner pull")
    assert 300 <= event.onset_ns / 1e6 <= 650
    assert 2200 <= event.offset_ns / 1e6 <= 2500
    [same] = pipeline.finish()  # the fit of small movements had it too
    assert (same.stage, same.rejected) == ("final", "part of a larger movement")


def test_a_face_that_leaves_ends_what_was_under_way(pipeline: Pipeline, data: Path) -> None:
    frames = list(recorded(data / "media" / "single_face.mp4"))[:30]
    ticks = [pipeline.step(frame) for frame in frames]
    assert ticks[-1].state is not State.NEUTRAL
    empty = np.full_like(frames[0].bgr, 90)
    gone = pipeline.step(Frame(30, frames[-1].t_ns + 33_000_000, empty))
    assert gone.state is State.NO_FACE
    [event] = gone.events
    assert (event.stage, event.rejected) == ("final", "face lost")
    row = event.row()  # what the log keeps of it
    assert row["rejected"] == "face lost"
    assert row["muscle"] in MUSCLE_NAMES
    assert row["score"] == round(event.score, 3) > 1


def test_a_gap_in_time_ends_what_was_under_way(pipeline: Pipeline, data: Path) -> None:
    frames = list(recorded(data / "media" / "single_face.mp4"))[:30]
    for frame in frames:
        pipeline.step(frame)
    late = Frame(30, frames[-1].t_ns + 2_000_000_000, frames[-1].bgr)
    assert [event.rejected for event in pipeline.step(late).events] == ["frames missing"]


def test_a_fresh_frame_is_held_against_itself_alone(pipeline: Pipeline, data: Path) -> None:
    frames = list(recorded(data / "media" / "single_face.mp4"))
    for frame in frames[:15]:
        pipeline.step(frame)
    last = frames[40]
    tick = pipeline.step(Frame(15, frames[14].t_ns + 33_000_000, last.bgr, fresh=True))
    assert tick.pair is not None and tick.pair.onset.t_ns == tick.frame.t_ns
    assert tick.motion is not None and tick.motion.magnitude == 0


def test_the_end_of_the_source_is_told(pipeline: Pipeline, data: Path) -> None:
    for frame in list(recorded(data / "media" / "single_face.mp4"))[:30]:
        pipeline.step(frame)
    assert [event.rejected for event in pipeline.finish()] == ["source ended"]
    assert pipeline.finish() == ()


@pytest.mark.slow
def test_a_broad_smile_is_told_whole_and_what_the_fit_sees_in_it_as_its_part(
    pipeline: Pipeline,
) -> None:
    animator = Animator(load_portrait())
    smile = TimeCourse(1_500_000_000, 1_900_000_000, 2_900_000_000, 0.5)
    told = []
    for index in range(120):
        t_ns = round(index * 1e9 / 30)
        picture = animator.render(activations={"lip corner pull": 8.0 * smile.at(t_ns)})
        told += pipeline.step(Frame(index, t_ns, picture)).events
    told += pipeline.finish()
    (whole,) = [e for e in told if e.stage == "final" and e.rejected is None]
    assert (whole.kind, whole.muscle, whole.label) == ("macro", "lip corner pull", "positive")
    assert [d.rule for d in whole.decisions] == ["speech", "weak"]  # by landmarks, not the fit
    assert {e.rejected for e in told if e.stage == "final" and e is not whole} <= {PART}
