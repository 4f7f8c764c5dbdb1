"""The reader of ``events.csv``, shared by the tests of the tables and of the simulation."""

import csv
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from htnet.engine.synth.schedule.ground_truth import EVENTS_FILE, Disturbance, SimulatedEvent, Truth


def _ns(text: str) -> int:
    t_ns = Decimal(text).scaleb(6)
    assert t_ns == t_ns.to_integral_value()
    return int(t_ns)


def _read(folder: Path) -> Truth:
    events, disturbances = [], []
    with (folder / EVENTS_FILE).open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            onset, offset = _ns(row["onset_ms"]), _ns(row["offset_ms"])
            if row["what"] == "event":
                apex, amplitude = _ns(row["apex_ms"]), float(row["amplitude_px"])
                event = SimulatedEvent(row["class"], row["muscle"], onset, apex, offset, amplitude)
                assert event.kind == row["kind"]
                events.append(event)
            else:
                disturbances.append(Disturbance(row["what"], onset, offset))
    return Truth(tuple(events), tuple(disturbances))


@pytest.fixture(scope="session")
def read_truth() -> Callable[[Path], Truth]:
    """Return the function that reads a simulation's folder back into a `Truth`."""
    return _read
