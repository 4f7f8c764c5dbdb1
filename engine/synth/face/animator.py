"""Moves a portrait: pose, muscles, blinks and looks become one picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from htnet.engine.anatomy import geometry as g
from htnet.engine.anatomy.geometry import FaceFrame
from htnet.engine.anatomy.head_depth import Head, turned
from htnet.engine.anatomy.muscles import MUSCLES, displacement
from htnet.engine.anatomy.muscles import field as muscle_field
from htnet.engine.errors import UsageError
from htnet.engine.synth.face.eyelids import both_lids
from htnet.engine.synth.face.gaze import both_eyes
from htnet.engine.synth.face.portrait import Portrait
from htnet.engine.types import F32, F64, U8

I64 = NDArray[np.int64]

OWN = "own"
"""The pull that is the portrait's own field, where it has one."""

_FINE = 2  # canvas px per frame px; cubic sampling of so fine a canvas is near exact
_EYE_LEVEL = 0.515  # of the frame's height
_EYE_DISTANCE = 0.21  # of the frame's shorter side: 75 px of 360, where the crop is 145 px wide
_SWAY = 32  # frame px of room that the canvas leaves round the frame
_NOD = (0.98, 1.02)  # scales that are the head's own; the camera does the rest
_COARSE = 6  # frame px between the points at which a turn is solved
_ONE_MAP = np.empty(0, np.float32)  # remap's second map, where the first holds both x and y
_NONE: Mapping[str, float] = MappingProxyType({})

Box = tuple[int, int, int, int]
"""(x0, y0, x1, y1), px of the frame."""


@dataclass(frozen=True, slots=True)
class Pose:
    """How the head is moved from rest: turned by ``yaw`` (the nose to the right of the picture) and
    ``pitch`` (the nose down), radians, then moved by ``x``, ``y`` px of the frame, turned by
    ``roll`` radians (clockwise on the screen) and scaled by ``scale`` about the middle of the face.
    """

    x: float = 0.0
    y: float = 0.0
    roll: float = 0.0
    scale: float = 1.0
    yaw: float = 0.0
    pitch: float = 0.0

    def matrix(self, pivot: F64) -> F64:
        """(2, 3): frame px at rest to frame px in this pose, ``yaw`` and ``pitch`` left out."""
        c, s = self.scale * np.cos(self.roll), self.scale * np.sin(self.roll)
        turn = np.array([[c, -s], [s, c]])
        return np.column_stack([turn, np.array([self.x, self.y]) + pivot - turn @ pivot])

    @property
    def zoom(self) -> float:
        """What of ``scale`` is left for the camera, which magnifies all that it sees."""
        return self.scale / min(max(self.scale, _NOD[0]), _NOD[1])


REST = Pose()


