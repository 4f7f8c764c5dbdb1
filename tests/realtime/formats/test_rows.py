"""JSON lines and CSV, read by json and pandas."""

import io
import json

import pandas as pd
import pytest
from hypothesis import given

from htnet.engine.types import CLASSES, Event
from htnet.realtime.formats.observation import Row
from htnet.realtime.formats.rows import COLUMNS, Csv, Dialect, JsonLines

from .conftest import EVENTS, event

READ = {
    Dialect.STANDARD: {"encoding": "utf-8"},
    Dialect.EUROPEAN: {"encoding": "utf-8-sig", "sep": ";", "decimal": ","},
}


def read(text: str, dialect: Dialect) -> pd.DataFrame:
    # A label may be "NA" or "007".
    return pd.read_csv(
        io.BytesIO(text.encode()),
        keep_default_na=False,
        dtype={"label": str, "rejected": str},
        **READ[dialect],
    )


@given(EVENTS)
def test_json_lines_are_read_back(events: list[Event]) -> None:
    text = "".join(JsonLines().line(event.row()) for event in events)
    assert [json.loads(line) for line in text.split("\n")[:-1]] == [e.row() for e in events]
    assert JsonLines().count(text) == len(events)


@pytest.mark.parametrize("dialect", list(Dialect))
@given(events=EVENTS)
def test_csv_is_read_back_by_pandas(dialect: Dialect, events: list[Event]) -> None:
    form = Csv(CLASSES, dialect)
    text = form.head() + "".join(form.line(event.row()) for event in events)
    table = read(text, dialect)
    assert list(table.columns) == [*COLUMNS, *(f"p_{label}" for label in CLASSES)]
    assert len(table) == len(events) == form.count(text)
    for (_, got), told in zip(table.iterrows(), events, strict=True):
        row = told.row()
        for name in ("id", "kind", "onset_ms", "apex_ms", "offset_ms", "duration_ms", "score"):
            assert got[name] == row[name]
        assert got["label"] == told.label.replace("\0", "")
        assert got["rejected"] == (told.rejected or "").replace("\0", "")
        assert got["p_positive"] == 0.9


def test_a_european_excel_sees_columns_and_numbers(session: list[Row]) -> None:
    form = Csv(CLASSES, Dialect.EUROPEAN)
    text = form.head() + form.line(session[1])
    assert text.encode().startswith(b"\xef\xbb\xbf")
    head, line = text.splitlines()
    assert len(head.split(";")) == len(line.split(";")) == len(COLUMNS) + 3
    assert "350,4" in line and "." not in line
    table = read(text, Dialect.EUROPEAN)
    assert table["onset_ms"][0] == 350.4


def test_explained_rows_have_their_decisions() -> None:
    form = Csv(CLASSES, explain=True)
    told = event(1, 0, 300, rejected="speech")
    table = read(form.head() + form.line(told.explained()), Dialect.STANDARD)
    assert json.loads(str(table["decisions"][0])) == told.explained()["decisions"]


def test_labels_of_other_weights_have_columns() -> None:
    form = Csv(("sad", "glad"))
    row = {**event(1, 0, 300, "sad").row(), "probabilities": {"sad": 0.25, "glad": 0.75}}
    table = read(form.head() + form.line(row), Dialect.STANDARD)
    assert (table["p_sad"][0], table["p_glad"][0]) == (0.25, 0.75)
