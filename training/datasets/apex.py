"""Apex spotting in a clip of known onset: D&C-RoIs, divide and conquer on regions of interest.

Liong, See, Wong, Le Ngo, Oh and Phan, "Automatic apex frame spotting in micro-expression
database", ACPR 2015. A frame's distance from the onset is 1 less the correlation of histograms of
local binary patterns round the brows and the mouth. The clip is halved, and the half of the larger
distance is kept, until one frame is left.

Differences from the paper: the regions are boxes round face-mesh landmarks instead of those of a
68-point model. Each is cut into blocks (the paper does not give all block sizes). Crops are
smoothed first, since sensor noise of 2 grey levels otherwise hides a movement of 1 px. The head's
motion since the onset is removed first, since the most distant frame is otherwise that of the
largest head motion.

Error on rendered clips of 25 to 40 frames, as a share of the clip's length, mean and worst of nine
clips (one portrait, three muscles):

    movement                                                        mean    worst
    2 px, noise of deviation 2                                       .05      .08
    1 px, no noise                                                   .05      .08
    1 px, noise of deviation 2                                       .08      .27
    1 px, noise of deviation 2, head drift of 1.5 px                 .08      .22
    0.5 px, noise of deviation 2                                     .09      .27

So the apex is usually found to within a few frames.
"""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np

from htnet.engine.errors import UsageError
from htnet.engine.face import landmarks as lm
from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH, sample_crop
from htnet.engine.flow import FlowSolver, solver_named
from htnet.engine.motion.head_motion import rigid_motion
from htnet.engine.types import F32, F64, U8

Box = tuple[int, int, int, int]

_SMOOTHING_PX = 2.5
_BLOCKS = 5  # to a side of each region
# Landmarks that span each region, and its margin beyond them, px of the crop.
_REGIONS = (
    (lm.LEFT_OUTER_BROW + lm.LEFT_INNER_BROW, (5, 8)),
    (lm.RIGHT_OUTER_BROW + lm.RIGHT_INNER_BROW, (5, 8)),
    ((lm.LEFT_LIP_CORNER, lm.RIGHT_LIP_CORNER, lm.UPPER_LIP, lm.LOWER_LIP), (10, 8)),
)
# Neighbours (dy, dx) of a pixel in the order of a pattern's bits, clockwise.
_NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))


def _uniform_patterns() -> U8:
    """Return the bin of each of the 256 patterns (256,).

    Every uniform pattern, of at most two changes, has a bin of its own; the last bin is for all
    others (Ojala, Pietikainen and Maenpaa, PAMI 2002).
    """
    bins = np.zeros(256, np.uint8)
    uniform = 0
    for pattern in range(256):
        turned = pattern >> 1 | (pattern & 1) << 7
        if (pattern ^ turned).bit_count() <= 2:
            bins[pattern] = uniform
            uniform += 1
        else:
            bins[pattern] = 58
    return bins


_BIN = _uniform_patterns()
_BINS = 59


def find_apex(faces: Sequence[U8], landmarks: F32) -> int:
    """Return the index of the apex in ``faces``, of which the first is the onset.

    ``faces``: crops (170, 140) uint8 under one transform. ``landmarks``: (478, 2) of the onset,
    crop px. Raises `UsageError` for fewer than two faces.
    """
    return divide_and_conquer(onset_distances(faces, landmarks))


def onset_distances(faces: Sequence[U8], landmarks: F32) -> F64:
    """Return the distances (N,) of ``faces`` from the first, 0 for the same picture.

    A distance is 1 less the correlation of the regions' histograms.
    """
    shape = (CROP_HEIGHT, CROP_WIDTH)
    if len(faces) < 2 or any(face.shape != shape for face in faces):
        raise UsageError(
            f"expected an onset and at least one later crop of {CROP_WIDTH} x {CROP_HEIGHT} px to "
            f"find an apex in; got {len(faces)}: give the aligned crops from onset to offset."
        )
    boxes = [_box(landmarks[list(points)], margin) for points, margin in _REGIONS]
    solver = solver_named("dis")
    still = [faces[0], *(_without_head(faces[0], face, solver) for face in faces[1:])]
    histograms = np.stack([_histograms(face, boxes) for face in still])
    onset = histograms[0]
    lengths = np.linalg.norm(histograms, axis=-1) * np.linalg.norm(onset, axis=-1)
    alike: F64 = ((histograms * onset).sum(axis=-1) / lengths).mean(axis=-1)
    return np.maximum(1.0 - alike, 0.0)


def divide_and_conquer(distances: F64) -> int:
    """Return the index of the peak of ``distances`` (N,) by halving: the larger sum is kept.

    Both halves of an odd number hold the middle one. Unlike the maximum, the result lies among
    other large values, so that a single outlier is not taken.
    """
    first, last = 0, len(distances)
    while last - first > 1:
        middle = (first + last) // 2
        odd = (last - first) % 2
        if distances[first : middle + odd].sum() >= distances[middle:last].sum():
            last = middle + odd
        else:
            first = middle
    return first


def _box(points: F32, margin: tuple[int, int]) -> Box:
    """Return a box (x0, y0, x1, y1) round ``points``, in the crop, of 1 px a block at least."""
    low = np.floor(points.min(axis=0)).astype(int) - margin
    high = np.ceil(points.max(axis=0)).astype(int) + margin
    x0, y0 = np.clip(low, 0, [CROP_WIDTH - _BLOCKS, CROP_HEIGHT - _BLOCKS])
    x1, y1 = np.clip(high, [x0 + _BLOCKS, y0 + _BLOCKS], [CROP_WIDTH, CROP_HEIGHT])
    return int(x0), int(y0), int(x1), int(y1)


def _without_head(onset: U8, face: U8, solver: FlowSolver) -> U8:
    """Register ``face`` to the onset by removing the head's motion between them."""
    tx, ty, s, r = rigid_motion(solver(onset, face))
    x, y = CROP_WIDTH / 2, CROP_HEIGHT / 2
    there = np.array([[1 + s, -r, tx - s * x + r * y], [r, 1 + s, ty - r * x - s * y]])
    return sample_crop(face, there)


def _histograms(face: U8, boxes: Sequence[Box]) -> F64:
    """Return the histogram of patterns of each block (blocks, 59)."""
    bins = _patterns(face)
    counts = []
    for x0, y0, x1, y1 in boxes:
        columns = np.linspace(x0, x1, _BLOCKS + 1).astype(int)
        rows = np.linspace(y0, y1, _BLOCKS + 1).astype(int)
        for top, bottom in pairwise(rows):
            for left, right in pairwise(columns):
                block = bins[top:bottom, left:right].ravel()
                counts.append(np.bincount(block, minlength=_BINS))
    return np.array(counts, np.float64)


def _patterns(face: U8) -> U8:
    """Return the bin of each pixel's uniform local binary pattern (170, 140)."""
    smooth = cv2.GaussianBlur(face.astype(np.float32), (0, 0), _SMOOTHING_PX)
    edged = cv2.copyMakeBorder(smooth, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    height, width = face.shape
    pattern = np.zeros(face.shape, np.uint8)
    for bit, (dy, dx) in enumerate(_NEIGHBOURS):
        beside = edged[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        pattern |= (beside >= smooth).astype(np.uint8) << np.uint8(bit)
    bins: U8 = _BIN[pattern]
    return bins
