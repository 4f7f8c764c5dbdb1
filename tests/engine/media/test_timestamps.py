"""Times of a recording, made strictly increasing."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from htnet.engine.media.timestamps import BestEffort, Timestamps, to_ns

positions = st.none() | st.integers(-(10**15), 10**15)


@given(st.lists(positions, max_size=50), st.floats(allow_nan=True))
def test_stamps_always_increase(reported: list[int | None], fps: float) -> None:
    stamps = Timestamps(fps)
    times = [stamps.next(position) for position in reported]
    assert all(a < b for a, b in pairwise(times))


@given(st.lists(st.integers(0, 10**9), unique=True, min_size=1))
def test_stamps_leave_increasing_times_alone(us: list[int]) -> None:
    stamps = Timestamps(30)
    for t in sorted(us):
        assert stamps.next(t * 1000) == t * 1000


@given(st.integers(1, 30), st.lists(st.integers(1, 100), min_size=3, max_size=20))
def test_one_repeated_or_late_stamp_moves_no_other(at: int, steps: list[int]) -> None:
    times = np.cumsum([0, *steps]).tolist()
    at = 1 + at % (len(times) - 2)
    stamps = Timestamps(1000)
    given_ = [times[i - 1] if i == at else t for i, t in enumerate(times)]
    got = [stamps.next(t * 1_000_000) for t in given_]
    # Where the true step was long enough, the rest of the line is untouched.
    if times[at + 1] - times[at - 1] > 1:
        assert got[at + 1 :] == [t * 1_000_000 for t in times[at + 1 :]]


@given(st.integers(-(10**9), 10**9), st.integers(1, 10**6), st.integers(1, 10**6))
def test_ticks_are_rounded_to_the_nearest_ns(count: int, numerator: int, denominator: int) -> None:
    base = Fraction(numerator, denominator)
    assert abs(to_ns(count, base) - count * base * 10**9) <= Fraction(1, 2)


@given(st.lists(st.integers(0, 1000), unique=True, min_size=2))
def test_good_presentation_times_are_believed(counts: list[int]) -> None:
    best = BestEffort()
    assert [best.choose(pts, None) for pts in sorted(counts)] == sorted(counts)
    best = BestEffort()
    assert [best.choose(pts, pts - 3) for pts in sorted(counts)] == sorted(counts)


def test_decoding_times_take_over_where_presentation_steps_back() -> None:
    best = BestEffort()
    given_ = [(0, 0), (1, 1), (2, 2), (0, 3), (4, 4), (None, 5), (6, None)]
    assert [best.choose(*each) for each in given_] == [0, 1, 2, 3, 4, 5, 6]
    assert BestEffort().choose(None, None) is None
