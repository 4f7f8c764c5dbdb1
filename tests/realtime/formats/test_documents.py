"""ELAN, Praat, WebVTT and JSON files, opened by independent readers."""

import html
import json
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
import webvtt
from hypothesis import given
from praatio import textgrid
from pympi import Elan

from htnet.engine.types import Event
from htnet.realtime.formats.elan import eaf
from htnet.realtime.formats.observation import Observation, Row
from htnet.realtime.formats.praat import textgrid as praat_textgrid
from htnet.realtime.formats.suffixes import DOCUMENTS, json_array
from htnet.realtime.formats.tiers import Span, tiers
from htnet.realtime.formats.webvtt import webvtt as webvtt_file

from .conftest import EVENTS

Told = dict[str, list[tuple[int, int, str]]]


def wanted(rows: list[Row]) -> Told:
    return {
        tier.name: [(span.start_ms, span.end_ms, span.value) for span in tier.spans]
        for tier in tiers(rows)
    }


def in_elan(path: Path) -> tuple[Elan.Eaf, Told]:
    opened = Elan.Eaf(str(path))
    names = [name for name in opened.get_tier_names() if not name.endswith(" detail")]
    return opened, {
        name: [each[:3] for each in opened.get_annotation_data_for_tier(name)] for name in names
    }


def in_praat(path: Path) -> tuple[textgrid.Textgrid, Told]:
    opened = textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
    return opened, {
        name: [(round(s * 1000), round(e * 1000), text) for s, e, text in tier.entries]
        for name in opened.tierNames
        if isinstance(tier := opened.getTier(name), textgrid.IntervalTier)
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("documents")


@given(events=EVENTS)
def test_elan_is_read_back_by_pympi(folder: Path, events: list[Event]) -> None:
    rows = [event.row() for event in events]
    path = folder / "drawn.eaf"
    path.write_bytes(eaf(rows, Observation()))
    assert in_elan(path)[1] == wanted(rows)


def test_elan_has_video_participant_and_details(folder: Path, session: list[Row]) -> None:
    path, media = folder / "session.eaf", folder / "a film é.mp4"
    path.write_bytes(eaf(session, Observation("desk", "P07", media)))
    opened, told = in_elan(path)
    assert told == wanted(session)
    # As ELAN writes it: no escapes.
    assert opened.media_descriptors[0]["MEDIA_URL"] == f"file://{media}"
    assert opened.media_descriptors[0]["RELATIVE_MEDIA_URL"] == "./a film é.mp4"
    assert opened.media_descriptors[0]["MIME_TYPE"] == "video/mp4"
    assert opened.tiers["micro"][2]["PARTICIPANT"] == "P07"
    details = opened.get_ref_annotation_data_for_tier("micro detail")
    assert sorted(each[:3] for each in details) == [
        (100, 400, "lip corner pull, 1.04 px, score 2.50"),
        (900, 1211, "lip corner pull, 1.04 px, score 2.50"),
    ]
    # The order of the schema: header, times, tiers, types, constraints.
    tags = [each.tag for each in ElementTree.parse(path).getroot()]
    assert list(dict.fromkeys(tags)) == [
        "HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "CONSTRAINT",
    ]  # fmt: skip


def test_a_name_that_is_not_utf_8_spoils_no_document(session: list[Row], folder: Path) -> None:
    odd = Path(os.fsdecode(b"/tmp/caf\xe9.mp4"))
    observation = Observation(odd.stem, odd.stem, odd)
    for document in DOCUMENTS.values():
        assert document(session, observation, 0.0).decode()
    path = folder / "odd.eaf"
    path.write_bytes(eaf(session, observation))
    assert in_elan(path)[1] == wanted(session)


@given(events=EVENTS)
def test_a_textgrid_is_read_back_by_praatio(folder: Path, events: list[Event]) -> None:
    rows = [event.row() for event in events]
    path = folder / "drawn.TextGrid"
    path.write_bytes(praat_textgrid(rows, Observation()))
    assert in_praat(path)[1] == wanted(rows)


def test_a_textgrid_is_as_long_as_the_run_and_marks_apexes(
    folder: Path, session: list[Row]
) -> None:
    path = folder / "session.TextGrid"
    path.write_bytes(praat_textgrid(session, Observation(), 12_000))
    opened, told = in_praat(path)
    assert told == wanted(session)
    assert opened.maxTimestamp == 12
    marks = [(round(at * 1000), text) for at, text in opened.getTier("apex").entries]
    assert marks == [(250, "positive"), (1000, "surprise"), (1200, "negative"), (1300, "positive")]


@given(events=EVENTS)
def test_webvtt_is_read_back(folder: Path, events: list[Event]) -> None:
    rows = [event.row() for event in events]
    path = folder / "drawn.vtt"
    path.write_bytes(webvtt_file(rows, Observation()))
    spans: dict[int, tuple[Span, str]] = {
        span.id: (span, tier.base) for tier in tiers(rows) for span in tier.spans
    }
    cues = list(webvtt.read(str(path)))
    assert len(cues) == len(spans)
    begins = [cue.start for cue in cues]
    assert begins == sorted(begins)
    for cue in cues:
        span, base = spans[int(cue.identifier)]
        assert milliseconds(cue.start) == span.start_ms
        assert milliseconds(cue.end) == span.end_ms
        first, second = html.unescape(cue.text).split("\n")
        assert (first, second) == (f"{base}: {span.value}", span.detail)


def milliseconds(clock: str) -> int:
    hours, minutes, seconds = clock.split(":")
    return round((int(hours) * 3600 + int(minutes) * 60 + float(seconds)) * 1000)


def test_webvtt_dims_rejected_ones(session: list[Row], folder: Path) -> None:
    path = folder / "session.vtt"
    path.write_bytes(webvtt_file(session, Observation()))
    read = webvtt.read(str(path))
    assert read.styles[0].text.startswith("::cue(.rejected)")
    (rejected,) = [cue for cue in read if cue.identifier == "2"]
    assert "<c.micro.rejected>rejected micro: blink</c>" in rejected.raw_text


@given(events=EVENTS)
def test_json_is_one_array(events: list[Event]) -> None:
    rows = [event.row() for event in events]
    assert json.loads(json_array(rows, Observation())) == rows
