import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.realtime.spotting.blink import BlinkDetector

RATIO, MARGIN_MS = 0.72, 100.0


def closing(openness: list[float], step_ms: float = 1000 / 30) -> list[bool]:
    detector = BlinkDetector(RATIO, MARGIN_MS)
    return [detector.closing(round(i * step_ms * 1e6), value) for i, value in enumerate(openness)]


def test_a_blink_is_told_until_its_margin_is_over() -> None:
    said = closing([0.31] * 30 + [0.15, 0.06, 0.2] + [0.31] * 10)
    assert said[:30] == [False] * 30
    assert said[30:35] == [True] * 5  # three frames shut, and the margin
    assert not any(said[37:])


@pytest.mark.parametrize("fps", [24, 60, 200])
def test_a_blink_is_told_at_every_frame_rate(fps: float) -> None:
    shut = round(0.15 * fps)
    said = closing([0.31] * round(fps) + [0.08] * shut + [0.31] * round(fps), 1000 / fps)
    assert not any(said[: round(fps)])
    told_ms = sum(said) * 1000 / fps
    assert told_ms == pytest.approx(150 + MARGIN_MS, abs=2.5 * 1000 / fps)


def test_jitter_of_open_eyes_is_no_blink() -> None:
    draw = np.random.default_rng(0)
    assert not any(closing(list(draw.normal(0.31, 0.01, 600))))


def test_eyes_that_are_hard_to_see_have_to_close_further() -> None:
    # Spectacles: a level of 0.14 that jitters by a seventh of itself, and one true blink.
    draw = np.random.default_rng(0)
    noisy = list(draw.normal(0.14, 0.02, 600))
    assert np.mean(np.array(noisy) < RATIO * 0.14) > 0.015  # what the ratio alone would call one
    assert np.mean(closing(noisy)[60:]) < 0.01
    noisy[300:305] = [0.01] * 5
    assert all(closing(noisy)[300:305])


def test_narrow_eyes_are_a_level_of_their_own() -> None:
    assert not any(closing([0.18] * 100))
    assert closing([0.18] * 60 + [0.07] * 4)[-1]


def test_eyes_that_stay_down_stop_being_a_blink() -> None:
    said = closing([0.32] * 60 + [0.2] * 90)
    assert said[61]
    assert not any(said[90:])


def test_what_was_learnt_of_another_face_is_forgotten() -> None:
    detector = BlinkDetector(RATIO, MARGIN_MS)
    for i in range(60):
        detector.closing(i * 33_000_000, 0.35)
    detector.reset()
    assert not any(detector.closing((60 + i) * 33_000_000, 0.2) for i in range(30))


@given(st.floats(0.1, 0.45), st.floats(0.02, 0.6), st.integers(20, 120))
def test_the_level_is_the_persons_own(level: float, share: float, frames: int) -> None:
    said = closing([level] * frames + [share * level] * 4)
    assert not any(said[:frames])
    assert all(said[frames:])
