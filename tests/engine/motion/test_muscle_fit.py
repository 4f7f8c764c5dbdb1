"""Muscle fit on rendered pictures of the shipped portrait, whose muscles and pose are known.

The fit and the animator use the same head depth, so the tests of rotated heads are the best case.
Another head leaves larger false activations, which is why a rotation raises the spotter's
thresholds.
"""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htnet.engine.anatomy.head_depth import Head
from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH, Aligner
from htnet.engine.flow import solver_named
from htnet.engine.motion.muscle_fit import MUSCLE_NAMES, MuscleActivations, MuscleFit
from htnet.engine.motion.region_motion import measure_motion
from htnet.engine.synth.face.animator import Animator
from htnet.engine.synth.face.portrait import load_portrait
from htnet.engine.synth.face.pose import REST, Pose
from htnet.engine.types import F32, U8, AlignedFace, Face, Frame, Pair

PLACE = {name: place for place, name in enumerate(MUSCLE_NAMES)}


class Model:
    """Portrait at rest, and the fit from it to a changed picture."""

    def __init__(self) -> None:
        self._animator = Animator(load_portrait())
        self._rest = self._animator.render()
        self._solvers = {name: solver_named(name) for name in ("dis", "farneback")}
        self.onset = self._seen(Aligner(), self._rest)
        self.activations = MuscleFit(self.onset.landmarks)

    def _seen(
        self, aligner: Aligner, bgr: U8, pose: Pose = REST, **activations: float
    ) -> AlignedFace:
        points = self._animator.landmarks(pose, activations)
        return aligner.align(Frame(0, 0, bgr), Face(points, 0.3))

    def read(
        self,
        activations: dict[str, float] | None = None,
        pose: Pose = REST,
        *,
        change: Callable[[U8], np.ndarray] = lambda bgr: bgr,
        noise: float = 0.0,
        solver: str = "dis",
        **render: object,
    ) -> MuscleActivations:
        """Fit from rest; ``change`` is of the later frame, ``noise`` (grey levels) of both."""
        draw, aligner = np.random.default_rng(0), Aligner()
        before = self._rest
        drawn = self._animator.render(pose, activations or {}, **render)  # type: ignore[arg-type]
        after = change(drawn)
        first, last = (
            np.clip(bgr + draw.normal(0, noise, bgr.shape), 0, 255).astype(np.uint8)
            for bgr in (before, after)
        )
        onset = self._seen(aligner, first)
        apex = self._seen(aligner, last, pose, **(activations or {}))
        measured = measure_motion(Pair(onset, apex), self._solvers[solver])
        return self.activations(onset.gray, apex.gray, measured)

    def read_crop(self, apex: U8) -> MuscleActivations:
        """Fit from the onset to a crop made from it."""
        face = AlignedFace(0, 0, apex, self.onset.landmarks, np.eye(2, 3), 0.3)
        measured = measure_motion(Pair(self.onset, face), self._solvers["dis"])
        return self.activations(self.onset.gray, apex, measured)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model()


@pytest.mark.parametrize("noise", [0.0, 3.0])
@pytest.mark.parametrize("solver", ["dis", "farneback"])
@pytest.mark.parametrize("muscle", MUSCLE_NAMES)
def test_a_muscle_that_pulls_by_one_px_reads_one_and_leads(
    model: Model, muscle: str, solver: str, noise: float
) -> None:
    read = model.read({muscle: 1.0}, noise=noise, solver=solver).muscles
    assert read[PLACE[muscle]] == pytest.approx(1.0, abs=0.2)
    assert MUSCLE_NAMES[int(read.argmax())] == muscle
    # What pulls the other way reads below zero; nothing else comes near.
    assert np.delete(read, PLACE[muscle]).max() < 0.55


@pytest.mark.parametrize("px", [0.3, 0.5, 2.0, 4.0])
@pytest.mark.parametrize("muscle", MUSCLE_NAMES)
def test_it_reads_in_proportion(model: Model, muscle: str, px: float) -> None:
    read = model.read({muscle: px}).muscles
    assert read[PLACE[muscle]] == pytest.approx(px, rel=0.3)
    assert MUSCLE_NAMES[int(read.argmax())] == muscle


def test_skin_that_goes_the_other_way_reads_below_zero(model: Model) -> None:
    for muscle in MUSCLE_NAMES:
        assert model.read({muscle: -1.0}).muscles[PLACE[muscle]] == pytest.approx(-1, abs=0.2)


