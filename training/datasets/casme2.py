"""CASME II (Yan et al., PLoS ONE 2014): 200 frames a second, colour.

As released: ``CASME2-coding-20140508.xlsx`` with the columns Subject, Filename, OnsetFrame,
ApexFrame ("/" where it is unknown), OffsetFrame, Action Units and Estimated Emotion, and
``CASME2_RAW_selected/sub01/EP02_01f/img46.jpg``; ``CASME2-RAW/`` and ``Cropped/`` (whose pictures
are called ``reg_img46.jpg``) are laid out alike. Other versions of the table in use are
``CASME2-coding-20190701.xlsx`` and ``CASME2-coding-updated.xlsx``.

Assumptions: full pictures are taken before cropped ones where both exist. All negative emotions
count as negative. The published composite has 88 negative clips; it leaves out the nine clips of
fear and sadness and three more, so a complete copy gives more.
"""

import re
from pathlib import Path

from htnet.training.datasets.pictures import subfolders, uncropped, walk
from htnet.training.datasets.raw_clip import Found, RawClip, ReleaseReader, annotated, require_table
from htnet.training.datasets.tables import find_table, read_rows

_FPS = 200.0
_COLUMNS = {
    "subject": ("Subject",),
    "name": ("Filename",),
    "onset": ("OnsetFrame", "Onset"),
    "apex": ("ApexFrame", "Apex"),
    "offset": ("OffsetFrame", "Offset"),
    "emotion": ("Estimated Emotion", "Emotion"),
}


def find(root: Path) -> Found | None:
    """Return the release under ``root``, or None where neither table nor clips are found."""
    table = find_table(root, r"CASME ?(2|II)[-_ ](coding|label).*")
    bases = [folder for folder in walk(root) if _holds_clips(folder)]
    clips = uncropped(bases, root)
    return None if table is None and clips is None else Found(table, clips)


def read(root: Path) -> list[RawClip]:
    """Read every annotated clip; raises `DataError` for a missing or unreadable table."""
    table, base = require_table(find(root), "CASME II", "CASME2-coding-20140508.xlsx")
    clips = []
    for row in read_rows(table, _COLUMNS):
        subject = f"sub{row['subject'].lower().removeprefix('sub').zfill(2)}"
        folder = subfolders(base).get(subject, base / subject) / row["name"]
        file = "reg_img{}.jpg" if "crop" in str(base).lower() else "img{}.jpg"
        clips.append(annotated(row, "casme2", subject, row["name"], folder, file, _FPS))
    return clips


def _holds_clips(folder: Path) -> bool:
    subjects = (path for name, path in subfolders(folder).items() if re.fullmatch(r"sub\d+", name))
    first = next(subjects, None)
    return first is not None and any(clip.startswith("ep") for clip in subfolders(first))


READER = ReleaseReader(
    "casme2",
    "CASME II",
    "CASME2-coding-20140508.xlsx and CASME2_RAW_selected/sub01/EP02_01f/img46.jpg",
    find,
    read,
)
