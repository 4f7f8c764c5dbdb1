"""Long videos with annotated expressions: the ground truth of MEGC's spotting tasks."""

from collections.abc import Iterator
from pathlib import Path

from htnet.engine.errors import DataError
from htnet.training.datasets import long_casme3, long_casme_sq, long_samm
from htnet.training.datasets.long_video import LongVideo

RELEASES = (long_casme_sq.RELEASE, long_casme3.RELEASE, long_samm.RELEASE)


def read_megc(folder: Path) -> Iterator[LongVideo]:
    """Yield the long videos of every dataset under ``folder``, one dataset after another.

    Raises `DataError` where none is recognised, where a table or the pictures it speaks of are
    missing, and for a table that cannot be understood.
    """
    found = [release for release in RELEASES if release.found_in(folder)]
    if not found:
        known = "; ".join(f"{own.title} ({own.table} and {own.layout})" for own in RELEASES)
        raise DataError(
            f"expected long videos as they were released in {folder}; recognised nothing: known "
            f"are {known}."
        )
    for release in found:
        yield from release.videos(folder)
