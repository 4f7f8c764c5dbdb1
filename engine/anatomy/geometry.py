"""Face-mesh landmarks by anatomical name, and the coordinate frame of the face."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from htnet.engine.face.alignment import CROP_WIDTH
from htnet.engine.types import F32, F64

LANDMARKS = 478

# "right" and "left" are the person's; right is on the left of the picture. Indices run from the
# outer to the inner end on both sides, so equal positions name the same anatomy.
RIGHT_EYE = (33, 133)
LEFT_EYE = (263, 362)
RIGHT_UPPER_LID = (33, 246, 161, 160, 159, 158, 157, 173, 133)
LEFT_UPPER_LID = (263, 466, 388, 387, 386, 385, 384, 398, 362)
RIGHT_LOWER_LID = (33, 7, 163, 144, 145, 153, 154, 155, 133)
LEFT_LOWER_LID = (263, 249, 390, 373, 374, 380, 381, 382, 362)
RIGHT_IRIS = (468, 469, 470, 471, 472)  # the centre, then the rim
LEFT_IRIS = (473, 474, 475, 476, 477)
IRISES = slice(468, 478)
RIGHT_BROW_TOP = (70, 63, 105, 66, 107)
LEFT_BROW_TOP = (300, 293, 334, 296, 336)
RIGHT_BROW_BOTTOM = (46, 53, 52, 65, 55)
LEFT_BROW_BOTTOM = (276, 283, 282, 295, 285)
MOUTH_CORNERS = (61, 291)
CHEEKBONES = (123, 352)  # origin of zygomaticus major, the nearest mesh point
CHEEKS = (50, 280)
NOSE_WINGS = (129, 358)
INNER_LIPS = (13, 14)  # lower edge of the upper lip, upper edge of the lower lip, in the middle
JAW = (149, 378)  # its lower edge, origin of triangularis
FOREHEAD = 10
CHIN = 152
MIDLINE = (10, 9, 168, 0, 17, 152)  # forehead, between the brows, nose bridge, lips, chin

CROP_EYE_DISTANCE = 0.52 * CROP_WIDTH
"""Distance between the eye centres on the canonical crop, px."""


def eye_centres(landmarks: ArrayLike) -> F64:
    """Means of the eye corners, (2, 2) float64: picture-left eye, picture-right eye."""
    points = np.asarray(landmarks, np.float64)
    return np.stack([points[list(RIGHT_EYE)].mean(0), points[list(LEFT_EYE)].mean(0)])


def line(landmarks: F32, indices: tuple[int, ...], columns: NDArray[np.int64]) -> F64:
    """Height of a chain of landmarks at each column, smoothed over an eighth of its length."""
    points = landmarks[list(indices)].astype(np.float64)
    points = points[np.argsort(points[:, 0])]
    half = max(1, round(float(np.ptp(points[:, 0])) / 16))
    wide = np.arange(columns[0] - half, columns[-1] + half + 1)
    heights = np.interp(wide, points[:, 0], points[:, 1])
    kernel = np.hanning(2 * half + 3)[1:-1]
    return np.convolve(heights, kernel / kernel.sum(), mode="valid")


def midline(landmarks: ArrayLike, y: ArrayLike) -> F64:
    """Column of the face's midline in px at heights ``y`` px, by straight lines.

    ``landmarks``: (478, 2) px of an upright face.
    """
    points = np.asarray(landmarks, np.float64)[list(MIDLINE)]
    points = points[np.argsort(points[:, 1])]
    columns: F64 = np.interp(np.asarray(y, np.float64), points[:, 1], points[:, 0])
    return columns


@dataclass(frozen=True, slots=True, eq=False)
class FaceFrame:
    """Coordinate frame of a face.

    The origin is midway between the eyes, x points along the eye line to the right of the picture,
    y down the face. The unit is the distance between the eyes.

    ``origin``: (2,) px. ``axes``: (2, 2), rows are x and y as unit vectors of the picture.
    ``unit``: px. ``points``: landmarks (478, 2) in face coordinates.
    """

    origin: F64
    axes: F64
    unit: float
    points: F64

    @classmethod
    def of(cls, landmarks: ArrayLike) -> "FaceFrame":
        """Return the frame of landmarks (478, 2) in px."""
        points = np.asarray(landmarks, np.float64)
        right, left = eye_centres(points)
        across = left - right
        unit = float(np.hypot(*across))
        x = across / unit
        axes = np.stack([x, [-x[1], x[0]]])
        origin = (right + left) / 2
        return cls(origin, axes, unit, (points - origin) @ axes.T / unit)

    @property
    def crop_px(self) -> float:
        """Size of one pixel of the canonical crop, in px of this picture."""
        return self.unit / CROP_EYE_DISTANCE

    def to_face(self, points: F64) -> F64:
        """Transform points (..., 2) in px to face coordinates."""
        result: F64 = (points - self.origin) @ self.axes.T / self.unit
        return result

    def to_picture(self, vectors: F64) -> F64:
        """Rotate vectors (..., 2) from face axes to picture axes, lengths kept."""
        result: F64 = vectors @ self.axes
        return result
