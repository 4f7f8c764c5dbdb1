import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.engine.types import F32
from htnet.realtime.spotting.threshold import RollingThreshold, ThresholdConfig

COUNT = len(MUSCLE_NAMES)
FACING = np.zeros(2, np.float32)
CONFIG = ThresholdConfig()


def noise(px: float, seconds: float, fps: float = 30, seed: int = 1) -> F32:
    """Pulls (N, 8) of a face at rest."""
    draw = np.random.default_rng(seed)
    return draw.normal(0, px, (round(seconds * fps), COUNT)).astype(np.float32)


def fed(
    activations: F32,
    config: ThresholdConfig = CONFIG,
    *,
    fps: float = 30,
    rest: F32 | None = None,
    least: F32 | None = None,
) -> F32:
    threshold = RollingThreshold(config, least)
    for i, each in enumerate(activations):
        threshold.observe(round(i * 1e9 / fps), each, rest=rest is None or bool(rest[i]))
    return threshold.at(FACING)


def test_it_starts_high_until_it_has_seen_rest() -> None:
    quiet = noise(0.005, 5)
    assert (fed(quiet[:20]) == CONFIG.start_px).all()
    assert (fed(quiet) == CONFIG.floor_px).all()


def test_what_is_no_rest_does_not_count_as_seen() -> None:
    moving = np.arange(90) >= 15
    assert (fed(noise(0.005, 3), rest=~moving) == CONFIG.start_px).all()


def test_it_follows_the_noise_and_lets_few_of_it_through() -> None:
    activations = noise(0.06, 60)
    value = fed(activations)
    assert (activations > value).mean() < 1e-3
    assert (value > CONFIG.floor_px).all()
    assert (fed(2 * activations) > 1.7 * value).all()


def test_each_muscle_has_its_own() -> None:
    activations = noise(0.005, 10)
    activations[:, 3] = noise(0.1, 10)[:, 3]
    value = fed(activations)
    assert value[3] > 2 * CONFIG.floor_px
    assert (np.delete(value, 3) == CONFIG.floor_px).all()


def test_expressions_hardly_raise_it() -> None:
    activations, moving = noise(0.03, 20), np.arange(600) % 75 < 15  # a fifth of the time
    expressions = activations + 2.0 * moving[:, None].astype(np.float32)
    assert (fed(expressions, rest=~moving) < 1.6 * fed(activations)).all()
    assert (
        fed(expressions) < 1.6 * fed(activations)
    ).all()  # nor where they are not told from rest


def test_noise_that_leaves_no_rest_is_learnt_all_the_same() -> None:
    # All of it crosses the old threshold, so nothing of it would count as rest.
    calm, loud = noise(0.005, 10), noise(0.3, 30)
    rest = np.arange(1200) < 300
    value = fed(np.concatenate([calm, loud]), rest=rest)
    assert (value > 0.8).all()


def test_it_forgets_what_is_past_the_window() -> None:
    loud_then_calm = np.concatenate([noise(0.3, 10), noise(0.005, 10)])
    config = ThresholdConfig(window_ms=5000)
    assert (fed(loud_then_calm, config) == config.floor_px).all()


@pytest.mark.parametrize("fps", [24, 60, 200])
def test_the_same_noise_gives_the_same_value_at_any_frame_rate(fps: float) -> None:
    slow = fed(noise(0.08, 12))
    fast = fed(noise(0.08, 12, fps, seed=2), fps=fps)
    np.testing.assert_allclose(slow, fast, rtol=0.25)


@given(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3))
def test_a_turned_head_raises_all_alike(yaw: float, nod: float) -> None:
    threshold = RollingThreshold()
    raised = threshold.at(np.array([yaw, nod], np.float32)) - threshold.at(FACING)
    np.testing.assert_allclose(raised, CONFIG.per_turn * np.hypot(yaw, nod), atol=1e-5)


def test_a_profile_is_never_undercut_but_noise_may_exceed_it() -> None:
    least = np.full(COUNT, 0.2, np.float32)
    least[0] = 0.05
    value = fed(noise(0.005, 5), least=least)
    assert value[0] == np.float32(CONFIG.floor_px)  # nor is the floor
    np.testing.assert_array_equal(value[1:], least[1:])
    assert (fed(noise(0.2, 20), least=least) > 0.5).all()


def test_another_face_starts_over() -> None:
    threshold = RollingThreshold()
    for i, each in enumerate(noise(0.005, 5)):
        threshold.observe(round(i * 1e9 / 30), each, rest=True)
    assert (threshold.at(FACING) < CONFIG.start_px).all()
    threshold.reset()
    assert (threshold.at(FACING) == CONFIG.start_px).all()
