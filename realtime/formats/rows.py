"""Row formats: JSON lines and CSV, written one event at a time and appended to."""

import csv
import io
import json
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Protocol

from htnet.engine.errors import UsageError
from htnet.realtime.formats.observation import Row

COLUMNS = (
    *("v", "id", "stage", "kind", "label", "onset_ms", "apex_ms", "offset_ms", "duration_ms"),
    *("magnitude_px", "muscle", "score", "left_px", "right_px", "side", "units", "rejected"),
)
"""Columns of a CSV file; the probabilities follow as ``p_LABEL``, and of explained rows
``decisions`` as JSON."""


class Dialect(StrEnum):
    """Dialect of a CSV file.

    ``STANDARD``: comma, decimal point, UTF-8. ``EUROPEAN``: semicolon, decimal comma, UTF-8 with a
    byte-order mark, as Excel opens it where the comma is the decimal sign.
    """

    STANDARD = "standard"
    EUROPEAN = "european"


def dialect_named(name: str) -> Dialect:
    """Return the dialect of a name; raises `UsageError` for another."""
    if name not in list(Dialect):
        raise UsageError(
            f"expected {' or '.join(Dialect)} after --csv-dialect; got {name!r}: choose one"
        )
    return Dialect(name)


class RowFormat(Protocol):
    """A format of one text for each row."""

    def head(self) -> str:
        """Return the text before the first row."""

    def line(self, row: Row) -> str:
        """Return the text of a row, with its end of line."""

    def count(self, text: str) -> int:
        """Return the number of rows in the text of a file."""


class JsonLines:
    """One JSON object a line."""

    def head(self) -> str:
        """Return "": JSON lines have no header."""
        return ""

    def line(self, row: Row) -> str:
        """Return a row as a line."""
        return json.dumps(row, ensure_ascii=False) + "\n"

    def count(self, text: str) -> int:
        """Return the number of lines, half a one at the end included."""
        return sum(1 for line in text.split("\n") if line)


class Csv:
    """CSV with a header; ``labels``: class names, a column of probabilities each."""

    def __init__(
        self, labels: Iterable[str], dialect: Dialect = Dialect.STANDARD, *, explain: bool = False
    ) -> None:
        self._labels = tuple(labels)
        self._explain = explain
        self._european = dialect is Dialect.EUROPEAN

    def head(self) -> str:
        """Return the header, in a European file after the byte-order mark."""
        names = [*COLUMNS, *(f"p_{label}" for label in self._labels)]
        mark = "\ufeff" if self._european else ""
        return mark + self._written([*names, *(["decisions"] if self._explain else [])])

    def line(self, row: Row) -> str:
        """Return a row as a line; None is an empty cell."""
        cells = [row.get(name) for name in COLUMNS]
        cells += [row["probabilities"].get(label) for label in self._labels]
        if self._explain:
            cells.append(json.dumps(row.get("decisions", []), ensure_ascii=False))
        return self._written(cells)

    def count(self, text: str) -> int:
        """Return the number of rows after the header."""
        read = csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter)
        return max(sum(1 for _ in read) - 1, 0)

    @property
    def _delimiter(self) -> str:
        return ";" if self._european else ","

    def _written(self, cells: Iterable[Any]) -> str:
        text = io.StringIO(newline="")
        # csv quotes a carriage return in a cell only where it is part of its end of line.
        writer = csv.writer(text, delimiter=self._delimiter, lineterminator="\r\n")
        writer.writerow([self._cell(cell) for cell in cells])
        return text.getvalue().removesuffix("\r\n") + "\n"

    def _cell(self, cell: Any) -> Any:
        if self._european and isinstance(cell, float):
            return str(cell).replace(".", ",")
        if isinstance(cell, str):
            return cell.replace("\0", "")  # ends a text for readers written in C
        return cell
