"""The four face regions that are the network's input: both eyes and both lip corners."""

import cv2
import numpy as np

from htnet.engine.face import landmarks as lm
from htnet.engine.types import F32

REGIONS = ("left_eye", "left_lip", "right_eye", "right_lip")
"""Names of the regions, tiled [[left eye, right eye], [left lip, right lip]].

"left" is the picture's.
"""

PUBLISHED_CENTRES: F32 = np.array([[11, 9], [10, 21], [21, 10], [21, 20]], np.float32) / 28
"""Fixed centres (4, 2) of the `REGIONS` in the official code, used where it detects no face.

On 28 x 28 maps they stand for the rows and columns [2:16, 4:18], [14:28, 3:17], [3:17, 14:28] and
[13:27, 14:28].
"""

PUBLISHED_TILES = [0, 2, 1, 3]
"""Order of the `REGIONS` in which `tile_regions` gives the layout of the official code.

Each side of the face is a row: [[left eye, left lip], [right eye, right lip]].
"""


def region_centres(landmarks: F32) -> F32:
    """Centres (4, 2) of the `REGIONS`, in the units of ``landmarks`` (478, 2).

    An eye's centre is the mean of its two corners, which move less in a blink than the lids.
    """
    centres: F32 = np.stack(
        [
            landmarks[list(lm.LEFT_EYE_CORNERS)].mean(axis=0),
            landmarks[lm.LEFT_LIP_CORNER],
            landmarks[list(lm.RIGHT_EYE_CORNERS)].mean(axis=0),
            landmarks[lm.RIGHT_LIP_CORNER],
        ]
    ).astype(np.float32)
    return centres


def tile_regions(picture: F32, centres: F32, side: int) -> F32:
    """Cut four squares round ``centres`` and tile them 2 x 2.

    ``picture``: (H, W, 3). ``centres``: (4, 2), x and y in px from the picture's corner, ordered as
    `REGIONS`. ``side``: px of a square. Returns (2 side, 2 side, 3). Sampling is bilinear between
    pixels, since half a pixel of 28 is 1.8% of the face. Outside the picture its border is
    repeated.
    """
    tiled = np.empty((2 * side, 2 * side, 3), np.float32)
    picture = np.ascontiguousarray(picture, np.float32)
    for place, (x, y) in enumerate(centres.tolist()):
        column, row = divmod(place, 2)
        tiled[row * side : (row + 1) * side, column * side : (column + 1) * side] = (
            cv2.getRectSubPix(picture, (side, side), (x - 0.5, y - 0.5))
        )
    return tiled
