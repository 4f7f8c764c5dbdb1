"""Frame timing: losses, repeats and timestamps follow the plan."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.engine.synth.camera.frame_timing import Timing
from htnet.engine.synth.schedule.plan import TimingPlan

MS = 1_000_000


@pytest.mark.parametrize("fps", [24.0, 29.97, 60.0, 200.0])
def test_a_perfect_camera_keeps_time(fps):
    shots = list(Timing(fps, 10, TimingPlan(), seed=0))
    assert len(shots) == round(10 * fps)
    for i, shot in enumerate(shots):
        assert shot.number == i and not shot.again
        assert shot.t_ns == shot.taken_ns == pytest.approx(i * 1e9 / fps, abs=501)


@given(
    fps=st.floats(24, 200),
    plan=st.builds(TimingPlan, st.floats(0, 50), st.floats(0, 50), st.floats(0, 20)),
    seed=st.integers(0, 2**32),
)
def test_timestamps_rise_in_whole_microseconds_from_0(fps, plan, seed):
    timing = Timing(fps, 5, plan, seed)
    shots = list(timing)
    assert len(shots) == len(timing)
    assert shots == list(timing) == list(Timing(fps, 5, plan, seed))
    assert shots[0].t_ns == shots[0].taken_ns == 0
    for one, other in itertools.pairwise(shots):
        assert other.t_ns - one.t_ns >= 1000 and other.t_ns % 1000 == 0
        if other.again:
            assert (other.taken_ns, other.number) == (one.taken_ns, one.number)
        else:
            assert other.taken_ns > one.taken_ns


def test_as_many_are_lost_and_repeated_as_planned():
    shots = list(Timing(200, 300, TimingPlan(2, 5), seed=1))
    assert len(shots) == pytest.approx(0.98 * 60_000, rel=0.003)
    assert sum(s.again for s in shots) == pytest.approx(0.05 * 60_000, rel=0.08)
    gaps = [b.taken_ns - a.taken_ns for a, b in itertools.pairwise(shots) if not b.again]
    assert max(gaps) >= 10 * MS > 5 * MS == min(gaps)


def test_timestamps_are_off_as_planned():
    error = [s.t_ns - s.taken_ns for s in Timing(30, 300, TimingPlan(jitter_ms=3), seed=2)]
    size = (sum(e * e for e in error) / len(error)) ** 0.5
    assert size == pytest.approx(3 * MS, rel=0.05)
    assert max(map(abs, error)) < 9.1 * MS and abs(sum(error) / len(error)) < 0.2 * MS
