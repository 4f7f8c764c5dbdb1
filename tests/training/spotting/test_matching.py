"""MEGC matching: one to one, half of the union, and its tie-break by onset."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htnet.training.spotting.matching import hit_count, match, pairings
from htnet.training.spotting.records import TrueEvent

MS = 1_000_000


def true(onset: int, offset: int) -> TrueEvent:
    return TrueEvent("micro", None, onset * MS, None, offset * MS)


SPANS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda s: true(s[0], sum(s))), max_size=8
)


@pytest.mark.parametrize(("offset", "hits"), [(200, {0: 0}), (199, {}), (800, {0: 0}), (801, {})])
def test_half_of_the_union_is_a_hit(offset: int, hits: dict[int, int]) -> None:
    assert match([true(0, 400)], [true(0, offset)]) == hits


def test_of_equal_overlaps_the_earlier_onset_is_matched_in_any_order() -> None:
    later, earlier = true(100, 400), true(-100, 200)
    assert match([true(0, 300)], [later, earlier]) == {0: 1}
    assert match([later, earlier], [true(0, 300)]) == {1: 0}


@given(SPANS, SPANS)
@settings(deadline=None)
def test_a_match_is_one_to_one_and_half_on_it(
    truth: list[TrueEvent], others: list[TrueEvent]
) -> None:
    hits = match(truth, others)
    assert len(set(hits.values())) == len(hits) == hit_count(pairings(truth, others))
    for i, j in hits.items():
        a, b = truth[i], others[j]
        shared = min(a.offset_ns, b.offset_ns) - max(a.onset_ns, b.onset_ns)
        assert shared / (max(a.offset_ns, b.offset_ns) - min(a.onset_ns, b.onset_ns)) >= 0.5
