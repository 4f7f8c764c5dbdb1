"""Large movements on made courses of measures, whose truth is known."""

from typing import Any

import numpy as np
import pytest

from htnet.engine.anatomy.measures import MEASURES
from htnet.engine.synth.face.time_course import TimeCourse
from htnet.engine.types import F32
from htnet.realtime.spotting.large import LargeConfig, LargeMovement, LargeMovementSpotter

SMILE = np.zeros(len(MEASURES), np.float32)
for name, px in (("left lip corner x", -4), ("right lip corner x", 4)):
    SMILE[MEASURES.index(name)] = px
for name in ("left lip corner y", "right lip corner y"):
    SMILE[MEASURES.index(name)] = -5
FROWN = np.zeros(len(MEASURES), np.float32)
for side in ("left", "right"):
    FROWN[MEASURES.index(f"{side} inner brow")] = 5


def pulse(onset_s: float, offset_s: float, hold: float = 0.6) -> TimeCourse:
    apex_s = onset_s + 0.3 * (offset_s - onset_s)
    return TimeCourse(*(round(t * 1e9) for t in (onset_s, apex_s, offset_s)), hold)


def seen(
    courses: list[tuple[F32, TimeCourse]],
    seconds: float,
    fps: float = 30.0,
    shut: tuple[float, float] = (0.0, 0.0),
    config: LargeConfig | None = None,
) -> list[tuple[float, LargeMovement]]:
    """What was told and when, s; the eyes are shut from and until ``shut``."""
    rng = np.random.default_rng(0)
    large, found = LargeMovementSpotter(config), []
    for number in range(round(seconds * fps)):
        t_ns = round(number * 1e9 / fps)
        measures = rng.normal(0, 0.12, len(MEASURES)).astype(np.float32)
        for shape, course in courses:
            measures = measures + np.float32(course.at(t_ns)) * shape
        movement = large.step(t_ns, measures, shut[0] < t_ns / 1e9 < shut[1])
        if movement is not None:
            found.append((t_ns / 1e9, movement))
    return found


def told(courses: list[tuple[F32, TimeCourse]], seconds: float, **how: Any) -> list[LargeMovement]:
    """The movements that were over."""
    return [movement for _, movement in seen(courses, seconds, **how) if movement.over]


@pytest.mark.parametrize("fps", [12, 25, 30, 60, 200])
def test_a_smile_is_found_at_every_rate(fps: float) -> None:
    (movement,) = told([(SMILE, pulse(1.5, 3.0))], 4.5, fps=fps)
    assert abs(movement.onset_ns / 1e9 - 1.5) < 0.25
    assert abs(movement.offset_ns / 1e9 - 3.0) < 0.3
    assert movement.distance == pytest.approx(float(np.linalg.norm(SMILE)), rel=0.15)
    assert movement.turns_a_second < 1


def test_a_face_that_begins_in_an_expression_is_read_from_where_it_comes_to_rest() -> None:
    courses = [(SMILE, pulse(-1.0, 1.0, 0.9)), (FROWN, pulse(2.0, 3.0)), (SMILE, pulse(4.0, 5.0))]
    found = told(courses, 6.5)
    onsets = [movement.onset_ns / 1e9 for movement in found]
    assert any(abs(onset - 2.0) < 0.25 for onset in onsets)
    assert any(abs(onset - 4.0) < 0.25 for onset in onsets)


def test_a_tremble_in_a_held_smile_is_no_movement_of_its_own() -> None:
    courses = [(SMILE, pulse(1.0, 3.6, 0.9)), (0.4 * SMILE, pulse(2.2, 2.8))]
    assert len(told(courses, 5.0)) == 1


def test_nothing_is_told_of_a_face_at_rest() -> None:
    assert told([], 10.0) == []


def test_a_face_that_never_goes_back_is_told_nothing_of() -> None:
    assert told([(SMILE, pulse(1.0, 40.0, 0.97))], 9.0) == []


def test_what_the_landmarks_do_in_a_blink_does_not_count() -> None:
    dragged = [(FROWN, pulse(2.0, 2.7))]
    assert len(told(dragged, 4.0)) == 1
    assert told(dragged, 4.0, shut=(1.9, 2.8)) == []


def test_a_mouth_that_turns_back_again_and_again_speaks() -> None:
    syllables = [(SMILE, pulse(1.0 + 0.25 * k, 1.22 + 0.25 * k, 0.1)) for k in range(6)]
    shapes = [(0.6 * SMILE, pulse(0.95, 2.6, 0.9)), *((0.8 * s, p) for s, p in syllables)]
    found = told(shapes, 4.0)
    assert found and max(movement.turns_a_second for movement in found) > 3


def test_reach_is_how_far_the_landmarks_went() -> None:
    large = LargeMovementSpotter()
    for number in range(60):
        measures = SMILE * np.float32(number >= 30)
        large.step(round(number * 1e9 / 30), measures.astype(np.float32), False)
    assert large.reach(0, 2 * 10**9) == pytest.approx(float(np.linalg.norm(SMILE)))
    assert large.reach(0, 5 * 10**8) == 0


def test_half_a_second_is_left_to_the_measure_of_small_movements() -> None:
    short = [(SMILE, pulse(1.5, 1.95, 0.1))]
    assert told(short, 4.0) == []
    assert len(told(short, 4.0, config=LargeConfig(shortest_ms=200))) == 1


def test_it_is_told_past_its_apex_once_it_has_lasted_and_again_when_it_is_over() -> None:
    first, last = seen([(SMILE, pulse(1.5, 3.0))], 4.5)
    assert (first[1].over, last[1].over) == (False, True)
    assert 2.0 < first[0] < 2.6
    assert first[1].onset_ns == last[1].onset_ns
    assert seen([(SMILE, pulse(1.5, 1.95, 0.1))], 4.0) == []


def test_a_pose_that_changes_slowly_draws_the_baseline_along() -> None:
    there_and_back = [(SMILE, pulse(1.0, 41.0, 0.0))]
    assert told(there_and_back, 44.0) == []
    assert told(there_and_back, 44.0, config=LargeConfig(baseline_ms=1e9, longest_ms=1e6)) != []
