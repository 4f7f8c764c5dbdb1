"""Draws of an injected pass: times, amplitudes and shapes of movements."""

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htnet.engine.errors import UsageError
from htnet.engine.face.alignment import crop_transform, transform_points
from htnet.engine.synth.face.portrait import load_portrait
from htnet.engine.synth.injection.schedule import (
    APART_S,
    InjectionPlan,
    draw_blinks,
    draw_pass,
    draw_schedule,
    muscle_movement,
)

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.floats(8, 120), st.floats(0, 1))
def test_movements_lie_apart_and_inside_the_pass(seed: int, seconds: float, share: float) -> None:
    plan = InjectionPlan(seconds=seconds, macro_share=share)
    drawn = draw_schedule(np.random.default_rng(seed), plan)
    pulses = [each.pulse for each in drawn]
    assert pulses[0].onset_ns >= 2.4e9 and pulses[-1].offset_ns <= (seconds - 1.4) * 1e9
    gaps = [b.onset_ns - a.offset_ns for a, b in itertools.pairwise(pulses)]
    assert all(gap >= APART_S * 1e9 - 10 for gap in gaps)
    assert seconds / 10 - 0.5 <= len(drawn) <= seconds / 6 + 0.5
    for each in drawn:
        lasts = (each.pulse.offset_ns - each.pulse.onset_ns) / 1e9
        low, high = plan.macro_s if each.kind == "macro" else (0.2, 0.5)
        assert low - 1e-6 <= lasts <= high + 1e-6


@given(SEEDS)
def test_a_minute_holds_six_to_ten_and_each_size_as_often(seed: int) -> None:
    drawn = draw_schedule(np.random.default_rng(seed), InjectionPlan(amplitudes_px=(1, 2, 4)))
    assert 6 <= len(drawn) <= 10
    counts = Counter(each.amplitude_px for each in drawn)
    assert set(counts) == {1, 2, 4} and max(counts.values()) - min(counts.values()) <= 1


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.floats(8, 90), st.booleans())
def test_blinks_keep_away_from_movements_and_each_other(
    seed: int, seconds: float, neutral: bool
) -> None:
    rng = np.random.default_rng(seed)
    plan = InjectionPlan(seconds=seconds, amplitudes_px=() if neutral else (2.0,))
    drawn = draw_schedule(rng, plan)
    assert bool(drawn) is not neutral
    blinks = draw_blinks(rng, plan, drawn)
    for blink in blinks:
        assert blink.onset_ns > 0.6e9 and blink.offset_ns < (seconds - 0.6) * 1e9
        for each in drawn:
            before = each.pulse.onset_ns - blink.offset_ns
            assert max(before, blink.onset_ns - each.pulse.offset_ns) > 0.6e9
    ends = [b.onset_ns - a.offset_ns for a, b in itertools.pairwise(blinks)]
    assert all(gap > 0 for gap in ends)
    assert len(blinks) <= seconds / 4


def test_blinks_come_as_often_as_asked() -> None:
    rng = np.random.default_rng(0)
    for amplitudes in ((), (2.0,)):
        plan = InjectionPlan(amplitudes_px=amplitudes)
        counts = [len(draw_blinks(rng, plan, draw_schedule(rng, plan))) for _ in range(40)]
        assert 4 <= np.mean(counts) <= 7.5
    none = InjectionPlan(blinks_per_minute=0)
    assert draw_blinks(rng, none, draw_schedule(rng, none)) == ()


def test_the_same_seed_draws_the_same() -> None:
    plan = InjectionPlan(macro_share=0.3)
    first, second = (draw_schedule(np.random.default_rng(4), plan) for _ in range(2))
    assert first == second != draw_schedule(np.random.default_rng(5), plan)
    passes = {draw_pass(np.random.default_rng(seed), 1.0, 60.0) for seed in range(20)}
    assert len(passes) == 20 and {each.backwards for each in passes} == {False, True}
    assert all(0.8 <= each.tempo <= 1.25 and 0.9 <= each.noise <= 1.1 for each in passes)


def test_drawn_muscles_are_of_unit_size_and_some_of_one_side() -> None:
    points = load_portrait().landmarks
    landmarks = transform_points(points, crop_transform(points))
    rng = np.random.default_rng(1)
    drawn = [muscle_movement(rng, landmarks) for _ in range(24)]
    assert len({each.name for each in drawn}) > 8
    for each in drawn:
        length = np.hypot(each.field[..., 0], each.field[..., 1])
        assert float(np.percentile(length, 99)) == pytest.approx(1.0, rel=1e-4)
        halves = float(length[:, :60].sum()), float(length[:, 80:].sum())
        lopsided = max(halves) / max(min(halves), 1e-9) > 4
        assert lopsided == each.name.endswith(" half")
    assert 2 < sum(each.name.endswith(" half") for each in drawn) < 16


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seconds": 3.0}, "passes of at least 8 s"),
        ({"amplitudes_px": (0.0, 1.0)}, "amplitudes above 0"),
        ({"amplitudes_px": (40.0,)}, "amplitudes above 0"),
        ({"amplitudes_px": (1.0,) * 9}, "at most 8 amplitudes"),
        ({"micro_s": (0.2, 0.9)}, "micro-expressions of 0.03 to 0.5 s"),
    ],
)
def test_what_cannot_be_played_is_a_sentence(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        InjectionPlan(**changes)
