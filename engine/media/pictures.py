"""Reading of still pictures, of 8 and 16 bits a channel."""

import io
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from htnet.engine.errors import HTNetError, SourceError
from htnet.engine.media.reader import printable
from htnet.engine.types import U8

PICTURES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""Suffixes of still pictures."""

_DEPTHS = (10, 12, 14, 16)
_ANY = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH


def read_picture(
    path: Path,
    what: str = "a picture",
    error: type[HTNetError] = SourceError,
    remedy: str = "",
    depth: int = 0,
) -> U8:
    """Read a still picture (H, W, 3) uint8, BGR, the right way up as its EXIF tells.

    Samples of more than 8 bits are reduced to 8 by their significant bits, 10, 12, 14 or 16:
    ``depth`` where it is not 0, else the fewest that hold the brightest sample. So 12 bits stored
    in 16 keep their brightness. OpenCV decodes what it can, Pillow the rest, since Pillow cuts
    16-bit colour to its upper 8 bits. Raises ``error``, which calls the
    picture ``what`` and ends with ``remedy``, by default the usual one.
    """
    data, trouble, usual = _bytes_of(path)
    picture = _decoded(data) if data else None
    if picture is None:
        raise error(f"expected {what} in {printable(path)}; {trouble}: {remedy or usual}.")
    if picture.dtype == np.uint16:
        samples = np.asarray(picture, np.uint16)
        return to_8_bits(samples, depth or needed_depth(samples))
    return np.ascontiguousarray(picture, np.uint8)


def depth_of(path: Path) -> int:
    """Return the significant bits of the samples of a picture; 0 for 8 bits and where none is."""
    data, *_ = _bytes_of(path)
    picture = _decoded(data) if data else None
    if picture is None or picture.dtype != np.uint16:
        return 0
    return needed_depth(np.asarray(picture, np.uint16))


def needed_depth(samples: NDArray[np.uint16]) -> int:
    """Return the least of 10, 12, 14 and 16 bits that holds every one of ``samples``, uint16."""
    most = int(samples.max(initial=0))
    return next(bits for bits in _DEPTHS if most < 1 << bits)


def to_8_bits(samples: NDArray[np.uint16], depth: int) -> U8:
    """Return uint16 ``samples`` of ``depth`` significant bits as uint8, full scale as 255."""
    full = (1 << depth) - 1
    table = (np.arange(1 << 16, dtype=np.int64) * 510 + full) // (2 * full)
    return np.asarray(table.clip(max=255).astype(np.uint8)[samples], np.uint8)


def _bytes_of(path: Path) -> tuple[bytes, str, str]:
    """Return a file's bytes, the reason for which they are no picture, and what to do about it."""
    if not path.is_file():
        return b"", "there is no such file", "check the path"
    try:
        data = path.read_bytes()
    except OSError as failure:
        return b"", f"it cannot be read ({failure.strerror or failure})", "check its permissions"
    trouble = "it holds none that can be decoded" if data else "the file is empty"
    return data, trouble, "give a PNG or JPEG"


def _decoded(data: bytes) -> U8 | NDArray[np.uint16] | None:
    """Return the picture (H, W, 3) BGR, uint8 or uint16; None where there is none."""
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), _ANY)
    except cv2.error:  # the header claims more pixels than OpenCV allows
        picture = None
    if picture is not None and picture.dtype == np.uint8:
        return np.asarray(picture, np.uint8)
    if picture is not None and picture.dtype == np.uint16:
        return np.asarray(picture, np.uint16)
    return _decoded_by_pillow(data)


def _decoded_by_pillow(data: bytes) -> U8 | None:
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.mode == "F":
                return None
            upright = ImageOps.exif_transpose(image)
            return np.asarray(upright.convert("RGB"), np.uint8)[..., ::-1]
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
