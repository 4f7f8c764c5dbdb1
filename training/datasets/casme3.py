"""CAS(ME)^3 part A (Li et al., PAMI 2023): 30 frames a second, colour and depth.

As released: ``cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx`` with the columns Subject, Filename,
Onset, Apex, Offset, AU, Objective class and emotion, whose frame numbers are names of pictures, and
either whole recordings, ``spNO.1/b/color/166.jpg``, or cut clips,
``Part_A_ME_clip/frame/spNO.1_b_166/166.jpg``, named after subject, recording and onset. Depth maps
lie beside both and are not read. The official code of HTNet reads the same columns from a CSV
file, which is read as well.

Counts (negative, positive, surprise): 508, 64 and 201 clips by Table 1 of the HTNet paper, 449, 54
and 184 in the CSV of its code. Of the latter, 27 have their apex at the onset and one before it;
the apex of these is spotted anew.
"""

import re
from pathlib import Path

from htnet.training.datasets.pictures import subfolders, walk
from htnet.training.datasets.raw_clip import Found, RawClip, ReleaseReader, annotated, require_table
from htnet.training.datasets.tables import find_table, read_rows

_FPS = 30.0
_COLUMNS = {
    "subject": ("Subject",),
    "name": ("Filename",),
    "onset": ("Onset",),
    "apex": ("Apex",),
    "offset": ("Offset",),
    "emotion": ("emotion",),
}
_RECORDING = re.compile(r"spno\.\d+")
_CUT = re.compile(r"spno\.\d+_[a-z]+_\d+")


def find(root: Path) -> Found | None:
    """Return the release under ``root``, or None where neither table nor clips are found."""
    table = find_table(root, r"cas_?\(?me\)?[_^]*3_part_?a(_me_label.*)?")
    clips = next((folder for folder in walk(root) if _holds_clips(folder)), None)
    return None if table is None and clips is None else Found(table, clips)


def read(root: Path) -> list[RawClip]:
    """Read every annotated clip; raises `DataError` for a missing or unreadable table."""
    table, base = require_table(
        find(root), "CAS(ME)^3 part A", "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx"
    )
    inside = subfolders(base)
    clips = []
    for row in read_rows(table, _COLUMNS):
        cut = f"{row['subject']}_{row['name']}_{row['onset']}"
        folder = inside.get(cut.lower()) or (
            inside.get(row["subject"].lower(), base / row["subject"]) / row["name"] / "color"
        )
        name = f"{row['name']}_{row['onset']}"  # a recording holds several clips
        clips.append(annotated(row, "casme3", row["subject"].lower(), name, folder, "{}.jpg", _FPS))
    return clips


def _holds_clips(folder: Path) -> bool:
    return folder.name.lower() not in ("depth", "video") and any(
        _RECORDING.fullmatch(name) or _CUT.fullmatch(name) for name in subfolders(folder)
    )


READER = ReleaseReader(
    "casme3",
    "CAS(ME)^3",
    "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx and spNO.1/b/color/166.jpg, or spNO.1_b_166/166.jpg",
    find,
    read,
)
