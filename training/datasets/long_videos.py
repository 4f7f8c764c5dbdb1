"""Long videos and what was annotated in them: the ground truth of MEGC's spotting tasks.

- CAS(ME)^2 (Qu et al., IEEE Trans. Affective Computing 2018), 30 frames a second:
  ``CAS(ME)^2code_final.xlsx`` and ``rawpic/s15/15_0101disgustingteeth/img001.jpg``;
  ``longVideoFaceCropped/`` is laid out alike. The book has no headings. Its first sheet's columns
  are a number of the subject, the stimulus with a count ("disgust1_2"), onset, apex and offset (0
  where unknown), action units, emotion, "micro-expression" or "macro-expression", and the
  self-report; two more sheets say which folders the number (1: s15) and the stimulus (disgust1:
  0101) stand for.
- CAS(ME)^3 part A (Li et al., PAMI 2023), 30 frames a second: the books
  ``cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx`` (Subject, Filename, Onset, Apex, Offset, emotion)
  and ``cas(me)3_part_A_MaE_label_JpgIndex_v2.xlsx`` (sub, seq, onset, apex, offset and, in a later
  version, emotion), and ``spNO.1/a/color/0.jpg``. Cut clips are not long videos.
- SAMM Long Videos (Yap, Kendrick and Yap, FG 2020), 200 frames a second:
  ``SAMM_LongVideos_V3_Release.xlsx`` (Subject, Filename, Inducement Code, Onset, Apex, Offset,
  Duration, Type "Micro - 1/2" or "Macro", Action Units, Notes, after some lines of explanation) and
  ``SAMM_longvideos/006_1/006_1_0001.jpg``. Emotions of its micro-expressions are taken from
  ``SAMM_Micro_FACS_Codes_v2.xlsx`` where that lies beside; macro-expressions have none.

None of these was at hand: the layouts are from papers and from public code that reads the releases,
and this reader ran on made-up trees alone.

What is assumed: frame numbers in the tables are those in the pictures' names, and pictures are
evenly spaced. An unknown offset is the apex, as in the MEGC 2020 baseline (He et al., FG 2020), and
so is an unknown onset; an apex outside of both is unknown; an offset after the last picture is that
picture's (SAMM Long Videos has two). Videos without any expression are read too, since what is
found in them is false. Full pictures are taken before cropped ones.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from htnet.engine.errors import DataError
from htnet.engine.types import CLASSES, Frame
from htnet.training.datasets.pictures import PICTURES, files, read_picture, subfolders, walk
from htnet.training.datasets.raw_clip import LABELS
from htnet.training.datasets.tables import Row, find_table, read_rows
from htnet.training.datasets.tables import _sheets as read_sheets
from htnet.training.spotting.records import KINDS, TrueEvent

_SPOTS = {"onset": ("Onset",), "apex": ("Apex",), "offset": ("Offset",)}
_CASME3 = {"subject": ("Subject", "sub"), "video": ("Filename", "seq"), **_SPOTS}
_SAMM = {"name": ("Filename",), "type": ("Type",), **_SPOTS}
_SAMM_MICRO = {"name": ("Filename",), "emotion": ("Estimated Emotion",)}

_NUMBER = re.compile(r"(\d{1,9})(\.\d+)?", re.ASCII)
# The last digits of a name, as of img_12 or 006_1_0012; not those of a copy, "img12 (1)".
_FRAME = re.compile(r"(?:.*[^0-9])?([0-9]+)")
_SUBJECT = re.compile(r"s[0-9]+")
_VIDEO = re.compile(r"[0-9]+_([0-9]{4}).*")
_RECORDING = re.compile(r"spno\.[0-9]+")
_SAMM_VIDEO = re.compile(r"([0-9]{3})_[0-9]+")


@dataclass(frozen=True, slots=True, eq=False)
class LongVideo:
    """A video as a folder of pictures, and what was annotated in it.

    ``dataset``: casme-sq, casme3 or samm-long. ``subject``: unique over all datasets; those of
    casme3 and samm-long are named as the clips' of CAS(ME)^3 and SAMM, who are the same people.
    ``pictures``: by number of the frame, in its order; the first is at time 0, from which the times
    of ``events`` are counted. ``left_out``: lines of the annotation that could not be used, where
    each stands and why.
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
        """Its pictures in turn; one that is missing between others leaves a gap in time.

        Raises `DataError` for one that cannot be read.
        """
        first = min(self.pictures)
        for index, (number, path) in enumerate(self.pictures.items()):
            yield Frame(index, _time(number - first, self.fps), read_picture(path), index == 0)


def read_megc(folder: Path) -> Iterator[LongVideo]:
    """The long videos of every dataset under ``folder``, one after another.

    Raises `DataError` where none is recognised, where a table or the pictures it speaks of are
    missing, and for a table that cannot be understood.
    """
    found = [release for release in _RELEASES if release.trace(folder)]
    if not found:
        known = "; ".join(f"{own.title} ({own.table} and {own.layout})" for own in _RELEASES)
        raise DataError(
            f"expected long videos as they were released in {folder}; recognised nothing: known "
            f"are {known}."
        )
    for release in found:
        yield from release.videos(folder)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a video's pictures lie, and whom they show."""

    subject: str
    name: str
    folder: Path


