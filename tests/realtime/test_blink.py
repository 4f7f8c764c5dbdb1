import numpy as np

from htnet.realtime.blink import BlinkGate


def closing(openness: list[float], step_ms: float = 33.3) -> list[bool]:
    gate = BlinkGate(0.8, 100.0)
    return [gate.closing(round(i * step_ms * 1e6), value) for i, value in enumerate(openness)]


def test_a_blink_is_told_until_its_margin_is_over() -> None:
    said = closing([0.31] * 30 + [0.15, 0.06, 0.2] + [0.31] * 10)
    assert said[:30] == [False] * 30
    assert said[30:35] == [True] * 5  # three frames shut, and the margin
    assert not any(said[37:])


def test_jitter_of_open_eyes_is_no_blink() -> None:
    draw = np.random.default_rng(0)
    assert not any(closing(list(draw.normal(0.31, 0.01, 600))))


def test_narrow_eyes_are_a_level_of_their_own() -> None:
    assert not any(closing([0.18] * 100))


def test_eyes_that_stay_down_stop_being_a_blink() -> None:
    said = closing([0.32] * 60 + [0.22] * 90)
    assert said[61]
    assert not any(said[90:])
