"""Head pose against rotated shapes, the animator's poses and a mirrored face."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.engine.anatomy import head_pose as module
from htnet.engine.anatomy.head_pose import head_pose
from htnet.engine.face.landmarks import POINTS
from htnet.engine.synth.face.animator import Animator
from htnet.engine.synth.face.portrait import load_portrait
from htnet.engine.synth.face.pose import REST, Pose
from htnet.engine.types import F64


def projected(yaw: float, pitch: float, roll: float, px: float, at: tuple[float, float]) -> F64:
    """Landmarks (478, 2) of the mean shape, turned by degrees; 0 where it has no point."""
    y, p, r = np.radians([yaw, pitch, roll])
    turn = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    nod = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    tilt = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    landmarks = np.zeros((POINTS, 2))
    landmarks[module._POINTS] = (px * module._SHAPE @ (tilt @ nod @ turn).T)[:, :2] + at
    return landmarks


@given(
    yaw=st.floats(-60, 60),
    pitch=st.floats(-60, 60),
    roll=st.floats(-170, 170),
    px=st.floats(5, 500),
    at=st.tuples(st.floats(-2000, 2000), st.floats(-2000, 2000)),
)
def test_the_pose_of_the_mean_shape_is_exact(
    yaw: float, pitch: float, roll: float, px: float, at: tuple[float, float]
) -> None:
    found = head_pose(projected(yaw, pitch, roll, px, at))
    assert (found.yaw, found.pitch, found.roll) == pytest.approx((yaw, pitch, roll), abs=1e-3)


@pytest.fixture(scope="module")
def animator() -> Animator:
    return Animator(load_portrait())


@pytest.mark.parametrize(
    "degrees", [(8, 0, 0), (-8, 0, 0), (0, 8, 0), (0, -8, 0), (0, 0, 10), (6, -4, -5)]
)
def test_a_rendered_head_turns_by_its_true_angles(
    animator: Animator, degrees: tuple[float, float, float]
) -> None:
    yaw, pitch, roll = np.radians(degrees)
    rest = head_pose(animator.landmarks(REST))
    found = head_pose(animator.landmarks(Pose(yaw=yaw, pitch=pitch, roll=roll)))
    change = (found.yaw - rest.yaw, found.pitch - rest.pitch, found.roll - rest.roll)
    assert change == pytest.approx(degrees, abs=TOLERANCE)


TOLERANCE = 2.0  # degrees: the portrait's depth is another than the mean shape's


def test_a_mirrored_face_yaws_and_rolls_the_other_way(animator: Animator) -> None:
    seen = animator.landmarks(Pose(yaw=0.1, pitch=0.05, roll=0.1))
    mirrored = seen * (-1, 1)
    for left, right, *_ in module._PAIRS:
        mirrored[[left, right]] = mirrored[[right, left]]
    one, other = head_pose(seen), head_pose(mirrored)
    assert (other.yaw, other.pitch, other.roll) == pytest.approx(
        (-one.yaw, one.pitch, -one.roll), abs=1e-6
    )


def test_an_expression_turns_no_head(animator: Animator) -> None:
    rest = head_pose(animator.landmarks(REST))
    for muscle in ("brow raise", "lip corner pull", "jaw drop", "nose wrinkle"):
        moved = head_pose(animator.landmarks(REST, {muscle: 4.0}))
        assert abs(moved.yaw - rest.yaw) < 1.0
        assert abs(moved.pitch - rest.pitch) < 3.0
