"""Artifact rules by themselves; their effect on candidates is in test_spotter."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.engine.types import F32
from htnet.realtime.spotting.artifacts import (
    MOUTH,
    ArtifactConfig,
    CandidateCourse,
    Rule,
    SpeechDetector,
    blink,
    decisions,
    gaze,
    lighting,
    low_frame_rate,
    occlusion,
    out_of_frame,
    reason,
    speech,
)
from htnet.realtime.spotting.samples import FrameActivations

MS = 1_000_000
THRESHOLDS = np.full(len(MUSCLE_NAMES), 0.15, np.float32)
Course = Callable[[float], float]


def heard(
    detector: SpeechDetector, muscle: str, course: Course, until: float, fps: float = 60
) -> None:
    """Let ``muscle`` pull by ``course`` px from 0 to ``until`` ms."""
    activations = np.zeros(len(MUSCLE_NAMES), np.float32)
    for i in range(round(until * fps / 1000)):
        activations[MUSCLE_NAMES.index(muscle)] = course(i * 1000 / fps)
        detector.observe(round(i * 1e9 / fps), activations.copy(), THRESHOLDS)


def speaking(detector: SpeechDetector, since_ns: int, until_ns: int) -> bool:
    return detector.spoken(since_ns, until_ns) >= ArtifactConfig().speech_turns


def talk(px: float, each: float, since: float = 1000, until: float = 3000) -> Course:
    return lambda t: (
        px * (1 - np.cos(2 * np.pi * (t - since) / each)) / 2 if since < t < until else 0.0
    )


def test_the_mouths_muscles_are_those_below_the_nose() -> None:
    names = {name for name, mouth in zip(MUSCLE_NAMES, MOUTH, strict=True) if mouth}
    assert names == {"lip corner pull", "lip corner depress", "lip press", "jaw drop"}


@pytest.mark.parametrize("fps", [30, 60, 200])
@pytest.mark.parametrize(
    "muscle", [n for n, mouth in zip(MUSCLE_NAMES, MOUTH, strict=True) if mouth]
)
@pytest.mark.parametrize("syllable_ms", [150, 250, 330])
def test_three_to_seven_syllables_a_second_are_speech(
    fps: float, muscle: str, syllable_ms: float
) -> None:
    detector = SpeechDetector(ArtifactConfig())
    heard(detector, muscle, talk(1.0, syllable_ms), 4000, fps)
    assert speaking(detector, 1500 * MS, 2500 * MS)


def test_brows_do_not_speak() -> None:
    detector = SpeechDetector(ArtifactConfig())
    heard(detector, "brow raise", talk(2.0, 200), 4000)
    assert not speaking(detector, 0, 4000 * MS)


def test_what_stays_under_the_threshold_is_no_speech() -> None:
    detector = SpeechDetector(ArtifactConfig())
    heard(detector, "jaw drop", talk(0.1, 200), 4000)
    assert not speaking(detector, 0, 4000 * MS)


@settings(deadline=None)  # a busy machine is no fault of the rule
@given(st.floats(0.3, 5), st.floats(100, 900))
def test_one_expression_is_no_speech(px: float, length: float) -> None:
    detector = SpeechDetector(ArtifactConfig())
    heard(detector, "lip corner pull", talk(px, length, 1000, 1000 + length), 3000)
    assert not speaking(detector, 900 * MS, 2200 * MS)


def test_a_broad_grin_that_trembles_is_no_speech() -> None:
    detector = SpeechDetector(ArtifactConfig())

    def grin(t: float) -> float:
        held = min(max((t - 1000) / 200, 0), 1) * min(max((4000 - t) / 200, 0), 1)
        return 12 * held + 0.4 * np.sin(t / 30) * (1200 < t < 3800)

    heard(detector, "lip corner pull", grin, 5000)
    assert not speaking(detector, 0, 5000 * MS)


def test_speech_is_said_of_the_time_around_it_alone() -> None:
    detector = SpeechDetector(ArtifactConfig())
    heard(detector, "jaw drop", talk(1.0, 200, 3000, 4000), 7000)
    assert speaking(detector, 3300 * MS, 3600 * MS)
    assert speaking(detector, 4500 * MS, 4800 * MS)  # half a second after the last syllable
    assert not speaking(detector, 500 * MS, 900 * MS)
    assert not speaking(detector, 6000 * MS, 6400 * MS)


def test_a_new_onset_is_no_movement_of_the_mouth() -> None:
    config = ArtifactConfig()
    for told in (False, True):
        detector = SpeechDetector(config)
        away = np.zeros(len(MUSCLE_NAMES), np.float32)
        back = away + MOUTH  # the same mouth against two onsets
        for i in range(20):
            activations = away if i % 2 else back
            if told:
                detector.restart(activations)
            detector.observe(i * 100 * MS, activations, THRESHOLDS)
        assert speaking(detector, 0, 2000 * MS) != told


def test_after_a_reset_nothing_was_said() -> None:
    detector = SpeechDetector(ArtifactConfig())
    heard(detector, "jaw drop", talk(1.0, 200), 4000)
    detector.reset()
    assert not speaking(detector, 0, 4000 * MS)


def sample(ms: float = 0, **changes: object) -> FrameActivations:
    """A face whose lip corners pull by 1 px, ten times their threshold."""
    activations = np.zeros(len(MUSCLE_NAMES), np.float32)
    activations[MUSCLE_NAMES.index("lip corner pull")] = 1.0
    limits = np.full(len(MUSCLE_NAMES), 0.1, np.float32)
    pupils, sides = np.zeros(2, np.float32), np.stack([activations, activations])
    plain = FrameActivations(
        *(round(ms * MS), activations, activations, limits, limits, False, 100.0, pupils),
        *(0.2, False, sides, sides),
    )
    return replace(plain, **changes)


def pulling(name: str, px: float = 1.0) -> F32:
    activations = np.zeros(len(MUSCLE_NAMES), np.float32)
    activations[MUSCLE_NAMES.index(name)] = px
    return activations


def candidate(
    *inside: FrameActivations, strength: float = 10.0, spoken: int = 1
) -> CandidateCourse:
    return CandidateCourse(inside, inside[-1], strength, spoken)


REST = sample()
LIDS_PULL = {"activations": pulling("lid tighten"), "smooth": pulling("lid tighten")}
CASES = [
    (out_of_frame, candidate(REST, sample(33)), candidate(REST, sample(33, outside=True))),
    (occlusion, candidate(REST, sample(33)), candidate(REST, sample(33, unexplained=0.6))),
    (
        blink,
        candidate(sample(**LIDS_PULL)),
        candidate(sample(**LIDS_PULL), sample(33, blinking=True, **LIDS_PULL)),
    ),
    (
        gaze,
        candidate(sample(**LIDS_PULL)),
        candidate(REST, sample(33, pupils=np.array([2, 0], np.float32), **LIDS_PULL)),
    ),
    (speech, candidate(REST, spoken=3), candidate(REST, spoken=4)),
    (
        lighting,
        candidate(REST, sample(33, grey=120.0)),
        candidate(REST, sample(33, grey=120.0), strength=1.5),
    ),
    (
        low_frame_rate,
        candidate(REST, sample(33), sample(66)),
        candidate(REST, sample(120), sample(240)),
    ),
]


@pytest.mark.parametrize(("rule", "fine", "wrong"), CASES, ids=lambda case: str(case)[:30])
def test_a_rule_rejects_what_it_is_for_and_says_by_how_much(
    rule: Rule, fine: CandidateCourse, wrong: CandidateCourse
) -> None:
    passed, failed = rule(fine, ArtifactConfig()), rule(wrong, ArtifactConfig())
    assert passed is not None and not passed.rejects
    assert failed is not None and failed.rejects
    assert failed.measured != passed.measured or rule is lighting


def test_a_broad_grin_covers_nothing() -> None:
    grin = sample(33, unexplained=0.9, smooth=pulling("lip corner pull", 8.0))
    assert not occlusion(candidate(REST, grin), ArtifactConfig()).rejects


def test_the_mouth_may_move_in_a_blink_and_look_about() -> None:
    eyes_shut = candidate(REST, sample(33, blinking=True))
    assert blink(eyes_shut, ArtifactConfig()) is None
    assert gaze(eyes_shut, ArtifactConfig()) is None


def test_the_first_rule_that_rejects_decides_and_all_are_told() -> None:
    told = decisions(candidate(REST, sample(33, outside=True), spoken=9), ArtifactConfig())
    assert reason(told) == "out of frame"
    assert [d.rule for d in told if d.rejects] == ["out of frame", "speech"]
    assert reason(decisions(candidate(REST, sample(33)), ArtifactConfig())) is None
