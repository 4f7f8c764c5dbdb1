"""What truly happens comes back from its tables as it went in."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.engine.errors import DataError
from htnet.engine.synth.schedule.ground_truth import (
    DISTURBANCES,
    EVENTS_FILE,
    FRAMES_FILE,
    SimulatedEvent,
    Truth,
    read_truth,
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
def test_events_and_disturbances_are_read_back_exactly(tmp_path_factory, truth, stamps):
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


HEADER = "what,kind,class,onset_ms,apex_ms,offset_ms,amplitude_px,muscle\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a,b\n1,2\n",
        HEADER + "yawn,,,1,,2,,\n",
        HEADER + "blink,,,2,,1,,\n",
        HEADER + "blink,,,x,,1,,\n",
        HEADER + "blink,,,nan,,1,,\n",
        HEADER + "event,micro\n",
        HEADER + "event,macro,positive,1,2,3,1.0,own\n",
    ],
)
def test_a_broken_table_is_refused_in_a_sentence(tmp_path: Path, text):
    (tmp_path / EVENTS_FILE).write_text(text)
    with pytest.raises(DataError, match="expected"):
        read_truth(tmp_path)


def test_no_table_is_refused_in_a_sentence(tmp_path: Path):
    with pytest.raises(DataError, match="expected what truly happens"):
        read_truth(tmp_path)
