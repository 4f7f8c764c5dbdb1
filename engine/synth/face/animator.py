"""The face animator: a portrait moved by pose, muscles, eyelids and gaze."""

from collections.abc import Mapping
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
from htnet.engine.synth.face.canvas import FINE, Canvas, sample_canvas, sample_field
from htnet.engine.synth.face.portrait import Portrait
from htnet.engine.synth.face.pose import REST, Pose
from htnet.engine.types import F32, F64, U8

OWN = "own"
"""Name, among the muscles, of the portrait's own field."""

_COARSE = 6  # frame px between the nodes at which turn and zoom are solved
_NONE: Mapping[str, float] = MappingProxyType({})

Box = tuple[int, int, int, int]
"""(x0, y0, x1, y1), px of the frame."""


class Animator:
    """Animator of one portrait. No state is kept between frames, so any order will do.

    Each pixel is sampled once: frame -> (inverse of zoom, pose and turn) -> head at rest ->
    (inverse of the muscles) -> canvas, the portrait at twice the frame's resolution.

    The head stays rigid in poses of up to about 12 px, 2 degrees and 2%. Round it the motion fades
    out, and the background stays. A scale beyond 2% magnifies the whole picture, as when a person
    walks up to the camera. Turns of up to some 10 degrees follow the head's depth
    (`htnet.engine.anatomy.head_depth`).

    ``neutral``: (478, 2) float32 landmarks of the neutral face at rest, px of the frame. ``face``:
    its frame of anatomy. ``pivot``: (2,) middle of the face.
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
        in the frame, by default 0.21 of its shorter side. ``quick``: sample linearly outside the
        face, which takes a third less time; the face itself is unchanged.

        Raises `UsageError` for frames under 64 x 64 px.
        """
        if min(size) < 64:
            raise UsageError(f"expected frames of at least 64 x 64 px, got {size[0]} x {size[1]}")
        self.size = size
        self._outer_interpolation = cv2.INTER_LINEAR if quick else cv2.INTER_CUBIC
        width, height = size
        self._canvas = Canvas(portrait, size, eyes_px)
        self._own, self._own_px = _cropped(self._canvas.own), portrait.own_px
        self.neutral = self._without_own(portrait.own_px)
        self.face = FaceFrame.of(self.neutral)
        self.pivot: F64 = self.neutral[[g.FOREHEAD, g.CHIN]].mean(0).astype(np.float64)
        x, y = np.meshgrid(np.arange(width), np.arange(height))
        grid = np.stack([x, y], axis=-1).astype(np.float32)
        self._grid = grid
        self._head_weight = _head_weight(self.neutral, grid)
        self._head_box = _bounding_box(self._head_weight > 0)
        self._face_box = self._muscle_box()
        x0, y0, x1, y1 = self._head_box
        hold = self._head_weight[y0:y1, x0:x1, None]
        self._head_grid = np.ascontiguousarray(grid[y0:y1, x0:x1])
        self._basis = np.concatenate([self._head_grid * hold, hold], axis=-1)  # @ (3, 2): held
        bare = self._canvas.with_eyes(0.0, np.zeros(2), 0.0)
        self._background = sample_canvas(bare, grid, self._outer_interpolation)
        self._fields: dict[str, F32] = {}
        self._depth: tuple[Head, tuple[F64, F64], F32] | None = None

    def render(
        self,
        pose: Pose = REST,
        activations: Mapping[str, float] = _NONE,
        closure: float = 0.0,
        gaze: tuple[float, float] = (0.0, 0.0),
    ) -> U8:
        """Render one frame without noise: (H, W, 3) uint8 BGR.

        ``activations``: each muscle's peak displacement at this moment, in px of the 140 px crop;
        `OWN` is the portrait's own field. ``closure``: of the eyelids, 0 open to 1 shut. ``gaze``:
        shift (x, y) of the irises from the portrait's, in px of the crop along the face, up to
        about 4 px.
        """
        zoom, turning = pose.zoom, pose.yaw != 0.0 or pose.pitch != 0.0
        box = self._head_box if zoom == 1.0 else (0, 0, *self.size)
        rest = self._at_rest_by_nodes(pose, box) if turning or zoom != 1.0 else self._at_rest(pose)
        near = self._visible(self._face_box, box, pose)
        undo = self._inverse_muscles(activations)
        if undo is not None:
            rest[near] += _sample_in_box(undo, self._face_box, rest[near])
        if self._own is not None:
            own, where = self._own
            left = np.float32(self._own_px - activations.get(OWN, 0.0))
            rest[near] += left * _sample_in_box(own, where, rest[near])
        crop_px = self.face.crop_px * FINE
        shift = self.face.to_picture(np.array(gaze)) * crop_px
        canvas = self._canvas.with_eyes(closure, shift, gaze[1] * crop_px)
        picture = sample_canvas(canvas, rest, self._outer_interpolation)
        if self._outer_interpolation != cv2.INTER_CUBIC:
            picture[near] = sample_canvas(canvas, rest[near], cv2.INTER_CUBIC)
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
        """Return the true landmarks, (478, 2) float32 px of the frame, with the lids open."""
        start = self.neutral
        if self._own is not None:
            start = self._without_own(self._own_px - activations.get(OWN, 0.0))
        moved = start.astype(np.float64)
        points = self.neutral.astype(np.float64)
        for name, pull in activations.items():
            if name != OWN:
                amount = pull * self.face.crop_px
                moved += amount * displacement(MUSCLES[name], self.neutral, points)
        moved[g.IRISES] += self.face.to_picture(np.asarray(gaze)) * self.face.crop_px
        if pose.yaw or pose.pitch:
            head, _, _ = self._head()
            hold = sample_field(self._head_weight, moved[:, None].astype(np.float32)).astype(
                np.float64
            )
            depth = hold[:, 0] * head.at(moved)
            moved += turned((moved - head.pivot) * hold, depth, pose.yaw, pose.pitch)
        matrix = pose.matrix(self.pivot)
        placed: F32 = (moved @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
        return placed

    def _at_rest(self, pose: Pose) -> F32:
        """Return the place at rest of each pixel of the head's box: (h, w, 2) px."""
        back = cv2.invertAffineTransform(pose.matrix(self.pivot)) - np.eye(2, 3)
        rest: F32 = self._basis @ back.T.astype(np.float32)
        rest += self._head_grid
        return rest

    def _at_rest_by_nodes(self, pose: Pose, box: Box) -> F32:
        """Return the place at rest of each pixel of ``box``, with turn and zoom: (h, w, 2) px.

        Solved at nodes `_COARSE` px apart and interpolated, since the motion is smooth."""
        zoom = pose.zoom
        nodding = Pose(pose.x / zoom, pose.y / zoom, pose.roll, pose.scale / zoom)
        back = cv2.invertAffineTransform(nodding.matrix(self.pivot)) - np.eye(2, 3)
        x, y = _nodes(box)
        at = np.stack(np.meshgrid(x, y), axis=-1)
        rest = (at - self.pivot) / zoom + self.pivot
        hold = sample_field(self._head_weight, rest.astype(np.float32))[..., None]
        rest += hold * (rest @ back[:, :2].T + back[:, 2])
        if pose.yaw != 0.0 or pose.pitch != 0.0:
            rest += self._inverse_turn(pose, rest)
        shift = (rest - at).astype(np.float32)
        x0, y0, x1, y1 = box
        size = (len(x) * _COARSE, len(y) * _COARSE)
        fine = cv2.resize(shift, size, interpolation=cv2.INTER_CUBIC)
        inside = fine[_COARSE : _COARSE + y1 - y0, _COARSE : _COARSE + x1 - x0]
        whole: F32 = self._grid[y0:y1, x0:x1] + np.asarray(inside, np.float32)
        return whole

    def _inverse_turn(self, pose: Pose, at: F64) -> F64:
        """Return the inverse of a turn at places (h, w, 2) px: offsets, by fixed point."""
        head, (x, y), known = self._head()
        first = np.array([x[0], y[0]])
        undo: F64 = np.zeros_like(at)
        for _ in range(6):
            here = at + undo
            cells = ((here - first) / _COARSE).astype(np.float32)
            held: F64 = sample_field(known, cells).astype(np.float64)
            offset: F64 = (here - head.pivot) * held[..., :1]
            undo = -turned(offset, held[..., 1], pose.yaw, pose.pitch)
        return undo

    def _head(self) -> tuple[Head, tuple[F64, F64], F32]:
        """Return the head's depth, the columns and rows of the nodes over its box, and for each
        node the head weight and that weight times the depth: (h, w, 2)."""
        if self._depth is None:
            head = Head(self.neutral, self.pivot)
            x, y = _nodes(self._head_box)
            hold = sample_field(
                self._head_weight, np.stack(np.meshgrid(x, y), axis=-1).astype(np.float32)
            )
            self._depth = head, (x, y), np.stack([hold, hold * head.on_grid(x, y)], axis=-1)
        return self._depth

    def _visible(self, where: Box, box: Box, pose: Pose) -> tuple[slice, slice]:
        """Return the rows and columns of ``box`` that can show the content of the box ``where``:
        they span its place at rest and its place in the pose."""
        x0, y0, x1, y1 = where
        corners = np.array([[x, y, 1.0] for x in (x0, x1) for y in (y0, y1)])
        still = (corners[:, :2] - self.pivot) * pose.zoom + self.pivot
        places = np.concatenate([still, corners @ pose.matrix(self.pivot).T])
        turn = self.face.unit * (abs(np.sin(pose.yaw)) + abs(np.sin(pose.pitch)))
        margin = 2.0 + 1.8 * turn * pose.zoom  # no point lies further in front of the axes
        left, top = np.maximum(places.min(0) - margin - box[:2], 0).astype(int)
        right, bottom = np.maximum(np.ceil(places.max(0) + margin - box[:2]), 0).astype(int)
        return slice(top, bottom), slice(left, right)

    def _inverse_muscles(self, activations: Mapping[str, float]) -> F32 | None:
        """Return the inverse of x -> x + D(x) over the face's box: (h, w, 2) offsets U with
        x = y + U(y), by fixed point from U = -D. None where no muscle moves."""
        total: F32 | None = None
        for name, pull in activations.items():
            if name != OWN and pull != 0.0:
                part = self._field(name) * np.float32(pull * self.face.crop_px)
                total = part if total is None else total + part
        if total is None:
            return None
        here = self._grid[: total.shape[0], : total.shape[1]]
        undo = -total
        for _ in range(2):
            undo = -sample_field(total, here + undo)
        return undo

    def _field(self, name: str) -> F32:
        """Return a muscle's field over the face's box, computed at first use."""
        if name not in self._fields:
            x0, y0, x1, y1 = self._face_box
            size = (x1 - x0, y1 - y0)
            self._fields[name] = muscle_field(MUSCLES[name], self.neutral, size, (x0, y0))
        return self._fields[name]

    def _without_own(self, pull: float) -> F32:
        """Return the landmarks with ``pull`` px of the portrait's own field taken out: the x with
        x + pull own(x) = the canvas's landmarks, by fixed point."""
        drawn = self._canvas.landmarks
        if self._own is None:
            return drawn
        own, where = self._own
        corner = np.array(where[:2], np.float32)
        points = drawn.copy()
        for _ in range(4):
            ahead = sample_field(own, (points - corner)[:, None])[:, 0]
            points = drawn - np.float32(pull) * ahead
        return points

    def _muscle_box(self) -> Box:
        """Return the box that the muscles can move: the face and 0.3 eye distances round it."""
        drawn = self._canvas.landmarks
        low = np.maximum(np.floor(drawn.min(0) - 0.3 * self.face.unit), 0)
        high = np.ceil(drawn.max(0) + 0.3 * self.face.unit)
        return (
            int(low[0]),
            int(low[1]),
            min(int(high[0]), self.size[0]),
            min(int(high[1]), self.size[1]),
        )


def _sample_in_box(field: F32, where: Box, at: F32) -> F32:
    """Sample the field of the box ``where`` at places in px of the frame."""
    return sample_field(field, at - np.array(where[:2], np.float32))


def _nodes(box: Box) -> tuple[F64, F64]:
    """Return columns and rows of the middles of coarse cells over a box and one cell round it."""
    first = (_COARSE - 1) / 2 - _COARSE
    x0, y0, x1, y1 = box
    return (
        np.arange(x0 + first, x1 + _COARSE, _COARSE, np.float64),
        np.arange(y0 + first, y1 + _COARSE, _COARSE, np.float64),
    )


def _bounding_box(mask: NDArray[np.bool_]) -> Box:
    """Return the box round the true pixels of a mask."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _cropped(field: F32 | None) -> tuple[F32, Box] | None:
    """Return the nonzero part of a field of the whole frame and its box, or None."""
    if field is None or not field.any():
        return None
    x0, y0, x1, y1 = box = _bounding_box(field.any(-1))
    return np.ascontiguousarray(field[y0:y1, x0:x1]), box


def _head_weight(neutral: F32, grid: F32) -> F32:
    """Return each pixel's head weight, (H, W) float32: 1 on the face, the hair and 14 px round it,
    easing to 0 over 1.2 eye distances beyond."""
    face = FaceFrame.of(neutral)
    x, y = (neutral[g.FOREHEAD] + neutral[g.CHIN]) / 2
    tall = float(np.hypot(*(neutral[g.CHIN] - neutral[g.FOREHEAD])))
    radii = np.array([0.74 * tall, 0.8 * tall]) + 14.0
    centre = np.array([x, y - 0.28 * tall])
    radius = np.sqrt((((grid - centre) / radii) ** 2).sum(-1))
    t = np.clip((radius - 1.0) * radii.mean() / (1.2 * face.unit), 0.0, 1.0)
    follow: F32 = (1.0 - t * t * (3.0 - 2.0 * t)).astype(np.float32)
    return follow
