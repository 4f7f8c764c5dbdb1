"""Event log: events as rows in the format of the file's suffix."""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from htnet.engine.errors import OutputError, UsageError
from htnet.engine.types import NS_PER_MS, Event, Tick
from htnet.realtime.formats.observation import Observation
from htnet.realtime.formats.rows import Dialect
from htnet.realtime.formats.suffixes import ROWS, format_of
from htnet.realtime.sinks.event_files import DocumentFile, EventFile, RowFile
from htnet.realtime.sinks.paths import Existing, writable


class EventLog:
    """A file of `Event.row` in the format of its suffix; each event is on disk once it is known.

    JSON lines and CSV grow by a row; other formats are rewritten whole in one step. Only final
    events unless ``provisional``. ``explain``: with the decisions of all rules. A file of that name
    is replaced, or appended to, with the first row or by `finish`, not before.
    ``begun``: True from then on. ``first_row``: number of rows that it had before.
    """

    def __init__(
        self,
        path: str | Path,
        provisional: bool = False,
        *,
        option: str = "--events",
        explain: bool = False,
        existing: Existing = Existing.OVERWRITE,
        dialect: Dialect = Dialect.STANDARD,
        observation: Observation | None = None,
    ) -> None:
        self.path = writable(path, option)
        self.begun = False
        self._provisional = provisional
        self._explain = explain
        self._end_ns = 0
        self._open = False
        observation = observation or Observation()
        form = format_of(self.path, option, observation.labels, dialect, explain=explain)
        append = existing is Existing.APPEND
        self._file: EventFile
        if form.rows is not None:
            self._file = RowFile(self.path, form.rows, append=append)
        else:
            require_appendable(self.path, option, existing)
            assert form.document is not None
            self._file = DocumentFile(self.path, form.document, observation)

    @property
    def first_row(self) -> int:
        """Number of rows that the file had before."""
        return self._file.first_row

    def __enter__(self) -> Self:
        self._open = True
        return self

    def write(self, tick: Tick) -> None:
        """Add the events of ``tick``."""
        self._end_ns = tick.frame.t_ns
        self.add(tick.events)

    def add(self, events: Iterable[Event]) -> None:
        """Add events that belong to no Tick: those open when the source ended."""
        if not self._open:
            raise ValueError("the event log is not open")
        for event in events:
            if self._provisional or event.stage == "final":
                try:
                    self._file.add(event.explained() if self._explain else event.row())
                except OSError as error:
                    raise self._unwritten(error) from error
                self.begun = True

    def finish(self) -> None:
        """Complete the file at the good end of a run; one without events is made too."""
        try:
            self._file.finish(self._end_ns / NS_PER_MS)
        except OSError as error:
            raise self._unwritten(error) from error
        self.begun = True

    def _unwritten(self, error: OSError) -> OutputError:
        return OutputError(
            f"expected to write events to {self.path}, but {error.strerror or error}; what was "
            "written before is whole: make room, or choose another place"
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open = False
        self._file.close()


def require_appendable(path: Path, option: str, existing: Existing) -> None:
    """Raise `UsageError` for ``--append`` with a format that is rewritten whole."""
    if existing is Existing.APPEND:
        raise UsageError(
            f"expected a name ending in {' or '.join((ROWS[0], ROWS[-1]))} after {option} with "
            f"--append; got {str(path)!r}, which is written whole: choose another name, or replace "
            "it with --overwrite"
        )