def test_two_that_pull_at_once_are_both_read(model: Model) -> None:
    read = model.read({"brow raise": 1.0, "lip corner pull": 1.0}).muscles
    assert read[PLACE["brow raise"]] == pytest.approx(1, abs=0.3)
    assert read[PLACE["lip corner pull"]] == pytest.approx(1, abs=0.3)
    others = [n for name, n in PLACE.items() if name not in ("brow raise", "lip corner pull")]
    assert read[others].max() < 0.2


@pytest.mark.parametrize("noise", [0.0, 3.0])
@pytest.mark.parametrize("degrees", [-4, -2, 2, 4])
def test_a_head_that_turns_pulls_no_muscle(model: Model, degrees: float, noise: float) -> None:
    read = model.read(pose=Pose(yaw=np.radians(degrees)), noise=noise)
    assert np.abs(read.muscles).max() < 0.2
    np.testing.assert_allclose(np.degrees(read.turn), (degrees, 0), atol=0.5)


@pytest.mark.parametrize("noise", [0.0, 3.0])
@pytest.mark.parametrize("degrees", [-3, -1.5, 1.5, 3])
def test_a_head_that_nods_pulls_no_muscle(model: Model, degrees: float, noise: float) -> None:
    read = model.read(pose=Pose(pitch=np.radians(degrees)), noise=noise)
    assert np.abs(read.muscles).max() < 0.2
    np.testing.assert_allclose(np.degrees(read.turn), (0, degrees), atol=0.5)


@pytest.mark.parametrize(
    "pose", [Pose(x=8), Pose(x=3, y=-4), Pose(roll=0.03), Pose(scale=1.02), Pose(scale=1.2)]
)
def test_a_head_that_sways_or_comes_nearer_pulls_no_muscle(model: Model, pose: Pose) -> None:
    read = model.read(pose=pose)
    assert np.abs(read.muscles).max() < 0.12
    assert np.abs(np.degrees(read.turn)).max() < 0.3


@pytest.mark.parametrize("muscle", MUSCLE_NAMES)
def test_a_muscle_is_read_on_a_head_that_turns(model: Model, muscle: str) -> None:
    pose = Pose(x=2, yaw=np.radians(3), pitch=np.radians(-1.5))
    read = model.read({muscle: 1.0}, pose).muscles
    assert read[PLACE[muscle]] == pytest.approx(1, abs=0.3)
    assert MUSCLE_NAMES[int(read.argmax())] == muscle


def test_exposure_pulls_no_muscle(model: Model) -> None:
    def lit(gain: float, offset: float) -> Callable[[U8], np.ndarray]:
        return lambda bgr: np.clip(gain * bgr.astype(np.float32) + offset, 0, 255)

    for gain, offset in ((0.8, 0.0), (0.9, 0.0), (1.0, 20.0)):
        assert np.abs(model.read(change=lit(gain, offset)).muscles).max() < 0.12
    # What is burnt out has no skin left to follow.
    assert np.abs(model.read(change=lit(1.2, 0.0)).muscles).max() < 0.3
    read = model.read({"lip corner pull": 1.0}, change=lit(0.8, 0.0)).muscles
    assert read[PLACE["lip corner pull"]] == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("phase", [0.0, 1.5, 3.0])
def test_flicker_pulls_no_muscle(model: Model, phase: float) -> None:
    # Bands of 3% across a frame whose rows are read one after the other.
    def banded(bgr: U8) -> np.ndarray:
        rows = np.linspace(0, 4 * np.pi, len(bgr)) + phase
        return np.clip(bgr * (1 + 0.03 * np.sin(rows))[:, None, None], 0, 255)

    assert np.abs(model.read(change=banded).muscles).max() < 0.1


def test_a_look_to_the_side_is_left_out(model: Model) -> None:
    for gaze in ((2.0, 0.0), (-2.0, 0.0), (0.0, 1.5)):
        assert np.abs(model.read(gaze=gaze).muscles).max() < 0.4


def test_a_blink_does_not_reach_the_mouth(model: Model) -> None:
    read = model.read(closure=1.0).muscles
    mouth = [PLACE[n] for n in ("lip corner pull", "lip corner depress", "lip press", "jaw drop")]
    assert np.abs(read[mouth]).max() < 0.15


def test_noise_is_told_from_half_a_pixel(model: Model) -> None:
    for noise in (2.0, 4.0, 6.0):
        assert np.abs(model.read(noise=noise).muscles).max() < 0.2


def test_of_identical_crops_nothing_is_read(model: Model) -> None:
    for solver in ("dis", "farneback"):
        read = model.read(solver=solver)
        assert np.abs(read.muscles).max() < 1e-3
        assert np.abs(read.turn).max() < 1e-4


