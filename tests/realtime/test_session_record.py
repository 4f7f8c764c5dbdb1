"""Session records: what a run's outputs need to be understood, by its JSON Schema."""

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from htnet.engine.errors import OutputError, SourceError
from htnet.engine.models.weights import default_weights
from htnet.engine.types import CLASSES, NS_PER_MS, Event, Frame, State, Tick
from htnet.realtime.session_record import (
    SessionConfig,
    SessionRecord,
    SourceFacts,
    Tally,
    observation,
    record_path,
    source_facts,
)
from htnet.realtime.sinks.events import EventLog
from htnet.realtime.sinks.outputs import OutputConfig
from htnet.realtime.sinks.paths import Existing
from htnet.realtime.sources.base import SourceConfig

NOON = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
SCHEMA = json.loads(
    (resources.files("htnet.realtime.formats") / "schema" / "session.schema.json").read_text()
)


@dataclass
class Reader:
    started: datetime | None = NOON
    dropped: int = 3


@dataclass
class Opened:
    name: str = "camera 0"
    live: bool = True
    fps: float = 29.97


def tally(first_ms: float = 0.0, frames: int = 31) -> Tally:
    made = Tally()
    for index in range(frames):
        rejected = "blink" if index == 9 else None
        at = round(first_ms * NS_PER_MS)
        event = Event(index, "final", "micro", "positive", {}, at, at, at, 1.0, rejected)
        events = (event,) if index in (5, 9, 12) else ()
        t_ns = round((first_ms + index * 1000 / 30) * NS_PER_MS)
        frame = Frame(index, t_ns, np.zeros((36, 64, 3), np.uint8))
        made.add(Tick(frame, None, None, None, State.NO_FACE, None, None, events))
    return made


def record(
    outputs: OutputConfig, facts: SourceFacts, logs: list[EventLog] | None = None
) -> SessionRecord:
    return SessionRecord(
        *(SessionConfig("P07", "desk é"), facts, outputs, logs or []),
        model=("htnet-s", default_weights()),
        settings={"pace": False, "at": Path("x"), "size": (64, 36), "none": None},
    )


