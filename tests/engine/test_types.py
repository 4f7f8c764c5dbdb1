"""An event's row, and its side."""

from dataclasses import replace

import pytest

from htnet.engine.types import Event

PLAIN = Event(1, "final", "micro", "positive", {"positive": 1.0}, 0, 1, 2, 1.0)


@pytest.mark.parametrize(
    ("left_px", "right_px", "side"),
    [
        (2.0, 0.9, "left"),
        (0.9, 2.0, "right"),
        (2.0, -0.5, "left"),
        (2.0, 1.0, "both"),
        (1.5, 2.0, "both"),
        (0.0, 0.0, "both"),
        (-1.0, -0.2, "both"),
    ],
)
def test_a_side_is_told_where_the_other_moves_less_than_half_as_far(
    left_px: float, right_px: float, side: str
) -> None:
    assert replace(PLAIN, left_px=left_px, right_px=right_px).side == side


def test_the_row_has_the_sides_and_the_action_units() -> None:
    event = replace(
        PLAIN, muscle="lip corner pull", units="AU12", left_px=1.23456, right_px=0.2, score=2.0
    )
    row = event.row()
    assert (row["v"], row["units"], row["side"]) == (2, "AU12", "left")
    assert (row["left_px"], row["right_px"]) == (1.235, 0.2)
