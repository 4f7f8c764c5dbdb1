"""BORIS's table and project, read by pandas and json, and by BORIS itself.

BORIS needs an environment of its own: Python 3.11, ``pip install boris-behav-obs==8.27.4``, ffmpeg,
Debian's libmpv2 and libpulse-mainloop-glib0. ``HTNET_BORIS`` names its python.
"""

import csv
import io
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given

from htnet.engine.types import Event
from htnet.realtime.formats.boris import HEADER, project, table
from htnet.realtime.formats.observation import Observation, Row
from htnet.realtime.formats.tiers import tiers

from .conftest import EVENTS, event


def coded(rows: list[Row]) -> list[tuple[float, str]]:
    """Times in s and behaviours: a start and a stop each."""
    return sorted(
        (ms / 1000, tier.name)
        for tier in tiers(rows)
        for span in tier.spans
        for ms in (span.start_ms, span.end_ms)
    )


@given(EVENTS)
def test_a_table_is_read_back(events: list[Event]) -> None:
    rows = [event.row() for event in events]
    text = table(rows, Observation(participant="P7 é")).decode()
    read = pd.read_csv(
        io.StringIO(text), sep="\t", keep_default_na=False, quoting=csv.QUOTE_NONE, dtype=str
    )
    assert tuple(read.columns) == HEADER
    assert sorted(zip(read["time"].astype(float), read["code"], strict=True)) == coded(rows)
    assert read["time"].astype(float).is_monotonic_increasing
    assert set(read["subject"]) <= {"P7 é"}
    # BORIS pastes lines of exactly so many cells.
    assert {line.count("\t") for line in text.splitlines()} == {len(HEADER) - 1}


@given(EVENTS)
def test_a_project_is_read_back(events: list[Event]) -> None:
    rows = [event.row() for event in events]
    made = project(rows, Observation("film"))
    assert made.isascii()
    read = json.loads(made)
    ethogram = {each["code"]: each for each in read["behaviors_conf"].values()}
    (observation,) = read["observations"].values()
    assert sorted((time, code) for time, _, code, *_ in observation["events"]) == coded(rows)
    for _, subject, code, modifier, _ in observation["events"]:
        assert subject == ""
        assert not modifier or modifier in ethogram[code]["modifiers"]["0"]["values"]


def test_a_video_becomes_an_observation_of_it(session: list[Row], tmp_path: Path) -> None:
    media = tmp_path / "film.mp4"
    read = json.loads(project(session, Observation("film", "P7", media, 25.0), 12_000))
    observation = read["observations"]["film"]
    assert observation["type"] == "MEDIA"
    assert observation["file"]["1"] == [str(media)]
    assert observation["media_info"]["length"] == {str(media): 12.0}
    assert observation["media_info"]["fps"] == {str(media): 25.0}
    assert {len(each) for each in observation["events"]} == {6}
    assert read["subjects_conf"]["0"]["name"] == "P7"


def in_boris(rows: list[Row], observation: Observation, folder: Path) -> dict[str, Any]:
    """What BORIS has of the project and of the table."""
    python = os.environ.get("HTNET_BORIS")
    if not python:
        pytest.skip("HTNET_BORIS names no python that has BORIS")
    files = [folder / name for name in ("own.boris", "own.tsv", "own.xlsx")]
    files[0].write_bytes(project(rows, observation, 12_000))
    files[1].write_bytes(table(rows, observation))
    # As a spreadsheet program saves the table.
    kept = pd.read_csv(files[1], sep="\t", quoting=csv.QUOTE_NONE, keep_default_na=False)
    kept.to_excel(files[2], index=False)
    environment = {**os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [python, str(Path(__file__).with_name("boris_script.py")), *map(str, files)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    results = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert results, done.stdout[-2000:] + done.stderr[-2000:]
    result: dict[str, Any] = json.loads(results[0].removeprefix("RESULT "))
    return result


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["LIVE", "MEDIA"])
def test_boris_opens_the_project_and_takes_in_the_table(
    session: list[Row], tmp_path: Path, kind: str
) -> None:
    film = tmp_path / "a film é.mp4"
    film.touch()
    awkward = event(7, 3000, 3300, 'not (sure) | "é" → ~', rejected="a, b").row()
    rows = [*session, awkward, event(8, 4000, 4200, 'is "é" (→)').row()]
    observation = Observation("desk é", "P7", film if kind == "MEDIA" else None, 25.0)
    got = in_boris(rows, observation, tmp_path)
    opened = got["opened"]
    assert got["versions"]["boris"] == "8.27.4"
    assert (opened["observation"], opened["type"]) == ("desk é", kind)
    assert opened["converted"] == [False, ""]
    assert opened["integrity"] == opened["wrong"] == ""
    assert opened["behaviors"] == 5  # four, and one beside another
    assert opened["shown"] == 2 * 8
    spans = [(tier, span) for tier in tiers(rows) for span in tier.spans]
    # BORIS pairs starts and stops to the same events.
    told = {(code, start, stop, text) for code, _, start, stop, text in opened["events"]}
    assert told == {
        (tier.name, span.start_ms / 1000, span.end_ms / 1000, span.detail) for tier, span in spans
    }
    modifiers = {modifier for _, modifier, *_ in opened["events"]}
    assert modifiers == {
        *("positive", "surprise", "negative", "blink", "speech", "a b", 'is "é" →'),
    }
    if kind == "MEDIA":
        assert float(opened["length"]) == 12
    for way in ("sheet", "clipboard"):
        rows_there = got["imported"][way]
        assert sorted((time, code) for time, _, code, *_ in rows_there) == coded(rows)
        assert {subject for _, subject, *_ in rows_there} == {"P7"}
    assert got["said"] == ["Observations imported successfully"]
