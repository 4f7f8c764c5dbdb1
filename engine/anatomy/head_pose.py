"""Pose of the head in a picture: yaw, pitch and roll from the landmarks.

The mean shape of a face, in points that no expression moves far, is projected without perspective
and fitted to the landmarks by least squares. The shape is the mean of the face mesh over 14 people,
made symmetric. Its face looks straight ahead: forehead and chin are equally far away.

Against the pose of the mesh with its own depth, on 14 people within 35 degrees, the means of yaw
and pitch differ by at most 1.5 degrees and of roll by 0.4; from frame to frame they deviate by at
most 1.5. A person whose nose is longer or whose forehead slopes more than the mean's reads a few
degrees of pitch at rest, so the change of a person's pose is more accurate than the pose.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

# The unit is the distance between the eyes, the origin midway between them; x to the picture's
# right, y down, z towards the camera.
# (landmark on the picture's left, its counterpart on the right, x of the latter, y, z)
_PAIRS: Final = (
    (33, 263, 0.721, -0.011, -0.046),  # outer eye corners
    (133, 362, 0.279, 0.011, 0.046),  # inner eye corners
    (129, 358, 0.343, 0.581, 0.253),  # wings of the nose
    (98, 327, 0.283, 0.689, 0.320),  # nostrils
    (116, 345, 1.029, 0.285, -0.230),  # cheekbones
    (127, 356, 1.139, 0.121, -0.846),  # temples
    (234, 454, 1.126, 0.367, -0.902),  # before the ears
)
# (landmark on the midline, y, z)
_MIDDLE: Final = (
    (10, -0.927, 0.169),  # forehead
    (151, -0.669, 0.248),
    (9, -0.398, 0.309),  # between the brows
    (168, -0.117, 0.304),  # bridge of the nose
    (6, 0.013, 0.385),
    (197, 0.127, 0.475),
    (195, 0.232, 0.572),
    (1, 0.597, 0.697),  # tip of the nose
    (2, 0.719, 0.454),  # base of the nose
)
_POINTS: Final = [each for a, b, *_ in _PAIRS for each in (a, b)] + [each for each, *_ in _MIDDLE]
_SHAPE = np.array(
    [each for _, _, x, y, z in _PAIRS for each in ((-x, y, z), (x, y, z))]
    + [(0.0, y, z) for _, y, z in _MIDDLE]
)
_FIT = np.linalg.pinv(_SHAPE - _SHAPE.mean(axis=0))


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Pose of the head, degrees.

    ``yaw``: the nose to the right of the picture, which is the person's left. ``pitch``: the nose
    down. ``roll``: clockwise on the screen. The head is turned by them in this order.
    """

    yaw: float
    pitch: float
    roll: float


def head_pose(landmarks: ArrayLike) -> HeadPose:
    """Return the pose of a head from its landmarks (478, 2) in px of the frame."""
    points = np.asarray(landmarks, np.float64)[_POINTS]
    affine = (_FIT @ (points - points.mean(axis=0))).T
    left, _, right = np.linalg.svd(affine, full_matrices=False)
    across, down = left @ right  # the nearest rotation, without its third row
    ahead = np.cross(across, down)
    yaw, pitch = np.arctan2(-ahead[0], ahead[2]), np.arcsin(np.clip(-ahead[1], -1, 1))
    roll = np.arctan2(-across[1], down[1])
    return HeadPose(*(float(np.degrees(angle)) for angle in (yaw, pitch, roll)))
