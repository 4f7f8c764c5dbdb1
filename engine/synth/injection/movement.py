"""Movements warped into real footage: a displacement field applied to the face of every frame.

A point x of the resting face moves to x + amount * field(x), in px of the canonical crop, through
the frame's own crop transform. Head, light and camera stay those of the footage; onset, apex,
offset and amplitude of the movement are known.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH
from htnet.engine.synth.face.time_course import TimeCourse
from htnet.engine.types import F32, F64, U8

_TAPER = 0.1  # of the crop: width of the edge over which a field fades out
_CORNERS = np.array(
    [[0, 0, 1], [CROP_WIDTH, 0, 1], [0, CROP_HEIGHT, 1], [CROP_WIDTH, CROP_HEIGHT, 1]], np.float64
)
_ONE_MAP = np.empty(0, np.float32)  # remap's second map, where the first holds both x and y


@dataclass(frozen=True, slots=True, eq=False)
class Movement:
    """A movement of the face, normalised in amplitude.

    ``name``: the muscle or clip that it comes from. ``subject``: the clip's person, "" for a
    muscle. ``label``: one of the classes, or None. ``field``: (170, 140, 2) float32 displacements
    of the canonical crop, of length 1 at the 99th percentile and 0 along the crop's edge.
    """

    name: str
    subject: str
    label: str | None
    field: F32


@dataclass(frozen=True, slots=True, eq=False)
class Injected:
    """A movement with its time course; ``amplitude_px``: px of the crop at the 99th percentile."""

    movement: Movement
    pulse: TimeCourse
    amplitude_px: float

    def at(self, t_ns: int) -> F32 | None:
        """Return displacements (170, 140, 2) px of the crop at a time; None while at rest."""
        share = self.pulse.at(t_ns)
        return None if share == 0.0 else self.movement.field * np.float32(share * self.amplitude_px)


def movement(name: str, subject: str, label: str | None, field: F32) -> Movement:
    """Return a `Movement` of a field (170, 140, 2), normalised and faded out along the edge."""
    faded = field * _window()
    length = np.hypot(faded[..., 0], faded[..., 1])
    size = float(np.percentile(length, 99))
    return Movement(name, subject, label, (faded / np.float32(max(size, 1e-6))).astype(np.float32))


def displaced(injected: Iterable[Injected], t_ns: int) -> F32 | None:
    """Return the sum of all displacements (170, 140, 2) at a time; None where nothing moves."""
    total: F32 | None = None
    for each in injected:
        own = each.at(t_ns)
        if own is not None:
            total = own if total is None else total + own
    return total


def warp(bgr: U8, to_crop: F64, moved: F32) -> U8:
    """Warp the face of a picture (H, W, 3).

    ``to_crop``: (2, 3), frame px to crop px. ``moved``: (170, 140, 2) displacement of each point of
    the crop, px of the crop.
    """
    undo = _inverse(moved)
    from_crop = cv2.invertAffineTransform(to_crop)
    corners = _CORNERS @ from_crop.T
    height, width = bgr.shape[:2]
    x0, y0 = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, [width - 1, height - 1])
    x1, y1 = np.clip(
        np.ceil(corners.max(axis=0)).astype(int) + 1, [x0 + 1, y0 + 1], [width, height]
    )
    x, y = np.meshgrid(np.arange(x0, x1, dtype=np.float32), np.arange(y0, y1, dtype=np.float32))
    a = to_crop.astype(np.float32)
    in_crop = np.stack(
        [a[0, 0] * x + a[0, 1] * y + a[0, 2], a[1, 0] * x + a[1, 1] * y + a[1, 2]], axis=-1
    )
    shift = cv2.remap(undo, in_crop, _ONE_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    back = from_crop[:, :2].astype(np.float32)
    places = np.stack([x, y], axis=-1) + shift @ back.T
    moved_face = cv2.remap(
        bgr, places, _ONE_MAP, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    out = bgr.copy()
    out[y0:y1, x0:x1] = moved_face
    return out


def _inverse(moved: F32) -> F32:
    """Return the field U with x = y + U(y) for y = x + moved(x), by fixed point from U = -moved."""
    x, y = np.meshgrid(
        np.arange(CROP_WIDTH, dtype=np.float32), np.arange(CROP_HEIGHT, dtype=np.float32)
    )
    here = np.stack([x, y], axis=-1)
    undo = -moved
    for _ in range(3):
        undo = -np.asarray(cv2.remap(moved, here + undo, _ONE_MAP, cv2.INTER_LINEAR), np.float32)
    return undo


def _window() -> F32:
    """Return the taper (170, 140, 1): 1 inside, easing to exactly 0 at the outermost pixels."""

    def side(length: int) -> F32:
        place = np.arange(length) / (length - 1)
        t = np.clip(np.minimum(place, 1 - place) / _TAPER, 0.0, 1.0)
        return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)

    return (side(CROP_HEIGHT)[:, None] * side(CROP_WIDTH))[..., None]
