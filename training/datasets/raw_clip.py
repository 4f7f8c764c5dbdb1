"""Record of an annotated clip of a raw release, and the interface of a release's reader."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from htnet.engine.errors import DataError
from htnet.training.datasets.pictures import numbered
from htnet.training.datasets.tables import Row, frame_number

LABELS: Mapping[str, int] = {
    "anger": 0,
    "contempt": 0,
    "disgust": 0,
    "fear": 0,
    "negative": 0,
    "repression": 0,
    "sad": 0,
    "sadness": 0,
    "happiness": 1,
    "happy": 1,
    "positive": 1,
    "surprise": 2,
}
"""Class of each emotion in MEGC 2019 (See et al., "MEGC 2019", FG 2019): 0 negative, 1 positive,
2 surprise."""

LEFT_OUT = frozenset({"other", "others"})
"""Annotations of none of the three classes."""


@dataclass(frozen=True, slots=True, eq=False)
class RawClip:
    """One annotated clip of a release.

    ``subject``: unique over all datasets, as casme2-sub01. ``emotion``: as annotated. ``label``:
    0, 1, 2, or None for a left-out clip. ``why``: reason for leaving it out, in words. ``onset``,
    ``apex``, ``offset``: frame numbers, None where unknown. ``frames``: the existing pictures by
    frame number, from onset to offset. ``missing``: files that the annotation refers to and that
    do not exist; none for a left-out clip.
    """

    dataset: str
    subject: str
    name: str
    emotion: str
    label: int | None
    why: str
    onset: int
    apex: int | None
    offset: int | None
    fps: float
    frames: Mapping[int, Path]
    missing: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Location of a release: annotation table and folder of clips, None where not found."""

    table: Path | None
    clips: Path | None


@dataclass(frozen=True, slots=True)
class ReleaseReader:
    """Reader of one release.

    ``layout``: description of its files, for display. ``find``: locates it in a folder. ``read``:
    reads its clips in the annotation's order.
    """

    dataset: str
    title: str
    layout: str
    find: Callable[[Path], Found | None]
    read: Callable[[Path], list[RawClip]]


def annotated(
    row: Row, dataset: str, subject: str, name: str, folder: Path, file: str, fps: float
) -> RawClip:
    """Make the clip of a table's row from its emotion, onset, apex and offset.

    ``file``: format of a frame's file name, as ``img{}.jpg``. An apex that is not after the onset
    and an offset that is not after both are errors of the annotation and count as unknown. Without
    an apex the frames end a second after the onset: some offsets lie minutes later, and a
    micro-expression has peaked by then.
    """
    label, why = label_of(row["emotion"], row["where"])
    onset, apex, offset = (frame_number(row[key]) for key in ("onset", "apex", "offset"))
    if onset is None:
        label, why, onset = None, "no onset", 0
    apex = apex if apex is not None and apex > onset else None
    offset = offset if offset is not None and offset > (apex or onset) else None
    last = offset or apex or onset + round(fps)
    if apex is None:
        last = min(last, onset + round(fps))
    frames: dict[int, Path] = {}
    missing: tuple[Path, ...] = ()
    if label is not None:
        there = numbered(folder) if folder.is_dir() else {}
        frames = {n: path for n, path in there.items() if onset <= n <= last}
        needed = (onset, last if apex is None and offset == last else apex)
        missing = tuple(
            folder / file.format(n) for n in needed if n is not None and n not in frames
        )
        if not missing and len(frames) < 2:
            missing = (folder,)
    return RawClip(
        dataset=dataset,
        subject=f"{dataset}-{subject}",
        name=name,
        emotion=row["emotion"],
        label=label,
        why=why,
        onset=onset,
        apex=apex,
        offset=offset,
        fps=fps,
        frames=frames,
        missing=missing,
    )


def label_of(emotion: str, where: str) -> tuple[int | None, str]:
    """Return the class of an emotion, or None and the reason for leaving its clips out.

    Raises `DataError`, naming its place ``where``, for a word that is no emotion.
    """
    word = emotion.strip().lower()
    if word in LEFT_OUT:
        return None, f"annotated as {word}"
    if word not in LABELS:
        raise DataError(
            f"expected an emotion ({', '.join([*LABELS, *sorted(LEFT_OUT)])}); {where} has "
            f"{emotion!r}: correct it."
        )
    return LABELS[word], ""


def require_table(found: Found | None, title: str, table: str) -> tuple[Path, Path]:
    """Return the table and the folder of the clips; raises `DataError` without a table."""
    if found is None or found.table is None:
        beside = "" if found is None else f" for the clips in {found.clips}"
        raise DataError(
            f"expected the annotation of {title}{beside}, {table}; found none: put it into the "
            "same folder."
        )
    return found.table, found.clips or found.table.parent
