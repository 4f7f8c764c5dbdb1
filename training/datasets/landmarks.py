"""Face-mesh landmarks of the apex faces, found once and kept in a cache file.

With a cache file, training needs no MediaPipe.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import cast
from zipfile import BadZipFile

import numpy as np
from platformdirs import user_cache_dir

from htnet.engine.errors import DataError
from htnet.engine.face.landmarks import POINTS
from htnet.engine.files import write_array
from htnet.engine.types import F32
from htnet.training.datasets.clip import Clip
from htnet.training.datasets.composite import read_apex


def apex_landmarks(clips: Sequence[Clip], cache: Path | None = None) -> F32:
    """Return landmarks (N, 478, 2) of the clips' apex faces, as fractions of the pictures.

    They are read from ``cache``, a NumPy file in the clips' order, where that file exists; else
    they are found and stored there. Without ``cache`` they are read from the files of `prepare`,
    if every picture has one, else kept in the user's cache folder in a file named after the
    pictures' contents in their order. Raises `DataError` for a file that holds something else and
    for a picture without a face, `OutputError` where the file cannot be written.
    """
    own = [landmarks_of(clip.apex) for clip in clips]
    if cache is None and all(path.is_file() for path in own):
        return np.stack([_read(path, (POINTS, 2)) for path in own])
    path = cache or _default_cache(clips)
    if path.is_file():
        return _read(path, (len(clips), POINTS, 2))
    found = np.stack([_one(clip) for clip in clips])
    write_array(path, found)
    return found


def landmarks_of(apex: Path) -> Path:
    """Return the file in which `prepare` stores the landmarks (478, 2) of ``apex/NAME.png``.

    It is ``landmarks/NAME.npy``: the picture's name survives a sorting of the table.
    """
    return apex.parent.parent / "landmarks" / f"{apex.stem}.npy"


def _default_cache(clips: Sequence[Clip]) -> Path:
    digest = hashlib.sha256()
    for clip in clips:
        try:
            digest.update(clip.apex.read_bytes())
        except OSError as error:
            raise DataError(
                f"expected an apex face at {clip.apex}; got {error.strerror}: see the README on "
                "how to lay the data out."
            ) from None
    return Path(user_cache_dir("htnet")) / f"landmarks-{digest.hexdigest()[:16]}.npy"


def _read(path: Path, shape: tuple[int, ...]) -> F32:
    try:
        found = np.load(path, allow_pickle=False)
        if not isinstance(found, np.ndarray):
            found.close()
            raise TypeError("an archive of arrays")
        wrong = str(found.shape) if found.shape != shape else ""
        wrong = wrong or ("values that are not finite" if not np.isfinite(found).all() else "")
    except (OSError, ValueError, EOFError, TypeError, BadZipFile) as error:
        wrong = str(error)
    if wrong:
        raise DataError(
            f"expected landmarks of shape {shape} in {path}; got {wrong}: "
            "delete the file and they are found anew."
        )
    return cast(F32, found.astype(np.float32))


def _one(clip: Clip) -> F32:
    # Imported here, so that a training machine with a cache file needs no mediapipe.
    from htnet.engine.face.tracker import find_face

    picture = read_apex(clip.apex)
    face = find_face(picture)
    if face is None:
        raise DataError(
            f"expected a face in {clip.apex}; found none: use the published apex faces as they are."
        )
    height, width = picture.shape[:2]
    return face.landmarks / np.array([width, height], np.float32)
