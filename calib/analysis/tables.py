"""frames.csv and frames.parquet, written row by row."""

import csv
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from htnet.calib.analysis.columns import Cell, columns
from htnet.engine.optional import need
from htnet.realtime.formats.rows import Dialect

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

    def __init__(
        self, path: Path, classes: Sequence[str], dialect: Dialect = Dialect.STANDARD
    ) -> None:
        self._path = path
        self._classes = tuple(classes)
        self._european = dialect is Dialect.EUROPEAN
        self._file: TextIOWrapper | None = None

    def __enter__(self) -> Self:
        encoding, delimiter = ("utf-8-sig", ";") if self._european else ("utf-8", ",")
        self._file = self._path.open("w", encoding=encoding, newline="")
        self._rows = csv.writer(self._file, delimiter=delimiter, lineterminator="\n")
        self._rows.writerow(columns(self._classes))
        return self

    def write(self, row: list[Cell]) -> None:
        """Add a row."""
        if self._european:
            row = [str(each).replace(".", ",") if isinstance(each, float) else each for each in row]
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