@dataclass(frozen=True, slots=True)
class _Line:
    """An expression as annotated; None for what is not known. ``video``: a key of the places."""

    video: str
    kind: str
    label: str | None
    onset: int | None
    apex: int | None
    offset: int | None
    where: str


@dataclass(frozen=True, slots=True)
class _Release:
    """``pattern``: of the table's name. ``holds``: whether a folder is the one of the pictures.
    ``places``: the videos in that folder by key. ``lines``: the annotation, of the whole folder
    and its table."""

    dataset: str
    title: str
    table: str
    layout: str
    fps: float
    pattern: str
    holds: Callable[[Path], bool]
    places: Callable[[Path], dict[str, _Place]]
    lines: Callable[[Path, Path], list[_Line]]

    def trace(self, root: Path) -> bool:
        return self.base(root) is not None or find_table(root, self.pattern) is not None

    def base(self, root: Path) -> Path | None:
        bases = [folder for folder in walk(root) if self.holds(folder)]
        return min(
            bases, key=lambda base: "crop" in str(base.relative_to(root)).lower(), default=None
        )

    def videos(self, root: Path) -> Iterator[LongVideo]:
        table, base = find_table(root, self.pattern), self.base(root)
        if table is None:
            raise _lacking(self.title, self.table, base)
        places = {} if base is None else self.places(base)
        by_video: dict[str, list[_Line]] = {key: [] for key in places}
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

    def _video(self, place: _Place, lines: list[_Line]) -> LongVideo:
        pictures = _pictures(place.folder)
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


def _event(line: _Line, first: int, last: int, fps: float) -> TrueEvent | str:
    """What the line says, or why that is no event."""
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


def _casme_sq_holds(folder: Path) -> bool:
    subjects = (path for name, path in subfolders(folder).items() if _SUBJECT.fullmatch(name))
    first = next(subjects, None)
    return first is not None and any(_VIDEO.fullmatch(name) for name in subfolders(first))


def _casme_sq_places(base: Path) -> dict[str, _Place]:
    places = {}
    for subject, own in subfolders(base).items():
        for name, folder in subfolders(own).items() if _SUBJECT.fullmatch(subject) else ():
            if code := _VIDEO.fullmatch(name):
                key = f"{subject}/{code[1]}"
                places[key] = _Place(f"casme-sq-{subject}", f"{subject}/{folder.name}", folder)
    return places


def _casme_sq_lines(root: Path, table: Path) -> list[_Line]:
    codes, *rules = read_sheets(table)
    subjects: dict[int, str] = {}
    stimuli: dict[str, str] = {}
    for first, second, *rest in (row for rule in rules for row in rule if len(row) >= 2):
        number = _number(rest[0]) if rest else None
        if _SUBJECT.fullmatch(second.lower()) and number is not None:
            subjects[number] = second.lower()
        elif second and _number(first) is not None:
            stimuli[second.lower()] = str(_number(first)).zfill(4)
    lines = []
    for count, row in enumerate(codes, start=1):
        kind = _kind(row[7]) if len(row) > 7 else None
        where = f"{table} line {count}"
        if kind is None:
            if count > 1 and any(row):  # the first line may be of headings
                raise DataError(
                    f"expected micro-expression or macro-expression in the 8th column of {where}; "
                    f"got {row[7] if len(row) > 7 else 'nothing'!r}: use the table as it was "
                    "released."
                )
            continue
        subject = subjects.get(_number(row[0]) or 0)
        stimulus = stimuli.get(row[1].partition("_")[0].strip().lower())
        if subject is None or stimulus is None:
            raise DataError(
                f"expected sheets of naming rules in {table} that tell which folders subject "
                f"{row[0]!r} and video {row[1]!r} of line {count} stand for; found none: use the "
                "table as it was released."
            )
        onset, apex, offset = (_number(cell) or None for cell in row[2:5])  # 0 is no frame here
        video, label = f"{subject}/{stimulus}", _label(row[6])
        lines.append(_Line(video, kind, label, onset, apex, offset, where))
    return lines


def _casme3_holds(folder: Path) -> bool:
    own = (path for name, path in subfolders(folder).items() if _RECORDING.fullmatch(name))
    return any(
        "color" in subfolders(inner) for first in own for inner in subfolders(first).values()
    )


def _casme3_places(base: Path) -> dict[str, _Place]:
    return {
        f"{subject}/{video}": _Place(
            f"casme3-{subject}", f"{subject}/{video}", subfolders(folder)["color"]
        )
        for subject, own in subfolders(base).items()
        if _RECORDING.fullmatch(subject)
        for video, folder in subfolders(own).items()
        if "color" in subfolders(folder)
    }


