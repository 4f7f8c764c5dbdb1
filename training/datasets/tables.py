"""Annotation tables as released: Excel books and CSV files, read through pandas."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from htnet.engine.errors import DataError
from htnet.engine.optional import need
from htnet.training.datasets.pictures import files, walk

_ENGINES = {".xlsx": "openpyxl", ".xls": "xlrd"}
_PREAMBLE = 40  # most lines before the header; SAMM has 13

Row = dict[str, str]


def find_table(root: Path, pattern: str) -> Path | None:
    """Return the table under ``root`` whose name without its ending matches ``pattern``, or None.

    Letter case is ignored. Of several tables the outermost is returned; in one folder an Excel book
    before a CSV file, and the last by name, since releases number their versions.
    """
    name = re.compile(pattern, re.IGNORECASE)
    for folder in walk(root):
        tables = [
            path
            for path in files(folder)
            if path.suffix.lower() in (*_ENGINES, ".csv") and name.fullmatch(path.stem)
        ]
        if tables:
            return max(tables, key=lambda path: (path.suffix.lower() in _ENGINES, path.name))
    return None


def read_rows(path: Path, columns: Mapping[str, Sequence[str]]) -> list[Row]:
    """Read the rows of a table: text by column name, with the row's place under ``where``.

    ``columns``: for each of our names the release's alternatives, of which one must exist; letter
    case, spaces and punctuation are ignored. The header is the first line that has all columns, on
    any sheet, so a preamble is skipped; so are lines whose cells are empty. Raises `DataError`
    where no line has all columns, and for a file that is no table.
    """
    wanted = {ours: {_plain(name) for name in names} for ours, names in columns.items()}
    for sheet in read_sheets(path):
        for top, cells in enumerate(sheet[:_PREAMBLE]):
            plain = [_plain(cell) for cell in cells]
            places = {
                ours: next((i for i, cell in enumerate(plain) if cell in names), None)
                for ours, names in wanted.items()
            }
            if None not in places.values():
                return _rows(path, sheet, top, {k: i for k, i in places.items() if i is not None})
    raise DataError(
        f"expected a line of headings with {', '.join(names[0] for names in columns.values())} in "
        f"{path}; found none: use the table as it was released."
    )


def frame_number(text: str) -> int | None:
    """Return the frame number in a cell; None for "/", -1, nothing and any other text."""
    number = re.fullmatch(r"(\d+)(\.0*)?", text)
    return int(number[1]) if number else None


def _rows(path: Path, sheet: list[list[str]], top: int, places: Mapping[str, int]) -> list[Row]:
    rows = []
    for line, cells in enumerate(sheet[top + 1 :], start=top + 2):
        row = {ours: cells[place] for ours, place in places.items()}
        if any(row.values()):
            rows.append(row | {"where": f"{path} line {line}"})
    return rows


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).lower()


def read_sheets(path: Path) -> list[list[list[str]]]:
    """Return each sheet's cells as text, stripped of spaces.

    Raises `DataError` for a file that is no Excel or CSV table.
    """
    pandas = need("pandas")
    suffix = path.suffix.lower()
    if suffix in _ENGINES:
        need(_ENGINES[suffix])
    options: dict[str, Any] = {"header": None, "dtype": str, "keep_default_na": False}
    try:
        if suffix in _ENGINES:
            frames = list(pandas.read_excel(path, sheet_name=None, **options).values())
        else:
            frames = [pandas.read_csv(path, encoding="utf-8-sig", **options)]
    # A damaged book fails in whichever library gets to the damage, each with errors of its own.
    except Exception as error:  # noqa: BLE001
        raise DataError(
            f"expected an Excel or CSV table at {path}; it cannot be read ({error}): use the table "
            "as it was released."
        ) from None
    return [
        [[str(cell).strip() for cell in row] for row in frame.fillna("").to_numpy().tolist()]
        for frame in frames
    ]
