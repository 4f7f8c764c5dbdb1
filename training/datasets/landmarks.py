"""Face-mesh landmarks of the apex faces, found once and kept in a cache file.

Training itself needs no MediaPipe: with a cache file it runs on any machine.
"""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
from platformdirs import user_cache_dir

from htnet.engine.errors import DataError
from htnet.engine.landmarks import POINTS
from htnet.engine.types import F32
from htnet.training.datasets.composite import read_apex
from htnet.training.datasets.sample import Sample


def apex_landmarks(clips: Sequence[Sample], cache: Path | None = None) -> F32:
    """Landmarks (N, 478, 2) of the clips' apex faces, as fractions of the pictures.

    Taken from ``cache`` where that file exists, found and stored there otherwise. The default is
    the ``landmarks.npy`` beside the clips' ``labels.csv`` if it holds as many, else a file of the
    user's cache folder, named after the pictures' contents.
    """
    path = cache or _beside_labels(clips) or _default_cache(clips)
    if path.is_file():
        return _read(path, len(clips))
    found = np.stack([_one(clip) for clip in clips])
    _write(path, found)
    return found


def _beside_labels(clips: Sequence[Sample]) -> Path | None:
    homes = (folder for folder in clips[0].apex.parents if (folder / "labels.csv").is_file())
    path = next(homes, Path()) / "landmarks.npy"
    try:
        fits = np.load(path, mmap_mode="r", allow_pickle=False).shape == (len(clips), POINTS, 2)
    except (OSError, ValueError, EOFError):
        return None
    return path if fits else None


def _default_cache(clips: Sequence[Sample]) -> Path:
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


def _read(path: Path, clips: int) -> F32:
    try:
        found = np.load(path, allow_pickle=False)
        wrong = str(found.shape) if found.shape != (clips, POINTS, 2) else ""
        wrong = wrong or ("values that are not finite" if not np.isfinite(found).all() else "")
    except (OSError, ValueError, EOFError, TypeError) as error:
        wrong = str(error)
    if wrong:
        raise DataError(
            f"expected landmarks of shape {(clips, POINTS, 2)} in {path}; got {wrong}: "
            "delete the file and they are found anew."
        )
    return cast(F32, found.astype(np.float32))


def _write(path: Path, landmarks: F32) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npy", delete=False) as file:
        try:
            np.save(file, landmarks)
            file.close()
            os.replace(file.name, path)
        finally:
            Path(file.name).unlink(missing_ok=True)


def _one(clip: Sample) -> F32:
    # Here and not above: with a cache file no training machine needs mediapipe.
    from htnet.engine.face import find_face

    picture = read_apex(clip.apex)
    face = find_face(picture)
    if face is None:
        raise DataError(
            f"expected a face in {clip.apex}; found none: use the published apex faces as they are."
        )
    height, width = picture.shape[:2]
    return face.landmarks / np.array([width, height], np.float32)
