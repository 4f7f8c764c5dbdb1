"""Depth model of the head, and the displacement of its points under yaw and pitch.

Depths are those of the face mesh on the shipped portrait, rotated to the front and made symmetric.
Every face is assumed to have them, in units of its own distance between the eyes. Beyond the mesh
the depth falls to zero at the head's outline, on the level of the axes of rotation, so a rotating
head leaves its outline and the background in place. Hidden texture is not synthesised: what comes
into view is stretched and what leaves it is compressed, which is valid to about 10 degrees.
"""

import numpy as np

from htnet.engine.anatomy.geometry import LANDMARKS, FaceFrame
from htnet.engine.assets import asset
from htnet.engine.errors import FaceError
from htnet.engine.types import F32, F64

_FILE = asset("head_depth.npy")
_SKIN = 468  # number of mesh points on the skin; those of the irises follow
# fmt: off
_OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
         152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
# fmt: on
_OUTLINE = (1.4, 1.6, 1.9)  # rings of depth 0, in radii of the mesh's oval
_SKULL = 1.3  # factor on the radii above the eyes, for the skull beyond the mesh
_FINE, _COARSE, _FAINT = 0.09, 0.35, 1e-3  # kernel widths in eye distances; weight of the wide one


def mean_depths() -> F64:
    """Depths (478,) of the mean face, in eye distances towards the camera from the rotation axes.

    Raises `FaceError` where the shipped file cannot be read.
    """
    try:
        depths: F64 = np.load(_FILE, allow_pickle=False)
    except (OSError, ValueError):
        depths = np.empty(0)
    if depths.shape != (LANDMARKS,):
        raise FaceError(
            f"expected the head's depths in {_FILE.name} among the package's assets and could not "
            "read them: install the package again"
        )
    return depths


class Head:
    """Depth of one face relative to the rotation axes through ``pivot``, by kernel regression."""

    def __init__(self, landmarks: F32, pivot: F64) -> None:
        """Fit the depth to landmarks (478, 2) px of a frontal face.

        Raises `FaceError` where the shipped depths cannot be read.
        """
        depths = mean_depths()
        face = FaceFrame.of(landmarks)
        points = landmarks[:_SKIN].astype(np.float64)
        oval = points[list(_OVAL)]
        centre = oval.mean(0)
        spokes = oval - centre
        spokes[:, 1] *= np.where(spokes[:, 1] < 0, _SKULL, 1.0)
        rings = [centre + radius * spokes for radius in _OUTLINE]
        self.pivot = pivot
        self._points: F64 = np.concatenate([points, *rings])
        self._depths = np.zeros(len(self._points))
        self._depths[:_SKIN] = face.unit * depths[:_SKIN]
        self._widths = face.unit * np.array([_FINE, _COARSE])
        low, high = self._points.min(0) - face.unit, self._points.max(0) + face.unit
        self.box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))

    def on_grid(self, x: F64, y: F64) -> F32:
        """Depth (H, W) float32 in px on the grid of columns ``x`` and rows ``y``."""
        total, weight = np.zeros((len(y), len(x))), np.zeros((len(y), len(x)))
        for width, share in zip(self._widths, (1.0, _FAINT), strict=True):
            across = _bell(x[:, None] - self._points[:, 0], width)
            down = _bell(y[:, None] - self._points[:, 1], width)
            total += share * (down * self._depths) @ across.T
            weight += share * down @ across.T
        grid: F32 = (total / (weight + 1e-9)).astype(np.float32)
        return grid

    def at(self, points: F64) -> F64:
        """Depth (N,) in px at points (N, 2)."""
        total, weight = np.zeros(len(points)), np.zeros(len(points))
        for width, share in zip(self._widths, (1.0, _FAINT), strict=True):
            near = share * _bell(points[:, :1] - self._points[:, 0], width)
            near *= _bell(points[:, 1:] - self._points[:, 1], width)
            total += near @ self._depths
            weight += near.sum(1)
        depth: F64 = total / (weight + 1e-9)
        return depth


def turned(offset: F64, depth: F64, yaw: float, pitch: float) -> F64:
    """Displacement (..., 2) in px of points under ``yaw``, then ``pitch``, without perspective.

    ``offset``: (..., 2) px from the axes. ``depth``: (...) px in front of them. ``yaw``: radians,
    the nose to the right of the picture. ``pitch``: radians, the nose down.

    x' = x cos(yaw) + z sin(yaw), z' = z cos(yaw) - x sin(yaw), y' = y cos(pitch) + z' sin(pitch).
    """
    x, y = offset[..., 0], offset[..., 1]
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    shift = np.empty_like(offset)
    shift[..., 0] = (cy - 1) * x + sy * depth
    shift[..., 1] = (cp - 1) * y + sp * (cy * depth - sy * x)
    return shift


def _bell(distance: F64, width: float) -> F64:
    bell: F64 = np.exp(-0.5 * (distance / width) ** 2)
    return bell
