"""The terminal panel and the tables, in 80 columns and where nothing is a terminal."""

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from htnet.engine.event_matching import match_events
from htnet.engine.synth.schedule.ground_truth import SimulatedEvent
from htnet.engine.types import (
    NS_PER_MS,
    Event,
    Face,
    Frame,
    Health,
    Motion,
    Prediction,
    State,
    Tick,
)
from htnet.realtime.sinks.status_panel import StatusPanel
from htnet.realtime.sinks.tables import rejected_line, summary_table, truth_table

ANSWER = {"negative": 0.05, "positive": 0.9, "surprise": 0.05}


def console(terminal: bool = False, width: int = 80, **options: object) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=terminal, width=width, color_system=None, **options
    )


def output(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def shown(content: RenderableType, width: int = 80) -> str:
    paper = console(width=width)
    paper.print(content)
    return output(paper)


def event(number: int, onset: float, offset: float, **changes: object) -> Event:
    ns = [round(ms * NS_PER_MS) for ms in (onset, (onset + offset) / 2, offset)]
    return replace(
        Event(number, "final", "micro", "positive", ANSWER, *ns, magnitude_px=1.04), **changes
    )


def truth(onset: float, offset: float, label: str = "positive") -> SimulatedEvent:
    ns = [round(ms * NS_PER_MS) for ms in (onset, (onset + offset) / 2, offset)]
    return SimulatedEvent(label, "lip corner pull", *ns, amplitude_px=1.5)


def tick(ms: float, *events: Event, magnitude: float = 0.6) -> Tick:
    return Tick(
        Frame(0, round(ms * NS_PER_MS), np.zeros((2, 2, 3), np.uint8)),
        Face(np.zeros((478, 2), np.float32), 0.3),
        None,
        Motion({}, magnitude, 0.25, False),
        State.RISING,
        None,
        Prediction("positive", ANSWER),
        events,
        Health(29.6, 18.2, 4, "camera 0 [red]"),
    )


def test_the_panel_says_it_all_in_eighty_columns() -> None:
    panel = StatusPanel(console())
    for i in range(100):
        panel.write(tick(1000 + i * 33, magnitude=0.05 if i < 95 else 0.6))
    panel.write(tick(5000, event(1, 3500, 3783)))
    panel.say("camera 0 gives no pictures: opening it again, try 2")
    text = shown(panel.render())
    for piece in (
        "camera 0 [red]", "rising", "positive", "90 %", "0.60", "0.25 px", "3.50 s", "283 ms",
        "30 fps", "18 ms latency", "4 dropped", "try 2", "█",
    ):  # fmt: skip
        assert piece in text, piece
    lines = text.splitlines()
    assert {len(line) for line in lines} == {80}
    assert len(lines) <= 20
    assert all(len(line) <= 60 for line in shown(panel.render(), 60).splitlines())


def test_the_panel_keeps_its_height() -> None:
    panel = StatusPanel(console())
    panel.write(tick(0))
    heights = set()
    for i in range(8):
        heights.add(len(shown(panel.render()).splitlines()))
        panel.write(tick(33 + i * 1000, event(i, i * 1000, i * 1000 + 200)))
    assert len(heights) == 1


def test_a_terminal_is_refreshed_no_more_than_eight_times_a_second() -> None:
    now = 0.0
    paper = console(terminal=True)
    with StatusPanel(paper, clock=lambda: now) as panel:
        drawn, last = 0, output(paper)
        for i in range(300):
            now = i / 100
            panel.write(tick(i * 10))
            drawn += output(paper) != last
            last = output(paper)
    assert 20 <= drawn <= 25


def test_without_a_terminal_each_final_event_is_a_line() -> None:
    paper = console()
    with StatusPanel(paper) as panel:
        for i in range(50):
            panel.write(tick(1000 + i * 33))
        panel.write(tick(3000, event(1, 2500, 2783, stage="provisional")))
        panel.write(tick(3033, event(1, 2500, 2783)))
        panel.say("camera 0 gives no pictures")
        panel.say("camera 0 gives no pictures")
        panel.say("")
        panel.add([event(2, 4000, 4300, rejected="source ended")])
    lines = output(paper).splitlines()
    assert len(lines) == 3
    assert " ".join(lines[0].split()) == "2.50 s positive 90 % micro 283 ms 1.04 px"
    assert lines[1] == "camera 0 gives no pictures"
    assert "rejected: source ended" in lines[2]


def test_the_terminal_is_given_back_after_an_error() -> None:
    paper = console(terminal=True)
    with pytest.raises(RuntimeError), StatusPanel(paper) as panel:
        panel.write(tick(0))
        raise RuntimeError
    assert output(paper).count("\x1b[?25l") == output(paper).count("\x1b[?25h") == 1


SPOTTED = [
    event(4, 12_500, 12_700, rejected="speech"),
    event(1, 10_500, 10_783),
    event(2, 11_000, 11_200, stage="provisional"),
    event(3, 12_000, 12_400, label="negative", rejected="blink"),
    event(5, 9_000, 9_400, label="surprise"),
    event(6, 13_000, 13_400, rejected="blink"),
]


def test_the_summary_has_what_was_found_by_onset() -> None:
    text = shown(summary_table(SPOTTED))
    rows = [line for line in text.splitlines() if "micro" in line]
    assert [row.split()[0] for row in rows] == ["9.00", "10.50"]
    assert "10783" in text and "283" in text and "90 %" in text and "2 found" in text
    assert "rejected" not in text and "blink" not in text
    assert "0 found" in shown(summary_table([]))
    assert max(map(len, text.splitlines())) <= 80


def test_rejected_events_are_counted_in_a_line_or_listed() -> None:
    assert rejected_line(SPOTTED) == "3 rejected: blink 2, speech 1"
    assert rejected_line(SPOTTED[1:3]) == ""
    text = shown(summary_table(SPOTTED, rejected=True))
    rows = [line.split() for line in text.splitlines() if "micro" in line]
    assert [row[0] for row in rows] == ["9.00", "10.50", "12.00", "12.50", "13.00"]
    assert [row[-1] for row in rows[2:]] == ["blink", "speech", "blink"]


def test_truth_and_found_side_by_side() -> None:
    truths = [truth(1000, 1300), truth(3000, 3200, "negative"), truth(5000, 5200, "surprise")]
    found = [
        event(1, 1010, 1280),
        event(2, 3020, 3210),
        event(3, 5010, 5200, rejected="blink"),
        event(4, 8000, 8100),
    ]
    text = shown(truth_table(truths, found))
    rows = [line for line in text.splitlines() if " s " in line]
    assert [row.split("  ")[-1].strip() for row in map(str.rstrip, rows)] == [
        "hit", "wrong label", "missed", "false alarm",
    ]  # fmt: skip
    assert " ".join(rows[0].split()) == "positive 1.00 s 300 1.50 positive 270 +10 -5 -20 hit"
    assert "1 of 3 hit" in text
    assert max(map(len, text.splitlines())) <= 80 and "…" not in text


spans = st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 900)), max_size=8)


