"""Face alignment: the canonical crop of 140 x 170 px, common to published maps and live pairs.

Eye centres lie at (0.235, 0.26) and (0.755, 0.26) of the crop's width and height. The transform is
the similarity through them, so a head that rolls stays upright in the crop.
"""

import cv2
import numpy as np

from htnet.engine.errors import UsageError
from htnet.engine.face import landmarks as lm
from htnet.engine.types import F32, F64, U8, AlignedFace, Face, Frame

CROP_WIDTH, CROP_HEIGHT = 140, 170

LEFT_EYE = (0.235 * CROP_WIDTH, 0.26 * CROP_HEIGHT)
RIGHT_EYE = (0.755 * CROP_WIDTH, 0.26 * CROP_HEIGHT)
_MEAN_FACE = (
    (lm.LEFT_OUTER_BROW, 0.09, 0.13),
    (lm.LEFT_INNER_BROW, 0.31, 0.13),
    (lm.RIGHT_OUTER_BROW, 0.90, 0.13),
    (lm.RIGHT_INNER_BROW, 0.68, 0.13),
    ((lm.UPPER_LIP,), 0.5, 0.69),
    ((lm.LOWER_LIP,), 0.5, 0.80),
)
_CORNERS = np.array(
    [[0, 0, 1], [CROP_WIDTH, 0, 1], [0, CROP_HEIGHT, 1], [CROP_WIDTH, CROP_HEIGHT, 1]], np.float64
)


def crop_transform(landmarks: F32) -> F64:
    """Similarity transform (2, 3) from frame pixels to crop pixels.

    ``landmarks``: (478, 2) in frame pixels. The two eye centres, each the mean of an eye's corners,
    determine it.
    """
    left = landmarks[list(lm.LEFT_EYE_CORNERS)].mean(axis=0)
    right = landmarks[list(lm.RIGHT_EYE_CORNERS)].mean(axis=0)
    # A similarity is a complex multiplication and an addition: z -> a z + b.
    z_left, z_right = complex(*left), complex(*right)
    if abs(z_right - z_left) < 1e-6:
        raise ValueError("both eye centres are the same point")
    a = (complex(*RIGHT_EYE) - complex(*LEFT_EYE)) / (z_right - z_left)
    b = complex(*LEFT_EYE) - a * z_left
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]], np.float64)


def transform_points(points: F32, transform: F64) -> F32:
    """Apply a (2, 3) transform to points (N, 2)."""
    moved: F32 = (points @ transform[:, :2].T + transform[:, 2]).astype(np.float32)
    return moved


def cut(bgr: U8, to_crop: F64) -> U8:
    """Gray crop (170, 140) uint8 of a picture (H, W, 3) under the transform ``to_crop`` (2, 3).

    A face much larger than the crop is first reduced by area, so that fine texture does not alias
    into motion.
    """
    from_crop = cv2.invertAffineTransform(to_crop)
    corners = _CORNERS @ from_crop.T
    height, width = bgr.shape[:2]
    x0, y0 = np.clip(np.floor(corners.min(axis=0)).astype(int) - 2, 0, [width - 1, height - 1])
    x1, y1 = np.clip(
        np.ceil(corners.max(axis=0)).astype(int) + 2, [x0 + 1, y0 + 1], [width, height]
    )
    patch = cv2.cvtColor(bgr[y0:y1, x0:x1], cv2.COLOR_BGR2GRAY)
    inverse = np.asarray(from_crop, np.float64)
    inverse[:, 2] -= (x0, y0)
    reduction = int(np.hypot(inverse[0, 0], inverse[1, 0]) + 0.25)
    if reduction > 1:
        # A whole number of cells, each the mean of reduction x reduction pixels.
        rows, columns = patch.shape[0] // reduction, patch.shape[1] // reduction
        patch = cv2.resize(
            patch[: max(rows, 1) * reduction, : max(columns, 1) * reduction],
            (max(columns, 1), max(rows, 1)),
            interpolation=cv2.INTER_AREA,
        )
        inverse = inverse / reduction
        inverse[:, 2] += 0.5 / reduction - 0.5
    return sample_crop(np.asarray(patch, np.uint8), inverse)


