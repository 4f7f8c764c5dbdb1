from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from htnet.engine.anatomy.measures import MEASURES
from htnet.engine.types import F32
from htnet.realtime.spotting.arbiter import (
    PART,
    Arbiter,
    ArbiterConfig,
    both_sides,
    leading_muscle,
    restless_landmarks,
)
from htnet.realtime.spotting.large import LargeMovement
from htnet.realtime.spotting.spot import Spot

MS = 1_000_000


def at(**px: float) -> F32:
    peak = np.zeros(len(MEASURES), np.float32)
    for name, value in px.items():
        peak[MEASURES.index(name.replace("_", " "))] = value
    return peak


SMILE = at(left_lip_corner_x=-4, right_lip_corner_x=4, left_lip_corner_y=-5, right_lip_corner_y=-5)


def large(onset_ms: int, offset_ms: int, turns: float = 1.0, over: bool = True) -> LargeMovement:
    apex = (onset_ms + offset_ms) // 2
    return LargeMovement(onset_ms * MS, apex * MS, offset_ms * MS, SMILE, 9.0, 3.0, turns, over)


def small(
    onset_ms: int,
    offset_ms: int,
    stage: str = "final",
    number: int = 1,
    px: float = 1.0,
    rejected: str | None = None,
) -> Spot:
    apex = (onset_ms + offset_ms) // 2
    return Spot(
        number,
        stage,
        "micro",
        onset_ms * MS,
        apex * MS,
        offset_ms * MS,
        px,
        "jaw drop",
        2.0,
        rejected,
    )


def far(since_ns: int, until_ns: int) -> float:
    return 8.0


def still(since_ns: int, until_ns: int) -> float:
    return 0.4


def beside(px: float) -> Callable[[int, int], float]:
    """Landmarks that moved before the movement alone."""
    return lambda since_ns, until_ns: px if until_ns - since_ns > 500 * MS else 0.4


def test_small_movements_pass_while_nothing_large_moves() -> None:
    arbiter = Arbiter()
    (early,) = arbiter.step(0, (small(100, 400, "provisional", 7),), None, False, still)
    (late,) = arbiter.step(0, (small(100, 400, "final", 7),), None, False, still)
    assert (early.stage, late.stage, late.rejected) == ("provisional", "final", None)
    assert early.id == late.id


def test_a_large_movement_explains_the_small_ones_in_it() -> None:
    arbiter = Arbiter()
    assert arbiter.step(0, (small(1100, 1300),), None, True, far) == ()
    part, whole = arbiter.step(0, (), large(1000, 2000), False, far)
    assert (part.rejected, part.onset_ns) == (PART, 1100 * MS)
    assert (whole.rejected, whole.kind, whole.muscle) == (None, "macro", "lip corner pull")
    (late,) = arbiter.step(0, (small(1700, 1990, number=2),), None, False, far)
    assert late.rejected == PART


def test_its_first_report_and_its_last_have_one_id() -> None:
    arbiter = Arbiter()
    (first,) = arbiter.step(0, (), large(1000, 1500, over=False), True, far)
    (last,) = arbiter.step(0, (), large(1000, 2000), False, far)
    assert first.id == last.id and (first.stage, last.stage) == ("provisional", "final")


def test_a_large_movement_that_never_goes_back_is_taken_back_and_the_small_ones_are_told() -> None:
    arbiter = Arbiter()
    arbiter.step(0, (small(1100, 1300),), large(1000, 1500, over=False), True, far)
    taken_back, told = arbiter.step(0, (), None, False, far)
    assert taken_back.rejected == "no return"
    assert told.rejected is None


def test_speech_is_rejected_and_so_is_what_lies_in_it() -> None:
    arbiter = Arbiter()
    arbiter.step(0, (small(1100, 1300),), None, True, far)
    told = arbiter.step(0, (), large(1000, 2000, turns=5.0), False, far)
    assert [spot.rejected for spot in told] == ["speech", "speech"]


def test_a_pull_of_pixels_that_moves_no_landmark_is_the_head() -> None:
    (spot,) = Arbiter().step(0, (small(100, 400, px=4.0),), None, False, still)
    assert spot.rejected == "head turn"
    (spot,) = Arbiter().step(0, (small(100, 400, px=2.0),), None, False, still)
    assert spot.rejected is None


