"""Record of one labelled clip, common to all datasets."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from htnet.engine.types import F32

IDENTITY = np.array([[1.0, 0.0], [1.0, 0.0]], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One labelled clip; ``subject`` is unique over the datasets.

    ``flow``: file of the onset-to-apex map. ``apex``: picture of the face at the apex. ``to_map``:
    scale and offset of x and of y (2, 2), from fractions of that picture to fractions of the map;
    the identity where the map was computed on the picture's own crop.
    """

    dataset: str
    subject: str
    name: str
    label: int
    flow: Path
    apex: Path
    to_map: F32 = field(default_factory=IDENTITY.copy)

    def on_map(self, landmarks: F32) -> F32:
        """Convert landmarks (..., 2) from fractions of the apex picture to those of the map."""
        return np.asarray(landmarks * self.to_map[:, 0] + self.to_map[:, 1], np.float32)
