"""How far each facial muscle has pulled between a pair, told apart from the head's own motion.

A face between two crops has fourteen degrees of freedom here: the head's shift, scale, turn, yaw and
nod, and each muscle of `htnet.engine.anatomy.muscles`. They are fitted together, so that a brow that
rises is not taken for a nod, nor a nod for a brow. The dense flow gives a first guess, which one step
of Gauss and Newton on the pixels themselves makes finer (Lucas and Kanade 1981): every pixel counts by
its contrast, and nothing is smoothed away as in a flow. At noise and compression of a webcam a pull of
half a pixel stands out of its rest twice as far as in the flow alone.

The shapes are anatomy's, the same that the animator draws with, and the head's depth is one mean
face's: a face whose skin moves otherwise answers less, and one of another depth answers a little to
being turned.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from htnet.engine.anatomy.head_depth import Head
from htnet.engine.anatomy.muscles import MUSCLES, displacement
from htnet.engine.face import landmarks as lm
from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH
from htnet.engine.motion.region_motion import PairMotion
from htnet.engine.types import F32, F64, U8

MUSCLE_NAMES: Final = tuple(MUSCLES)
_COUNT: Final = len(MUSCLES)
_STEP = 2
_BORDER = 10  # solvers invent motion there
# Half width and height round an eye that is left out: lids and pupils move there, and a solver smears
# a blink over the skin around. The smallest box that keeps blinks out of the mouth's muscles.
_EYE = (21.0, 14.0)
_GUESS_RIDGE = 40.0  # of the guess's pulls, against squared px of flow at some 3,600 points
_RIDGE = 1000.0  # of the pulls, against squared grey levels there
_SMOOTH, _LOCAL = 0.8, 5.0  # px: sensor noise; what counts as light, not skin
_EVEN = 12.0  # grey levels of contrast that are left as they are
_KEPT = 96  # crops that are kept sampled: what was an apex is the onset 300 ms later


@dataclass(frozen=True, slots=True, eq=False)
class MuscleActivations:
    """``muscles``: (8,) px at each muscle's strongest place, in the order of `MUSCLE_NAMES`; below
    zero where the skin moves the other way. ``turn``: (2,) yaw and nod of the head, radians.
    ``unexplained``: how much of the face's contrast no head and no muscle carries from the onset to
    the apex: a quarter for a face, more than a half where a hand lies on it. ``eyes``: the same of
    the boxes round the eyes, which are left out of the fit: lids and pupils."""

    muscles: F32
    turn: F32
    unexplained: float = 0.0
    eyes: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Sampled:
    """A crop at the places of the fit: contrast and its slopes across and down (N,), and the contrast
    round the eyes."""

    values: F32
    slope_x: F32
    slope_y: F32
    eyes: F32


class MuscleFit:
    """The fit for one face; ``landmarks``: (478, 2) in crop px, which a crop that is held keeps."""

    def __init__(self, landmarks: F32) -> None:
        columns = np.arange(_BORDER, CROP_WIDTH - _BORDER, _STEP, dtype=np.float64)
        rows = np.arange(_BORDER, CROP_HEIGHT - _BORDER, _STEP, dtype=np.float64)
        x, y = np.meshgrid(columns, rows)
        skin = _skin(x, y, landmarks)
        self._x, self._y = x[skin].astype(np.float32), y[skin].astype(np.float32)
        self._at = y[skin].astype(np.intp), x[skin].astype(np.intp)
        self._eye_x, self._eye_y = x[~skin].astype(np.float32), y[~skin].astype(np.float32)
        self._eye_at = y[~skin].astype(np.intp), x[~skin].astype(np.intp)
        depth = Head(landmarks, landmarks.mean(axis=0).astype(np.float64)).on_grid(columns, rows)
        points = np.stack([x, y], axis=-1)
        fields = [
            *_head(x - CROP_WIDTH / 2, y - CROP_HEIGHT / 2, depth.astype(np.float64)),
            *(displacement(muscle, landmarks, points) for muscle in MUSCLES.values()),
        ]
        # (points, 14): what each of them does to x and to y.
        across, down = (np.stack([f[skin][:, i] for f in fields], axis=1) for i in (0, 1))
        model = np.concatenate([across, down])
        normal = model.T @ model
        normal[-_COUNT:, -_COUNT:] += _GUESS_RIDGE * np.eye(_COUNT)
        # Eyes go where the head does.
        self._eye_head: tuple[F32, F32] = tuple(
            np.stack([f[~skin][:, i] for f in fields[:-_COUNT]], axis=1).astype(np.float32)
            for i in (0, 1)
        )
        self._guess: F32 = np.linalg.solve(normal, model.T).astype(np.float32)
        self._across: F32 = np.ascontiguousarray(across, np.float32)
        self._down: F32 = np.ascontiguousarray(down, np.float32)
        self._known: OrderedDict[bytes, _Sampled] = OrderedDict()

    def __call__(self, onset: U8, apex: U8, measured: PairMotion) -> MuscleActivations:
        """What pulled between two crops (170, 140), between which that flow was measured."""
        before = self._sampled(onset)
        after = _skin_deep(apex)
        then_x, then_y = _slopes(after)
        self._keep(apex, after, then_x, then_y)
        guess = self._guess @ measured.flow[self._at].T.ravel()
        guess[:4] += measured.head.astype(np.float32)
        x, y = self._x + self._across @ guess, self._y + self._down @ guess
        values = before.values
        # What leaves the crop says nothing: its border would be repeated.
        gone = (x < 1) | (x > CROP_WIDTH - 2) | (y < 1) | (y > CROP_HEIGHT - 2)
        rest = np.where(gone, 0, values - _look(after, x, y))
        slope_x = np.where(gone, 0, before.slope_x + _look(then_x, x, y)) / 2
        slope_y = np.where(gone, 0, before.slope_y + _look(then_y, x, y)) / 2
        model = np.empty((len(values), self._across.shape[1] + 2), np.float32)
        model[:, :-2] = slope_x[:, None] * self._across + slope_y[:, None] * self._down
        model[:, -2], model[:, -1] = values, 1  # the light's gain and offset
        free = (model.T @ model).astype(np.float64)
        ridge = np.zeros(len(free))
        ridge[-2 - _COUNT : -2] = _RIDGE
        held = free + np.diag(ridge + 1e-3)
        # The ridge holds the pull itself down, not its step.
        wanted = model.T @ rest - ridge * np.append(guess, (0, 0))
        solved = np.linalg.solve(held, np.column_stack([wanted, free]))
        found = guess + solved[:-2, 0]
        # It shrinks a pull: each is scaled so that one px of its own shape reads as one.
        shrunk = np.diagonal(solved[:, 1:])[-2 - _COUNT : -2]
        muscles = found[-_COUNT:] / np.maximum(shrunk, 0.05)
        eye_x, eye_y = self._eye_head
        there = _look(
            after, self._eye_x + eye_x @ guess[:-_COUNT], self._eye_y + eye_y @ guess[:-_COUNT]
        )
        seen = before.eyes
        eyes = float(np.linalg.norm(there - seen) / max(float(np.linalg.norm(seen)), 1e-6))
        unexplained = float(np.linalg.norm(rest) / max(float(np.linalg.norm(values)), 1e-6))
        return MuscleActivations(
            muscles.astype(np.float32), found[4:6].astype(np.float32), unexplained, eyes
        )

    def _sampled(self, crop: U8) -> _Sampled:
        """What is known of a crop, worked out where it is not."""
        key = crop.tobytes()
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        picture = _skin_deep(crop)
        return self._keep(crop, picture, *_slopes(picture))

    def _keep(self, crop: U8, picture: F32, slope_x: F32, slope_y: F32) -> _Sampled:
        values, across, down = (each[self._at] for each in (picture, slope_x, slope_y))
        sampled = _Sampled(values, across, down, picture[self._eye_at])
        self._known[crop.tobytes()] = sampled
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return sampled


def _skin_deep(gray: U8) -> F32:
    """The crop without its light: what differs from the grey round about, at even contrast."""
    smooth = cv2.GaussianBlur(gray.astype(np.float32), (0, 0), _SMOOTH)
    detail = smooth - cv2.GaussianBlur(smooth, (0, 0), _LOCAL)
    contrast = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), _LOCAL))
    even: F32 = detail * (20 / (contrast + np.float32(_EVEN)))
    return even


def _slopes(picture: F32) -> tuple[F32, F32]:
    """Grey levels per px across and down."""
    across, down = (
        cv2.Sobel(picture, cv2.CV_32F, *order, scale=0.125) for order in ((1, 0), (0, 1))
    )
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def _look(picture: F32, x: F32, y: F32) -> F32:
    """``picture`` (H, W) at N places."""
    found = cv2.remap(picture, x[None], y[None], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found[0], np.float32)


def _head(x: F64, y: F64, depth: F64) -> list[F64]:
    """Flow fields (H, W, 2) of the head: shift across and down, scale, turn, yaw, nod."""
    one, none = np.ones_like(x), np.zeros_like(x)
    pairs = [(one, none), (none, one), (x, y), (-y, x), (depth, none), (none, depth)]
    return [np.stack(pair, axis=-1) for pair in pairs]


def _skin(x: F64, y: F64, landmarks: F32) -> NDArray[np.bool_]:
    """Where there is skin: all but the eye openings."""
    skin = np.ones(x.shape, np.bool_)
    for corners in (lm.LEFT_EYE_CORNERS, lm.RIGHT_EYE_CORNERS):
        cx, cy = landmarks[list(corners)].mean(axis=0)
        skin &= (np.abs(x - cx) > _EYE[0]) | (np.abs(y - cy) > _EYE[1])
    return skin
