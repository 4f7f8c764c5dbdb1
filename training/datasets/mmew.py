"""MMEW (Ben et al., PAMI 2022): 90 frames a second, faces cut out to 231 x 231.

As released: ``MMEW_Micro_Exp.xlsx`` with the columns Subject, Filename, OnsetFrame, ApexFrame,
OffsetFrame, Action Units, Estimated Emotion and remarks, and
``Micro_Expression/anger/S01-01-001/1.jpg``, a folder for each emotion. Only the
micro-expressions are read.

Assumptions: a clip is identified by its name, whatever emotion's folder it lies in, and its subject
is the part of the name before the first hyphen. MMEW is not part of the HTNet paper's benchmark.
"""

import re
from pathlib import Path

from htnet.training.datasets.pictures import subfolders, walk
from htnet.training.datasets.raw_clip import Found, RawClip, ReleaseReader, annotated, require_table
from htnet.training.datasets.tables import find_table, read_rows

_FPS = 90.0
_COLUMNS = {
    "name": ("Filename",),
    "onset": ("OnsetFrame", "Onset"),
    "apex": ("ApexFrame", "Apex"),
    "offset": ("OffsetFrame", "Offset"),
    "emotion": ("Estimated Emotion", "Emotion"),
}
_CLIP = re.compile(r"s\d+-\d+-\d+")


def find(root: Path) -> Found | None:
    """Return the release under ``root``, or None where neither table nor clips are found."""
    table = find_table(root, r"MMEW(?!.*macro).*")
    clips = next((folder for folder in walk(root) if _holds_clips(folder)), None)
    return None if table is None and clips is None else Found(table, clips)


def read(root: Path) -> list[RawClip]:
    """Read every annotated clip; raises `DataError` for a missing or unreadable table."""
    table, base = require_table(find(root), "MMEW", "MMEW_Micro_Exp.xlsx")
    there = {
        name: folder
        for emotion in subfolders(base).values()
        for name, folder in subfolders(emotion).items()
    }
    clips = []
    for row in read_rows(table, _COLUMNS):
        name = row["name"]
        subject = name.partition("-")[0].lower()
        folder = there.get(name.lower(), base / row["emotion"].lower() / name)
        clips.append(annotated(row, "mmew", subject, name, folder, "{}.jpg", _FPS))
    return clips


def _holds_clips(folder: Path) -> bool:
    return any(
        _CLIP.fullmatch(clip)
        for emotion in subfolders(folder).values()
        for clip in subfolders(emotion)
    )


READER = ReleaseReader(
    "mmew",
    "MMEW",
    "MMEW_Micro_Exp.xlsx and Micro_Expression/anger/S01-01-001/1.jpg",
    find,
    read,
)
