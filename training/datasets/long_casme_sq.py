"""CAS(ME)^2 (Qu et al., IEEE Trans. Affective Computing 2018): long videos, 30 frames a second.

As released: ``CAS(ME)^2code_final.xlsx`` and ``rawpic/s15/15_0101disgustingteeth/img001.jpg``;
``longVideoFaceCropped/`` is laid out alike. The book has no headings. Its first sheet's columns are
a number of the subject, the stimulus with a count ("disgust1_2"), onset, apex and offset (0 where
unknown), action units, emotion, "micro-expression" or "macro-expression", and the self-report. Two
more sheets name the folders that the number (1: s15) and the stimulus (disgust1: 0101) stand for.

The layout is from papers and from public code that reads the release, which was not at hand; this
reader ran on made-up trees alone.
"""

import re
from pathlib import Path

from htnet.engine.errors import DataError
from htnet.training.datasets.long_video import (
    Line,
    LongRelease,
    Place,
    class_of,
    kind_of,
    nearest_frame,
)
from htnet.training.datasets.pictures import subfolders
from htnet.training.datasets.tables import read_sheets

_SUBJECT = re.compile(r"s[0-9]+")
_VIDEO = re.compile(r"[0-9]+_([0-9]{4}).*")


def _holds_videos(folder: Path) -> bool:
    subjects = (path for name, path in subfolders(folder).items() if _SUBJECT.fullmatch(name))
    first = next(subjects, None)
    return first is not None and any(_VIDEO.fullmatch(name) for name in subfolders(first))


def _places(base: Path) -> dict[str, Place]:
    places = {}
    for subject, own in subfolders(base).items():
        for name, folder in subfolders(own).items() if _SUBJECT.fullmatch(subject) else ():
            if code := _VIDEO.fullmatch(name):
                key = f"{subject}/{code[1]}"
                places[key] = Place(f"casme-sq-{subject}", f"{subject}/{folder.name}", folder)
    return places


def _lines(root: Path, table: Path) -> list[Line]:
    codes, *rules = read_sheets(table)
    subjects: dict[int, str] = {}
    stimuli: dict[str, str] = {}
    for first, second, *rest in (row for rule in rules for row in rule if len(row) >= 2):
        number = nearest_frame(rest[0]) if rest else None
        if _SUBJECT.fullmatch(second.lower()) and number is not None:
            subjects[number] = second.lower()
        elif second and nearest_frame(first) is not None:
            stimuli[second.lower()] = str(nearest_frame(first)).zfill(4)
    lines = []
    for count, row in enumerate(codes, start=1):
        kind = kind_of(row[7]) if len(row) > 7 else None
        where = f"{table} line {count}"
        if kind is None:
            if count > 1 and any(row):  # the first line may be of headings
                raise DataError(
                    f"expected micro-expression or macro-expression in the 8th column of {where}; "
                    f"got {row[7] if len(row) > 7 else 'nothing'!r}: use the table as it was "
                    "released."
                )
            continue
        subject = subjects.get(nearest_frame(row[0]) or 0)
        stimulus = stimuli.get(row[1].partition("_")[0].strip().lower())
        if subject is None or stimulus is None:
            raise DataError(
                f"expected sheets of naming rules in {table} that tell which folders subject "
                f"{row[0]!r} and video {row[1]!r} of line {count} stand for; found none: use the "
                "table as it was released."
            )
        onset, apex, offset = (
            nearest_frame(cell) or None for cell in row[2:5]
        )  # 0 is no frame here
        video, label = f"{subject}/{stimulus}", class_of(row[6])
        lines.append(Line(video, kind, label, onset, apex, offset, where))
    return lines


RELEASE = LongRelease(
    dataset="casme-sq",
    title="CAS(ME)^2",
    table="CAS(ME)^2code_final.xlsx",
    layout="rawpic/s15/15_0101disgustingteeth/img001.jpg",
    fps=30.0,
    pattern=r"(cas\(me\)\^?2)?_?code_?final.*",
    holds=_holds_videos,
    places=_places,
    lines=_lines,
)