@given(spans, spans)
def test_matching_is_one_to_one_and_overlaps(
    true_spans: list[tuple[int, int]], found_spans: list[tuple[int, int]]
) -> None:
    truths = [truth(a, a + d) for a, d in true_spans]
    found = [event(i, a, a + d) for i, (a, d) in enumerate(found_spans)]
    matches = match_events(truths, found)
    assert sorted(map(id, truths)) == sorted(id(t) for t, _ in matches if t is not None)
    assert sorted(map(id, found)) == sorted(id(e) for _, e in matches if e is not None)
    starts = [(t or e).onset_ns for t, e in matches]  # type: ignore[union-attr]
    assert starts == sorted(starts)

    def overlap(t: SimulatedEvent, e: Event) -> bool:
        return min(t.offset_ns, e.offset_ns) > max(t.onset_ns, e.onset_ns)

    assert all(overlap(t, e) for t, e in matches if t and e)
    # Nothing is left over that could still be paired.
    missed = [t for t, e in matches if e is None and t]
    alarms = [e for t, e in matches if t is None and e]
    assert not any(overlap(t, e) for t in missed for e in alarms)
    again = match_events(truths, [*found, event(99, 0, 9000, rejected="blink")])
    assert again == matches


@given(spans)
def test_what_is_exactly_true_is_matched_to_itself(all_spans: list[tuple[int, int]]) -> None:
    distinct = sorted(set(all_spans))
    truths = [truth(a, a + d) for a, d in distinct]
    found = [event(i, a, a + d) for i, (a, d) in enumerate(distinct)]
    for true, one in match_events(truths, found):
        assert true is not None and one is not None
        assert (true.onset_ns, true.offset_ns) == (one.onset_ns, one.offset_ns)


def test_the_nearer_of_two_is_taken() -> None:
    matches = match_events(
        [truth(1000, 1300)], [event(1, 900, 1050), event(2, 1010, 1310), event(3, 1290, 1400)]
    )
    assert [(t is not None, e.id if e else None) for t, e in matches] == [
        (False, 1), (True, 2), (False, 3),
    ]  # fmt: skip
