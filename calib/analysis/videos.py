"""The videos that were named: files, folders and patterns."""

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from htnet.engine.errors import UsageError

SUFFIXES: Final = frozenset(
    {
        *(".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"),
        *(".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
    }
)
"""Endings of the files that are taken from a folder."""


def find_videos(named: Sequence[str], out: Path) -> list[Path]:
    """Return the videos of ``named``, each once, in order of naming and of the alphabet.

    Of a folder these are the videos in it and below; without one, the folder itself, as a sequence
    of pictures. Nothing in ``out`` is taken from a folder. What does not exist is returned too, so
    that its failure is told beside the others. Raises `UsageError` for an address.
    """
    found: dict[Path, Path] = {}
    for each in named:
        if "://" in each:
            raise UsageError(
                f"expected video files or folders; got the address {each}: download it first, or "
                "watch it by htnet live --source."
            )
        for path in _matching(each):
            for video in _in_folder(path, out) if path.is_dir() else (path,):
                found.setdefault(video.resolve(), video)
    return list(found.values())


def _matching(named: str) -> list[Path]:
    path = Path(named).expanduser()
    if path.exists() or not glob.has_magic(named):
        return [path]
    return [Path(each) for each in sorted(glob.glob(str(path), recursive=True))] or [path]


def _in_folder(folder: Path, out: Path) -> Iterator[Path]:
    taken = False
    for path in sorted(folder.rglob("*")):
        own = path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
        if own and path.is_file() and out.resolve() not in path.resolve().parents:
            taken = True
            yield path
    if not taken:
        yield folder
