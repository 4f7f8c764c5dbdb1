"""Head motion: recovered beside a contracting muscle, and removed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.engine.motion.head_motion import remove_rigid, rigid_motion
from htnet.engine.types import F32

Y, X = np.mgrid[0:170, 0:140].astype(float)
FROM_X, FROM_Y = X - 70, Y - 85


def planted(tx: float, ty: float, s: float, r: float) -> F32:
    """Flow (170, 140, 2) of a head that shifts by (tx, ty), grows by s and turns by r."""
    return np.dstack([tx + s * FROM_X - r * FROM_Y, ty + r * FROM_X + s * FROM_Y]).astype(
        np.float32
    )


def bump(x: float, y: float, radius: float) -> np.ndarray:
    return np.exp(-((X - x) ** 2 + (Y - y) ** 2) / (2 * radius**2))[..., None]


motions = st.tuples(
    st.floats(-4, 4), st.floats(-4, 4), st.floats(-0.03, 0.03), st.floats(-0.05, 0.05)
)


@given(motions)
def test_a_rigid_flow_is_found_exactly_and_leaves_nothing(motion) -> None:
    flow = planted(*motion)
    found = rigid_motion(flow)
    np.testing.assert_allclose(found, motion, atol=1e-5)
    assert np.abs(remove_rigid(flow, found)).max() < 1e-4


def test_the_linear_model_is_the_flow_of_a_small_turn() -> None:
    turn = 0.02
    flow = np.dstack(
        [
            np.cos(turn) * FROM_X - np.sin(turn) * FROM_Y - FROM_X,
            np.sin(turn) * FROM_X + np.cos(turn) * FROM_Y - FROM_Y,
        ]
    ).astype(np.float32)
    assert rigid_motion(flow)[3] == pytest.approx(turn, rel=1e-3)
    assert np.abs(remove_rigid(flow, rigid_motion(flow))).max() < 0.02  # px


@given(motions, st.integers(0, 2**32 - 1))
def test_a_muscle_does_not_count_as_the_head(motion, seed) -> None:
    draw = np.random.default_rng(seed)
    # A brow that rises and a smile, wide enough to drag the cheek beside it along.
    muscle = 2.5 * bump(28, 30, 14) * (0.2, -1) + 3.0 * bump(24, 118, 18) * (-1, -0.5)
    noise = draw.normal(0, 0.05, (170, 140, 2))
    flow = (planted(*motion) + muscle + noise).astype(np.float32)
    found = rigid_motion(flow)
    assert np.abs(found[:2] - motion[:2]).max() < 0.12  # px
    assert np.abs(found[2:] - motion[2:]).max() < 0.003  # px per px
    left = remove_rigid(flow, found)
    assert np.abs(left - muscle - noise).max() < 0.4  # px, at the far corners


def test_no_motion_is_no_motion() -> None:
    assert (rigid_motion(np.zeros((170, 140, 2), np.float32)) == 0).all()


def test_removing_leaves_the_flow_it_was_given_alone() -> None:
    flow = planted(1, 2, 0, 0)
    copy = flow.copy()
    out = remove_rigid(flow, rigid_motion(flow))
    assert (flow == copy).all() and out.dtype == np.float32 and out.shape == flow.shape