def sample_crop(gray: U8, from_crop: F64) -> U8:
    """Sample a crop (170, 140) bilinearly from a gray picture (H, W).

    ``from_crop``: (2, 3), crop px to picture px. The picture's edge is repeated outside of it.
    """
    crop = cv2.warpAffine(
        gray,
        from_crop,
        (CROP_WIDTH, CROP_HEIGHT),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(crop, np.uint8)


class Aligner:
    """Alignment of successive faces with hysteresis, so that landmark jitter does not move it.

    The transform is held while no corner of the crop would move by more than ``slack_px``. Beyond
    that it follows by the excess alone. At most ``slack_px`` of rigid motion remains in the crop;
    `htnet.engine.motion.head_motion` measures and removes it.
    """

    def __init__(self, slack_px: float = 0.75) -> None:
        self._slack = slack_px
        self._held: F64 | None = None

    def reset(self) -> None:
        """Drop the held transform."""
        self._held = None

    def align(self, frame: Frame, face: Face) -> AlignedFace:
        """Return the canonical crop of ``face`` in ``frame``."""
        to_crop = self._follow(crop_transform(face.landmarks))
        return _aligned(frame, face, to_crop)

    def _follow(self, wanted: F64) -> F64:
        if self._held is None:
            self._held = wanted
            return wanted
        # Distance of the crop's corners under the held transform from those under the wanted one.
        # The frame points do not depend on the held transform, so the distance is linear in it and
        # the slack is exact for large jumps too.
        corners = np.column_stack(
            [_CORNERS @ cv2.invertAffineTransform(wanted).T, np.ones(len(_CORNERS))]
        )
        distance = float(np.linalg.norm(corners @ (wanted - self._held).T, axis=1).max())
        if distance > self._slack:
            self._held = self._held + (1 - self._slack / distance) * (wanted - self._held)
        return self._held


def align_once(bgr: U8, face: Face, to_crop: F64 | None = None) -> AlignedFace:
    """Return the canonical crop of a face in one picture, or its crop under ``to_crop`` (2, 3)."""
    transform = crop_transform(face.landmarks) if to_crop is None else to_crop
    return _aligned(Frame(0, 0, bgr), face, transform)


def as_crop(gray: U8, landmarks: F32 | None = None) -> AlignedFace:
    """Wrap a picture (170, 140) that is a canonical crop already.

    ``landmarks``: (478, 2) crop pixels, by default `canonical_landmarks`. Raises `UsageError` for
    another size.
    """
    if gray.shape != (CROP_HEIGHT, CROP_WIDTH):
        raise UsageError(
            f"expected an aligned crop of {CROP_WIDTH} x {CROP_HEIGHT} px; got "
            f"{gray.shape[1]} x {gray.shape[0]}: leave --aligned out to have the face found."
        )
    points = canonical_landmarks() if landmarks is None else landmarks
    return AlignedFace(0, 0, gray, points, np.eye(2, 3), openness=0.3)


def canonical_landmarks() -> F32:
    """Mean landmarks (478, 2) of eyes, brows and lips in crop pixels; the rest at the centre.

    Brows and lips lie where they do on the mean face of CASME II and SMIC.
    """
    points = np.full((lm.POINTS, 2), (CROP_WIDTH / 2, CROP_HEIGHT / 2), np.float32)
    points[list(lm.LEFT_EYE_CORNERS)] = LEFT_EYE
    points[list(lm.RIGHT_EYE_CORNERS)] = RIGHT_EYE
    points[lm.LEFT_LIP_CORNER] = (0.27 * CROP_WIDTH, 0.735 * CROP_HEIGHT)
    points[lm.RIGHT_LIP_CORNER] = (0.72 * CROP_WIDTH, 0.73 * CROP_HEIGHT)
    for names, x, y in _MEAN_FACE:
        points[list(names)] = (x * CROP_WIDTH, y * CROP_HEIGHT)
    return points


def _aligned(frame: Frame, face: Face, to_crop: F64) -> AlignedFace:
    return AlignedFace(
        frame_index=frame.index,
        t_ns=frame.t_ns,
        gray=cut(frame.bgr, to_crop),
        landmarks=transform_points(face.landmarks, to_crop),
        to_crop=to_crop,
        openness=face.openness,
    )
