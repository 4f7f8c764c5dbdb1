"""Movements of no muscle: patches of skin that shift near brows, nose, cheeks, lips and chin.

The muscle fit knows eight muscles of fixed shape. These movements have other shapes, widths,
directions and sides.
"""

from typing import Final

import numpy as np

from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH
from htnet.engine.synth.injection.movement import Movement, movement
from htnet.engine.types import F32, F64

# Landmarks where skin moves in expressions: (the picture's left, its right), or one on the midline.
_PAIRS: Final = (
    (70, 300),  # outer brow
    (63, 293),
    (105, 334),
    (66, 296),
    (107, 336),  # inner brow
    (129, 358),  # wing of the nose
    (50, 280),  # cheek
    (205, 425),
    (61, 291),  # corner of the mouth
    (37, 267),  # upper lip
    (84, 314),  # lower lip
)
_MIDDLE: Final = ((9,), (0,), (17,), (199,), (152,))  # between the brows, lips, chin
_PLACES: Final = (*_PAIRS, *_MIDDLE)
_MOST_PATCHES: Final = 3
_WIDTH_PX: Final = (7.0, 22.0)  # deviation of the Gaussian, px of the crop
_ASPECT: Final = (0.6, 1.6)
_SHARE: Final = (0.4, 1.0)  # length of a patch's shift
_ONE_SIDED: Final = 0.4  # chance
_OTHER_SIDE: Final = (0.5, 1.0)  # how far the other side goes


def patch_movement(rng: np.random.Generator, landmarks: F32) -> Movement:
    """Draw one to three Gaussian patches, each shifted in a direction of its own.

    In 40% of draws all patches beside the midline lie on one side; otherwise each has a mirror
    image with a smaller shift.
    ``landmarks``: (478, 2) of the face at rest, px of the crop.
    """
    total = np.zeros((CROP_HEIGHT, CROP_WIDTH, 2), np.float32)
    count = int(rng.integers(1, _MOST_PATCHES + 1))
    one_sided, side = bool(rng.random() < _ONE_SIDED), int(rng.integers(2))
    told = []
    for place in rng.choice(len(_PLACES), count, replace=False):
        points = _PLACES[int(place)]
        first, second = (points[side], points[1 - side]) if len(points) == 2 else (points[0], None)
        width, aspect = float(rng.uniform(*_WIDTH_PX)), float(rng.uniform(*_ASPECT))
        angle, share = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(*_SHARE))
        shift = share * np.array([np.cos(angle), np.sin(angle)])
        total += _patch(landmarks[first], width, aspect, shift)
        told.append(str(first))
        if second is not None and not one_sided:
            other = float(rng.uniform(*_OTHER_SIDE)) * shift * (-1.0, 1.0)
            total += _patch(landmarks[second], width, aspect, other)
            told[-1] += f" and {second}"
    return movement(f"skin at {', '.join(told)}", "", None, total)


def _patch(centre: F32, width: float, aspect: float, shift: F64) -> F32:
    """A Gaussian of deviations ``width * aspect`` across and ``width`` down, times ``shift``."""
    y, x = np.indices((CROP_HEIGHT, CROP_WIDTH), np.float64)
    across, down = (x - centre[0]) / (width * aspect), (y - centre[1]) / width
    near = np.exp(-0.5 * (across**2 + down**2))
    return np.asarray(near[..., None] * shift, np.float32)
