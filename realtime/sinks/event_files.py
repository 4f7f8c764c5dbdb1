"""Event files on disk: one that grows by rows, and one that is rewritten whole."""

import contextlib
from pathlib import Path
from typing import IO, Protocol

from htnet.engine.errors import UsageError
from htnet.engine.files import write_atomic
from htnet.realtime.formats.observation import Observation, Row
from htnet.realtime.formats.rows import RowFormat
from htnet.realtime.formats.suffixes import Document


class EventFile(Protocol):
    """A file of rows. A file of that name stays as it is until the first row or the end.

    Raises `OSError` where it cannot be written.
    """

    first_row: int

    def add(self, row: Row) -> None:
        """Put a row on disk."""

    def finish(self, end_ms: float) -> None:
        """Complete the file, also without a row; ``end_ms``: time of the run's last frame."""

    def close(self) -> None:
        """Let go of the file."""


class RowFile:
    """A file that grows by one row at a time; ``append``: after those it has.

    ``first_row``: number of rows that were in it before. Raises `UsageError` where it has another
    header.
    """

    def __init__(self, path: Path, form: RowFormat, *, append: bool = False) -> None:
        self._path = path
        self._form = form
        self._before = ""
        if append and path.is_file():
            self._before = path.read_bytes().decode("utf-8", "replace")
        if not self._before.startswith(form.head()) and self._before:
            raise UsageError(
                f"expected the header of this run to append to {path}; got "
                f"{self._before.splitlines()[0]!r}: give the --csv-dialect and model that wrote "
                "it, or choose another name"
            )
        self.first_row = form.count(self._before)
        self._file: IO[bytes] | None = None

    def add(self, row: Row) -> None:
        """Write a row in one piece, so that a reader never sees half of one."""
        self._write(self._form.line(row))

    def finish(self, end_ms: float) -> None:
        """Write the header if there is no row."""
        self._write("")

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        file, self._file = self._file, None
        if file is not None:
            # What could not be written was reported then; closing tries it again.
            with contextlib.suppress(OSError):
                file.close()

    def _write(self, text: str) -> None:
        if self._file is None:
            how = "ab" if self._before else "wb"
            self._file = self._path.open(how)
            if not self._before:
                text = self._form.head() + text
            elif text and not self._before.endswith("\n"):
                text = "\n" + text  # a run that was killed left half a row
        if text:
            self._file.write(text.encode())
            self._file.flush()


class DocumentFile:
    """A document, rewritten whole in one step with every row; what is on disk is always valid."""

    first_row = 0

    def __init__(self, path: Path, document: Document, observation: Observation) -> None:
        self._path = path.resolve()  # a link stays one
        self._document = document
        self._observation = observation
        self._rows: list[Row] = []

    def add(self, row: Row) -> None:
        """Write the document with one more row."""
        self._rows.append(row)
        self.finish(0.0)

    def finish(self, end_ms: float) -> None:
        """Write the document, its end at ``end_ms`` at least."""
        write_atomic(self._path, self._document(self._rows, self._observation, end_ms))

    def close(self) -> None:
        """Do nothing: nothing is held open."""