def test_the_landmarks_may_be_off_as_a_trackers_are(model: Model) -> None:
    draw = np.random.default_rng(0)
    jitter = draw.normal(0, 0.5, model.onset.landmarks.shape)
    other = Model()
    other.activations = MuscleFit((model.onset.landmarks + jitter).astype(np.float32))
    for muscle in ("brow raise", "lip press", "nose wrinkle"):
        read = other.read({muscle: 1.0}).muscles
        assert read[PLACE[muscle]] == pytest.approx(1, abs=0.3)


def turned_and_moved(
    gray: U8, landmarks: F32, shift: tuple[float, float], grown: float, rolled: float, turn: F32
) -> U8:
    """Crop of a head that moved as a whole: pixel x is found at x + d(x)."""
    y, x = np.mgrid[0:CROP_HEIGHT, 0:CROP_WIDTH].astype(np.float64)
    head = Head(landmarks, landmarks.mean(axis=0).astype(np.float64))
    depth = head.on_grid(np.arange(CROP_WIDTH, dtype=float), np.arange(CROP_HEIGHT, dtype=float))
    across, down = x - CROP_WIDTH / 2, y - CROP_HEIGHT / 2
    move = np.dstack(
        [
            shift[0] + grown * across - rolled * down + turn[0] * depth,
            shift[1] + grown * down + rolled * across + turn[1] * depth,
        ]
    ).astype(np.float32)
    places = np.dstack([x, y]).astype(np.float32)
    back = -move
    for _ in range(4):
        here = places + back
        back = -cv2.remap(
            move, here, np.empty(0, np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    here = places + back
    return np.asarray(
        cv2.remap(
            gray, here, np.empty(0, np.float32), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        ),
        np.uint8,
    )


@settings(max_examples=40, deadline=None)
@given(
    shift=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
    grown=st.floats(-0.01, 0.01),
    rolled=st.floats(-0.01, 0.01),
    turn=st.tuples(st.floats(-0.05, 0.05), st.floats(-0.05, 0.05)),
)
def test_whatever_a_head_does_as_a_whole_pulls_no_muscle(
    model: Model,
    shift: tuple[float, float],
    grown: float,
    rolled: float,
    turn: tuple[float, float],
) -> None:
    angles = np.array(turn, np.float32)
    apex = turned_and_moved(model.onset.gray, model.onset.landmarks, shift, grown, rolled, angles)
    read = model.read_crop(apex)
    assert np.abs(read.muscles).max() < 0.45  # 0.36 was seen, of a lid, at a nod of 2.7 degrees
    np.testing.assert_allclose(read.turn, angles, atol=0.01)


def test_a_face_explains_itself_and_a_hand_on_it_does_not(model: Model) -> None:
    for noise in (0.0, 3.0, 6.0):
        assert model.read(noise=noise).unexplained < 0.25
        assert model.read(pose=Pose(yaw=np.radians(4)), noise=noise).unexplained < 0.25
        for muscle in MUSCLE_NAMES:
            assert model.read({muscle: 4.0}, noise=noise).unexplained < 0.3
    skin = np.random.default_rng(0).normal(0, 60, model.onset.gray.shape).astype(np.float32)
    hand = np.clip(120 + cv2.GaussianBlur(skin, (0, 0), 2), 0, 255).astype(np.uint8)
    for rows, columns in ((slice(110, 170), slice(0, 140)), (slice(100, 150), slice(70, 140))):
        apex = model.onset.gray.copy()
        apex[rows, columns] = hand[rows, columns]
        assert model.read_crop(apex).unexplained > 0.6


def test_what_was_seen_before_changes_no_answer(model: Model) -> None:
    # Crops are kept as they were sampled, for an apex is an onset later.
    draw = np.random.default_rng(1)
    crops = [
        np.clip(model.onset.gray + draw.normal(0, 4, model.onset.gray.shape), 0, 255).astype(
            np.uint8
        )
        for _ in range(4)
    ]
    faces = [
        AlignedFace(i, i, c, model.onset.landmarks, np.eye(2, 3), 0.3) for i, c in enumerate(crops)
    ]
    for apex in faces[1:]:
        for onset in faces:
            measured = measure_motion(Pair(onset, apex), solver_named("dis"))
            fresh = MuscleFit(model.onset.landmarks)(onset.gray, apex.gray, measured)
            known = model.activations(onset.gray, apex.gray, measured)
            assert np.array_equal(known.muscles, fresh.muscles)
            assert (known.eyes, known.unexplained) == (fresh.eyes, fresh.unexplained)
