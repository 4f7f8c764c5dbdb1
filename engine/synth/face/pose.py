"""Pose of the head in the picture."""

from dataclasses import dataclass

import numpy as np

from htnet.engine.types import F64

_RIGID_SCALES = (0.98, 1.02)  # scales of the head alone; beyond them the camera magnifies


@dataclass(frozen=True, slots=True)
class Pose:
    """Pose of the head relative to rest.

    The head is first turned by ``yaw`` (the nose to the right of the picture) and ``pitch`` (the
    nose down), in radians. It is then moved by ``x``, ``y`` px of the frame, turned by ``roll``
    radians (clockwise on the screen) and scaled by ``scale``, both about the middle of the face.
    """

    x: float = 0.0
    y: float = 0.0
    roll: float = 0.0
    scale: float = 1.0
    yaw: float = 0.0
    pitch: float = 0.0

    def matrix(self, pivot: F64) -> F64:
        """Return (2, 3): frame px at rest to frame px in this pose, without yaw and pitch."""
        c, s = self.scale * np.cos(self.roll), self.scale * np.sin(self.roll)
        turn = np.array([[c, -s], [s, c]])
        return np.column_stack([turn, np.array([self.x, self.y]) + pivot - turn @ pivot])

    @property
    def zoom(self) -> float:
        """Magnification of the whole picture: the part of ``scale`` outside 0.98 to 1.02."""
        return self.scale / min(max(self.scale, _RIGID_SCALES[0]), _RIGID_SCALES[1])


REST = Pose()
