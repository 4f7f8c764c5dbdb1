"""Folders and picture files of a release."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from htnet.engine.errors import DataError
from htnet.engine.media import pictures as media
from htnet.engine.types import U8

PICTURES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff"})
_DEPTH = 5
# Folder of one subject, of one clip or of depth maps: no release begins inside of these.
_LEAF = re.compile(r"sub\d+|\d{3}|s\d+|spno\.\d.*|s\d+-\d+-\d+|depth", re.IGNORECASE)

# Digits after letters or after SAMM's subject number; not those of a copy, "img46 (1)".
_FRAME = re.compile(r"(?:[a-z_]*|[0-9]{3}_)([0-9]+)", re.IGNORECASE)


def walk(root: Path) -> Iterator[Path]:
    """Yield ``root`` and the folders in it, outer ones first, each level by name.

    Folders of single subjects and clips are skipped, since they hold thousands of pictures. Raises
    `DataError` where ``root`` is no folder.
    """
    if not root.is_dir():
        raise DataError(f"expected a folder of data at {root}; found none: check the path.")
    level = [root]
    for _ in range(_DEPTH):
        yield from level
        level = [
            inner
            for folder in level
            for inner in subfolders(folder).values()
            if not _LEAF.fullmatch(inner.name)
        ]


def uncropped(folders: Sequence[Path], root: Path) -> Path | None:
    """Return the first of ``folders`` without "crop" in its path under ``root``, else the first.

    None where there are no folders.
    """
    return min(
        folders, key=lambda folder: "crop" in str(folder.relative_to(root)).lower(), default=None
    )


def subfolders(folder: Path) -> dict[str, Path]:
    """Return the folders in ``folder`` by lower-case name, sorted.

    Those that archivers and file managers leave behind (.cache, __MACOSX) are left out.
    """
    found = sorted(entry.name for entry in _scan(folder) if entry.is_dir())
    return {name.lower(): folder / name for name in found if not name.startswith((".", "__"))}


def files(folder: Path) -> list[Path]:
    """Return the files in ``folder``, sorted, without hidden files and spreadsheets' lock files."""
    names = sorted(entry.name for entry in _scan(folder) if entry.is_file())
    return [folder / name for name in names if not name.startswith((".", "~$"))]


def numbered(folder: Path, frame: re.Pattern[str] = _FRAME) -> dict[int, Path]:
    """Return the pictures in ``folder`` by frame number, in its order.

    ``frame``: pattern of a name without its ending, whose first group is the number. By default
    ``img46.jpg``, ``reg_img46.jpg``, ``006_00046.jpg`` and ``46.jpg`` are all number 46. Pictures
    of any other name, as ``img46 (1).jpg``, are skipped. Raises `DataError` where two pictures
    have one number.
    """
    found: dict[int, Path] = {}
    for path in files(folder):
        number = frame.fullmatch(path.stem)
        if path.suffix.lower() not in PICTURES or number is None:
            continue
        there = found.setdefault(int(number[1]), path)
        if there != path:
            raise DataError(
                f"expected one picture for each frame in {folder}; got {there.name} and "
                f"{path.name} for frame {int(number[1])}: take one of them out."
            )
    return dict(sorted(found.items()))


def read_picture(path: Path, what: str = "a picture") -> U8:
    """Read a picture (H, W, 3) BGR; raises `DataError`, which calls it ``what``."""
    return media.read_picture(path, what, DataError, "see the README on how to lay the data out")


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise DataError(
            f"expected to list the folder {folder}; got {error.strerror}: check its permissions."
        ) from None
