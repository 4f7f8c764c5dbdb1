"""frames.csv and frames.parquet, written row by row, and events.csv."""

import csv
from collections.abc import Iterable, Sequence
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from htnet.calib.analysis.columns import Cell, columns, unit_name
from htnet.engine.anatomy.muscles import MUSCLES
from htnet.engine.errors import OutputError
from htnet.engine.optional import need
from htnet.engine.types import Event
from htnet.realtime.overlay.reasons import in_words

_ROWS_A_GROUP = 4096


class FrameTable(Protocol):
    """A table with a row for each frame; a context manager."""

    def __enter__(self) -> Self: ...

    def write(self, row: list[Cell]) -> None:
        """Add a row."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class FrameCsv:
    """frames.csv. Raises `OSError` where it cannot be written."""

    def __init__(self, path: Path, classes: Sequence[str]) -> None:
        self._path = path
        self._classes = tuple(classes)
        self._file: TextIOWrapper | None = None

    def __enter__(self) -> Self:
        self._file = self._path.open("w", encoding="utf-8", newline="")
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(columns(self._classes))
        return self

    def write(self, row: list[Cell]) -> None:
        """Add a row."""
        self._rows.writerow(row)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._file is not None
        if error is None:
            self._file.close()
            return
        with suppress(OSError):  # the first error is the one to tell
            self._file.close()


class FrameParquet:
    """frames.parquet, in groups of 4096 rows. Raises `DependencyError` without pyarrow."""

    def __init__(self, path: Path, classes: Sequence[str]) -> None:
        self._pyarrow: Any = need("pyarrow", "parquet")
        self._parquet: Any = need("pyarrow.parquet", "parquet")
        self._path = path
        self._classes = tuple(classes)
        types = {
            int: self._pyarrow.int64(),
            float: self._pyarrow.float64(),
            str: self._pyarrow.string(),
        }
        self._schema = self._pyarrow.schema(
            [(name, types[kind]) for name, kind in columns(self._classes).items()]
        )
        self._rows: list[list[Cell]] = []
        self._writer: Any = None

    def __enter__(self) -> Self:
        self._writer = self._parquet.ParquetWriter(str(self._path), self._schema)
        return self

    def write(self, row: list[Cell]) -> None:
        """Add a row."""
        self._rows.append(row)
        if len(self._rows) == _ROWS_A_GROUP:
            self._flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            with suppress(OSError):
                self._writer.close()
            return
        if self._rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        arrays = [
            self._pyarrow.array(column, type=field.type)
            for column, field in zip(zip(*self._rows, strict=True), self._schema, strict=True)
        ]
        self._writer.write_table(self._pyarrow.table(arrays, schema=self._schema))
        self._rows.clear()


def write_events(path: Path, events: Iterable[Event], classes: Sequence[str]) -> None:
    """Write events.csv; raises `OutputError`."""
    # MERGE: becomes the CSV of realtime/formats.
    head = ["event", "kind", "label", "onset_s", "apex_s", "offset_s", "duration_s"]
    head += ["action_units", "muscle", "magnitude_px", "score", "rejected", "rejected_in_words"]
    head += [f"probability_{name}" for name in classes]
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(head)
            for event in events:
                rows.writerow(_event(event, classes))
    except OSError as error:
        raise OutputError(
            f"expected to write {path}; got {error.strerror or error}: make room, or choose "
            "another folder."
        ) from None


def _event(event: Event, classes: Sequence[str]) -> list[Cell]:
    units = MUSCLES[event.muscle].units if event.muscle in MUSCLES else None
    reason = event.rejected
    return [
        event.id,
        event.kind,
        event.label,
        *(round(t / 1e9, 6) for t in (event.onset_ns, event.apex_ns, event.offset_ns)),
        round(event.duration_ms / 1e3, 6),
        units,
        unit_name(event.muscle) if event.muscle in MUSCLES else event.muscle,
        round(event.magnitude_px, 3),
        round(event.score, 3),
        reason,
        None if reason is None else in_words(reason),
        *(round(event.probabilities.get(name, 0.0), 4) for name in classes),
    ]
