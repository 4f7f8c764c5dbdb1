"""Greedy matching of spans: thresholds, tie-breaks, and both orders that callers use."""

from dataclasses import dataclass

import pytest

from htnet.engine.event_matching import match_spans, overlap_ns, possible_pairs


@dataclass(frozen=True)
class Span:
    onset_ns: int
    offset_ns: int


def onsets(true: Span, found: Span) -> tuple[int, int]:
    return true.onset_ns, found.onset_ns


@pytest.mark.parametrize(
    ("offset", "iou"), [(1, 0.01), (49, 0.49), (50, 0.5), (100, 1.0), (200, 0.5)]
)
def test_the_threshold_itself_is_enough(offset: int, iou: float) -> None:
    truth, found = [Span(0, 100)], [Span(0, offset)]
    assert possible_pairs(truth, found) == [(iou, 0, 0)]
    assert match_spans(truth, found, 0.5) == ({0: 0} if iou >= 0.5 else {})


def test_spans_that_only_touch_are_no_pair_at_any_threshold() -> None:
    assert match_spans([Span(0, 100)], [Span(100, 200), Span(300, 400)]) == {}
    assert match_spans([Span(50, 50)], [Span(50, 50)]) == {}
    assert overlap_ns(Span(0, 100), Span(300, 400)) == (0, 400)


def test_the_larger_overlap_goes_first_whatever_the_order() -> None:
    assert match_spans([Span(0, 100)], [Span(0, 60), Span(0, 90)]) == {0: 1}
    assert match_spans([Span(0, 60), Span(0, 90)], [Span(0, 100)]) == {1: 0}


def test_of_equal_overlaps_the_first_given_goes_first_without_a_key() -> None:
    later, earlier = Span(50, 150), Span(-50, 50)  # both share a third of the union with 0..100
    assert match_spans([Span(0, 100)], [later, earlier]) == {0: 0}
    assert match_spans([later, earlier], [Span(0, 100)]) == {0: 0}


def test_of_equal_overlaps_the_earlier_onset_goes_first_with_one() -> None:
    later, earlier = Span(50, 150), Span(-50, 50)
    assert match_spans([Span(0, 100)], [later, earlier], key=onsets) == {0: 1}
    assert match_spans([later, earlier], [Span(0, 100)], key=onsets) == {1: 0}


def test_equal_spans_are_paired_by_index() -> None:
    same = [Span(0, 100)] * 3
    assert match_spans(same, same[:2]) == match_spans(same, same[:2], 0.5, onsets) == {0: 0, 1: 1}
