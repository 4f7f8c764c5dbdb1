"""Eyelids: a blink as a warp of the picture, the upper lid moving down over the eye."""

import cv2
import numpy as np

from htnet.engine.anatomy import geometry as g
from htnet.engine.anatomy.geometry import FaceFrame, line
from htnet.engine.types import F32, F64, U8


class Eyelid:
    """Upper eyelid of one picture.

    Each column of pixels is warped by itself. The lid's edge moves from the open line to the lower
    lid by the closure. A band of lashes above the edge moves with it unchanged, and the skin
    between that band and the brow stretches. The eyeball stays in place and is covered.
    """

    def __init__(
        self, landmarks: F32, upper: tuple[int, ...], lower: tuple[int, ...], brow: tuple[int, ...]
    ) -> None:
        """``landmarks``: (478, 2) px of the pictures given to `close`. ``upper``, ``lower`` and
        ``brow``: landmark numbers from the outer to the inner end."""
        unit = FaceFrame.of(landmarks).unit
        self._lashes = 0.06 * unit
        self._soft = 0.014 * unit
        outer, inner = landmarks[[upper[0], upper[-1]], 0]
        wing = outer + 0.16 * (outer - inner)  # lashes extend past the outer corner
        ends = sorted([wing, inner])
        x0, x1 = int(ends[0]) - 1, int(np.ceil(ends[1])) + 2
        columns = np.arange(x0, x1)
        open_line = line(landmarks, upper, columns)
        drop = np.clip(line(landmarks, lower, columns) - open_line, 0.0, None)
        inward = np.clip((columns - wing) / (inner - wing), 0.0, 1.0) / 0.4
        fold = 0.5 * drop.max() * _ease(inward) * _ease((1.0 - 0.4 * inward) / 0.6)
        drop = np.where(inward < 1.0, np.maximum(drop, fold), drop)
        skin = 0.8 * (open_line - line(landmarks, brow, columns))
        skin = np.maximum(skin, 1.5 * self._lashes)
        y0 = int((open_line - skin).min()) - 1
        y1 = int(np.ceil((open_line + drop).max() + self._soft)) + 2
        self.box = (y0, y1, x0, x1)
        self._open, self._drop, self._skin = open_line, drop, skin
        self._x, self._y = np.meshgrid(columns.astype(np.float32), np.arange(y0, y1))

    def close(self, picture: U8, closure: float) -> U8:
        """Return the patch of ``picture`` inside ``box`` (y0, y1, x0, x1) with the lid closed by
        ``closure``, 0 open to 1 shut."""
        y0, y1, x0, x1 = self.box
        drop = closure * self._drop
        above = self._open + drop - self._y  # px above the lid's edge
        stretch = (self._skin - self._lashes) / (self._skin + drop - self._lashes)
        source = np.where(
            above > self._lashes, self._lashes + (above - self._lashes) * stretch, above
        )
        source = np.where(above >= self._skin + drop, self._y, self._open - source)
        lid = cv2.remap(picture, self._x, source.astype(np.float32), cv2.INTER_CUBIC)
        cover = np.clip(0.5 + above / self._soft, 0.0, 1.0)[..., None]
        cover = cover * (drop > 0.0)[:, None]
        eye = picture[y0:y1, x0:x1]
        patch: U8 = np.rint(eye + cover * (lid.astype(np.float32) - eye)).astype(np.uint8)
        return patch


def _ease(t: F64) -> F64:
    t = np.clip(t, 0.0, 1.0)
    result: F64 = t * t * (3.0 - 2.0 * t)
    return result


def both_lids(landmarks: F32) -> tuple[Eyelid, Eyelid]:
    """Return the lids on the picture's left and right from (478, 2) landmarks."""
    return (
        Eyelid(landmarks, g.RIGHT_UPPER_LID, g.RIGHT_LOWER_LID, g.RIGHT_BROW_BOTTOM),
        Eyelid(landmarks, g.LEFT_UPPER_LID, g.LEFT_LOWER_LID, g.LEFT_BROW_BOTTOM),
    )
