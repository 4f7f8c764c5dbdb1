"""The ground truth and its two tables."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.engine.synth.schedule.ground_truth import (
    DISTURBANCES,
    EVENTS_FILE,
    FRAMES_FILE,
    SimulatedEvent,
    Truth,
    write_truth,
)
from htnet.engine.types import CLASSES, Disturbance

MS = 1_000_000
FAR = 10**13


@st.composite
def truths(draw):
    def spans(count):
        ends = sorted(draw(st.sets(st.integers(0, FAR), min_size=count, max_size=count)))
        return [tuple(ends[i : i + 3]) for i in range(0, count, 3)]

    events = [
        SimulatedEvent(
            draw(st.sampled_from(CLASSES)),
            draw(st.sampled_from(["brow raise", "own", 'odd, "named"'])),
            *span,
            draw(st.floats(0.3, 12)),
        )
        for span in spans(3 * draw(st.integers(0, 4)))
    ]
    disturbances = [
        Disturbance(draw(st.sampled_from(DISTURBANCES)), span[0], span[2])
        for span in spans(3 * draw(st.integers(0, 4)))
    ]
    return Truth(tuple(events), tuple(disturbances))


@given(truth=truths(), stamps=st.lists(st.integers(0, FAR), max_size=5))
def test_the_tables_hold_every_time_exactly(tmp_path_factory, read_truth, truth, stamps):
    folder = tmp_path_factory.mktemp("truth")
    write_truth(folder, truth, [(t, t) for t in stamps])
    assert read_truth(folder) == truth
    assert {path.name for path in folder.iterdir()} == {FRAMES_FILE, EVENTS_FILE}


def test_micro_up_to_half_a_second_then_macro():
    assert SimulatedEvent("positive", "own", 0, 100 * MS, 500 * MS, 1.0).kind == "micro"
    assert SimulatedEvent("positive", "own", 0, 100 * MS, 500 * MS + 1, 1.0).kind == "macro"


def test_a_macro_expression_stays_and_a_micro_does_not():
    micro = SimulatedEvent("positive", "own", 0, 200 * MS, 400 * MS, 1.0).pulse
    macro = SimulatedEvent("positive", "own", 0, 200 * MS, 2200 * MS, 1.0).pulse
    assert micro.at(300 * MS) < 0.7
    assert macro.at(1200 * MS) == pytest.approx(1.0) and macro.at(1900 * MS) < 0.7


def test_each_frame_has_a_row_with_what_it_shows(tmp_path: Path):
    event = SimulatedEvent("surprise", "brow raise", 100 * MS, 200 * MS, 300 * MS, 1.25)
    truth = Truth(
        (event,),
        (Disturbance("blink", 150 * MS, 400 * MS), Disturbance("lighting", 290 * MS, 310 * MS)),
    )
    shown = [0, 100 * MS, 295 * MS, 300 * MS, 400 * MS]
    write_truth(tmp_path, truth, [(t + 500_000, t) for t in shown])
    with (tmp_path / FRAMES_FILE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["index"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert [float(row["time_ms"]) for row in rows] == [0.5, 100.5, 295.5, 300.5, 400.5]
    assert [row["kind"] for row in rows] == ["", "micro", "micro", "", ""]
    assert [row["disturbed"] for row in rows] == ["", "", "blink+lighting", "blink+lighting", ""]
    during = rows[2]
    assert during["class"] == "surprise" and during["muscle"] == "brow raise"
    assert [float(during[f"{name}_ms"]) for name in ("onset", "apex", "offset")] == [100, 200, 300]
    assert float(during["amplitude_px"]) == 1.25
    assert ",".join(during) == (
        "index,time_ms,kind,class,onset_ms,apex_ms,offset_ms,amplitude_px,muscle,disturbed"
    )
