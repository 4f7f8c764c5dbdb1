"""Large movements on made courses of measures, whose truth is known."""

import numpy as np
import pytest

from htnet.engine.anatomy.measures import MEASURES
from htnet.engine.synth.pulse import Pulse
from htnet.engine.types import F32
from htnet.realtime.spotting.large import LargeMovement, LargeMovements

SMILE = np.zeros(len(MEASURES), np.float32)
for name, px in (("left lip corner x", -4), ("right lip corner x", 4)):
    SMILE[MEASURES.index(name)] = px
for name in ("left lip corner y", "right lip corner y"):
    SMILE[MEASURES.index(name)] = -5
FROWN = np.zeros(len(MEASURES), np.float32)
for side in ("left", "right"):
    FROWN[MEASURES.index(f"{side} inner brow")] = 5


def pulse(onset_s: float, offset_s: float, hold: float = 0.6) -> Pulse:
    apex_s = onset_s + 0.3 * (offset_s - onset_s)
    return Pulse(*(round(t * 1e9) for t in (onset_s, apex_s, offset_s)), hold)


def told(
    courses: list[tuple[F32, Pulse]],
    seconds: float,
    fps: float = 30.0,
    shut: tuple[float, ...] = (),
) -> list[LargeMovement]:
    rng = np.random.default_rng(0)
    large, found = LargeMovements(), []
    for number in range(round(seconds * fps)):
        t_ns = round(number * 1e9 / fps)
        measures = rng.normal(0, 0.12, len(MEASURES)).astype(np.float32)
        for shape, course in courses:
            measures = measures + np.float32(course.at(t_ns)) * shape
        blinking = any(abs(t_ns / 1e9 - at) < 0.1 for at in shut)
        movement = large.step(t_ns, measures, blinking)
        if movement is not None and movement.over:
            found.append(movement)
    return found


@pytest.mark.parametrize("fps", [12, 25, 30, 60, 200])
def test_a_smile_is_found_at_every_rate(fps: float) -> None:
    (movement,) = told([(SMILE, pulse(1.5, 3.0))], 4.5, fps)
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


def test_nothing_is_told_of_a_face_at_rest_nor_of_a_pose_that_changes_slowly() -> None:
    assert told([], 10.0) == []
    assert told([(SMILE, pulse(1.0, 13.0, 0.0))], 12.0) == []


def test_a_face_that_never_goes_back_is_told_nothing_of() -> None:
    assert told([(SMILE, pulse(1.0, 40.0, 0.97))], 9.0) == []


def test_what_the_landmarks_do_in_a_blink_does_not_count() -> None:
    assert told([(FROWN, pulse(2.0, 2.15))], 4.0, shut=(2.07,)) == []


def test_a_mouth_that_turns_back_again_and_again_speaks() -> None:
    syllables = [(SMILE, pulse(1.0 + 0.25 * k, 1.22 + 0.25 * k, 0.1)) for k in range(6)]
    shapes = [(0.6 * SMILE, pulse(0.95, 2.6, 0.9)), *((0.8 * s, p) for s, p in syllables)]
    found = told(shapes, 4.0)
    assert found and max(movement.turns_a_second for movement in found) > 3


def test_reach_is_how_far_the_landmarks_went() -> None:
    large = LargeMovements()
    for number in range(60):
        measures = SMILE * np.float32(number >= 30)
        large.step(round(number * 1e9 / 30), measures.astype(np.float32), False)
    assert large.reach(0, 2 * 10**9) == pytest.approx(float(np.linalg.norm(SMILE)))
    assert large.reach(0, 5 * 10**8) == 0


def test_half_a_second_is_left_to_the_measure_of_small_movements() -> None:
    assert told([(SMILE, pulse(1.5, 1.95, 0.1))], 4.0) == []
