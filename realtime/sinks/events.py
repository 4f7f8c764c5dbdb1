"""Event log: events as lines of JSON."""

import contextlib
import json
from collections.abc import Iterable
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Self

from htnet.engine.errors import OutputError
from htnet.engine.types import Event, Tick
from htnet.realtime.sinks.paths import writable


class EventLog:
    """A JSONL file of `Event.row`; each line is on disk as soon as it is known.

    Only final events unless ``provisional``. ``explain``: with the decisions of all rules. A file
    of that name is replaced on entering.
    """

    def __init__(
        self,
        path: str | Path,
        provisional: bool = False,
        *,
        option: str = "--events",
        explain: bool = False,
    ) -> None:
        self._path = writable(path, option)
        self._provisional = provisional
        self._explain = explain
        self._file: TextIOWrapper | None = None

    def __enter__(self) -> Self:
        try:
            self._file = self._path.open("w", encoding="utf-8", newline="\n")
        except OSError as error:
            raise self._unwritten(error) from error
        return self

    def write(self, tick: Tick) -> None:
        """Add the events of ``tick``."""
        self.add(tick.events)

    def add(self, events: Iterable[Event]) -> None:
        """Add events that belong to no Tick: those open when the source ended."""
        if self._file is None:
            raise ValueError("the event log is not open")
        for event in events:
            if self._provisional or event.stage == "final":
                # One write of a whole line, so that a reader never sees half of one.
                row = event.explained() if self._explain else event.row()
                line = json.dumps(row, ensure_ascii=False) + "\n"
                try:
                    self._file.write(line)
                    self._file.flush()
                except OSError as error:
                    raise self._unwritten(error) from error

    def _unwritten(self, error: OSError) -> OutputError:
        return OutputError(
            f"expected to write events to {self._path}, but {error.strerror or error}; what was "
            "written before is whole: make room, or choose another place"
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            # A line that could not be written was reported then; closing tries it again.
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None
