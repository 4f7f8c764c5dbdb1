"""The time course of an expression."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.engine.synth.face.time_course import TimeCourse


@st.composite
def pulses(draw):
    onset = draw(st.integers(0, 10**12))
    apex = onset + draw(st.integers(10**6, 10**9))
    return TimeCourse(
        onset, apex, apex + draw(st.integers(10**6, 10**9)), draw(st.floats(0.0, 0.8))
    )


@given(pulses())
def test_zero_outside_and_one_at_the_apex(pulse):
    assert pulse.at(pulse.onset_ns - 1) == pulse.at(pulse.onset_ns) == 0.0
    assert pulse.at(pulse.apex_ns) == pytest.approx(1.0, abs=1e-12)
    assert pulse.at(pulse.offset_ns) == pulse.at(pulse.offset_ns + 1) == 0.0


@given(pulses())
def test_rises_to_the_apex_holds_and_falls_without_a_jump(pulse):
    def sample(start, end):
        return [pulse.at(start + (end - start) * i // 200) for i in range(201)]

    rise = sample(pulse.onset_ns, pulse.apex_ns)
    held_until = pulse.apex_ns + int(pulse.hold * (pulse.offset_ns - pulse.apex_ns))
    hold, fall = sample(pulse.apex_ns, held_until), sample(held_until, pulse.offset_ns)
    assert rise == sorted(rise)
    assert min(hold) > 1.0 - 1e-6
    assert fall == sorted(fall, reverse=True)
    # the steepest part of a minimum-jerk curve rises 1.875 times as fast as a straight line
    for part in (rise, fall):
        assert max(abs(b - a) for a, b in itertools.pairwise(part)) < 1.9 / 200 + 1e-5


@pytest.mark.parametrize(
    ("onset", "apex", "offset", "hold"),
    [(5, 5, 9, 0.1), (5, 9, 9, 0.1), (9, 5, 12, 0.1), (1, 2, 3, 1.0)],
)
def test_refuses_what_is_no_pulse(onset, apex, offset, hold):
    with pytest.raises(ValueError):
        TimeCourse(onset, apex, offset, hold)
