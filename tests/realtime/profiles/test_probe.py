"""What a probe says, and which ones cannot be."""

import pytest

from htnet.engine.errors import UsageError
from htnet.realtime.profiles.probe import Probe, ProbedSize

SIZES = (ProbedSize(1.0, 7, 10), ProbedSize(2.0, 19, 20))


def test_it_is_a_sentence() -> None:
    assert Probe(SIZES, 0, 2.0, "light flicker at 100 Hz").sentence() == (
        "On your face, camera and light: 1 px found 7 of 10 times, 2 px 19 of 20, no false alarm "
        "in "
        "2 minutes; worst: light flicker at 100 Hz."
    )
    assert Probe(SIZES[:1], 1, 1.0).sentence() == (
        "On your face, camera and light: 1 px found 7 of 10 times, 1 false alarm in 1 minute."
    )
    assert "3 false alarms in 1.8 minutes." in Probe(SIZES, 3, 1.83).sentence()


@pytest.mark.parametrize(
    "changes",
    [
        {"sizes": ()},
        {"sizes": (ProbedSize(0.0, 1, 1),)},
        {"sizes": (ProbedSize(float("nan"), 1, 1),)},
        {"sizes": (ProbedSize(11.0, 1, 1),)},
        {"sizes": (ProbedSize(1.0, 2, 1),)},
        {"sizes": (ProbedSize(1.0, -1, 1),)},
        {"false_alarms": -1},
        {"minutes": float("nan")},
        {"minutes": -1.0},
    ],
)
def test_values_that_make_no_sense_are_refused(changes: dict[str, object]) -> None:
    values: dict[str, object] = {"sizes": SIZES, "false_alarms": 0, "minutes": 2.0}
    with pytest.raises(UsageError, match=r"expected .*; got .*: htnet calibrate --probe again"):
        Probe(**(values | changes))  # type: ignore[arg-type]
