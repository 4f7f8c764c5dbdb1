"""Moves a portrait: pose, muscles and blinks become one picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from htnet.engine.errors import UsageError
from htnet.engine.synth import geometry as g
from htnet.engine.synth.eyelids import both_lids
from htnet.engine.synth.geometry import FaceFrame
from htnet.engine.synth.muscles import MUSCLES, displacement
from htnet.engine.synth.muscles import field as muscle_field
from htnet.engine.synth.portrait import Portrait
from htnet.engine.types import F32, F64, U8

I64 = NDArray[np.int64]

_FINE = 2  # canvas px per frame px; cubic sampling of so fine a canvas is near exact
_EYE_LEVEL = 0.515  # of the frame's height
_EYE_DISTANCE = 0.21  # of the frame's shorter side: 75 px of 360, where the crop is 145 px wide
_SWAY = 32  # frame px of room that the canvas leaves round the frame
_ONE_MAP = np.empty(0, np.float32)  # remap's second map, where the first holds both x and y
_NONE: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Pose:
    """How the head is moved from rest: by ``x``, ``y`` px of the frame, turned by ``roll``
    radians (clockwise on the screen) and scaled by ``scale`` about the middle of the face."""

    x: float = 0.0
    y: float = 0.0
    roll: float = 0.0
    scale: float = 1.0

    def matrix(self, pivot: F64) -> F64:
        """(2, 3): frame px at rest to frame px in this pose."""
        c, s = self.scale * np.cos(self.roll), self.scale * np.sin(self.roll)
        turn = np.array([[c, -s], [s, c]])
        return np.column_stack([turn, np.array([self.x, self.y]) + pivot - turn @ pivot])


REST = Pose()


class Animator:
    """Renders frames of one portrait. Holds no state between frames, so any order will do.

    Each pixel is looked up once: frame -> (pose undone) -> neutral head in motion -> (muscles
    undone) -> canvas, the portrait enlarged to twice the frame's resolution. Poses of up to about
    12 px, 2 degrees and 2% leave the head rigid; what lies further out follows less and less,
    and the background stays.
    """

    def __init__(
        self, portrait: Portrait, size: tuple[int, int] = (640, 360), eyes_px: float | None = None
    ) -> None:
        """``size``: (width, height) of the frames. ``eyes_px``: distance between the eye centres
        in the frame, by default 0.21 of its shorter side."""
        if min(size) < 64:
            raise UsageError(f"expected frames of at least 64 x 64 px, got {size[0]} x {size[1]}")
        self.size = size
        width, height = size
        eyes = _EYE_DISTANCE * min(size) if eyes_px is None else eyes_px
        source = FaceFrame.of(portrait.landmarks)
        scale = eyes / source.unit
        self._canvas, self.neutral = self._lay_out(portrait, scale, source.origin)
        self.face = FaceFrame.of(self.neutral)
        self.pivot: F64 = self.neutral[[g.FOREHEAD, g.CHIN]].mean(0).astype(np.float64)
        self._lids = both_lids((self.neutral + 0.5) * _FINE - 0.5 + _SWAY * _FINE)
        x, y = np.meshgrid(np.arange(width), np.arange(height))
        grid = np.stack([x, y], axis=-1).astype(np.float32)
        self._still = grid
        hold = _head_mask(self.neutral, grid)[..., None]
        self._basis = np.concatenate([grid * hold, hold], axis=-1)  # times (3, 2): a held affine
        self._box = self._face_box()
        x0, y0, x1, y1 = self._box
        self._fields = {
            name: muscle_field(muscle, self.neutral, (x1 - x0, y1 - y0), (x0, y0))
            for name, muscle in MUSCLES.items()
        }

    def render(
        self, pose: Pose = REST, pulls: Mapping[str, float] = _NONE, closure: float = 0.0
    ) -> U8:
        """One frame without noise: (H, W, 3) uint8 BGR.

        ``pulls``: a muscle's name to its peak displacement at this moment, in px of the 140 px
        crop. ``closure``: of the eyelids, 0 open to 1 shut.
        """
        back = cv2.invertAffineTransform(pose.matrix(self.pivot)) - np.eye(2, 3)
        rest = self._basis @ back.T.astype(np.float32)
        rest += self._still
        undo = self._undo(pulls)
        if undo is not None:
            x0, y0, x1, y1 = self._box
            near = np.s_[max(y0 - _SWAY, 0) : y1 + _SWAY, max(x0 - _SWAY, 0) : x1 + _SWAY]
            offset = np.array([x0, y0], np.float32)
            rest[near] += _look_up(undo, rest[near] - offset)
        at = rest * np.float32(_FINE)
        at += np.float32(_SWAY * _FINE + 0.5 * _FINE - 0.5)
        canvas = self._canvas
        if closure > 0.0:
            canvas = canvas.copy()
            for lid in self._lids:
                top, bottom, left, right = lid.box
                canvas[top:bottom, left:right] = lid.close(self._canvas, closure)
        picture = cv2.remap(
            canvas, at, _ONE_MAP, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
        )
        return np.asarray(picture, np.uint8)

    def landmarks(self, pose: Pose = REST, pulls: Mapping[str, float] = _NONE) -> F32:
        """Where the landmarks truly are: (478, 2) float32, px of the frame. Lids as when open."""
        points = self.neutral.astype(np.float64)
        moved = points.copy()
        for name, pull in pulls.items():
            amount = pull * self.face.crop_px
            moved += amount * displacement(MUSCLES[name], self.neutral, points)
        matrix = pose.matrix(self.pivot)
        placed: F32 = (moved @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
        return placed

    def _undo(self, pulls: Mapping[str, float]) -> F32 | None:
        """The inverse of x -> x + D(x) over the face's box: (h, w, 2) offsets U with
        x = y + U(y), by fixed point from U = -D."""
        total: F32 | None = None
        for name, pull in pulls.items():
            if pull != 0.0:
                part = self._fields[name] * np.float32(pull * self.face.crop_px)
                total = part if total is None else total + part
        if total is None:
            return None
        here = self._still[: total.shape[0], : total.shape[1]]
        undo = -total
        for _ in range(2):
            undo = -_look_up(total, here + undo)
        return undo

    def _lay_out(self, portrait: Portrait, scale: float, eyes: F64) -> tuple[U8, F32]:
        """The canvas, and the landmarks in px of the frame at rest."""
        width, height = self.size
        rows, columns = portrait.bgr.shape[:2]
        fine = (round(columns * scale * _FINE), round(rows * scale * _FINE))
        big = cv2.resize(portrait.bgr, fine, interpolation=cv2.INTER_LANCZOS4)
        ratio = np.array([fine[0] / columns, fine[1] / rows])
        middle = (eyes + 0.5) * ratio  # of the eyes, on the enlarged portrait
        margin = _SWAY * _FINE
        left = _inside(middle[0] - width * _FINE / 2, fine[0] - width * _FINE) - margin
        top = _inside(middle[1] - height * _FINE * _EYE_LEVEL, fine[1] - height * _FINE) - margin
        x = _reflect(np.arange(left, left + width * _FINE + 2 * margin), fine[0])
        y = _reflect(np.arange(top, top + height * _FINE + 2 * margin), fine[1])
        corner = np.array([left + margin, top + margin])
        neutral = ((portrait.landmarks + 0.5) * ratio - corner) / _FINE - 0.5
        return np.ascontiguousarray(big[y[:, None], x]), neutral.astype(np.float32)

    def _face_box(self) -> tuple[int, int, int, int]:
        """(x0, y0, x1, y1): what the muscles can reach."""
        low = np.maximum(np.floor(self.neutral.min(0) - 0.3 * self.face.unit), 0)
        high = np.ceil(self.neutral.max(0) + 0.3 * self.face.unit)
        return (
            int(low[0]),
            int(low[1]),
            min(int(high[0]), self.size[0]),
            min(int(high[1]), self.size[1]),
        )


def _look_up(field: F32, at: F32) -> F32:
    """A field (h, w, 2) at the points ``at`` (H, W, 2), 0 outside it."""
    return np.asarray(cv2.remap(field, at, _ONE_MAP, cv2.INTER_LINEAR), np.float32)


def _inside(start: float, room: int) -> int:
    """The whole number nearest to ``start`` at which the frame lies on the portrait, if it can."""
    return round(min(max(start, 0.0), float(room))) if room >= 0 else round(start)


def _reflect(index: I64, size: int) -> I64:
    """Indices folded back into 0..size-1, the edge not repeated."""
    period = 2 * (size - 1)
    folded = np.mod(index, period)
    return np.minimum(folded, period - folded)


def _head_mask(neutral: F32, grid: F32) -> F32:
    """How far each pixel follows the head: 1 on the face, the hair and 14 px round it, easing to
    0 over the following eye distance. (H, W) float32."""
    face = FaceFrame.of(neutral)
    x, y = (neutral[g.FOREHEAD] + neutral[g.CHIN]) / 2
    tall = float(np.hypot(*(neutral[g.CHIN] - neutral[g.FOREHEAD])))
    radii = np.array([0.74 * tall, 0.8 * tall]) + 14.0
    centre = np.array([x, y - 0.28 * tall])
    radius = np.sqrt((((grid - centre) / radii) ** 2).sum(-1))
    t = np.clip((radius - 1.0) * radii.mean() / (1.2 * face.unit), 0.0, 1.0)
    follow: F32 = (1.0 - t * t * (3.0 - 2.0 * t)).astype(np.float32)
    return follow
