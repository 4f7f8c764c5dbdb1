"""Tiers: whole milliseconds, no overlap, nothing lost."""

import pytest
from hypothesis import given

from htnet.engine.types import Event
from htnet.realtime.formats.observation import Row
from htnet.realtime.formats.tiers import NAMES, end_of, one_line, tiers

from .conftest import EVENTS


def test_kinds_and_rejected_ones_lie_apart(session: list[Row]) -> None:
    told = {tier.name: [span.id for span in tier.spans] for tier in tiers(session)}
    assert told == {
        "micro": [1, 4],
        "macro": [3],
        "rejected micro": [2],
        "rejected macro": [6],
        "micro 2": [5],
    }
    assert [tier.name for tier in tiers([])] == list(NAMES)


def test_a_final_row_replaces_the_provisional_one(session: list[Row]) -> None:
    (span,) = [span for tier in tiers(session) for span in tier.spans if span.id == 4]
    assert (span.start_ms, span.apex_ms, span.end_ms) == (900, 1000, 1211)


def test_a_value_is_the_label_or_the_reason(session: list[Row]) -> None:
    spans = {span.id: span for tier in tiers(session) for span in tier.spans}
    assert spans[1].value == "positive"
    assert spans[1].detail == "lip corner pull, 1.04 px, score 2.50"
    assert spans[2].value == "blink"
    assert spans[2].detail.startswith("negative, lip corner pull")
    (sided,) = tiers([{**session[0], "side": "left"}])[0].spans
    assert sided.detail.startswith("lip corner pull left, ")


@given(EVENTS)
def test_spans_are_ordered_and_complete(events: list[Event]) -> None:
    rows = [event.row() for event in events]
    told = tiers(rows)
    assert sorted(span.id for tier in told for span in tier.spans) == [e.id for e in events]
    for tier in told:
        for before, after in zip(tier.spans, tier.spans[1:], strict=False):
            assert before.end_ms <= after.start_ms
        for span in tier.spans:
            event = events[span.id]
            assert 0 <= span.start_ms <= span.apex_ms <= span.end_ms <= end_of(told)
            assert span.start_ms < span.end_ms
            assert abs(span.start_ms - event.onset_ns / 1e6) <= 0.51
            assert abs(span.end_ms - event.offset_ns / 1e6) <= 1.51
            assert tier.rejected == (event.rejected is not None)
            assert span.value == one_line(span.value)


@pytest.mark.parametrize(
    ("text", "line"), [("a\n\tb", "a b"), ("\0\x0b", ""), (" é→ ", "é→"), ("a\u2028b", "a b")]
)
def test_a_text_on_one_line(text: str, line: str) -> None:
    assert one_line(text) == line
