"""The MEGC 2019 composite: CASME II, SMIC and SAMM as published onset-to-apex flow maps.

A folder with ``labels.csv`` (columns dataset, subject, clip, label, class, flow, apex), the maps
(28 x 28 PNG, red = u, green = v, blue = strain, each channel min-maxed to 0..255) and the apex
faces. CASME II, SAMM and SMIC are released under signed agreements: none of it ships with htnet.

**Regions in a map.** The apex pictures of CASME II and SMIC are the crops that the maps were
computed on, so landmarks found in a picture, as fractions of it, are valid in its map. SAMM's apex
pictures are looser crops (eyes at 0.386 of the height against 0.28). The regions of its maps follow
from the maps: the mean strain of all SAMM maps peaks at the eyes at 0.20 of the height; the upper
face of its mean maps agrees best with the other datasets' 1.5 rows of 28 higher and the lower face
0.5 to 1 row higher (eyes at 0.22, mouth at 0.69); the one clip whose true onset and apex crops are
public has its eyes at 0.19 and its mouth at 0.65. In height, `SAMM_TO_MAP` lies between these
estimates, within 0.6 px of 28 of each; in width it is that of the public clip.

`htnet.training.datasets.prepare` lays raw releases out in the same way. There the maps are NumPy
files, and a column apex_crop says "map": every apex picture is its map's own crop.
"""

import csv
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from htnet.engine.errors import DataError
from htnet.engine.types import CLASSES, F32
from htnet.training.datasets.clip import IDENTITY, Clip
from htnet.training.datasets.pictures import read_picture

SAMM_TO_MAP = np.array([[1.033, -0.028], [1.23, -0.268]], np.float32)
"""Scale and offset of x and of y, from fractions of a SAMM apex picture to fractions of its map."""

SIZE = 28
_COLUMNS = ("dataset", "subject", "clip", "label", "flow", "apex")
_AGAIN = "see the README on how to lay the data out"


def read_clips(root: Path) -> list[Clip]:
    """Read the clips of ``labels.csv``, in its order.

    Raises `DataError` where it contradicts itself: a clip or a map that occurs twice (a map of two
    subjects would be trained and tested on at once), a subject in two datasets, a class that is not
    the label's. The column class may be missing or empty.
    """
    table = root / "labels.csv"
    if not table.is_file():
        raise DataError(f"expected {table} with the clips and labels; found none: {_AGAIN}.")
    try:
        with table.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or ()
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"expected a CSV file at {table}; got {error}: {_AGAIN}.") from None
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        raise DataError(
            f"expected the columns {', '.join(_COLUMNS)} in {table}; got no "
            f"{', '.join(missing)}: {_AGAIN}."
        )
    clips = [_clip(root, table, line, row) for line, row in rows]
    if not clips:
        raise DataError(f"expected clips in {table}; got none: {_AGAIN}.")
    seen: set[tuple[str, str, str]] = set()
    owner: dict[str, str] = {}
    lines: dict[str, int] = {}
    for (line, _), clip in zip(rows, clips, strict=True):
        key = (clip.dataset, clip.subject, clip.name)
        if key in seen:
            raise DataError(
                f"expected each clip once in {table}; {clip.dataset} {clip.subject} {clip.name} "
                "comes twice: delete one of the lines."
            )
        seen.add(key)
        if owner.setdefault(clip.subject, clip.dataset) != clip.dataset:
            raise DataError(
                f"expected each subject in one dataset; {table} has {clip.subject} in "
                f"{owner[clip.subject]} and {clip.dataset}: rename one of them."
            )
        if (first := lines.setdefault(os.path.normpath(clip.flow), line)) != line:
            raise DataError(
                f"expected a map of its own for each clip in {table}; lines {first} and {line} "
                f"both have {clip.flow}: correct or delete one of them."
            )
    return clips


def _clip(root: Path, table: Path, line: int, row: dict[str, str]) -> Clip:
    empty = [name for name in _COLUMNS if not row[name]]
    if empty:
        raise DataError(
            f"expected {', '.join(_COLUMNS)} on every line of {table}; line {line} has no "
            f"{empty[0]}: complete or delete it."
        )
    label = row["label"].strip()
    if label not in ("0", "1", "2"):
        raise DataError(
            f"expected a label of 0, 1 or 2 ({', '.join(CLASSES)}); {table} line {line} has "
            f"{label!r}: correct it."
        )
    name, stated = CLASSES[int(label)], (row.get("class") or "").strip()
    if stated and stated.lower() != name:
        raise DataError(
            f"expected the class {name} beside the label {label}; {table} line {line} has "
            f"{stated!r}: correct one of the two."
        )
    own_crop = row.get("apex_crop") == "map"
    return Clip(
        dataset=row["dataset"],
        subject=row["subject"],
        name=row["clip"],
        label=int(label),
        flow=root / row["flow"],
        apex=root / row["apex"],
        to_map=SAMM_TO_MAP if row["dataset"] == "samm" and not own_crop else IDENTITY,
    )


def read_map(path: Path) -> F32:
    """Read a map (28, 28, 3) of u, v, strain in 0..255 from a published picture or a NumPy file.

    Raises `DataError` for a file that holds something else.
    """
    if path.suffix == ".npy":
        return _read_array(path)
    picture = read_picture(path, "a flow map")
    if picture.shape != (SIZE, SIZE, 3):
        height, width = picture.shape[:2]
        raise DataError(
            f"expected a flow map of {SIZE} x {SIZE} at {path}; got {width} x {height}: "
            "use the published maps as they are."
        )
    return np.ascontiguousarray(picture[..., ::-1], np.float32)


def _read_array(path: Path) -> F32:
    try:
        map_ = np.load(path, allow_pickle=False)
        wrong = str(map_.shape) if map_.shape != (SIZE, SIZE, 3) else ""
        wrong = wrong or ("values outside 0..255" if not (abs(map_ - 127.5) < 128).all() else "")
    except (OSError, ValueError, EOFError, TypeError) as error:
        wrong = str(error)
    if wrong:
        raise DataError(
            f"expected a flow map of {SIZE} x {SIZE} x 3 in 0..255 at {path}; got {wrong}: delete "
            "the folder it lies in and prepare the data again."
        )
    return np.ascontiguousarray(map_, np.float32)


def read_apex(path: Path) -> NDArray[np.uint8]:
    """Read an apex face, BGR; raises `DataError` where it cannot be read."""
    return read_picture(path, "an apex face")
