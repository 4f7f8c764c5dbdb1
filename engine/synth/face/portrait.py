"""Portraits: a picture of a face with its landmarks."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from htnet.engine.anatomy.geometry import LANDMARKS, FaceFrame
from htnet.engine.assets import asset
from htnet.engine.errors import FaceError
from htnet.engine.types import F32, U8

_EXTENT = (5.2, 3.4, 3.2)  # eye distances of picture needed beside, above and below the eyes
_FADE = 0.06  # share of a picture over which its edge blends into the background

FindLandmarks = Callable[[U8], F32 | None]
"""Maps (H, W, 3) BGR to (478, 2) face-mesh points in px, or None without a face."""


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """A picture of a face, neutral unless the portrait has a movement of its own.

    ``bgr``: (H, W, 3) uint8. ``landmarks``: (478, 2) float32 px of the picture, pixel centres on
    whole numbers. ``own``: (H, W, 2) float32, the portrait's own movement, in px of the picture for
    an amplitude of 1 px of the canonical crop. ``own_px``: amplitude of that movement in the
    picture: the point x of the neutral face lies at x + own_px * own(x).
    """

    bgr: U8
    landmarks: F32
    own: F32 | None = None
    own_px: float = 0.0


def load_portrait(name: str = "astronaut") -> Portrait:
    """Load the portrait that ships with the package (public domain, NASA) and its landmarks."""
    bgr = cv2.imread(str(asset(f"{name}.png")), cv2.IMREAD_COLOR)
    if bgr is None:
        raise FaceError(
            f"expected the portrait {name}.png among the package's assets and could not read it: "
            "install the package again"
        )
    landmarks = np.load(asset(f"{name}_landmarks.npy"), allow_pickle=False)
    return Portrait(np.asarray(bgr, np.uint8), np.asarray(landmarks, np.float32))


def portrait_of(bgr: U8, find: FindLandmarks, own: F32 | None = None) -> Portrait:
    """Make a portrait of the face in a picture (H, W, 3).

    A picture that ends too near to the face for the animator's frames is padded: its edges are
    continued, more blurred with distance. The padding has no outline of the head, neck or hair, and
    does not move with the skin. ``own``: (H, W, 2), the face's own movement, 0 in the padding.
    Raises `FaceError` where ``find`` finds no face.
    """
    rough = _rough(bgr, find)
    height, width = bgr.shape[:2]
    pads = _padding(width, height, FaceFrame.of(rough))
    padded = _extended(_faded(bgr, pads)) if any(pads) else bgr
    if own is not None:
        own = np.asarray(cv2.copyMakeBorder(own, *pads, cv2.BORDER_CONSTANT), np.float32)
    corner = np.array([pads[2], pads[0]], np.float32)
    return Portrait(padded, locate(padded, find, rough + corner), own)


def locate(bgr: U8, find: FindLandmarks, rough: F32 | None = None) -> F32:
    """Return the landmarks of the one face in a picture, (478, 2) float32 px.

    A tracker's landmarks shift with the place of the face in its input, so the mean is taken over
    several crops and enlargements. ``rough``: first estimate of the landmarks, if known.
    ``assets/astronaut_landmarks.npy`` is the result for the shipped portrait, with MediaPipe's face
    mesh on single pictures as ``find``. Raises `FaceError` where there is no face.
    """
    if rough is None:
        rough = _rough(bgr, find)
    face = FaceFrame.of(rough)
    centre = (rough.min(0) + rough.max(0)) / 2
    found = []
    for eyes in (150.0, 170.0, 190.0):  # px between the eyes in the enlarged crop
        for dx, dy in ((0.0, 0.0), (0.3, 0.1), (-0.3, 0.2), (0.1, -0.3)):
            x, y = centre + face.unit * np.array([dx, dy])
            x0, y0 = max(0, int(x - 2.4 * face.unit)), max(0, int(y - 2.4 * face.unit))
            x1, y1 = int(x + 2.4 * face.unit), int(y + 2.4 * face.unit)
            points = _find_enlarged(bgr[y0:y1, x0:x1], find, eyes / face.unit)
            if points is not None:
                found.append(points + np.array([x0, y0], np.float32))
    return np.mean(found, axis=0).astype(np.float32) if found else rough


def _rough(bgr: U8, find: FindLandmarks) -> F32:
    for scale in (1.0, 3.0):
        points = _find_enlarged(bgr, find, scale)
        if points is not None:
            return points
    raise FaceError(
        "expected a picture with a face to animate; found none in it: give one with a face, seen "
        "from the front."
    )


def _padding(width: int, height: int, face: FaceFrame) -> tuple[int, int, int, int]:
    """Return the px of padding that a picture needs: (above, below, left, right)."""
    x, y = face.origin
    beside, above, below = (extent * face.unit for extent in _EXTENT)
    short = (above - y, y + below - height, beside - x, x + beside - width)
    top, bottom, left, right = (max(0, round(float(px))) for px in short)
    return top, bottom, left, right


def _faded(bgr: U8, pads: tuple[int, int, int, int]) -> F32:
    """Return the padded picture times its weight, and the weight: (H, W, 4).

    The weight eases to 0 at the padded edges.
    """
    height, width = bgr.shape[:2]
    fade = max(2.0, _FADE * min(height, width))
    row, column = np.arange(height)[:, None] + 0.5, np.arange(width) + 0.5
    weight = np.ones((height, width))
    for pad, inside in zip(pads, (row, height - row, column, width - column), strict=True):
        if pad:
            t = np.clip(inside / fade, 0.0, 1.0)
            weight = weight * (t * t * (3.0 - 2.0 * t))
    weighted = np.dstack([bgr * weight[..., None], weight]).astype(np.float32)
    return np.asarray(cv2.copyMakeBorder(weighted, *pads, cv2.BORDER_CONSTANT), np.float32)


def _extended(known: F32) -> U8:
    """Fill the padding of the picture of `_faded`: (H, W, 3) uint8."""
    return np.asarray(np.clip(np.rint(_filled(known)), 0, 255), np.uint8)


def _filled(known: F32) -> F32:
    """Return colours (H, W, 3) everywhere from weighted colours and weights (H, W, 4).

    Where the weight is below 1, the rest comes from a picture half as large, filled in the same
    way. So the fill is smoother the further it lies from known pixels (pull-push, Gortler and
    others, 1996).
    """
    height, width = known.shape[:2]
    colour, weight = known[..., :3], known[..., 3:]
    if min(height, width) < 4:
        mean = colour.sum((0, 1)) / max(float(weight.sum()), 1e-6)
        return np.asarray(colour + (1.0 - weight) * mean, np.float32)
    small = np.asarray(cv2.pyrDown(known), np.float32)
    # partly known pixels count as known, so that the fill reaches the far background
    small *= np.minimum(4.0, 1.0 / np.maximum(small[..., 3:], 1e-6))
    back = cv2.resize(_filled(small), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(colour + (1.0 - weight) * back, np.float32)


def _find_enlarged(bgr: U8, find: FindLandmarks, scale: float) -> F32 | None:
    height, width = bgr.shape[:2]
    size = (round(width * scale), round(height * scale))
    points = find(np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_CUBIC), np.uint8))
    if points is None or points.shape != (LANDMARKS, 2):
        return None
    ratio = np.array([width / size[0], height / size[1]])
    original: F32 = ((points + 0.5) * ratio - 0.5).astype(np.float32)
    return original
