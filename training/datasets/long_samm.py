"""SAMM Long Videos (Yap, Kendrick and Yap, FG 2020): 200 frames a second.

As released: ``SAMM_LongVideos_V3_Release.xlsx`` (Subject, Filename, Inducement Code, Onset, Apex,
Offset, Duration, Type "Micro - 1/2" or "Macro", Action Units, Notes, after some lines of
explanation) and ``SAMM_longvideos/006_1/006_1_0001.jpg``. Emotions of its micro-expressions are
taken from ``SAMM_Micro_FACS_Codes_v2.xlsx`` where that lies beside; macro-expressions have none.

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
    kind_of,
    spots,
)
from htnet.training.datasets.pictures import subfolders
from htnet.training.datasets.tables import find_table, read_rows

_COLUMNS = {"name": ("Filename",), "type": ("Type",), **SPOTS}
_MICRO_COLUMNS = {"name": ("Filename",), "emotion": ("Estimated Emotion",)}
_VIDEO = re.compile(r"([0-9]{3})_[0-9]+")


def _holds_videos(folder: Path) -> bool:
    return any(_VIDEO.fullmatch(name) for name in subfolders(folder))


def _places(base: Path) -> dict[str, Place]:
    return {
        name: Place(f"samm-{video[1]}", name, folder)
        for name, folder in subfolders(base).items()
        if (video := _VIDEO.fullmatch(name))
    }


def _lines(root: Path, table: Path) -> list[Line]:
    micro = find_table(root, r"SAMM.*Micro.*FACS.*")
    rows = [] if micro is None else read_rows(micro, _MICRO_COLUMNS)
    emotions = {row["name"]: row["emotion"] for row in rows}
    lines = []
    for row in read_rows(table, _COLUMNS):
        kind = kind_of(row["type"])
        if kind is None:
            raise DataError(
                f"expected Micro or Macro as the type in {row['where']}; got {row['type']!r}: use "
                "the table as it was released."
            )
        label = class_of(emotions.get(row["name"], "")) if kind == "micro" else None
        onset, apex, offset = (frame or None for frame in spots(row))  # 0 is no frame here
        video = "_".join(row["name"].split("_")[:2])
        lines.append(Line(video, kind, label, onset, apex, offset, row["where"]))
    return lines


RELEASE = LongRelease(
    dataset="samm-long",
    title="SAMM Long Videos",
    table="SAMM_LongVideos_V3_Release.xlsx",
    layout="SAMM_longvideos/006_1/006_1_0001.jpg",
    fps=200.0,
    pattern=r"SAMM_?LongVideos.*",
    holds=_holds_videos,
    places=_places,
    lines=_lines,
)
