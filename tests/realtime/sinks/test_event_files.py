"""Event files on disk: begun with the first row, whole after each, appended to and replaced."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import webvtt
from praatio import textgrid
from pympi import Elan
from rich.console import Console

from htnet.engine.errors import OutputError, UsageError
from htnet.engine.types import NS_PER_MS, Event, Frame, State, Tick
from htnet.realtime.formats.rows import Dialect, JsonLines
from htnet.realtime.formats.suffixes import SHOWN
from htnet.realtime.sinks.event_files import RowFile
from htnet.realtime.sinks.events import EventLog
from htnet.realtime.sinks.outputs import Outputs
from htnet.realtime.sinks.paths import Existing
from htnet.realtime.sinks.status_panel import StatusPanel


def event(number: int, stage: str = "final") -> Event:
    shares = {"negative": 0.0, "positive": 1.0, "surprise": 0.0}
    at = [round((1000 * number + ms) * NS_PER_MS) for ms in (0, 100, 200)]
    return Event(number, stage, "micro", "positive", shares, *at, 0.5)


def tick(ms: float, *events: Event) -> Tick:
    frame = Frame(0, round(ms * NS_PER_MS), np.zeros((2, 2, 3), np.uint8))
    return Tick(frame, None, None, None, State.NO_FACE, None, None, events)


def quiet() -> Console:
    return Console(file=io.StringIO())


def count(path: Path) -> int:
    """The number of events in a whole file, by an independent reader."""
    match path.suffix.lower():
        case ".jsonl":
            return len([json.loads(line) for line in path.read_text().splitlines()])
        case ".json":
            return len(json.loads(path.read_text()))
        case ".csv":
            return len(pd.read_csv(path))
        case ".tsv":
            return len(pd.read_csv(path, sep="\t")) // 2
        case ".boris":
            (observation,) = json.loads(path.read_text())["observations"].values()
            return len(observation["events"]) // 2
        case ".eaf":
            return len(Elan.Eaf(str(path)).get_annotation_data_for_tier("micro"))
        case ".textgrid":
            read = textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
            return len(read.getTier("micro").entries)
        case ".vtt":
            return len(webvtt.read(str(path)))
    raise AssertionError(path)


@pytest.mark.parametrize("suffix", SHOWN)
def test_every_format_is_whole_after_each_event(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    with EventLog(path) as log:
        for number in range(1, 4):
            log.write(tick(1000 * number + 300, event(number)))
            assert count(path) == number
        log.finish()
    assert count(path) == 3
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SHOWN)
def test_a_file_is_replaced_with_the_first_row_and_not_before(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    path.write_text("before")
    with EventLog(path, existing=Existing.OVERWRITE) as log:
        log.write(tick(0))
        log.write(tick(0, event(1, "provisional")))
        assert path.read_text() == "before" and not log.begun
        log.write(tick(33, event(1)))
        assert count(path) == 1 and log.begun


@pytest.mark.parametrize("suffix", SHOWN)
def test_a_good_run_without_events_leaves_a_file_that_says_so(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    with EventLog(path) as log:
        log.write(tick(1500))
        log.finish()
    assert count(path) == 0


@pytest.mark.parametrize("good", [True, False])
def test_a_failed_run_makes_no_file_of_its_own(tmp_path: Path, good: bool) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.eaf"
    old.write_text("before")
    with EventLog(old) as first, EventLog(new) as second:
        outputs = Outputs([first, second], None, StatusPanel(quiet()))
        outputs.write(tick(0))
        assert outputs.finish((), good=good) is None
    assert new.exists() == good
    assert (old.read_text() == "before") == (not good)
    assert outputs.begun == good


def test_a_run_is_told_once_that_a_file_is_begun(tmp_path: Path) -> None:
    told: list[bool] = []
    with EventLog(tmp_path / "out.csv") as log:
        outputs = Outputs([log], None, StatusPanel(quiet()), lambda: told.append(log.begun))
        for ms in range(5):
            outputs.write(tick(ms))
        assert not told
        for number in (1, 2):
            outputs.write(tick(2000, event(number)))
    assert told == [True]


def test_rows_are_appended_after_those_there_are(tmp_path: Path) -> None:
    for suffix in (".jsonl", ".csv"):
        path = tmp_path / f"out{suffix}"
        for run in range(3):
            with EventLog(path, existing=Existing.APPEND) as log:
                assert log.first_row == 2 * run
                log.add([event(1), event(2)])
                log.finish()
        assert count(path) == 6
        path.write_text("")  # an empty file is begun as a new one is
        with EventLog(path, existing=Existing.APPEND) as log:
            log.add([event(1)])
        assert count(path) == 1


def test_half_a_row_of_a_killed_run_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text('{"v": 1}\n{"v": 1, "on')
    with EventLog(path, existing=Existing.APPEND) as log:
        log.add([event(1)])
    lines = path.read_text().split("\n")
    assert lines[1] == '{"v": 1, "on' and json.loads(lines[2])["id"] == 1


def test_another_header_is_not_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with EventLog(path, dialect=Dialect.EUROPEAN) as log:
        log.add([event(1)])
    before = path.read_bytes()
    with pytest.raises(UsageError, match="--csv-dialect"):
        EventLog(path, existing=Existing.APPEND)
    with EventLog(path, existing=Existing.APPEND, dialect=Dialect.EUROPEAN) as log:
        log.add([event(2)])
    assert path.read_bytes().startswith(before)
    read = pd.read_csv(path, sep=";", decimal=",", encoding="utf-8-sig")
    assert list(read["id"]) == [1, 2] and list(read["onset_ms"]) == [1000, 2000]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    path, link = tmp_path / "out.eaf", tmp_path / "link.eaf"
    link.symlink_to(path)
    with EventLog(link) as log:
        log.add([event(1)])
    assert link.is_symlink() and count(path) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with (
        EventLog("/dev/full") as log,
        pytest.raises(OutputError, match=r"events to /dev/full, but No space"),
    ):
        log.add([event(1)])


def test_a_document_in_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with EventLog(folder / "out.eaf") as log:
        folder.rmdir()
        folder.write_text("a file now")
        with pytest.raises(OutputError, match="expected to write"):
            log.add([event(1)])


def test_a_row_file_is_opened_with_its_first_row(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    file = RowFile(path, JsonLines())
    file.close()
    assert not path.exists()


_ENDLESS = """
import sys
from htnet.engine.types import Event
from htnet.realtime.sinks.events import EventLog
with EventLog(sys.argv[1]) as log:
    for i in range(10**9):
        at = 10**9 * i
        log.add([Event(i, 'final', 'micro', 'positive', {}, at, at + 10**7, at + 10**8, 0.5)])
        if i == 50: print('go', flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("suffix", [s for s in SHOWN if s != ".jsonl"])
def test_what_was_written_survives_a_kill(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    child = subprocess.Popen([sys.executable, "-c", _ENDLESS, path], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline().strip() == b"go"
    os.kill(child.pid, signal.SIGKILL)
    child.wait(timeout=20)
    child.stdout.close()
    if suffix == ".csv":  # its last row may be half
        path.write_bytes(path.read_bytes().rpartition(b"\n")[0] + b"\n")
    assert count(path) > 50