class Animator:
    """Renders frames of one portrait. Holds no state between frames, so any order will do.

    Each pixel is looked up once: frame -> (zoom, pose, turn undone) -> neutral head in motion ->
    (muscles undone) -> canvas, the portrait enlarged to twice the frame's resolution. Poses of up
    to about 12 px, 2 degrees and 2% leave the head rigid; what lies further out follows less and
    less, and the background stays. A scale beyond 2% magnifies the whole picture, as when a camera
    is walked up to from afar; turns of up to some 10 degrees go by the head's depth
    (`htnet.engine.anatomy.head_depth`).
    """

    def __init__(
        self,
        portrait: Portrait,
        size: tuple[int, int] = (640, 360),
        eyes_px: float | None = None,
        *,
        quick: bool = False,
    ) -> None:
        """``size``: (width, height) of the frames. ``eyes_px``: distance between the eye centres
        in the frame, by default 0.21 of its shorter side. ``quick``: what lies round the face is
        sampled linearly, which costs a third of the time less; the face is the same."""
        if min(size) < 64:
            raise UsageError(f"expected frames of at least 64 x 64 px, got {size[0]} x {size[1]}")
        self.size = size
        self._round_the_face = cv2.INTER_LINEAR if quick else cv2.INTER_CUBIC
        width, height = size
        eyes = _EYE_DISTANCE * min(size) if eyes_px is None else eyes_px
        source = FaceFrame.of(portrait.landmarks)
        self._canvas, self._drawn, own = self._lay_out(portrait, eyes / source.unit, source.origin)
        self._own, self._own_pull = _cut_out(own), portrait.own_px
        self.neutral = self._before_own(self._drawn, portrait.own_px)
        self.face = FaceFrame.of(self.neutral)
        self.pivot: F64 = self.neutral[[g.FOREHEAD, g.CHIN]].mean(0).astype(np.float64)
        on_canvas = (self._drawn + 0.5) * _FINE - 0.5 + _SWAY * _FINE
        self._lids, self._eyeballs = both_lids(on_canvas), both_eyes(on_canvas)
        x, y = np.meshgrid(np.arange(width), np.arange(height))
        grid = np.stack([x, y], axis=-1).astype(np.float32)
        self._still = grid
        self._hold = _head_mask(self.neutral, grid)
        self._head_box = _around(self._hold > 0)
        self._face_box = self._reach()
        x0, y0, x1, y1 = self._head_box
        hold = self._hold[y0:y1, x0:x1, None]
        self._head_grid = np.ascontiguousarray(grid[y0:y1, x0:x1])
        self._basis = np.concatenate([self._head_grid * hold, hold], axis=-1)  # @ (3, 2): held
        self._background = _look(self._canvas, grid, self._round_the_face)
        self._fields: dict[str, F32] = {}
        self._depth: tuple[Head, tuple[F64, F64], F32] | None = None

    def render(
        self,
        pose: Pose = REST,
        activations: Mapping[str, float] = _NONE,
        closure: float = 0.0,
        gaze: tuple[float, float] = (0.0, 0.0),
    ) -> U8:
        """One frame without noise: (H, W, 3) uint8 BGR.

        ``activations``: a muscle's name to its peak displacement at this moment, in px of the 140 px
        crop; `OWN` is the portrait's own field. ``closure``: of the eyelids, 0 open to 1 shut.
        ``gaze``: how far the irises are from where the portrait has them, (x, y) in px of the crop
        along the face; good for some 4 px.
        """
        zoom, turning = pose.zoom, pose.yaw != 0.0 or pose.pitch != 0.0
        box = self._head_box if zoom == 1.0 else (0, 0, *self.size)
        rest = self._unposed_coarsely(pose, box) if turning or zoom != 1.0 else self._unposed(pose)
        near = self._near(self._face_box, box, pose)
        undo = self._undo(activations)
        if undo is not None:
            rest[near] += self._at(rest[near], undo, self._face_box)
        if self._own is not None:
            own, where = self._own
            left = np.float32(self._own_pull - activations.get(OWN, 0.0))
            rest[near] += left * self._at(rest[near], own, where)
        canvas = self._with_eyes(closure, gaze)
        picture = _look(canvas, rest, self._round_the_face)
        if self._round_the_face != cv2.INTER_CUBIC:
            picture[near] = _look(canvas, rest[near], cv2.INTER_CUBIC)
        if zoom != 1.0:
            return picture
        x0, y0, x1, y1 = box
        frame = self._background.copy()
        frame[y0:y1, x0:x1] = picture
        return frame

    def landmarks(
        self,
        pose: Pose = REST,
        activations: Mapping[str, float] = _NONE,
        gaze: tuple[float, float] = (0.0, 0.0),
    ) -> F32:
        """Where the landmarks truly are: (478, 2) float32, px of the frame. Lids as when open."""
        start = self.neutral
        if self._own is not None:
            start = self._before_own(self._drawn, self._own_pull - activations.get(OWN, 0.0))
        moved = start.astype(np.float64)
        points = self.neutral.astype(np.float64)
        for name, pull in activations.items():
            if name != OWN:
                amount = pull * self.face.crop_px
                moved += amount * displacement(MUSCLES[name], self.neutral, points)
        moved[g.IRISES] += self.face.to_picture(np.asarray(gaze)) * self.face.crop_px
        if pose.yaw or pose.pitch:
            head, _, _ = self._head()
            hold = _look_up(self._hold, moved[:, None].astype(np.float32)).astype(np.float64)
            depth = hold[:, 0] * head.at(moved)
            moved += turned((moved - head.pivot) * hold, depth, pose.yaw, pose.pitch)
        matrix = pose.matrix(self.pivot)
        placed: F32 = (moved @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
        return placed

    def _with_eyes(self, closure: float, gaze: tuple[float, float]) -> U8:
        """The canvas with the eyes turned and the lids closed."""
        looking = gaze[0] != 0.0 or gaze[1] != 0.0
        if closure <= 0.0 and not looking:
            return self._canvas
        canvas = self._canvas.copy()
        crop_px = self.face.crop_px * _FINE
        shift = self.face.to_picture(np.array(gaze)) * crop_px
        for eye, lid in zip(self._eyeballs, self._lids, strict=True):
            if looking:
                top, bottom, left, right = eye.box
                canvas[top:bottom, left:right] = eye.look(canvas, shift)
            shut = closure + (1.0 - closure) * eye.follow(gaze[1] * crop_px)
            if shut > 0.0:
                top, bottom, left, right = lid.box
                canvas[top:bottom, left:right] = lid.close(canvas, shut)
        return canvas

    def _unposed(self, pose: Pose) -> F32:
        """Where each pixel of the head's box is with the head at rest: (h, w, 2) px."""
        back = cv2.invertAffineTransform(pose.matrix(self.pivot)) - np.eye(2, 3)
        rest: F32 = self._basis @ back.T.astype(np.float32)
        rest += self._head_grid
        return rest

    def _unposed_coarsely(self, pose: Pose, box: Box) -> F32:
        """The same with turn and zoom, over any box: worked out every few px, for all of it is
        smooth, and interpolated."""
        zoom = pose.zoom
        nodding = Pose(pose.x / zoom, pose.y / zoom, pose.roll, pose.scale / zoom)
        back = cv2.invertAffineTransform(nodding.matrix(self.pivot)) - np.eye(2, 3)
        x, y = _nodes(box)
        at = np.stack(np.meshgrid(x, y), axis=-1)
        rest = (at - self.pivot) / zoom + self.pivot
        hold = _look_up(self._hold, rest.astype(np.float32))[..., None]
        rest += hold * (rest @ back[:, :2].T + back[:, 2])
        if pose.yaw != 0.0 or pose.pitch != 0.0:
            rest += self._turn_undo(pose, rest)
        shift = (rest - at).astype(np.float32)
        x0, y0, x1, y1 = box
        size = (len(x) * _COARSE, len(y) * _COARSE)
        fine = cv2.resize(shift, size, interpolation=cv2.INTER_CUBIC)
        inside = fine[_COARSE : _COARSE + y1 - y0, _COARSE : _COARSE + x1 - x0]
        whole: F32 = self._still[y0:y1, x0:x1] + np.asarray(inside, np.float32)
        return whole

    def _turn_undo(self, pose: Pose, at: F64) -> F64:
        """The inverse of a turn at places (h, w, 2) px: offsets, by fixed point."""
        head, (x, y), known = self._head()
        first = np.array([x[0], y[0]])
        undo: F64 = np.zeros_like(at)
        for _ in range(6):
            here = at + undo
            cells = ((here - first) / _COARSE).astype(np.float32)
            held: F64 = _look_up(known, cells).astype(np.float64)
            offset: F64 = (here - head.pivot) * held[..., :1]
            undo = -turned(offset, held[..., 1], pose.yaw, pose.pitch)
        return undo

    def _head(self) -> tuple[Head, tuple[F64, F64], F32]:
        """The head's depth; the columns and rows of coarse points over its box; and how far those
        follow the head, and their depth as far as they do: (h, w, 2)."""
        if self._depth is None:
            head = Head(self.neutral, self.pivot)
            x, y = _nodes(self._head_box)
            hold = _look_up(self._hold, np.stack(np.meshgrid(x, y), axis=-1).astype(np.float32))
            self._depth = head, (x, y), np.stack([hold, hold * head.on_grid(x, y)], axis=-1)
        return self._depth

    def _near(self, where: Box, box: Box, pose: Pose) -> tuple[slice, slice]:
        """Rows and columns of ``box`` that can show what is in the box ``where`` at rest: between
        where it lies and where the pose takes it."""
        x0, y0, x1, y1 = where
        corners = np.array([[x, y, 1.0] for x in (x0, x1) for y in (y0, y1)])
        still = (corners[:, :2] - self.pivot) * pose.zoom + self.pivot
        places = np.concatenate([still, corners @ pose.matrix(self.pivot).T])
        turn = self.face.unit * (abs(np.sin(pose.yaw)) + abs(np.sin(pose.pitch)))
        margin = 2.0 + 1.8 * turn * pose.zoom  # no point lies further in front of the axes
        left, top = np.maximum(places.min(0) - margin - box[:2], 0).astype(int)
        right, bottom = np.maximum(np.ceil(places.max(0) + margin - box[:2]), 0).astype(int)
        return slice(top, bottom), slice(left, right)

    @staticmethod
    def _at(places: F32, field: F32, where: Box) -> F32:
        """The field of the box ``where`` at places in px of the frame."""
        return _look_up(field, places - np.array(where[:2], np.float32))

    def _undo(self, activations: Mapping[str, float]) -> F32 | None:
        """The inverse of x -> x + D(x) over the face's box: (h, w, 2) offsets U with
        x = y + U(y), by fixed point from U = -D."""
        total: F32 | None = None
        for name, pull in activations.items():
            if name != OWN and pull != 0.0:
                part = self._field(name) * np.float32(pull * self.face.crop_px)
                total = part if total is None else total + part
        if total is None:
            return None
        here = self._still[: total.shape[0], : total.shape[1]]
        undo = -total
        for _ in range(2):
            undo = -_look_up(total, here + undo)
        return undo

    def _field(self, name: str) -> F32:
        """A muscle's field over the face's box, written down when it is first asked for."""
        if name not in self._fields:
            x0, y0, x1, y1 = self._face_box
            size = (x1 - x0, y1 - y0)
            self._fields[name] = muscle_field(MUSCLES[name], self.neutral, size, (x0, y0))
        return self._fields[name]

    def _before_own(self, drawn: F32, pull: float) -> F32:
        """Where the landmarks are when ``pull`` of the portrait's own field is still to come: the x
        with x + pull own(x) = ``drawn``, by fixed point."""
        if self._own is None:
            return drawn
        own, where = self._own
        corner = np.array(where[:2], np.float32)
        points = drawn.copy()
        for _ in range(4):
            ahead = _look_up(own, (points - corner)[:, None])[:, 0]
            points = drawn - np.float32(pull) * ahead
        return points

    def _lay_out(self, portrait: Portrait, scale: float, eyes: F64) -> tuple[U8, F32, F32 | None]:
        """The canvas; the portrait's landmarks in px of the frame at rest; and its own field, if it
        has one, over the whole frame, in px of the frame."""
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
        drawn = ((portrait.landmarks + 0.5) * ratio - corner) / _FINE - 0.5
        own = None
        if portrait.own is not None:
            at_x = ((np.arange(width) + 0.5) * _FINE + corner[0]) / ratio[0] - 0.5
            at_y = ((np.arange(height) + 0.5) * _FINE + corner[1]) / ratio[1] - 0.5
            at = np.stack(np.meshgrid(at_x, at_y), axis=-1).astype(np.float32)
            own = _look_up(portrait.own, at) * (ratio / _FINE).astype(np.float32)
        return np.ascontiguousarray(big[y[:, None], x]), drawn.astype(np.float32), own

    def _reach(self) -> Box:
        """What the muscles can reach."""
        low = np.maximum(np.floor(self._drawn.min(0) - 0.3 * self.face.unit), 0)
        high = np.ceil(self._drawn.max(0) + 0.3 * self.face.unit)
        return (
            int(low[0]),
            int(low[1]),
            min(int(high[0]), self.size[0]),
            min(int(high[1]), self.size[1]),
        )


def _look_up(field: F32, at: F32) -> F32:
    """A field (h, w, 2) at the points ``at`` (H, W, 2), 0 outside it."""
    return np.asarray(cv2.remap(field, at, _ONE_MAP, cv2.INTER_LINEAR), np.float32)


def _look(canvas: U8, at: F32, interpolation: int) -> U8:
    """The canvas at places (h, w, 2) in px of the frame."""
    fine = at * np.float32(_FINE) + np.float32(_SWAY * _FINE + 0.5 * _FINE - 0.5)
    picture = cv2.remap(canvas, fine, _ONE_MAP, interpolation, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(picture, np.uint8)


def _nodes(box: Box) -> tuple[F64, F64]:
    """Columns and rows of the middles of coarse cells over a box and one cell round it."""
    first = (_COARSE - 1) / 2 - _COARSE
    x0, y0, x1, y1 = box
    return (
        np.arange(x0 + first, x1 + _COARSE, _COARSE, np.float64),
        np.arange(y0 + first, y1 + _COARSE, _COARSE, np.float64),
    )


def _around(mask: NDArray[np.bool_]) -> Box:
    """The box of what is true."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _cut_out(field: F32 | None) -> tuple[F32, Box] | None:
    """What of a field of the whole frame is not 0, and where it is."""
    if field is None or not field.any():
        return None
    x0, y0, x1, y1 = box = _around(field.any(-1))
    return np.ascontiguousarray(field[y0:y1, x0:x1]), box


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
