"""A picture of a face and where its landmarks are."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from htnet.engine.anatomy.geometry import LANDMARKS, FaceFrame
from htnet.engine.assets import asset
from htnet.engine.errors import FaceError
from htnet.engine.types import F32, U8

_ROOM = (5.2, 3.4, 3.2)  # eye distances of picture beside, above and below the eyes
_FADE = 0.06  # share of a picture over which its edge gives way to the background

FindLandmarks = Callable[[U8], F32 | None]
"""(H, W, 3) BGR to (478, 2) face-mesh points in px, or None where there is no face."""


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """``bgr``: (H, W, 3) uint8. ``landmarks``: (478, 2) float32, px of the face in it, with pixel
    centres on whole numbers. That face is neutral, unless the portrait has a movement of its own.

    ``own``: (H, W, 2) float32, that movement in px for each px of the canonical crop that it is
    pulled by; the picture shows it pulled by ``own_px``, and the point x of the neutral face is at
    x + own_px * own(x).
    """

    bgr: U8
    landmarks: F32
    own: F32 | None = None
    own_px: float = 0.0


def load_portrait(name: str = "astronaut") -> Portrait:
    """The portrait that ships with the package (public domain, NASA), landmarks and all."""
    bgr = cv2.imread(str(asset(f"{name}.png")), cv2.IMREAD_COLOR)
    if bgr is None:
        raise FaceError(
            f"expected the portrait {name}.png among the package's assets and could not read it: "
            "install the package again"
        )
    landmarks = np.load(asset(f"{name}_landmarks.npy"), allow_pickle=False)
    return Portrait(np.asarray(bgr, np.uint8), np.asarray(landmarks, np.float32))


def portrait_of(bgr: U8, find: FindLandmarks, own: F32 | None = None) -> Portrait:
    """A portrait of the face in any picture or frame (H, W, 3).

    Where the picture ends nearer to the face than a frame of the animator's reaches, it is laid on
    a background: its edges, carried on and ever more blurred. There is no head's outline in that,
    nor neck and hair if the picture has none; but it does not move when skin does. ``own``: (H, W,
    2), a movement of the face's own; the background has none. Raises `FaceError` where ``find``
    finds no face.
    """
    rough = _rough(bgr, find)
    height, width = bgr.shape[:2]
    pads = _room(width, height, FaceFrame.of(rough))
    laid = _carried_on(_fading(bgr, pads)) if any(pads) else bgr
    if own is not None:
        own = np.asarray(cv2.copyMakeBorder(own, *pads, cv2.BORDER_CONSTANT), np.float32)
    corner = np.array([pads[2], pads[0]], np.float32)
    return Portrait(laid, locate(laid, find, rough + corner), own)


def locate(bgr: U8, find: FindLandmarks, rough: F32 | None = None) -> F32:
    """Landmarks of the one face in a picture, (478, 2) float32 in px.

    A tracker's answer shifts with where the face lies in its input, so the mean is taken over
    several crops and enlargements. ``assets/astronaut_landmarks.npy`` is this function's answer
    for the shipped portrait, with MediaPipe's face mesh on single pictures as ``find``. ``rough``:
    where about they are, if that is known. Raises `FaceError` where there is no face.
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


def _room(width: int, height: int, face: FaceFrame) -> tuple[int, int, int, int]:
    """How many px a picture is short of what frames show round the face: (above, below, left,
    right)."""
    x, y = face.origin
    beside, above, below = (room * face.unit for room in _ROOM)
    short = (above - y, y + below - height, beside - x, x + beside - width)
    top, bottom, left, right = (max(0, round(float(px))) for px in short)
    return top, bottom, left, right


def _fading(bgr: U8, pads: tuple[int, int, int, int]) -> F32:
    """The picture, padded, times its weight, and its weight: (H, W, 4). The weight eases to 0 at
    those edges that are padded."""
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


def _carried_on(known: F32) -> U8:
    """The picture of `_fading` filled up: (H, W, 3) uint8."""
    return np.asarray(np.clip(np.rint(_filled(known)), 0, 255), np.uint8)


def _filled(known: F32) -> F32:
    """Colours (H, W, 3) everywhere, out of colours times weight and weight (H, W, 4): where the
    weight is short of 1 the rest comes from a picture half as large, filled in the same way, so
    what is made up is smoother the further it lies from what is known (the pull and push of Gortler
    and others, 1996)."""
    height, width = known.shape[:2]
    colour, weight = known[..., :3], known[..., 3:]
    if min(height, width) < 4:
        mean = colour.sum((0, 1)) / max(float(weight.sum()), 1e-6)
        return np.asarray(colour + (1.0 - weight) * mean, np.float32)
    small = np.asarray(cv2.pyrDown(known), np.float32)
    # what is known in part is as good as known, or the far background would never be reached
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
