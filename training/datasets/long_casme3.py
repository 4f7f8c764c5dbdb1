"""CAS(ME)^3 part A (Li et al., PAMI 2023): long videos, 30 frames a second.

As released: the books ``cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx`` (Subject, Filename, Onset,
Apex, Offset, emotion) and ``cas(me)3_part_A_MaE_label_JpgIndex_v2.xlsx`` (sub, seq, onset, apex,
offset and, in a later version, emotion), and ``spNO.1/a/color/0.jpg``. Cut clips are not long
videos.

The layout is from papers and from public code that reads the release, which was not at hand; this
reader ran on made-up trees alone.
"""

import re
from pathlib import Path

from htnet.engine.errors import DataError
from htnet.training.datasets.long_video import (
    SPOTS,
    Line,
    LongRelease,
    Place,
    class_of,
    missing_table,
    spots,
)
from htnet.training.datasets.pictures import subfolders
from htnet.training.datasets.tables import find_table, read_rows

_COLUMNS = {"subject": ("Subject", "sub"), "video": ("Filename", "seq"), **SPOTS}
_RECORDING = re.compile(r"spno\.[0-9]+")


def _holds_videos(folder: Path) -> bool:
    own = (path for name, path in subfolders(folder).items() if _RECORDING.fullmatch(name))
    return any(
        "color" in subfolders(inner) for first in own for inner in subfolders(first).values()
    )


def _places(base: Path) -> dict[str, Place]:
    return {
        f"{subject}/{video}": Place(
            f"casme3-{subject}", f"{subject}/{video}", subfolders(folder)["color"]
        )
        for subject, own in subfolders(base).items()
        if _RECORDING.fullmatch(subject)
        for video, folder in subfolders(own).items()
        if "color" in subfolders(folder)
    }


def _lines(root: Path, table: Path) -> list[Line]:
    macro = find_table(root, _table("mae"))
    if macro is None:
        # Without it every macro-expression that is found would be a false alarm.
        name = "cas(me)3_part_A_MaE_label_JpgIndex_v2.xlsx"
        raise missing_table("CAS(ME)^3 part A", name, table.parent)
    lines = []
    for path, kind in ((table, "micro"), (macro, "macro")):
        try:
            rows = read_rows(path, {**_COLUMNS, "emotion": ("emotion",)})
        except DataError:
            rows = read_rows(path, _COLUMNS)  # one version has no emotions
        for row in rows:
            video = f"{row['subject']}/{row['video']}".lower()
            label = class_of(row.get("emotion", ""))
            lines.append(Line(video, kind, label, *spots(row), row["where"]))
    return lines


def _table(kind: str) -> str:
    return rf"cas_?\(?me\)?[_^]*3_part_?a_{kind}_label.*"


RELEASE = LongRelease(
    dataset="casme3",
    title="CAS(ME)^3 part A",
    table="cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx",
    layout="spNO.1/a/color/0.jpg",
    fps=30.0,
    pattern=_table("me"),
    holds=_holds_videos,
    places=_places,
    lines=_lines,
)