def _casme3_lines(root: Path, table: Path) -> list[_Line]:
    macro = find_table(root, _casme3_table("mae"))
    if macro is None:
        # Without it every macro-expression that is found would be a false alarm.
        name = "cas(me)3_part_A_MaE_label_JpgIndex_v2.xlsx"
        raise _lacking("CAS(ME)^3 part A", name, table.parent)
    lines = []
    for path, kind in ((table, "micro"), (macro, "macro")):
        try:
            rows = read_rows(path, {**_CASME3, "emotion": ("emotion",)})
        except DataError:
            rows = read_rows(path, _CASME3)  # one version has no emotions
        for row in rows:
            video = f"{row['subject']}/{row['video']}".lower()
            label = _label(row.get("emotion", ""))
            lines.append(_Line(video, kind, label, *_spots(row), row["where"]))
    return lines


def _casme3_table(kind: str) -> str:
    return rf"cas_?\(?me\)?[_^]*3_part_?a_{kind}_label.*"


def _samm_holds(folder: Path) -> bool:
    return any(_SAMM_VIDEO.fullmatch(name) for name in subfolders(folder))


def _samm_places(base: Path) -> dict[str, _Place]:
    return {
        name: _Place(f"samm-{video[1]}", name, folder)
        for name, folder in subfolders(base).items()
        if (video := _SAMM_VIDEO.fullmatch(name))
    }


def _samm_lines(root: Path, table: Path) -> list[_Line]:
    micro = find_table(root, r"SAMM.*Micro.*FACS.*")
    rows = [] if micro is None else read_rows(micro, _SAMM_MICRO)
    emotions = {row["name"]: row["emotion"] for row in rows}
    lines = []
    for row in read_rows(table, _SAMM):
        kind = _kind(row["type"])
        if kind is None:
            raise DataError(
                f"expected Micro or Macro as the type in {row['where']}; got {row['type']!r}: use "
                "the table as it was released."
            )
        label = _label(emotions.get(row["name"], "")) if kind == "micro" else None
        onset, apex, offset = (frame or None for frame in _spots(row))  # 0 is no frame here
        video = "_".join(row["name"].split("_")[:2])
        lines.append(_Line(video, kind, label, onset, apex, offset, row["where"]))
    return lines


_RELEASES = (
    _Release(
        dataset="casme-sq",
        title="CAS(ME)^2",
        table="CAS(ME)^2code_final.xlsx",
        layout="rawpic/s15/15_0101disgustingteeth/img001.jpg",
        fps=30.0,
        pattern=r"(cas\(me\)\^?2)?_?code_?final.*",
        holds=_casme_sq_holds,
        places=_casme_sq_places,
        lines=_casme_sq_lines,
    ),
    _Release(
        dataset="casme3",
        title="CAS(ME)^3 part A",
        table="cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx",
        layout="spNO.1/a/color/0.jpg",
        fps=30.0,
        pattern=_casme3_table("me"),
        holds=_casme3_holds,
        places=_casme3_places,
        lines=_casme3_lines,
    ),
    _Release(
        dataset="samm-long",
        title="SAMM Long Videos",
        table="SAMM_LongVideos_V3_Release.xlsx",
        layout="SAMM_longvideos/006_1/006_1_0001.jpg",
        fps=200.0,
        pattern=r"SAMM_?LongVideos.*",
        holds=_samm_holds,
        places=_samm_places,
        lines=_samm_lines,
    ),
)


def _pictures(folder: Path) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for path in files(folder):
        number = _FRAME.fullmatch(path.stem)
        if path.suffix.lower() not in PICTURES or number is None:
            continue
        there = found.setdefault(int(number[1]), path)
        if there != path:
            raise DataError(
                f"expected one picture for each frame in {folder}; got {there.name} and "
                f"{path.name} for frame {int(number[1])}: take one of them out."
            )
    return dict(sorted(found.items()))


def _spots(row: Row) -> tuple[int | None, int | None, int | None]:
    onset, apex, offset = (_number(row[name]) for name in _SPOTS)
    return onset, apex, offset


def _number(text: str) -> int | None:
    """The frame in a cell, rounded, as SAMM's books have halves; None for "/", -1 and nothing."""
    return round(float(text)) if _NUMBER.fullmatch(text) else None


def _kind(text: str) -> str | None:
    kind = text.strip().lower()[:5]
    return kind if kind in KINDS else None


def _label(emotion: str) -> str | None:
    """The class of an emotion; None for "others", nothing, and any other word."""
    label = LABELS.get(emotion.strip().lower())
    return None if label is None else CLASSES[label]


def _time(frames: int, fps: float) -> int:
    return round(frames * 1e9 / fps)


def _lacking(title: str, table: str, beside: Path | None) -> DataError:
    return DataError(
        f"expected the annotation of {title} beside its pictures in {beside}, {table}; found "
        "none: put it into the same folder."
    )
