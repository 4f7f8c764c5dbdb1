"""SMIC-HS (Li et al., FG 2013): 100 frames a second, colour, no apex.

As released: ``SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/*.bmp`` with the classes negative,
positive and surprise; ``SMIC_all_cropped/HS/`` is laid out alike. A clip's pictures run from its
onset to its offset, and its folder is its label, so no table is needed. SMIC annotates no apex; it
is spotted by `htnet.training.datasets.apex`.

Assumptions: full pictures are taken before cropped ones where both exist, and the part HS is that
of the benchmark (NIR, VIS and HS-E, the long videos, are not read).
"""

import re
from pathlib import Path

from htnet.engine.errors import DataError
from htnet.training.datasets.pictures import numbered, subfolders, uncropped, walk
from htnet.training.datasets.raw_clip import Found, RawClip, ReleaseReader, label_of

_FPS = 100.0


def find(root: Path) -> Found | None:
    """Return the release under ``root``, or None where its clips are not found."""
    bases = [folder for folder in walk(root) if _holds_clips(folder)]
    clips = uncropped(bases, root)
    return None if clips is None else Found(None, clips)


def read(root: Path) -> list[RawClip]:
    """Read every clip, by subject, class and name; raises `DataError` where none is found."""
    found = find(root)
    if found is None or found.clips is None:
        raise DataError(
            f"expected SMIC's folder HS under {root}, with s1/micro/negative/s1_ne_01 in it; found "
            "none: check the path."
        )
    return [
        _clip(subject, emotion, folder)
        for subject, own in _subjects(found.clips)
        for emotion, clips in subfolders(own / "micro").items()
        for folder in subfolders(clips).values()
    ]


def _clip(subject: str, emotion: str, folder: Path) -> RawClip:
    label, why = label_of(emotion, str(folder.parent))
    frames = numbered(folder)
    enough = len(frames) >= 2
    return RawClip(
        dataset="smic",
        subject=f"smic-{subject}",
        name=folder.name,
        emotion=emotion,
        label=label,
        why=why,
        onset=min(frames, default=0),
        apex=None,
        offset=max(frames, default=None),
        fps=_FPS,
        frames=frames,
        missing=() if enough else (folder / "*.bmp",),
    )


def _holds_clips(folder: Path) -> bool:
    # HS beside NIR and VIS, or the folder given itself.
    return folder.name.upper() not in ("NIR", "VIS") and bool(_subjects(folder))


def _subjects(base: Path) -> list[tuple[str, Path]]:
    return [
        (f"s{int(name[1:]):02d}", path)
        for name, path in subfolders(base).items()
        if re.fullmatch(r"s\d+", name) and (path / "micro").is_dir()
    ]


READER = ReleaseReader(
    "smic", "SMIC-HS", "SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/*.bmp, no table", find, read
)
