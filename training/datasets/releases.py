"""Readers of raw releases, and the reading of a folder that holds any of them."""

from pathlib import Path

from htnet.engine.errors import DataError
from htnet.training.datasets import casme2, casme3, mmew, samm, smic
from htnet.training.datasets.raw_clip import RawClip, ReleaseReader

READERS = (casme2.READER, samm.READER, smic.READER, casme3.READER, mmew.READER)


def readers_in(root: Path) -> list[ReleaseReader]:
    """Return the readers of the releases found under ``root``."""
    return [reader for reader in READERS if reader.find(root) is not None]


def read_raw(root: Path) -> list[RawClip]:
    """Read the annotated clips of every release under ``root``, left-out ones included.

    Raises `DataError` where nothing is recognised, and for a clip that is annotated twice.
    """
    readers = readers_in(root)
    if not readers:
        raise DataError(
            f"expected a labels.csv or a dataset as it was released in {root}; recognised "
            f"nothing: known are {layouts()}."
        )
    clips = [clip for reader in readers for clip in reader.read(root)]
    require_unique(clips)
    return clips


def require_unique(clips: list[RawClip]) -> None:
    """Raise `DataError` for a clip that occurs twice."""
    seen: set[tuple[str, str]] = set()
    for clip in clips:
        if (clip.subject, clip.name) in seen:
            raise DataError(
                f"expected each clip once in its annotation; {clip.subject} {clip.name} comes "
                "twice: delete one of the lines, or leave one copy of the dataset in the folder."
            )
        seen.add((clip.subject, clip.name))


def layouts() -> str:
    """Return the layouts of all known releases, in one line."""
    return "; ".join(f"{reader.title} ({reader.layout})" for reader in READERS)
