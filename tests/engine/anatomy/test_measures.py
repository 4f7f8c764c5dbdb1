import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.engine.anatomy.measures import MEASURES, LandmarkMeasures
from htnet.engine.face.alignment import crop_transform, transform_points
from htnet.engine.synth.face.animator import Animator
from htnet.engine.synth.face.portrait import load_portrait
from htnet.engine.synth.face.pose import Pose
from htnet.engine.types import F32

SCALES = st.floats(0.8, 1.25)
TURNS = st.floats(-0.3, 0.3)
SHIFTS = st.floats(-20, 20)


@pytest.fixture(scope="module")
def animator() -> Animator:
    return Animator(load_portrait())


def crop(points: F32) -> F32:
    return transform_points(points, crop_transform(points))


@given(scale=SCALES, turn=TURNS, x=SHIFTS, y=SHIFTS)
def test_a_head_that_shifts_nears_and_rolls_moves_no_measure(
    animator: Animator, scale: float, turn: float, x: float, y: float
) -> None:
    points = crop(animator.neutral)
    measures = LandmarkMeasures(points)
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    moved = (points @ np.array([[c, s], [-s, c]]) + (x, y)).astype(np.float32)
    assert np.allclose(measures(moved), measures(points), atol=1e-3)


@pytest.mark.parametrize(
    ("muscle", "name", "sign"),
    [
        ("lip corner pull", "left lip corner y", -1),
        ("lip corner pull", "right lip corner y", -1),
        ("lip corner depress", "left lip corner y", 1),
        ("brow raise", "left inner brow", -1),
        ("brow lower", "right inner brow", 1),
        ("jaw drop", "mouth opening", 1),
    ],
)
def test_a_muscle_moves_its_own_measure(
    animator: Animator, muscle: str, name: str, sign: int
) -> None:
    measures = LandmarkMeasures(crop(animator.neutral))
    moved = measures(crop(animator.landmarks(activations={muscle: 4.0})))
    change = moved - measures(crop(animator.neutral))
    assert sign * change[MEASURES.index(name)] > 1.0


def test_a_head_that_turns_by_eight_degrees_moves_the_measures_less_than_a_large_movement(
    animator: Animator,
) -> None:
    measures = LandmarkMeasures(crop(animator.neutral))
    rest = measures(crop(animator.neutral))
    turned = measures(crop(animator.landmarks(Pose(yaw=np.radians(8)))))
    smile = measures(crop(animator.landmarks(activations={"lip corner pull": 5.0})))
    assert np.linalg.norm(turned - rest) < 3.0 < np.linalg.norm(smile - rest)
