"""Samples by themselves; what becomes of them is in test_spotter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.engine.face import landmarks as lm
from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH
from htnet.engine.motion.muscle_fit import MUSCLE_NAMES, MuscleActivations
from htnet.engine.types import AlignedFace, Pair
from htnet.realtime.spotting.samples import LIDS, ActivationTrace, FrameActivations, pupils
from htnet.realtime.spotting.threshold import RollingThreshold

MS = 1_000_000
POINTS = np.random.default_rng(0).uniform(0, 140, (lm.POINTS, 2)).astype(np.float32)
GRAY = np.full((CROP_HEIGHT, CROP_WIDTH), 90, np.uint8)
ONSET = AlignedFace(0, 0, GRAY, POINTS, np.eye(2, 3), 0.3)


def new() -> ActivationTrace:
    return ActivationTrace(
        RollingThreshold(), smoothing_ms=66, margin_ms=100, eyes_unexplained=0.42
    )


def take(
    samples: ActivationTrace, ms: float, px: float, *, blinking: bool = False, eyes: float = 0.0
) -> FrameActivations:
    """A face in which every muscle pulls by ``px``, on the left alone."""
    face = AlignedFace(0, round(ms * MS), GRAY, POINTS, np.eye(2, 3), 0.3)
    activations = np.full(len(MUSCLE_NAMES), px, np.float32)
    return samples.take(
        Pair(ONSET, face),
        MuscleActivations(
            activations, np.zeros(2), 0.2, eyes, np.stack([activations, 0 * activations])
        ),
        blinking,
        False,
    )


@pytest.mark.parametrize("fps", [30, 60, 200])
def test_pulls_are_averaged_over_the_last_moments(fps: float) -> None:
    samples = new()
    draw = np.random.default_rng(1).normal(0, 1, 20)
    taken = [take(samples, 1000 * i / fps, px) for i, px in enumerate(draw)]
    near = int(np.ceil(66 * fps / 1000))
    np.testing.assert_allclose(taken[-1].smooth, draw[-near:].mean(), atol=1e-5)
    np.testing.assert_allclose(taken[-1].smooth_sides[0], draw[-near:].mean(), atol=1e-5)
    assert not taken[-1].smooth_sides[1].any()


@pytest.mark.parametrize(("told", "eyes"), [(True, 0.0), (False, 0.6)])
def test_in_a_blink_only_the_lids_are_held_at_what_they_were_before_it(
    told: bool, eyes: float
) -> None:
    samples = new()
    for i in range(10):
        take(samples, 20 * i, 0.1 if i < 6 else 0.4)  # on their way for 100 ms
    blink = [take(samples, 200 + 20 * i, 2.0, blinking=told, eyes=eyes) for i in range(5)]
    for sample in blink:
        assert sample.blinking
        np.testing.assert_allclose(sample.activations[LIDS], 0.1, atol=1e-6)
        np.testing.assert_allclose(sample.activations[~LIDS], 2.0)
        np.testing.assert_allclose(sample.sides[0], sample.activations)
    assert not take(samples, 300, 2.0).blinking


def test_how_far_along_a_movement_is() -> None:
    samples = new()
    peak = take(samples, 0, 1.2)
    assert peak.progress(peak.level) == pytest.approx(1)
    assert take(samples, 500, -0.6).progress(peak.level) == pytest.approx(-0.5)
    assert take(samples, 1000, 0.0).progress(peak.level) == 0


def test_what_moved_is_the_widest_any_muscle_went() -> None:
    samples = new()
    start = float(take(samples, 0, 5.0).still_thresholds[0])
    for ms, px in ((100, 0.0), (200, 0.5), (300, 0.2)):
        take(samples, ms, px)
    assert samples.moved(100 * MS) == pytest.approx(0.5 / start, rel=1e-5)
    assert [round(s.t_ns / MS) for s in samples.since(200 * MS)] == [200, 300]
    samples.clear()
    assert samples.since(0) == []


@given(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), st.tuples(*[st.floats(-4, 4)] * 2))
def test_pupils_are_where_they_are_in_their_eyes(
    shift: tuple[float, float], look: tuple[float, float]
) -> None:
    points = np.random.default_rng(0).uniform(0, 140, (lm.POINTS, 2)).astype(np.float32)
    moved = points + np.array(shift, np.float32)
    np.testing.assert_allclose(pupils(moved), pupils(points), atol=1e-3)
    moved[list(lm.IRISES)] += np.array(look, np.float32)
    np.testing.assert_allclose(pupils(moved) - pupils(points), look, atol=1e-3)
