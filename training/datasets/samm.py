"""SAMM (Davison et al., IEEE Trans. Affective Computing 2018): 200 frames a second, gray.

As released: ``SAMM_Micro_FACS_Codes_v2.xlsx``, in which some lines of explanation come before the
headings Subject, Filename, Inducement Code, Onset Frame, Apex Frame (-1 where it is unknown),
Offset Frame, Duration, Micro, Action Units, Estimated Emotion, Objective Classes and Notes, and
``006/006_1_2/006_05562.jpg``; ``SAMM_CROP/`` is laid out alike.

Assumptions: full pictures are taken before cropped ones where both exist. A few rows of the
released table have an offset before the apex; such an offset counts as unknown.
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
    "onset": ("Onset Frame",),
    "apex": ("Apex Frame",),
    "offset": ("Offset Frame",),
    "emotion": ("Estimated Emotion",),
}


def find(root: Path) -> Found | None:
    """Return the release under ``root``, or None where neither table nor clips are found."""
    table = find_table(root, r"SAMM.*Micro.*FACS.*")
    bases = [folder for folder in walk(root) if _holds_clips(folder)]
    clips = uncropped(bases, root)
    return None if table is None and clips is None else Found(table, clips)


def read(root: Path) -> list[RawClip]:
    """Read every annotated clip; raises `DataError` for a missing or unreadable table."""
    table, base = require_table(find(root), "SAMM", "SAMM_Micro_FACS_Codes_v2.xlsx")
    clips = []
    for row in read_rows(table, _COLUMNS):
        subject = row["subject"].zfill(3)
        folder = base / subject / row["name"]
        clips.append(
            annotated(row, "samm", subject, row["name"], folder, subject + "_{:05d}.jpg", _FPS)
        )
    return clips


def _holds_clips(folder: Path) -> bool:
    subjects = (path for name, path in subfolders(folder).items() if re.fullmatch(r"\d{3}", name))
    first = next(subjects, None)
    return first is not None and any(
        re.fullmatch(first.name + r"_\d+_\d+", clip) for clip in subfolders(first)
    )


READER = ReleaseReader(
    "samm",
    "SAMM",
    "SAMM_Micro_FACS_Codes_v2.xlsx and 006/006_1_2/006_05562.jpg",
    find,
    read,
)
