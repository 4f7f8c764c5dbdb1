"""Advice and refusals, over made-up seconds."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.calib.calibration.advice import advise, rejection, too_few_open
from htnet.calib.calibration.flicker import beat_hz, find_flicker
from htnet.calib.calibration.measurements import Measurement
from htnet.calib.calibration.recorder import CalibrationRecorder, RecorderConfig
from htnet.engine.face.tracker import MeshTracker
from htnet.engine.models.weights import default_weights, load
from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.engine.recognition.recognizer import Recognizer
from htnet.engine.synth.demo import DemoClip, DemoConfig, DemoPlan, render_demo
from htnet.engine.synth.face.portrait import load_portrait
from htnet.engine.types import AlignedFace, Face, Frame, Motion, State, Tick

HEAD = np.array([[300, 150], [376, 150], [338, 190]], np.float32)
PICTURE = np.full((48, 64, 3), 120, np.uint8)


def course(
    change: Callable[[float], dict[str, object]] = lambda t: {},
    seconds: float = 10.0,
    fps: float = 30.0,
) -> list[Measurement]:
    """A quiet face with noise, and what ``change`` says of each time."""
    rng = np.random.default_rng(0)
    made = []
    for i in range(round(seconds * fps)):
        quiet = Measurement(
            index=i,
            t_ns=round(i * 1e9 / fps),
            activations=np.abs(rng.normal(0.02, 0.012, 8)),
            blinking=False,
            head=HEAD + rng.normal(0, 0.3, (3, 2)).astype(np.float32),
            eyes_px=76.0,
            grey=120 + rng.normal(0, 0.2),
            burnt_out=0.0,
            noise=2.5,
        )
        made.append(replace(quiet, **change(i / fps)))
    return made


def moved(muscle: str, px: float) -> np.ndarray:
    return np.array([px if name == muscle else 0.02 for name in MUSCLE_NAMES])


def test_a_quiet_face_is_left_alone() -> None:
    quiet = course()
    assert advise(quiet, 30.0) == []
    assert rejection(quiet, ended=True) is None
    assert too_few_open(quiet) is None


@pytest.mark.parametrize(
    "change, word",
    [
        (lambda t: {"grey": 30.0}, "too dark"),
        (lambda t: {"grey": 240.0}, "too bright"),
        (lambda t: {"burnt_out": 0.2}, "too bright"),
        (lambda t: {"eyes_px": 40.0}, "40 pixels apart"),
        (lambda t: {"head": HEAD + np.float32(8 * np.sin(2 * t))}, "head moves"),
        (lambda t: {"grey": 120.0 if t < 8 else 132.0}, "brightness of your face changes"),
        (lambda t: {"grey": 110.0 + 2 * t}, "brightness of your face changes"),
        (lambda t: {"grey": 120 * (1 + 0.03 * np.sin(200 * np.pi * t))}, "50 Hz"),
    ],
)
def test_each_trouble_has_its_sentence(
    change: Callable[[float], dict[str, object]], word: str
) -> None:
    said = advise(course(change), 30.0)
    assert len(said) == 1 and word in said[0]
    assert ": " in said[0] or ", so " in said[0]  # what is the matter, and what to do


def test_nobody_is_there() -> None:
    assert "no face" in advise([])[0]


def test_a_slow_camera_is_told_from_a_slow_machine() -> None:
    (slow,) = advise(course(fps=14.0), 30.0)
    assert "14 frames a second, not 30" in slow
    assert advise(course(fps=14.0), 15.0) == []
    assert "14 frames" in advise(course(fps=14.0))[0]
    (busy,) = advise(course()[::2], 30.0)
    assert "51% of the camera's 30 frames" in busy


@pytest.mark.parametrize("fps", [24.0, 29.97, 30.0, 60.0, 90.0, 200.0])
@pytest.mark.parametrize("mains", [50, 60])
def test_three_percent_of_flicker_is_found_and_named(mains: int, fps: float) -> None:
    rng = np.random.default_rng(1)
    index = np.arange(round(4 * fps))
    times = index / fps + rng.normal(0, 0.0001, len(index))
    grey = 120 * (1 + 0.03 * np.sin(4 * np.pi * mains * times + 0.7))
    found = find_flicker(index, grey + rng.normal(0, 0.3, len(index)), fps)
    if beat_hz(mains, fps) < 2.0:  # 60 Hz at 30 frames a second stands still
        assert found is None
        return
    assert found is not None
    assert found.mains_hz == mains
    by_phase = beat_hz(mains, fps) == fps / 2
    assert found.share == pytest.approx(0.03, rel=0.5 if by_phase else 0.25)


def test_beats_are_distances_to_the_frame_rate() -> None:
    assert beat_hz(50, 30.0) == pytest.approx(10.0)
    assert beat_hz(60, 30.0) == pytest.approx(0.0)
    assert beat_hz(60, 25.0) == pytest.approx(5.0)
    assert beat_hz(50, 200.0) == pytest.approx(100.0)


def test_both_mains_beat_alike_at_55_frames_a_second() -> None:
    index = np.arange(220)
    found = find_flicker(index, 120 + 3 * np.sin(200 * np.pi * index / 55), 55.0)
    assert found is not None and found.mains_hz is None


def test_dropped_frames_do_not_hide_flicker() -> None:
    rng = np.random.default_rng(2)
    index = np.sort(rng.choice(300, 285, replace=False))
    found = find_flicker(index, 120 * (1 + 0.03 * np.sin(200 * np.pi * index / 30)), 30.0)
    assert found is not None and found.mains_hz == 50


@given(st.integers(0, 2**32 - 1), st.floats(10, 200), st.floats(0, 2))
def test_noise_and_swaying_light_are_no_flicker(seed: int, fps: float, sigma: float) -> None:
    rng = np.random.default_rng(seed)
    index = np.arange(round(4 * fps))
    slow = 5 * np.sin(2 * np.pi * 0.3 * index / fps + rng.uniform(0, 6))
    smooth = sigma * 0.2
    assert find_flicker(index, 120 + slow + rng.normal(0, smooth, len(index)), fps) is None


@pytest.mark.parametrize(
    "change, word",
    [
        (lambda t: {"head": HEAD + np.float32(8 * np.sin(2 * t))}, "head moved"),
        (lambda t: {"head": HEAD * np.float32(1 + 0.02 * (t > 5))}, "head moved"),
        (lambda t: {"activations": moved("brow raise", 0.5)} if 4 < t < 4.3 else {}, "brows moved"),
        (
            lambda t: {"activations": moved("lip corner pull", 0.5)} if 4 < t < 4.3 else {},
            "mouth moved",
        ),
        (
            lambda t: {"activations": moved("jaw drop", 0.9)} if t > 4 and t % 0.3 < 0.15 else {},
            "you spoke",
        ),
    ],
)
def test_what_spoils_is_named(change: Callable[[float], dict[str, object]], word: str) -> None:
    reason = rejection(course(change), ended=True)
    assert reason is not None and word in reason


def test_blinks_spoil_nothing() -> None:
    def blink(t: float) -> dict[str, object]:
        if 4 < t < 4.2:
            return {"blinking": True, "activations": moved("brow raise", 0.9)}
        return {}

    assert rejection(course(blink), ended=True) is None


def test_a_noisier_camera_may_tremble_more() -> None:
    noisy = course(lambda t: {"activations": np.full(8, 0.08 + 0.3 * (4 < t < 4.1))})
    calm = course(lambda t: {"activations": np.full(8, 0.02 + 0.3 * (4 < t < 4.1))})
    assert rejection(noisy, ended=True) is None
    assert rejection(calm, ended=True) is not None


def test_a_mouth_is_watched_a_moment_before_it_is_judged() -> None:
    def smile(t: float) -> dict[str, object]:
        return {"activations": moved("lip corner pull", 0.5)} if 4 < t < 4.3 else {}

    assert rejection(course(smile, seconds=4.5)) is None
    assert rejection(course(smile, seconds=4.5), ended=True) is not None
    assert rejection(course(smile, seconds=5.0)) is not None


def test_shut_eyes_are_no_rest() -> None:
    assert "eyes were shut" in str(too_few_open(course(lambda t: {"blinking": t % 1 < 0.6})))


def tick(t: float, *, face: bool = True, another: bool = False, move: float = 0.0) -> Tick:
    """A frame at ``t`` seconds of a face that only moves when told to."""
    t_ns = round(t * 1e9)
    frame = Frame(round(t * 30), t_ns, PICTURE)
    if not face:
        return Tick(frame, None, None, None, State.NO_FACE, None, None)
    points = np.full((478, 2), 30.0, np.float32)
    points[[362, 263]] += 76
    aligned = AlignedFace(0, t_ns, np.full((170, 140), 120, np.uint8), points, np.eye(2, 3), 0.3)
    motion = Motion({}, 0.02, float("inf"), False, dict.fromkeys(MUSCLE_NAMES, 0.02 + move))
    return Tick(frame, Face(points, 0.3, another), aligned, motion, State.NEUTRAL, None, None)


def watched(observer: CalibrationRecorder, made: Iterator[Tick]) -> CalibrationRecorder:
    for each in made:
        observer.take(each)
        if observer.spoiled() or observer.progress >= 1.0:
            break
    return observer


def test_ten_seconds_of_rest_are_a_profile() -> None:
    observer = watched(CalibrationRecorder(), (tick(i / 30) for i in range(400)))
    assert observer.spoiled() is None
    assert observer.progress == 1.0
    profile = observer.result("me", "camera 0", datetime(2026, 3, 1, tzinfo=UTC), ("exposure",))
    assert profile.fps == 30.0 and profile.size == (64, 48)
    assert profile.locked == ("exposure",)
    assert profile.thresholds()["jaw drop"] == profile.floor_px == 0.12


@pytest.mark.parametrize(
    "change, word",
    [
        (lambda i: {"face": not 200 < i < 220}, "lost"),
        (lambda i: {"face": i < 200}, "lost"),
        (lambda i: {"another": i == 200}, "lost for a moment"),
        (lambda i: {"move": 0.5 * (200 < i < 208)}, "moved"),
        (lambda i: {"face": False}, "no face came"),
    ],
)
def test_a_try_that_is_spoiled_is_never_a_profile(
    change: Callable[[int], dict[str, object]], word: str
) -> None:
    observer = watched(CalibrationRecorder(), (tick(i / 30, **change(i)) for i in range(400)))
    assert word in str(observer.spoiled())
    with pytest.raises(ValueError, match="not done"):
        observer.result("me", "camera 0", datetime(2026, 3, 1, tzinfo=UTC), ())
    observer.again()
    assert observer.spoiled() is None and observer.progress == 0.0


def test_half_a_try_is_no_profile() -> None:
    observer = watched(CalibrationRecorder(), (tick(i / 30) for i in range(200)))
    assert 0.4 < observer.progress < 0.6
    with pytest.raises(ValueError, match="not done"):
        observer.result("me", "camera 0", datetime(2026, 3, 1, tzinfo=UTC), ())


def test_a_moment_without_a_face_is_forgiven() -> None:
    observer = watched(
        CalibrationRecorder(), (tick(i / 30, face=i not in (200, 201)) for i in range(400))
    )
    assert observer.progress == 1.0 and observer.spoiled() is None


def test_it_says_what_it_waits_for() -> None:
    observer = CalibrationRecorder()
    assert observer.advice() == "get ready"
    watched(observer, (tick(i / 30, face=False) for i in range(30)))
    assert "no face" in observer.advice()
    watched(observer, (tick(i / 30) for i in range(30, 50)))
    assert observer.advice() == "get ready"


def play(clip: DemoClip) -> CalibrationRecorder:
    from htnet.calib.calibration.calibrate import InfiniteThreshold
    from htnet.realtime.pipeline import Pipeline
    from htnet.realtime.spotting.spotter import Spotter

    recognizer = Recognizer(load(default_weights()))
    pipeline = Pipeline(MeshTracker(), recognizer, spotter=Spotter(threshold=InfiniteThreshold()))
    observer = CalibrationRecorder(RecorderConfig(seconds=2.5, settle_s=1.0))
    try:
        return watched(observer, (pipeline.step(frame) for frame in clip))
    finally:
        pipeline.close()


@pytest.mark.slow
def test_of_the_demo_only_a_still_face_passes() -> None:
    still = play(render_demo(DemoConfig(seconds=4, still=True, noise=4.0)))
    assert still.spoiled() is None and still.progress == 1.0
    made = still.result("me", "demo", datetime(2026, 3, 1, tzinfo=UTC), ())
    assert made.noise == pytest.approx(4.0, rel=0.08)
    assert made.notes == ()


@pytest.mark.slow
def test_the_demo_that_sways_does_not_pass() -> None:
    assert "head moved" in str(play(render_demo(DemoConfig(seconds=8))).spoiled())


@pytest.mark.slow
def test_the_demos_expressions_alone_do_not_pass() -> None:
    config = DemoConfig(seconds=8)
    plan = DemoPlan.draw(config)
    unmoved = play(DemoClip(config, DemoPlan(plan.events, plan.blinks, None), load_portrait()))
    assert "moved: let the face rest" in str(unmoved.spoiled())
