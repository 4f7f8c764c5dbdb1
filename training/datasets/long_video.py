"""Records of long videos and their annotation, and the reader that a release fills in.

Assumptions: frame numbers in the tables are those in the pictures' names, and pictures are evenly
spaced. An unknown offset is the apex, as in the MEGC 2020 baseline (He et al., FG 2020), and so is
an unknown onset; an apex outside of both is unknown; an offset after the last picture is that
picture's (SAMM Long Videos has two). Videos without any expression are read too, since whatever is
found in them is false. Full pictures are taken before cropped ones.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from htnet.engine.errors import DataError
from htnet.engine.types import CLASSES, Frame
from htnet.training.datasets.pictures import numbered, read_picture, uncropped, walk
from htnet.training.datasets.raw_clip import LABELS
from htnet.training.datasets.tables import Row, find_table
from htnet.training.spotting.records import KINDS, TrueEvent

SPOTS = {"onset": ("Onset",), "apex": ("Apex",), "offset": ("Offset",)}
"""Names of the onset, apex and offset columns."""

_NUMBER = re.compile(r"(\d{1,9})(\.\d+)?", re.ASCII)
# The last digits of a name, as of img_12 or 006_1_0012; not those of a copy, "img12 (1)".
_FRAME = re.compile(r"(?:.*[^0-9])?([0-9]+)")


@dataclass(frozen=True, slots=True, eq=False)
class LongVideo:
    """A video as a folder of pictures, with its annotation.

    ``dataset``: casme-sq, casme3 or samm-long. ``subject``: unique over all datasets; subjects of
    casme3 and samm-long are named as those of the CAS(ME)^3 and SAMM clips, who are the same
    people. ``pictures``: by frame number, in its order; the first is at time 0, from which the
    times of ``events`` are counted. ``left_out``: unusable lines of the annotation, place and
    reason.
    """

    dataset: str
    subject: str
    name: str
    folder: Path
    pictures: Mapping[int, Path]
    fps: float
    events: tuple[TrueEvent, ...]
    left_out: tuple[str, ...]

    def frames(self) -> Iterator[Frame]:
        """Yield the pictures in turn; a missing one leaves a gap in time.

        Raises `DataError` for a picture that cannot be read.
        """
        first = min(self.pictures)
        for index, (number, path) in enumerate(self.pictures.items()):
            yield Frame(index, _time(number - first, self.fps), read_picture(path), index == 0)


@dataclass(frozen=True, slots=True)
class Place:
    """Subject, name and picture folder of one video."""

    subject: str
    name: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Line:
    """One annotated expression; None for unknown values.

    ``video``: key of its `Place`. ``where``: place in the table, for messages.
    """

    video: str
    kind: str
    label: str | None
    onset: int | None
    apex: int | None
    offset: int | None
    where: str


@dataclass(frozen=True, slots=True)
class LongRelease:
    """Reader of one release.

    ``pattern``: of the table's name. ``holds``: True for the folder of the pictures. ``places``:
    the videos in that folder by key. ``lines``: the annotation, of the whole folder and its table.
    """

    dataset: str
    title: str
    table: str
    layout: str
    fps: float
    pattern: str
    holds: Callable[[Path], bool]
    places: Callable[[Path], dict[str, Place]]
    lines: Callable[[Path, Path], list[Line]]

    def found_in(self, root: Path) -> bool:
        """Return True where ``root`` holds the pictures or the table."""
        return self._base(root) is not None or find_table(root, self.pattern) is not None

    def videos(self, root: Path) -> Iterator[LongVideo]:
        """Yield the videos of the release.

        Raises `DataError` for a missing or unreadable table and for missing pictures.
        """
        table, base = find_table(root, self.pattern), self._base(root)
        if table is None:
            raise missing_table(self.title, self.table, base)
        places = {} if base is None else self.places(base)
        by_video: dict[str, list[Line]] = {key: [] for key in places}
        for line in self.lines(root, table):
            if line.video not in places:
                raise DataError(
                    f"expected the pictures of {line.video}, which {line.where} speaks of, as "
                    f"{self.layout} in {base or root}; found no such folder: copy it from the "
                    "release, or take its lines out of the table."
                )
            by_video[line.video].append(line)
        for key, place in places.items():
            yield self._video(place, by_video[key])

    def _base(self, root: Path) -> Path | None:
        return uncropped([folder for folder in walk(root) if self.holds(folder)], root)

    def _video(self, place: Place, lines: list[Line]) -> LongVideo:
        pictures = numbered(place.folder, _FRAME)
        if not pictures:
            raise DataError(
                f"expected pictures named as {self.layout} in {place.folder}; found none: copy "
                "them from the release."
            )
        events, left_out = [], []
        for line in lines:
            event = _event(line, min(pictures), max(pictures), self.fps)
            if isinstance(event, str):
                left_out.append(f"{line.where}: {event}")
            else:
                events.append(event)
        return LongVideo(
            dataset=self.dataset,
            subject=place.subject,
            name=place.name,
            folder=place.folder,
            pictures=pictures,
            fps=self.fps,
            events=tuple(sorted(events, key=lambda event: event.onset_ns)),
            left_out=tuple(left_out),
        )


def spots(row: Row) -> tuple[int | None, int | None, int | None]:
    """Return onset, apex and offset of a table row."""
    onset, apex, offset = (nearest_frame(row[name]) for name in SPOTS)
    return onset, apex, offset


def nearest_frame(text: str) -> int | None:
    """Return the frame number in a cell, or None for "/", -1 and nothing.

    It is rounded, since SAMM's books have halves.
    """
    return round(float(text)) if _NUMBER.fullmatch(text) else None


def kind_of(text: str) -> str | None:
    """Return "micro" or "macro" for a cell that begins so, else None."""
    kind = text.strip().lower()[:5]
    return kind if kind in KINDS else None


def class_of(emotion: str) -> str | None:
    """Return the class of an emotion, or None for "others", nothing and any other word."""
    label = LABELS.get(emotion.strip().lower())
    return None if label is None else CLASSES[label]


def missing_table(title: str, table: str, beside: Path | None) -> DataError:
    """Return the error for a release without its annotation ``table``."""
    return DataError(
        f"expected the annotation of {title} beside its pictures in {beside}, {table}; found "
        "none: put it into the same folder."
    )


def _event(line: Line, first: int, last: int, fps: float) -> TrueEvent | str:
    """Return the line's event, or the reason for which it is none."""
    onset = line.apex if line.onset is None else line.onset
    offset = line.apex if line.offset is None else line.offset
    if onset is None or offset is None:
        return "onset, apex and offset do not give a beginning and an end"
    if not first <= onset < last:
        return f"it begins with frame {onset}, and the pictures are {first} to {last}"
    offset = min(offset, last)
    if offset <= onset:
        return f"it ends with frame {offset} and begins with {onset}"
    known = line.apex is not None and onset <= line.apex <= offset
    apex_ns = _time(line.apex - first, fps) if line.apex is not None and known else None
    return TrueEvent(
        line.kind, line.label, _time(onset - first, fps), apex_ns, _time(offset - first, fps)
    )


def _time(frames: int, fps: float) -> int:
    return round(frames * 1e9 / fps)
