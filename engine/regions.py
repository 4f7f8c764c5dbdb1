"""The four regions HTNet looks at: both eyes and both lip corners."""

import numpy as np

from htnet.engine import landmarks as lm
from htnet.engine.types import F32

REGIONS = ("left_eye", "left_lip", "right_eye", "right_lip")
"""Tiled [[left eye, right eye], [left lip, right lip]]; "left" is the picture's."""

PUBLISHED_CENTRES: F32 = np.array([[11, 9], [10, 21], [21, 10], [21, 20]], np.float32) / 28
"""Centres (4, 2) of the `REGIONS` as the official code fixes them where it detects no face: on 28 x
28 maps the rows and columns [2:16, 4:18], [14:28, 3:17], [3:17, 14:28] and [13:27, 14:28]."""


def region_centres(landmarks: F32) -> F32:
    """Centres (4, 2) of the `REGIONS`, in the units of ``landmarks`` (478, 2).

    An eye's centre is the middle of its two corners: those move less in a blink than the lids.
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
    """Cut four ``side`` x ``side`` squares round ``centres`` and lay them as a 2 x 2 picture.

    ``picture``: (H, W, C). ``centres``: (4, 2), x and y in its pixels, ordered as `REGIONS`.
    Returns (2 side, 2 side, C). A square that would leave the picture is moved inside it.
    """
    height, width, channels = picture.shape
    tiled = np.empty((2 * side, 2 * side, channels), picture.dtype)
    corners = np.rint(centres - side / 2).astype(int)
    corners = np.clip(corners, 0, [width - side, height - side])
    for place, (x, y) in enumerate(corners):
        column, row = divmod(place, 2)
        tiled[row * side : (row + 1) * side, column * side : (column + 1) * side] = picture[
            y : y + side, x : x + side
        ]
    return tiled