def test_a_short_movement_beside_a_far_larger_one_is_its_part() -> None:
    told = Arbiter().step(600 * MS, (small(100, 400),), None, False, beside(12.0))
    assert [spot.rejected for spot in told] == [PART]
    told = Arbiter().step(600 * MS, (small(100, 400),), None, False, beside(5.0))
    assert [spot.rejected for spot in told] == [None]
    decision = restless_landmarks(600 * MS, small(100, 400), beside(12.0), ArbiterConfig())
    assert (decision.measured, decision.limit, decision.rejects) == (12.0, 10.0, True)


def test_a_long_movement_in_which_the_landmarks_go_far_is_another_pose() -> None:
    macro = replace(small(100, 1400, px=2.0), kind="macro")
    (spot,) = Arbiter().step(0, (macro,), None, False, lambda since_ns, until_ns: 16.0)
    assert spot.rejected == "head turn"


def test_a_large_movement_has_to_reach_the_operating_point() -> None:
    strict = Arbiter(ArbiterConfig(score=4.0))
    (spot,) = strict.step(0, (), large(1000, 2000), False, far)  # 9 px where 3 open it
    assert (spot.rejected, spot.score) == ("weak", 3.0)


def test_what_was_large_before_the_end_explains_nothing_after_it() -> None:
    arbiter = Arbiter()
    arbiter.step(0, (), large(1000, 2000), False, far)
    arbiter.cut_off(2000 * MS, (), "source restarted")
    (spot,) = arbiter.step(0, (small(1700, 1990),), None, False, far)
    assert spot.rejected is None


def test_every_rejection_says_what_was_measured() -> None:
    arbiter = Arbiter()
    arbiter.step(0, (small(1100, 1300),), None, True, far)
    part, _ = arbiter.step(0, (), large(1000, 2000), False, far)
    (turned,) = Arbiter().step(0, (small(100, 400, px=4.0),), None, False, still)
    for spot in (part, turned):
        assert spot.rejected in [each.rule for each in spot.decisions if each.rejects]


def test_the_end_tells_what_waits_and_rejects_what_is_under_way() -> None:
    arbiter = Arbiter()
    arbiter.step(0, (small(1100, 1300),), large(1000, 1500, over=False), True, far)
    told = arbiter.cut_off(1600 * MS, (), "face lost")
    assert [spot.rejected for spot in told] == ["face lost", None]
    assert arbiter.cut_off(1600 * MS, (), "face lost") == ()


@pytest.mark.parametrize(
    ("peak", "muscle"),
    [
        (SMILE, "lip corner pull"),
        (-SMILE, "lip corner depress"),
        (at(mouth_opening=9), "jaw drop"),
        (at(left_inner_brow=3, right_inner_brow=3), "brow lower"),
        (at(left_inner_brow=-3, right_outer_brow=-3), "brow raise"),
    ],
)
def test_the_muscle_that_leads(peak: F32, muscle: str) -> None:
    assert leading_muscle(peak) == muscle


def test_both_sides_of_a_large_movement_are_the_persons() -> None:
    assert both_sides(SMILE, "lip corner pull") == (5.0, 5.0)
    # The measures' left is the picture's: the person's right.
    assert both_sides(at(left_lip_corner_y=-5), "lip corner pull") == (0.0, 5.0)
    # A head that turns shifts both corners sideways.
    smile = at(left_lip_corner_y=-2, right_lip_corner_y=-8, left_lip_corner_x=9)
    assert both_sides(smile, "lip corner pull") == (9.0, 2.25)
    raised = at(left_inner_brow=-2, left_outer_brow=-4, right_inner_brow=1)
    assert both_sides(raised, "brow raise") == (0.0, 4.0)
    assert both_sides(at(mouth_opening=6), "jaw drop") == (6.0, 6.0)


def test_the_spot_of_a_large_movement_has_its_sides() -> None:
    (spot,) = Arbiter().step(1000 * MS, (), large(0, 900), False, far)
    assert spot.left_px == spot.right_px == spot.magnitude_px
