"""Joint fit of muscle activations and head motion to the pixels of a pair of crops.

The model has fourteen degrees of freedom: the head's translation (2), scale, roll, yaw and pitch,
and the eight muscles of `htnet.engine.anatomy.muscles`. They are fitted together, so that a raised
brow is not taken for a pitch of the head, nor the reverse.

The dense flow gives the initial estimate by ridge regression. One Gauss-Newton step on the pixels
refines it (Lucas and Kanade, 1981): each pixel is weighted by its contrast, without the smoothing
of a flow. At the noise and compression of a webcam, an activation of half a pixel then stands out
from rest twice as far as in the flow alone.

The displacement fields are those of the anatomy model, which the animator uses too, and the head's
depth is that of one mean face. A face whose skin moves differently gives smaller activations; a
face of another depth gives small false activations when it is rotated.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htnet.engine.anatomy.head_depth import Head
from htnet.engine.anatomy.muscles import MUSCLES, displacement
from htnet.engine.face import landmarks as lm
from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH
from htnet.engine.motion.contrast import Sampled, normalized_contrast, sample, slopes
from htnet.engine.motion.muscle_sides import SideFit
from htnet.engine.motion.region_motion import PairMotion
from htnet.engine.types import F32, F64, U8

MUSCLE_NAMES: Final = tuple(MUSCLES)
_COUNT: Final = len(MUSCLES)
_STEP = 2
_BORDER = 10  # px; flow solvers report false motion there
# Half width and half height in px of the box round an eye that is left out: lids and pupils move
# there, and a solver spreads a blink over the skin around. The smallest box that keeps blinks out
# of the activations of the mouth.
_EYE = (21.0, 14.0)
_FLOW_RIDGE = 40.0  # on activations, against squared px of flow at some 3,600 points
_PIXEL_RIDGE = 1000.0  # on activations, against squared grey levels at the same points
_CACHED = 96  # crops whose samples are cached: an apex is an onset 300 ms later


@dataclass(frozen=True, slots=True, eq=False)
class MuscleActivations:
    """Result of the fit for one pair.

    ``muscles``: (8,) peak displacement of each muscle's field, px, in the order of `MUSCLE_NAMES`;
    negative where the skin moves the other way. ``turn``: (2,) yaw and pitch of the head, radians.
    ``unexplained``: residual over contrast, both as norms over the skin: 0.25 for a face, over 0.5
    where a hand covers it. ``eyes``: the same for the boxes round the eyes, which the fit leaves
    out: motion of lids and pupils. ``sides``: (2, 8) px of each muscle on the person's left and on
    the person's right, fitted apart.
    """

    muscles: F32
    turn: F32
    unexplained: float = 0.0
    eyes: float = 0.0
    sides: F32 = field(default_factory=lambda: np.zeros((2, _COUNT), np.float32))


class MuscleFit:
    """Fit for one face.

    ``landmarks``: (478, 2) of the neutral face in crop px; the fit holds while the crop is held.
    """

    def __init__(self, landmarks: F32) -> None:
        columns = np.arange(_BORDER, CROP_WIDTH - _BORDER, _STEP, dtype=np.float64)
        rows = np.arange(_BORDER, CROP_HEIGHT - _BORDER, _STEP, dtype=np.float64)
        x, y = np.meshgrid(columns, rows)
        skin = _skin_mask(x, y, landmarks)
        self._x, self._y = x[skin].astype(np.float32), y[skin].astype(np.float32)
        self._at = y[skin].astype(np.intp), x[skin].astype(np.intp)
        self._eye_x, self._eye_y = x[~skin].astype(np.float32), y[~skin].astype(np.float32)
        self._eye_at = y[~skin].astype(np.intp), x[~skin].astype(np.intp)
        depth = Head(landmarks, landmarks.mean(axis=0).astype(np.float64)).on_grid(columns, rows)
        points = np.stack([x, y], axis=-1)
        fields = [
            *_head_fields(x - CROP_WIDTH / 2, y - CROP_HEIGHT / 2, depth.astype(np.float64)),
            *(displacement(muscle, landmarks, points) for muscle in MUSCLES.values()),
        ]
        # (points, 14): displacement in x and in y per unit of each degree of freedom.
        across, down = (np.stack([f[skin][:, i] for f in fields], axis=1) for i in (0, 1))
        model = np.concatenate([across, down])
        normal = model.T @ model
        normal[-_COUNT:, -_COUNT:] += _FLOW_RIDGE * np.eye(_COUNT)
        # The eye regions move with the head alone.
        self._eye_head: tuple[F32, F32] = tuple(
            np.stack([f[~skin][:, i] for f in fields[:-_COUNT]], axis=1).astype(np.float32)
            for i in (0, 1)
        )
        self._guess: F32 = np.linalg.solve(normal, model.T).astype(np.float32)
        self._across: F32 = np.ascontiguousarray(across, np.float32)
        self._down: F32 = np.ascontiguousarray(down, np.float32)
        self._sides = SideFit(
            self._x,
            self._y,
            across,
            down,
            landmarks,
            flow_ridge=_FLOW_RIDGE,
            pixel_ridge=_PIXEL_RIDGE,
        )
        self._cache: OrderedDict[bytes, Sampled] = OrderedDict()

    def __call__(self, onset: U8, apex: U8, measured: PairMotion) -> MuscleActivations:
        """Fit head and muscles between two crops (170, 140).

        ``measured``: the motion between them, whose flow gives the initial estimate.
        """
        before = self._samples_of(onset)
        after = normalized_contrast(apex)
        then_x, then_y = slopes(after)
        self._remember(apex, after, then_x, then_y)
        flow, head = measured.flow[self._at].T.ravel(), measured.head.astype(np.float32)
        guess = self._guess @ flow
        guess[:4] += head
        x, y = self._x + self._across @ guess, self._y + self._down @ guess
        values = before.values
        # Points that leave the crop do not count: its border would be repeated.
        outside = (x < 1) | (x > CROP_WIDTH - 2) | (y < 1) | (y > CROP_HEIGHT - 2)
        residual = np.where(outside, 0, values - sample(after, x, y))
        slope_x = np.where(outside, 0, before.slope_x + sample(then_x, x, y)) / 2
        slope_y = np.where(outside, 0, before.slope_y + sample(then_y, x, y)) / 2
        model = np.empty((len(values), self._across.shape[1] + 2), np.float32)
        model[:, :-2] = slope_x[:, None] * self._across + slope_y[:, None] * self._down
        model[:, -2], model[:, -1] = values, 1  # gain and offset of the lighting
        free = (model.T @ model).astype(np.float64)
        ridge = np.zeros(len(free))
        ridge[-2 - _COUNT : -2] = _PIXEL_RIDGE
        held = free + np.diag(ridge + 1e-3)
        # The ridge penalises the activation itself, not its change in this step.
        wanted = model.T @ residual - ridge * np.append(guess, (0, 0))
        solved = np.linalg.solve(held, np.column_stack([wanted, free]))
        found = guess + solved[:-2, 0]
        # The ridge shrinks activations: each is scaled so that 1 px of its own field reads as 1.
        shrunk = np.diagonal(solved[:, 1:])[-2 - _COUNT : -2]
        muscles = found[-_COUNT:] / np.maximum(shrunk, 0.05)
        eye_x, eye_y = self._eye_head
        there = sample(
            after, self._eye_x + eye_x @ guess[:-_COUNT], self._eye_y + eye_y @ guess[:-_COUNT]
        )
        seen = before.eyes
        eyes = float(np.linalg.norm(there - seen) / max(float(np.linalg.norm(seen)), 1e-6))
        unexplained = float(np.linalg.norm(residual) / max(float(np.linalg.norm(values)), 1e-6))
        return MuscleActivations(
            muscles.astype(np.float32),
            found[4:6].astype(np.float32),
            unexplained,
            eyes,
            self._sides(before, after, then_x, then_y, flow, head),
        )

    def _samples_of(self, crop: U8) -> Sampled:
        """Return the samples of a crop, cached by its bytes."""
        key = crop.tobytes()
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        picture = normalized_contrast(crop)
        return self._remember(crop, picture, *slopes(picture))

    def _remember(self, crop: U8, picture: F32, slope_x: F32, slope_y: F32) -> Sampled:
        values, across, down = (each[self._at] for each in (picture, slope_x, slope_y))
        sampled = Sampled(values, across, down, picture[self._eye_at])
        self._cache[crop.tobytes()] = sampled
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return sampled


def _head_fields(x: F64, y: F64, depth: F64) -> list[F64]:
    """Flow fields (H, W, 2) of the head: translation in x and y, scale, roll, yaw, pitch."""
    one, none = np.ones_like(x), np.zeros_like(x)
    pairs = [(one, none), (none, one), (x, y), (-y, x), (depth, none), (none, depth)]
    return [np.stack(pair, axis=-1) for pair in pairs]


def _skin_mask(x: F64, y: F64, landmarks: F32) -> NDArray[np.bool_]:
    """Mask of the skin: all points outside the boxes round the eyes."""
    skin = np.ones(x.shape, np.bool_)
    for corners in (lm.LEFT_EYE_CORNERS, lm.RIGHT_EYE_CORNERS):
        cx, cy = landmarks[list(corners)].mean(axis=0)
        skin &= (np.abs(x - cx) > _EYE[0]) | (np.abs(y - cy) > _EYE[1])
    return skin
