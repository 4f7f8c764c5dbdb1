"""The JSON Schemas, and rows that keep to them."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given

from htnet.engine.types import Event
from htnet.realtime.formats.rows import COLUMNS

from .conftest import EVENTS, event


def schema(name: str) -> dict[str, Any]:
    text = (resources.files("htnet.realtime.formats") / "schema" / name).read_text("utf-8")
    read: dict[str, Any] = json.loads(text)
    return read


EVENT = schema("event.schema.json")
VALIDATOR = jsonschema.Draft202012Validator(EVENT)


@pytest.mark.parametrize("name", ["event.schema.json", "session.schema.json"])
def test_a_schema_is_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(name))


@given(EVENTS)
def test_every_row_keeps_to_the_schema(events: list[Event]) -> None:
    for each in events:
        for row in (each.row(), each.explained()):
            VALIDATOR.validate(row)


@pytest.mark.parametrize(
    "change", [{"v": 3}, {"side": "top"}, {"onset_ms": "1"}, {"rejected": False}, {"id": -1}]
)
def test_what_is_no_row_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**event(1, 0, 300).row(), **change}, EVENT)
    row = event(1, 0, 300).row()
    row.pop(next(iter(change)), None) or row.pop("score")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(row, EVENT)


def test_the_schema_tells_every_column() -> None:
    row = event(1, 0, 300).explained()
    assert set(row) <= set(EVENT["properties"])
    assert set(COLUMNS) | {"probabilities", "decisions"} == set(EVENT["properties"])
    assert set(EVENT["required"]) <= set(event(1, 0, 300).row())


def test_the_package_carries_the_schemas() -> None:
    project = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert '"htnet.realtime.formats" = ["schema/*.json"]' in project
