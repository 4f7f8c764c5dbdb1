"""Outputs of live as a user meets them: formats, what exists, sessions and the summary."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from importlib import resources
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pandas as pd
import pytest
from pympi import Elan

from htnet.engine.types import CLASSES, Frame
from htnet.realtime import live
from htnet.realtime.formats.rows import Csv
from htnet.realtime.sources.demo import DemoSource

Said = tuple[int, str, str]
Htnet = Callable[..., Said]

RUN: tuple[str, ...] = ("live", "--source", "demo", "--headless", "--max-seconds", "3")
UPTIME = 500_000_000_000_000  # ns, almost six days


def schema(name: str) -> dict[str, object]:
    text = (resources.files("htnet.realtime.formats") / "schema" / name).read_text("utf-8")
    read: dict[str, object] = json.loads(text)
    return read


def refused(said: Said, *parts: str) -> None:
    assert said[0] == 2, said
    (line,) = said[2].strip().splitlines()
    assert all(part in line for part in parts), line
    assert said[1] == ""


@pytest.mark.parametrize("option", ["--events", "--explain", "--overlay-video"])
def test_an_output_that_exists_stops_the_run(htnet: Htnet, tmp_path: Path, option: str) -> None:
    path = tmp_path / ("out.mp4" if option == "--overlay-video" else "out.csv")
    path.write_text("a week's work")
    refused(htnet(*RUN, option, path), option, "exists", "--overwrite")
    refused(htnet(*RUN, option, path, "--append", "--overwrite"), "got both")
    assert path.read_text() == "a week's work"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_appended_to_or_explained(htnet: Htnet, tmp_path: Path) -> None:
    video = tmp_path / "out.mp4"
    video.touch()
    refused(htnet(*RUN, "--events", tmp_path / "a.eaf", "--append"), ".jsonl or .csv", "a.eaf")
    refused(htnet(*RUN, "--overlay-video", video, "--append"), ".jsonl and .csv", "out.mp4")
    refused(htnet(*RUN, "--explain", tmp_path / "a.vtt"), ".json", "a.vtt")
    refused(htnet(*RUN, "--events", tmp_path / "a.xyz"), ".TextGrid", "a.xyz")
    refused(htnet(*RUN, "--csv-dialect", "klingon"), "european", "klingon")


@pytest.mark.slow
@pytest.mark.parametrize("way", ["--overwrite", "--append"])
def test_a_run_that_fails_leaves_its_outputs_as_they_were(
    htnet: Htnet, data: Path, tmp_path: Path, way: str
) -> None:
    events, why, garbage = tmp_path / "out.csv", tmp_path / "why.jsonl", tmp_path / "clip.mp4"
    events.write_text(Csv(CLASSES).head() + "1,1,final\n")
    why.write_text("{}\n")
    garbage.write_text("not a video at all\n" * 100)
    kept = {path: path.read_bytes() for path in tmp_path.iterdir()}
    outputs = ("--events", events, "--explain", why, way)
    # No picture comes at all; a picture of another size comes before the first row.
    assert htnet("live", "--source", garbage, "--headless", *outputs)[0] == 1
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == kept
    folder = tmp_path / "frames"
    folder.mkdir()
    picture = cv2.VideoCapture(str(data / "media" / "single_face.mp4")).read()[1]
    for number in range(4):
        size = (640, 360) if number < 3 else (320, 180)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.resize(picture, size))
    assert htnet("live", "--source", folder, "--headless", *outputs)[0] == 1
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == kept


@pytest.mark.slow
def test_rows_of_two_runs_in_one_table(htnet: Htnet, tmp_path: Path) -> None:
    events = tmp_path / "out.csv"
    for _ in range(2):
        assert htnet(*RUN, "--events", events, "--append", "--csv-dialect", "european")[0] == 0
    table = pd.read_csv(events, sep=";", decimal=",", encoding="utf-8-sig")
    assert list(table["id"]) == [1, 1] and set(table["label"]) == {"positive"}
    assert table["onset_ms"][0] == pytest.approx(2509, abs=5)
    records = sorted(path.name for path in tmp_path.glob("*.json"))
    assert records == ["out.csv.session-2.json", "out.csv.session.json"]
    second = json.loads((tmp_path / records[0]).read_text())
    assert second["outputs"][0]["rows_before"] == 1


@pytest.mark.slow
def test_a_session_is_recorded_beside_its_outputs(htnet: Htnet, tmp_path: Path) -> None:
    events, why = tmp_path / "out.eaf", tmp_path / "why.jsonl"
    before = datetime.now().astimezone()
    code, _, err = htnet(
        *(*RUN, "--events", events, "--explain", why),
        *("--participant", "P07", "--session", "desk é"),
    )
    assert (code, err) == (0, "")
    row = json.loads((tmp_path / "out.eaf.session.json").read_text("utf-8"))
    jsonschema.validate(row, schema("session.schema.json"))
    assert (row["participant"], row["session"]) == ("P07", "desk é")
    started, ended = (datetime.fromisoformat(row[name]) for name in ("started", "ended"))
    assert before <= started <= ended <= datetime.now().astimezone()
    assert row["counts"]["frames"] == 90 and row["counts"]["found"] == 1
    assert [each["option"] for each in row["outputs"]] == ["--events", "--explain"]
    assert row["settings"]["path"]["demo"]["seed"] == 0 and row["settings"]["max_seconds"] == 3
    opened = Elan.Eaf(str(events))
    ((start, _, label),) = opened.get_annotation_data_for_tier("micro")
    assert label == "positive" and opened.tiers["micro"][2]["PARTICIPANT"] == "P07"
    explained = [json.loads(line) for line in why.read_text().splitlines()]
    for each in explained:
        jsonschema.validate(each, schema("event.schema.json"))
    assert round(explained[0]["onset_ms"]) == start


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_run_that_is_killed_leaves_whole_files_and_its_record(
    served: None, tmp_path: Path
) -> None:
    events = tmp_path / "out.eaf"
    # The whole demo: the first event comes long before its end.
    command = (sys.executable, "-m", "htnet.cli", *RUN[:4], "--events", str(events))
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    while "positive" not in (line := running.stdout.readline()):
        assert line, "the run ended before its first event"
    running.kill()
    running.communicate(timeout=60)
    assert len(Elan.Eaf(str(events)).get_annotation_data_for_tier("micro")) == 1
    row = json.loads((tmp_path / "out.eaf.session.json").read_text())
    jsonschema.validate(row, schema("session.schema.json"))
    assert row["ended"] is None and row["counts"]["found"] == 1


class Camera:
    """The demo as a camera on a machine that has been up for days."""

    name, live, fps = "camera 0", True, 30.0

    def __init__(self) -> None:
        self._demo = DemoSource()
        self._began = time.monotonic_ns()

    def read(self) -> Frame | None:
        frame = self._demo.read()
        if frame is None:
            return None
        due = self._began + frame.t_ns
        time.sleep(max(due - time.monotonic_ns(), 0) / 1e9)
        return Frame(frame.index, UPTIME + frame.t_ns, frame.bgr)

    def close(self) -> None:
        pass


@pytest.mark.slow
def test_times_of_a_camera_count_from_the_start(
    htnet: Htnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_open", lambda path: Camera())
    events = tmp_path / "out.jsonl"
    code, out, err = htnet(
        *("live", "--camera", 0, "--headless", "--max-seconds", 3),
        *("--events", events, "--provisional"),
    )
    assert (code, err) == (0, "")
    row = json.loads((tmp_path / "out.jsonl.session.json").read_text())
    jsonschema.validate(row, schema("session.schema.json"))
    assert row["source"]["live"] and row["source"]["camera"] == 0
    assert row["source"]["size"] == [640, 360]
    assert row["row_time"]["zero_wall_clock"] == row["started"]
    assert row["row_time"]["first_frame_ms"] == 0
    assert 0 < row["row_time"]["last_frame_ms"] < 3000
    rows = [json.loads(line) for line in events.read_text().splitlines()]
    for each in rows:
        assert 0 <= each["onset_ms"] <= each["offset_ms"] < 3000
    for line in out.splitlines():  # of the panel and of the table
        if " s " in line and line.split()[0].replace(".", "").isdecimal():
            assert float(line.split()[0]) < 3


@pytest.mark.slow
def test_the_summary_has_what_was_found_first(htnet: Htnet, data: Path) -> None:
    clip = data / "media" / "single_face.mp4"
    code, out, _ = htnet("live", "--source", clip, "--headless")
    listed = htnet("live", "--source", clip, "--headless", "--rejected")[1]
    assert code == 0
    end = out[out.index("Events") :].splitlines()
    told = listed[listed.index("Events") :].splitlines()
    assert "blink" not in "".join(line for line in end if " s " in line)
    rejected = [line for line in end if " rejected: " in line]
    onsets = [float(line.split()[0]) for line in told if " s  " in line]
    assert onsets == sorted(onsets)
    count = int(rejected[0].split()[0]) if rejected else 0
    found = len([line for line in end if " s  " in line])
    assert len(onsets) == found + count
    assert np.all([len(line) <= 80 for line in end])
