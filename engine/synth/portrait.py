"""A picture of a face and where its landmarks are."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from htnet.engine.errors import FaceError
from htnet.engine.synth.geometry import LANDMARKS, FaceFrame
from htnet.engine.types import F32, U8

_ASSETS = Path(__file__).resolve().parents[1] / "assets"

FindLandmarks = Callable[[U8], F32 | None]
"""(H, W, 3) BGR to (478, 2) face-mesh points in px, or None where there is no face."""


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """``bgr``: (H, W, 3) uint8. ``landmarks``: (478, 2) float32, px of the neutral face, with
    pixel centres on whole numbers."""

    bgr: U8
    landmarks: F32


def load_portrait(name: str = "astronaut") -> Portrait:
    """The portrait that ships with the package (public domain, NASA), landmarks and all."""
    bgr = cv2.imread(str(_ASSETS / f"{name}.png"), cv2.IMREAD_COLOR)
    if bgr is None:
        raise FaceError(
            f"expected the portrait {name}.png among the package's assets and could not read it: "
            "install the package again"
        )
    landmarks = np.load(_ASSETS / f"{name}_landmarks.npy", allow_pickle=False)
    return Portrait(np.asarray(bgr, np.uint8), np.asarray(landmarks, np.float32))


def locate(bgr: U8, find: FindLandmarks) -> F32:
    """Landmarks of the one face in a picture, (478, 2) float32 in px.

    A tracker's answer shifts with where the face lies in its input, so the mean is taken over
    several crops and enlargements. ``assets/astronaut_landmarks.npy`` is this function's answer
    for the shipped portrait, with MediaPipe's face mesh on single pictures as ``find``.
    """
    rough = _find_enlarged(bgr, find, 1.0)
    if rough is None:
        rough = _find_enlarged(bgr, find, 3.0)
    if rough is None:
        raise FaceError("expected a picture with a face to animate, and found none in it")
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


def _find_enlarged(bgr: U8, find: FindLandmarks, scale: float) -> F32 | None:
    height, width = bgr.shape[:2]
    size = (round(width * scale), round(height * scale))
    points = find(np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_CUBIC), np.uint8))
    if points is None or points.shape != (LANDMARKS, 2):
        return None
    ratio = np.array([width / size[0], height / size[1]])
    original: F32 = ((points + 0.5) * ratio - 0.5).astype(np.float32)
    return original
