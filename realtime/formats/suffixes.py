"""Formats by the suffix of a file's name."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from htnet.engine.errors import UsageError
from htnet.realtime.formats.boris import project, table
from htnet.realtime.formats.elan import eaf
from htnet.realtime.formats.observation import Observation, Row
from htnet.realtime.formats.praat import textgrid
from htnet.realtime.formats.rows import Csv, Dialect, JsonLines, RowFormat
from htnet.realtime.formats.webvtt import webvtt

Document = Callable[[list[Row], Observation, float], bytes]
"""A function of all rows, the run's facts and its end in ms; returns the whole file."""


def json_array(rows: list[Row], observation: Observation, end_ms: float = 0.0) -> bytes:
    """Return the rows as one JSON array, one row a line."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return f"[\n{lines}\n]\n".encode()


ROWS = (".jsonl", ".ndjson", ".csv")
DOCUMENTS: dict[str, Document] = {
    ".json": json_array,
    ".tsv": table,
    ".boris": project,
    ".eaf": eaf,
    ".textgrid": textgrid,
    ".vtt": webvtt,
}
SHOWN = (".jsonl", ".csv", ".json", ".tsv", ".boris", ".eaf", ".TextGrid", ".vtt")
EXPLAINED = (*ROWS, ".json")
"""Formats that hold the decisions of all rules."""


@dataclass(frozen=True, slots=True)
class EventFormat:
    """Format of an event file: rows, which can be appended to, or a document."""

    rows: RowFormat | None
    document: Document | None


def format_of(
    path: Path,
    option: str,
    labels: tuple[str, ...],
    dialect: Dialect = Dialect.STANDARD,
    *,
    explain: bool = False,
) -> EventFormat:
    """Return the format of ``path``; a device or pipe takes JSON lines.

    ``option``: the option that names it. Raises `UsageError` for another suffix, and with
    ``explain`` for a format without room for decisions.
    """
    suffix = require_suffix(path, option, explain=explain)
    if suffix == ".csv":
        return EventFormat(Csv(labels, dialect, explain=explain), None)
    if suffix in DOCUMENTS:
        return EventFormat(None, DOCUMENTS[suffix])
    return EventFormat(JsonLines(), None)


def require_suffix(path: Path, option: str, *, explain: bool = False) -> str:
    """Return the suffix in lower case, ".jsonl" of a device or pipe; raises `UsageError`."""
    if path.exists() and not path.is_file():
        return ROWS[0]
    suffix = path.suffix.lower()
    known = [s for s in SHOWN if s in EXPLAINED] if explain else list(SHOWN)
    if suffix not in (*ROWS, *(s.lower() for s in known)):
        raise UsageError(
            f"expected a name ending in {', '.join(known)} after {option}; got {str(path)!r}: "
            "use for example events.csv"
        )
    return suffix


def event_suffix(name: str) -> str:
    """Return the suffix that a format's name such as "eaf" stands for, as `SHOWN` spells it.

    Raises `UsageError` for another.
    """
    wanted = f".{name.lstrip('.').lower()}"
    known = {suffix.lower(): suffix for suffix in SHOWN}
    if wanted not in known:
        raise UsageError(
            f"expected formats of {', '.join(suffix[1:] for suffix in SHOWN)}; got {name!r}: "
            "choose such as eaf,vtt"
        )
    return known[wanted]
