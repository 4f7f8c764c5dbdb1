"""Portraits of the composite's clips, each animated by its own published flow field.

The apex picture shows the full movement. At activation s the face at x is the picture at
x + (1 - s) A f(x), which is the neutral face at s = 0. A clip has a single field f, so every point
moves along a line and in step with the others, unlike under real muscles.
"""

from dataclasses import replace

import cv2
import numpy as np

from htnet.engine.anatomy.geometry import FaceFrame
from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH
from htnet.engine.face.tracker import FaceTracker
from htnet.engine.synth.face.portrait import FindLandmarks, Portrait, portrait_of
from htnet.engine.types import F32, U8
from htnet.training.augmentation.reanimate import published_field
from htnet.training.datasets.clip import Clip
from htnet.training.datasets.composite import read_apex

_TAPER = 0.1  # width of the edge over which the field falls to 0, a share of the picture's size


def clip_portrait(clip: Clip, tracker: FaceTracker) -> Portrait:
    """Return the portrait of the clip's apex face, without a movement of its own.

    Raises `FaceError` where no face is found and `DataError` where the picture cannot be read.
    """
    return portrait_of(restore_height(read_apex(clip.apex)), _finder(tracker))


def own_portrait(clip: Clip, map_: F32, pixels: float, tracker: FaceTracker) -> Portrait:
    """Return the portrait of the clip's apex face with its published map (28, 28, 3) as movement.

    ``pixels``: assumed displacement of the apex picture from the neutral face, px of the canonical
    crop at the field's 99th percentile; the activation "own" has the same unit. The field is zero
    at its median. The relative scale of u and v is not published; they are taken as they are.
    Raises as `clip_portrait` does.
    """
    picture = restore_height(read_apex(clip.apex))
    own = field_on_picture(map_, picture.shape[0], picture.shape[1], clip.to_map)
    plain = portrait_of(picture, _finder(tracker), own)
    length = np.hypot(own[..., 0], own[..., 1])
    large = float(np.percentile(length[length > 0], 99)) if length.any() else 1.0
    unit = np.float32(FaceFrame.of(plain.landmarks).crop_px / large)
    return replace(plain, own=None if plain.own is None else plain.own * unit, own_px=pixels)


def restore_height(apex: U8) -> U8:
    """Stretch an apex picture to the height of a face, width unchanged.

    The published pictures are crops of 140 x 170 squeezed to squares. SAMM's crops are looser than
    those of its maps, but faces in them have the same proportions.
    """
    width = apex.shape[1]
    size = (width, round(width * CROP_HEIGHT / CROP_WIDTH))
    return np.asarray(cv2.resize(apex, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def field_on_picture(map_: F32, height: int, width: int, to_map: F32) -> F32:
    """Resample a published map (28, 28, 3) to a flow field (H, W, 2) in px of an apex picture.

    The field has an arbitrary scale. It is 0 at the picture's edge and outside of the map.
    ``to_map``: of the `Clip`.
    """
    flow = published_field(map_, 1.0)
    scale, offset = to_map.astype(np.float64).T
    crop, picture = np.array([CROP_WIDTH, CROP_HEIGHT]), np.array([width, height])
    gain = scale * crop / picture  # px of the map's crop per px of the picture; px centres at .5
    shift = offset * crop + 0.5 * gain - 0.5
    matrix = np.array([[gain[0], 0, shift[0]], [0, gain[1], shift[1]]])
    own = cv2.warpAffine(
        flow * _window(CROP_HEIGHT, CROP_WIDTH),
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    return np.asarray(own * _window(height, width) / gain, np.float32)


def _finder(tracker: FaceTracker) -> FindLandmarks:
    def find(bgr: U8) -> F32 | None:
        tracker.reset()
        face = tracker.find(bgr, 0)
        return None if face is None else face.landmarks

    return find


def _window(height: int, width: int) -> F32:
    """Return a window (H, W, 1): 1 inside, falling smoothly to 0 at the edges."""

    def side(length: int) -> F32:
        place = (np.arange(length) + 0.5) / length
        t = np.clip(np.minimum(place, 1 - place) / _TAPER, 0.0, 1.0)
        return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)

    return (side(height)[:, None] * side(width))[..., None]
