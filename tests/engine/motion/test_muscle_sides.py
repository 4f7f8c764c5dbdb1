"""Left and right of each muscle on warped crops, whose movements and sides are known.

A movement is warped into one half of the shipped portrait and, in slow tests, of a neutral clip.
"left" is the person's: the right of the picture.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from htnet.engine.anatomy.muscles import MUSCLES, field
from htnet.engine.face.alignment import (
    CROP_HEIGHT,
    CROP_WIDTH,
    Aligner,
    align_once,
    crop_transform,
)
from htnet.engine.face.tracker import MeshTracker
from htnet.engine.flow import solver_named
from htnet.engine.motion.muscle_fit import MUSCLE_NAMES, MuscleFit
from htnet.engine.motion.muscle_sides import left_share
from htnet.engine.motion.region_motion import measure_motion
from htnet.engine.synth.face.animator import Animator
from htnet.engine.synth.face.portrait import load_portrait
from htnet.engine.synth.face.pose import REST, Pose
from htnet.engine.synth.injection.movement import Movement, warp
from htnet.engine.synth.injection.schedule import muscle_movement
from htnet.engine.types import F32, U8, AlignedFace, Face, Frame, Pair

PLACE = {name: place for place, name in enumerate(MUSCLE_NAMES)}
LEFT, RIGHT = 0, 1


def half(landmarks: F32, side: int, fade_px: float = 8.0) -> F32:
    """Weight (1, 140, 1): 1 on a side of the face, 0 on the other, fading at the midline."""
    x = np.arange(CROP_WIDTH, dtype=np.float32)
    middle = landmarks[[9, 168, 0, 17], 0].mean()
    left = 1 / (1 + np.exp(-(x - middle) / fade_px))
    return np.asarray(left if side == LEFT else 1 - left, np.float32)[None, :, None]


def moved(name: str, landmarks: F32, *sides: int) -> F32:
    """Displacements (170, 140, 2) of a muscle by 1 px on the given sides."""
    whole = field(MUSCLES[name], landmarks, (CROP_WIDTH, CROP_HEIGHT))
    return np.asarray(sum(whole * half(landmarks, side) for side in sides), np.float32)


class Model:
    """Portrait at rest, and the sides fitted from it to a warped and turned picture."""

    def __init__(self) -> None:
        self._animator = Animator(load_portrait())
        self._rest = self._animator.render()
        self._solver = solver_named("dis")
        self.onset = self._seen(Aligner(), self._rest, REST)
        self._fit = MuscleFit(self.onset.landmarks)

    def _seen(self, aligner: Aligner, bgr: U8, pose: Pose) -> AlignedFace:
        return aligner.align(Frame(0, 0, bgr), Face(self._animator.landmarks(pose), 0.3))

    def moving_frames(self, field: F32, pose: Pose = REST) -> tuple[U8, U8]:
        """Return the portrait at rest, and with ``field`` (170, 140, 2) in ``pose``."""
        to_crop = crop_transform(self._animator.landmarks(pose))
        return self._rest, warp(self._animator.render(pose), to_crop, field)

    def read(self, field: F32, pose: Pose = REST, noise: float = 0.0) -> F32:
        """Fit (2, 8) from rest to the portrait with ``field`` (170, 140, 2), then in ``pose``."""
        draw, aligner = np.random.default_rng(0), Aligner()
        first, last = (
            np.clip(bgr + draw.normal(0, noise, bgr.shape), 0, 255).astype(np.uint8)
            for bgr in self.moving_frames(field, pose)
        )
        onset, apex = self._seen(aligner, first, REST), self._seen(aligner, last, pose)
        measured = measure_motion(Pair(onset, apex), self._solver)
        return self._fit(onset.gray, apex.gray, measured).sides


@pytest.fixture(scope="module")
def model() -> Model:
    return Model()


@pytest.mark.parametrize("noise", [0.0, 3.0])
@pytest.mark.parametrize("side", [LEFT, RIGHT])
@pytest.mark.parametrize("muscle", MUSCLE_NAMES)
def test_a_movement_of_one_side_is_read_on_it(
    model: Model, muscle: str, side: int, noise: float
) -> None:
    read = model.read(2 * moved(muscle, model.onset.landmarks, side), noise=noise)[:, PLACE[muscle]]
    assert read[side] == pytest.approx(2, rel=0.35)
    assert read[1 - side] < read[side] / 2


@pytest.mark.parametrize("muscle", MUSCLE_NAMES)
def test_a_movement_of_both_sides_is_read_alike(model: Model, muscle: str) -> None:
    both = 2 * moved(muscle, model.onset.landmarks, LEFT, RIGHT)
    left, right = model.read(both)[:, PLACE[muscle]]
    assert left == pytest.approx(right, rel=0.2)
    assert (left + right) / 2 == pytest.approx(2, rel=0.3)


def test_a_muscle_of_each_side_is_read_by_itself(model: Model) -> None:
    points = model.onset.landmarks
    mixed = moved("lip corner pull", points, LEFT) + moved("brow raise", points, RIGHT)
    read = model.read(2 * mixed)
    lips, brows = read[:, PLACE["lip corner pull"]], read[:, PLACE["brow raise"]]
    assert lips[LEFT] > 1.4 and lips[RIGHT] < 0.7
    assert brows[RIGHT] > 1.4 and brows[LEFT] < 0.7


@pytest.mark.parametrize(
    "pose",
    [Pose(roll=0.03), Pose(yaw=np.radians(2)), Pose(yaw=np.radians(-2)), Pose(pitch=0.03)],
)
def test_a_head_that_moves_pulls_neither_side(model: Model, pose: Pose) -> None:
    still = np.zeros((CROP_HEIGHT, CROP_WIDTH, 2), np.float32)
    assert np.abs(model.read(still, pose)).max() < 0.3


@pytest.mark.parametrize("side", [LEFT, RIGHT])
@pytest.mark.parametrize("muscle", ["brow raise", "lip corner pull", "nose wrinkle"])
def test_a_side_is_read_on_a_head_that_moves(model: Model, muscle: str, side: int) -> None:
    pose = Pose(x=2, roll=0.02, yaw=np.radians(2), pitch=np.radians(-1))
    one = 2 * moved(muscle, model.onset.landmarks, side)
    read = model.read(one, pose)[:, PLACE[muscle]]
    assert read[side] == pytest.approx(2, rel=0.35)
    assert read[1 - side] < read[side] / 2


def test_of_identical_pictures_neither_side_moves(model: Model) -> None:
    assert np.abs(model.read(np.zeros((CROP_HEIGHT, CROP_WIDTH, 2), np.float32))).max() < 1e-3


@pytest.mark.slow
def test_left_is_the_persons_and_swaps_in_a_mirror(model: Model) -> None:
    # The person's left eye (263, 362) lies on the right of an unmirrored picture.
    points = model.onset.landmarks
    there = points[[263, 33]].astype(np.float64)
    share = left_share(*there.T.astype(np.float32), points)
    assert share[0] > 0.99 and share[1] < 0.01

    frames = model.moving_frames(2 * moved("lip corner pull", points, LEFT))
    tracker, solver, aligner = MeshTracker(), solver_named("dis"), Aligner()
    rest, apex = (np.ascontiguousarray(bgr[:, ::-1]) for bgr in frames)
    face = tracker.find(rest, 0)
    tracker.close()
    assert face is not None
    onset, later = (aligner.align(Frame(0, 0, bgr), face) for bgr in (rest, apex))
    measured = measure_motion(Pair(onset, later), solver)
    sides = MuscleFit(onset.landmarks)(onset.gray, later.gray, measured).sides
    lips = sides[:, PLACE["lip corner pull"]]
    assert lips[RIGHT] > 1.4 and lips[LEFT] < 0.7


Fit = Callable[[Movement | None], tuple[F32, F32]]


@pytest.fixture(scope="module")
def stare(data: Path) -> list[tuple[F32, Fit]]:
    """Five pairs of a neutral clip, 300 ms apart: landmarks, and the fit with a movement."""
    tracker = MeshTracker()
    clip = cv2.VideoCapture(str(data / "faces" / "neutral_stare.mp4"))
    solver = solver_named("dis")

    def seen(at: int) -> tuple[U8, Face]:
        clip.set(cv2.CAP_PROP_POS_FRAMES, at)
        bgr = np.asarray(clip.read()[1], np.uint8)
        face = tracker.find(bgr, at)
        assert face is not None
        return bgr, face

    def pair(at: int) -> tuple[F32, Fit]:
        (before, face), (after, later) = seen(at), seen(at + 9)
        onset = align_once(before, face)
        fit, to_crop = MuscleFit(onset.landmarks), crop_transform(later.landmarks)

        def read(movement: Movement | None) -> tuple[F32, F32]:
            # The longest vector is 2 px; a movement is normalised at the 99th percentile.
            size = 0.0 if movement is None else float(np.hypot(*movement.field.T).max())
            shown = after if movement is None else warp(after, to_crop, 2 * movement.field / size)
            apex = align_once(shown, later, onset.to_crop)
            measured = measure_motion(Pair(onset, apex), solver)
            found = fit(onset.gray, apex.gray, measured)
            return found.muscles, found.sides

        return onset.landmarks, read

    pairs = [pair(at) for at in range(0, 300, 60)]
    tracker.close()
    return pairs


@pytest.mark.slow
def test_on_a_real_face_one_side_is_told_and_both_are_alike(stare: list[tuple[F32, Fit]]) -> None:
    # Muscles widened, narrowed and turned, of one half or whole, in other shapes than the fit's.
    told, alike = [], []
    for number, (landmarks, read) in enumerate(stare):
        rng = np.random.default_rng(number)
        for _ in range(32):
            movement = muscle_movement(rng, landmarks)
            if "+" in movement.name:
                continue
            where = movement.name.partition(", ")[2]
            muscles, sides = read(movement)
            left, right = sides[:, PLACE[MUSCLE_NAMES[int(muscles.argmax())]]]
            if where == "":
                alike.append(abs(left - right) <= 0.2 * max(left, right))
            else:  # the movement's half is the picture's
                own, other = (right, left) if where == "left half" else (left, right)
                told.append(other < own / 2)
    assert len(told) >= 20 and len(alike) >= 60
    assert np.mean(told) >= 0.95
    assert np.mean(alike) >= 0.9


@pytest.mark.slow
def test_a_real_face_at_rest_pulls_neither_side(stare: list[tuple[F32, Fit]]) -> None:
    for _, read in stare:
        assert np.abs(read(None)[1]).max() < 0.4
