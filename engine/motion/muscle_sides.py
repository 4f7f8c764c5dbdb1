"""Activation of each muscle on either side of the face, fitted to the pixels of a pair of crops.

Left and right are the person's: the person's left lies on the right of the picture, unless the
picture is a mirror image.

Each field of the muscle fit is split at the face's midline into a left and a right part. The
sixteen parts are fitted together with the six motions of the head, so that a movement of one side
is not taken for a roll or yaw of the head, nor the reverse. As in the muscle fit, the flow gives
the initial estimate and one Gauss-Newton step on the pixels refines it, with the same weights.

Both parts have the unit of the whole field: of a movement that is equal on both sides, left and
right read what the muscle fit reads. A head that turns by a degree moves the two sides by half a
px to 2 px apart, as it does the muscle fit's own activations.
"""

from typing import Final

import cv2
import numpy as np

from htnet.engine.anatomy.geometry import midline
from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH
from htnet.engine.motion.contrast import Sampled
from htnet.engine.types import F32, F64

HEAD: Final = 6
"""Number of the head's degrees of freedom: translation (2), scale, roll, yaw, pitch."""
_FADE = 4.0  # px: scale of the fade from one side to the other at the midline


class SideFit:
    """Fit of left and right for one face.

    ``x``, ``y``: (N,) points of the fit, crop px. ``across``, ``down``: (N, 14) displacements of
    the points per unit of the head's motions and of the muscles. ``flow_ridge``, ``pixel_ridge``:
    as in the muscle fit. ``landmarks``: (478, 2) of the neutral face, crop px.
    """

    def __init__(
        self,
        x: F32,
        y: F32,
        across: F64,
        down: F64,
        landmarks: F32,
        *,
        flow_ridge: float,
        pixel_ridge: float,
    ) -> None:
        left = left_share(x, y, landmarks)
        # (22, N): the head's motions, the left parts, the right parts.
        split = [
            np.concatenate([own[:, :HEAD].T, own[:, HEAD:].T * left, own[:, HEAD:].T * (1 - left)])
            for own in (across, down)
        ]
        model = np.concatenate(split, axis=1)
        self._count = across.shape[1] - HEAD
        ridge = np.zeros(len(model))
        ridge[HEAD:] = 1.0
        self._guess: F32 = np.linalg.solve(
            model @ model.T + np.diag(flow_ridge * ridge), model
        ).astype(np.float32)
        self._ridge: F64 = np.append(pixel_ridge * ridge, (0, 0))  # gain and offset are free
        self._across, self._down = (np.ascontiguousarray(own, np.float32) for own in split)
        self._x, self._y = x, y
        self._model = np.ones((len(model) + 2, len(x)), np.float32)
        self._part = np.empty_like(self._across)

    def __call__(
        self, before: Sampled, after: F32, then_x: F32, then_y: F32, flow: F32, head: F32
    ) -> F32:
        """Fit the activations (2, 8), left and right, px in the order of `MUSCLES`.

        ``before``: samples of the onset. ``after``, ``then_x``, ``then_y``: contrast (H, W) of the
        apex and its slopes. ``flow``: (2N,) at the points without the motion ``head`` (4,).
        """
        guess = self._guess @ flow
        guess[:4] += head
        x, y = self._x + guess @ self._across, self._y + guess @ self._down
        pictures = np.asarray(cv2.merge([after, then_x, then_y]), np.float32)
        seen, seen_x, seen_y = _sample(pictures, x, y).T
        inside = (x >= 1) & (x <= CROP_WIDTH - 2) & (y >= 1) & (y <= CROP_HEIGHT - 2)
        residual = (before.values - seen) * inside
        half = inside * np.float32(0.5)
        model, part, count = self._model, self._part, len(guess)
        np.multiply(self._across, (before.slope_x + seen_x) * half, out=part)
        np.multiply(self._down, (before.slope_y + seen_y) * half, out=model[:count])
        model[:count] += part
        model[count] = before.values
        free = (model @ model.T).astype(np.float64)
        wanted = model @ residual - self._ridge * np.append(guess, (0, 0))
        held = free + np.diag(self._ridge + 1e-3)
        solved = np.linalg.solve(held, np.column_stack([wanted, free]))
        found = (guess + solved[:count, 0])[HEAD:]
        # The ridge shrinks activations: each is scaled so that 1 px of its own part reads as 1.
        shrunk = np.diagonal(solved[:, 1:])[HEAD:count]
        sides: F32 = (found / np.maximum(shrunk, 0.05)).reshape(2, self._count).astype(np.float32)
        return sides


def left_share(x: F32, y: F32, landmarks: F32) -> F64:
    """Weight (N,) of the person's left side at points in crop px: 0 right, 1 left, between a fade.

    The face's midline, where it is a half, runs through landmarks (478, 2) of forehead, nose
    bridge, lips and chin.
    """
    away = (x - midline(landmarks, y)) / _FADE
    share: F64 = 1 / (1 + np.exp(-np.clip(away, -40, 40)))
    return share


def _sample(pictures: F32, x: F32, y: F32) -> F32:
    """Sample ``pictures`` (H, W, 3) at N points, bicubic: (N, 3)."""
    found = cv2.remap(pictures, x[None], y[None], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found[0], np.float32)
