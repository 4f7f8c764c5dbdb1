"""Reading of an animated WebP, by Pillow."""

from pathlib import Path

import numpy as np
from PIL import Image

from htnet.engine.errors import SourceError
from htnet.engine.media.reader import printable
from htnet.engine.media.timestamps import Timestamps
from htnet.engine.types import U8

_ANIMATED = 0x02


def is_animated_webp(head: bytes) -> bool:
    """Return True where a file that begins with ``head``, 21 bytes or more, is animated WebP."""
    kinds = head[:4], head[8:12], head[12:16]
    return kinds == (b"RIFF", b"WEBP", b"VP8X") and len(head) > 20 and bool(head[20] & _ANIMATED)


class AnimatedWebP:
    """Frames of an animated WebP, composed as they are shown; a `Reader`.

    Raises `SourceError` where Pillow cannot open it.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._image: Image.Image | None = Image.open(path)
            self._image.load()
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise SourceError(
                f"expected an animated WebP at {printable(path)}, but it cannot be read ({error}); "
                "copy or record it again"
            ) from error
        duration = self._image.info.get("duration") or 0
        self.frames = int(getattr(self._image, "n_frames", 1))
        self.fps = 1000 / duration if duration else 0.0
        self.seconds: float | None = self.frames * duration / 1000
        self.t_ns = 0
        self.broken = 0
        self._stamps = Timestamps(self.fps)
        self._next_ms = 0.0
        self._at = -1

    @property
    def missing_s(self) -> float:
        """Time of the frames that are promised and were not read, in s."""
        left = self.frames - self._at - 1
        return left / self.fps if self.fps else 0.0

    def grab(self) -> bool:
        """Decode the next frame; False at the end and where the file is cut short."""
        if self._image is None or self._at + 1 >= self.frames:
            return False
        try:
            self._image.seek(self._at + 1)
            self._image.load()
        except (OSError, EOFError, ValueError):
            return False
        self._at += 1
        self.t_ns = self._stamps.next(round(self._next_ms * 1e6))
        self._next_ms += self._image.info.get("duration") or 0
        return True

    def retrieve(self) -> tuple[bool, U8 | None]:
        """Return True and the frame last grabbed, (H, W, 3) uint8 BGR; False where it is broken."""
        if self._image is None or self._at < 0:
            return False, None
        rgb = np.asarray(self._image.convert("RGB"), np.uint8)
        return True, np.ascontiguousarray(rgb[..., ::-1])

    def release(self) -> None:
        """Close the file; more than once."""
        if self._image is not None:
            self._image.close()
            self._image = None