def read(path: Path) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(path.read_text("utf-8"))
    jsonschema.validate(row, SCHEMA, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    return row


def test_a_camera_s_rows_are_on_the_wall_clock(tmp_path: Path) -> None:
    outputs = OutputConfig(events=tmp_path / "out.csv")
    own = record(outputs, SourceFacts("camera 0", True, camera=0, fps=30.0))
    own.write(Reader(), tally())
    row = read(tmp_path / "out.csv.session.json")
    assert (row["participant"], row["session"]) == ("P07", "desk é")
    assert datetime.fromisoformat(row["started"]) == NOON
    assert row["started"].endswith("+02:00")
    assert datetime.fromisoformat(row["row_time"]["zero_wall_clock"]) == NOON
    assert row["row_time"]["zero_container_ms"] is None
    assert row["row_time"]["last_frame_ms"] == 1000
    assert row["source"] == {
        "name": "camera 0", "live": True, "file": None, "camera": 0,
        "size": [64, 36], "fps": 30.0, "measured_fps": 33.0,
    }  # fmt: skip
    assert row["counts"] == {
        "frames": 31, "without_face": 31, "dropped": 3, "found": 2, "rejected": 1,
    }  # fmt: skip
    assert row["ended"] is row["error"] is None
    weights = default_weights()
    assert row["model"] == {
        "name": "htnet-s",
        "file": str(weights),
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    assert row["settings"] == {"pace": False, "at": "x", "size": [64, 36], "none": None}
    assert row["versions"]["torch"] and row["versions"]["mediapipe"] == "0.10.21"


def test_a_recording_s_rows_are_on_its_own_clock(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    own = record(
        OutputConfig(events=tmp_path / "out.eaf", overlay_video=tmp_path / "o.mp4"),
        SourceFacts(str(film), False, file=film),
    )
    assert own.end(Reader(dropped=0), tally(first_ms=700), None) is None
    row = read(tmp_path / "out.eaf.session.json")
    assert row["row_time"] == {
        "zero_wall_clock": None, "zero_container_ms": 0.0,
        "first_frame_ms": 700.0, "last_frame_ms": 1700.0,
    }  # fmt: skip
    assert row["source"]["file"] == str(film)
    assert [each["option"] for each in row["outputs"]] == ["--events", "--overlay-video"]
    assert datetime.fromisoformat(row["ended"]).tzinfo is not None


def test_an_error_is_told_and_stays_the_run_s(tmp_path: Path) -> None:
    lost = SourceError("expected pictures; got none: plug it in")
    folder = tmp_path / "folder"
    folder.mkdir()
    own = record(OutputConfig(events=folder / "out.csv"), SourceFacts("camera 0", True, camera=0))
    assert own.end(Reader(started=None), Tally(), lost) is lost
    row = read(folder / "out.csv.session.json")
    assert row["error"] == str(lost) and row["source"]["measured_fps"] is None
    (folder / "out.csv.session.json").unlink()
    folder.rmdir()
    folder.touch()
    assert own.end(Reader(), tally(), lost) is lost
    assert isinstance(own.end(Reader(), tally(), None), OutputError)


def test_appended_rows_are_told_from_earlier_ones(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text('{"v": 1}\n' * 4)
    outputs = OutputConfig(events=path, existing=Existing.APPEND)
    facts = SourceFacts("camera 0", True, camera=0)
    (tmp_path / "out.jsonl.session.json").write_text("the first run's")
    own = record(outputs, facts, outputs.logs(observation(SessionConfig(), facts, CLASSES)))
    own.write(Reader(), tally())
    assert (tmp_path / "out.jsonl.session.json").read_text() == "the first run's"
    row = read(tmp_path / "out.jsonl.session-2.json")
    assert row["outputs"] == [{"option": "--events", "path": str(path), "rows_before": 4}]


@pytest.mark.parametrize("existing", list(Existing))
def test_a_record_is_replaced_only_with_its_output(tmp_path: Path, existing: Existing) -> None:
    output = tmp_path / "out.csv"
    first = record_path(output, existing)
    assert first.name == "out.csv.session.json"
    first.touch()
    again = record_path(output, existing)
    assert (again == first) == (existing is Existing.OVERWRITE)
    assert record_path(tmp_path / "out.eaf", existing).name == "out.eaf.session.json"


def test_a_device_has_no_record_beside_it() -> None:
    own = record(OutputConfig(events=Path("/dev/null")), SourceFacts("camera 0", True))
    assert own.path is None
    own.write(Reader(), tally())
    assert not Path("/dev/null.session.json").exists()


def test_what_the_window_saved_has_a_record(tmp_path: Path) -> None:
    own = record(OutputConfig(), SourceFacts("camera 0", True, camera=0))
    assert own.path is None
    for name in ("htnet-1.mp4", "htnet-2.png"):
        own.add("window", tmp_path / name)
    assert own.end(Reader(), tally(), None) is None
    row = read(tmp_path / "htnet-1.mp4.session.json")
    assert [each["option"] for each in row["outputs"]] == ["window", "window"]


def test_a_folder_of_outputs_has_a_record_of_its_own_name(tmp_path: Path) -> None:
    own = SessionRecord(
        *(SessionConfig(), SourceFacts("film", False), OutputConfig()),
        model=("htnet-s", default_weights()),
        settings={},
        path=tmp_path / "session.json",
    )
    own.add("--out", tmp_path / "frames.csv")
    own.write(Reader(), tally())
    assert [path.name for path in tmp_path.iterdir()] == ["session.json"]


def test_a_name_that_is_not_utf_8_is_recorded(tmp_path: Path) -> None:
    film = Path(os.fsdecode(b"/tmp/caf\xe9.mp4"))
    own = record(OutputConfig(events=tmp_path / "out.csv"), SourceFacts(str(film), False, film))
    own.write(Reader(), tally())
    assert read(tmp_path / "out.csv.session.json")["source"]["file"] == "/tmp/caf?.mp4"


def test_facts_of_a_source(tmp_path: Path) -> None:
    film = tmp_path / "film é.mp4"
    film.touch()
    asked = SourceConfig(source=str(film))
    facts = source_facts(asked, Opened(str(film), False, 25.0))
    assert (facts.file, facts.camera, facts.fps, facts.live) == (film, None, 25.0, False)
    assert observation(SessionConfig(), facts, CLASSES).name == "film é"
    assert observation(SessionConfig("P1", "desk"), facts, CLASSES).name == "desk"
    assert source_facts(SourceConfig(), Opened()).camera == 0
    assert source_facts(SourceConfig(camera=2), Opened()).camera == 2
    street = source_facts(SourceConfig(source="rtsp://host/a"), Opened("rtsp://host/a"))
    assert street.file is street.camera is None
    demo = source_facts(None, Opened("demo, seed 0", False))
    assert demo.file is demo.camera is None


def test_the_schema_refuses_a_record_without_its_clock() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"v": 1, "started": NOON.astimezone(UTC).isoformat()}, SCHEMA)
