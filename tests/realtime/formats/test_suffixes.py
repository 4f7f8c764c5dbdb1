"""Formats by suffix."""

import os
from pathlib import Path

import pytest

from htnet.engine.errors import UsageError
from htnet.engine.types import CLASSES
from htnet.realtime.formats.elan import eaf
from htnet.realtime.formats.praat import textgrid
from htnet.realtime.formats.rows import Csv, JsonLines
from htnet.realtime.formats.suffixes import DOCUMENTS, SHOWN, EventFormat, format_of


def form(path: str | Path, *, explain: bool = False) -> EventFormat:
    return format_of(Path(path), "--events", CLASSES, explain=explain)


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "A.JSONL"])
def test_json_lines(name: str) -> None:
    assert isinstance(form(name).rows, JsonLines)


def test_capitals_do_not_matter() -> None:
    assert isinstance(form("a.CSV").rows, Csv)
    assert form("a.TextGrid").document is form("a.textgrid").document is textgrid
    assert form("a.Eaf").document is eaf


@pytest.mark.parametrize("suffix", SHOWN)
def test_every_suffix_that_is_told_has_a_format(suffix: str) -> None:
    made = form(f"a{suffix}")
    assert (made.rows is None) != (made.document is None)
    assert (made.document is not None) == (suffix.lower() in DOCUMENTS)


@pytest.mark.parametrize("name", ["a.txt", "a", "a.mp4", ".jsonl"])
def test_another_suffix_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(UsageError, match=r"\.jsonl.*\.TextGrid.*--events; got"):
        form(name)


@pytest.mark.parametrize("name", ["a.eaf", "a.vtt", "a.tsv"])
def test_decisions_have_no_place_in_an_annotation(name: str) -> None:
    with pytest.raises(UsageError, match=r"ending in \.jsonl, \.csv, \.json after"):
        form(name, explain=True)
    assert form("a.json", explain=True).document is not None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_or_device_takes_json_lines(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.txt"
    os.mkfifo(pipe)
    assert isinstance(form(pipe).rows, JsonLines)
    assert isinstance(form("/dev/null").rows, JsonLines)
