"""The animator's canvas: the portrait enlarged to twice the resolution of the frames."""

import cv2
import numpy as np
from numpy.typing import NDArray

from htnet.engine.anatomy.geometry import FaceFrame
from htnet.engine.synth.face.eyelids import both_lids
from htnet.engine.synth.face.gaze import both_eyes
from htnet.engine.synth.face.portrait import Portrait
from htnet.engine.types import F32, F64, U8

FINE = 2  # canvas px per frame px; cubic sampling of so fine a canvas is near exact

_EYE_LEVEL = 0.515  # of the frame's height
_EYE_DISTANCE = 0.21  # of the frame's shorter side: 75 px of 360, where the crop is 145 px wide
_MARGIN = 32  # frame px of canvas beyond the frame on every side, for the head's motion
_ONE_MAP = np.empty(0, np.float32)  # remap's second map, where the first holds both x and y


class Canvas:
    """A portrait laid out for frames of one size, with the eyes at a fixed height.

    ``landmarks``: (478, 2) float32, the portrait's own, in px of the frame. ``own``: (H, W, 2)
    float32, the portrait's own field over the frame in px of the frame, or None.
    """

    def __init__(self, portrait: Portrait, size: tuple[int, int], eyes_px: float | None) -> None:
        """``size``: (width, height) of the frames. ``eyes_px``: distance between the eye centres
        in the frame, by default 0.21 of its shorter side."""
        eyes = _EYE_DISTANCE * min(size) if eyes_px is None else eyes_px
        source = FaceFrame.of(portrait.landmarks)
        self._lay_out(portrait, size, eyes / source.unit, source.origin)
        on_canvas = (self.landmarks + 0.5) * FINE - 0.5 + _MARGIN * FINE
        self._lids, self._eyeballs = both_lids(on_canvas), both_eyes(on_canvas)

    def with_eyes(self, closure: float, shift: F64, down: float) -> U8:
        """Return the canvas with the irises moved by ``shift`` = (x, y) and the lids closed.

        ``closure``: 0 open to 1 shut. ``down``: part of the shift along the face, which the upper
        lids follow. Both shifts are in px of the canvas. Do not write into the result.
        """
        looking = bool(shift.any())
        if closure <= 0.0 and not looking:
            return self._picture
        canvas = self._picture.copy()
        for eye, lid in zip(self._eyeballs, self._lids, strict=True):
            if looking:
                top, bottom, left, right = eye.box
                canvas[top:bottom, left:right] = eye.look(canvas, shift)
            shut = closure + (1.0 - closure) * eye.follow(down)
            if shut > 0.0:
                top, bottom, left, right = lid.box
                canvas[top:bottom, left:right] = lid.close(canvas, shut)
        return canvas

    def _lay_out(self, portrait: Portrait, size: tuple[int, int], scale: float, eyes: F64) -> None:
        """Set the picture, ``landmarks`` and ``own``; ``eyes``: midpoint in px of the portrait."""
        width, height = size
        rows, columns = portrait.bgr.shape[:2]
        fine = (round(columns * scale * FINE), round(rows * scale * FINE))
        big = cv2.resize(portrait.bgr, fine, interpolation=cv2.INTER_LANCZOS4)
        ratio = np.array([fine[0] / columns, fine[1] / rows])
        middle = (eyes + 0.5) * ratio  # of the eyes, on the enlarged portrait
        margin = _MARGIN * FINE
        left = _clamped(middle[0] - width * FINE / 2, fine[0] - width * FINE) - margin
        top = _clamped(middle[1] - height * FINE * _EYE_LEVEL, fine[1] - height * FINE) - margin
        x = _reflected(np.arange(left, left + width * FINE + 2 * margin), fine[0])
        y = _reflected(np.arange(top, top + height * FINE + 2 * margin), fine[1])
        self._picture: U8 = np.ascontiguousarray(big[y[:, None], x])
        corner = np.array([left + margin, top + margin])
        drawn = ((portrait.landmarks + 0.5) * ratio - corner) / FINE - 0.5
        self.landmarks: F32 = drawn.astype(np.float32)
        self.own: F32 | None = None
        if portrait.own is not None:
            at_x = ((np.arange(width) + 0.5) * FINE + corner[0]) / ratio[0] - 0.5
            at_y = ((np.arange(height) + 0.5) * FINE + corner[1]) / ratio[1] - 0.5
            at = np.stack(np.meshgrid(at_x, at_y), axis=-1).astype(np.float32)
            self.own = sample_field(portrait.own, at) * (ratio / FINE).astype(np.float32)


def sample_canvas(canvas: U8, at: F32, interpolation: int) -> U8:
    """Sample a canvas at places (h, w, 2) in px of the frame."""
    fine = at * np.float32(FINE) + np.float32(_MARGIN * FINE + 0.5 * FINE - 0.5)
    picture = cv2.remap(canvas, fine, _ONE_MAP, interpolation, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(picture, np.uint8)


def sample_field(field: F32, at: F32) -> F32:
    """Sample a field (h, w, ...) linearly at the points ``at`` (H, W, 2); 0 outside the field."""
    return np.asarray(cv2.remap(field, at, _ONE_MAP, cv2.INTER_LINEAR), np.float32)


def _clamped(start: float, room: int) -> int:
    """Round ``start`` to the nearest corner that keeps the frame on the portrait, if one does."""
    return round(min(max(start, 0.0), float(room))) if room >= 0 else round(start)


def _reflected(index: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Fold indices back into 0..size-1, the edge not repeated."""
    period = 2 * (size - 1)
    folded = np.mod(index, period)
    return np.minimum(folded, period - folded)
