"""Gaze: iris and pupil shifted between fixed lids."""

import cv2
import numpy as np

from htnet.engine.anatomy import geometry as g
from htnet.engine.anatomy.geometry import FaceFrame, line
from htnet.engine.types import F32, F64, U8

_LID_FOLLOWS = 0.6  # share of a downward gaze that the upper lid follows


class Eyeball:
    """Visible part of an eyeball in one picture.

    The shift is whole on the iris and falls to 0 at the corners of the eye, so the white is
    compressed ahead of the iris and stretched behind it. Parts that a lid had covered are filled
    with the pixels next to that lid.
    """

    def __init__(
        self, landmarks: F32, upper: tuple[int, ...], lower: tuple[int, ...], iris: tuple[int, ...]
    ) -> None:
        """``landmarks``: (478, 2) px of the pictures given to `look`. ``upper``, ``lower``:
        landmark numbers of the lids. ``iris``: those of its centre and of four points of its
        rim."""
        unit = FaceFrame.of(landmarks).unit
        corners = np.sort(landmarks[[upper[0], upper[-1]], 0].astype(np.float64))
        x0, x1 = int(corners[0]), int(np.ceil(corners[1])) + 1
        columns = np.arange(x0, x1)
        self._soft = 0.014 * unit
        self._top, self._bottom = line(landmarks, upper, columns), line(landmarks, lower, columns)
        y0 = int(self._top.min() - self._soft) - 1
        y1 = int(np.ceil(self._bottom.max() + self._soft)) + 2
        self.box = (y0, y1, x0, x1)
        self._x, self._y = np.meshgrid(columns.astype(np.float64), np.arange(y0, y1))
        centre = float(landmarks[iris[0], 0])
        radius = float(np.hypot(*(landmarks[list(iris[1:])] - landmarks[iris[0]]).T).mean())
        # 1 within 1.1 radii of the iris's centre, 0 at the corners
        aside = columns - centre
        room = np.where(aside < 0, centre - corners[0], corners[1] - centre) - 1.1 * radius
        t = np.clip((np.abs(aside) - 1.1 * radius) / np.maximum(room, 1.0), 0.0, 1.0)
        self._share: F64 = 1.0 - t * t * (3.0 - 2.0 * t)
        above, below = self._y - self._top, self._bottom - self._y
        self._open = np.clip(0.5 + np.minimum(above, below) / self._soft, 0.0, 1.0)[..., None]
        self.height = max(float((self._bottom - self._top).max()), 1.0)

    def look(self, picture: U8, shift: F64) -> U8:
        """Return the patch of ``picture`` inside ``box`` (y0, y1, x0, x1) with the iris moved by
        ``shift`` = (x, y) px."""
        y0, y1, x0, x1 = self.box
        x = self._x - shift[0] * self._share
        columns = self._x[0]
        top = np.interp(x[0], columns, self._top + self._soft)
        bottom = np.interp(x[0], columns, self._bottom - self._soft)
        y = np.clip(self._y - shift[1] * self._share, top, np.maximum(bottom, top))
        moved = cv2.remap(
            picture, x.astype(np.float32), y.astype(np.float32), cv2.INTER_CUBIC
        ).astype(np.float32)
        still = picture[y0:y1, x0:x1]
        patch: U8 = np.rint(still + self._open * (moved - still)).astype(np.uint8)
        return patch

    def follow(self, down: float) -> float:
        """Return the closure of the upper lid, 0 to 1, for an iris ``down`` px below rest."""
        return min(max(_LID_FOLLOWS * down / self.height, 0.0), 1.0)


def both_eyes(landmarks: F32) -> tuple[Eyeball, Eyeball]:
    """Return the eyes on the picture's left and right from (478, 2) landmarks."""
    return (
        Eyeball(landmarks, g.RIGHT_UPPER_LID, g.RIGHT_LOWER_LID, g.RIGHT_IRIS),
        Eyeball(landmarks, g.LEFT_UPPER_LID, g.LEFT_LOWER_LID, g.LEFT_IRIS),
    )
