"""Optical strain of fields whose strain is known in closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.engine.motion.strain import optical_strain
from htnet.engine.types import F32

Y, X = np.mgrid[0:170, 0:140].astype(float)
slopes = st.floats(-0.2, 0.2)


def field(u: np.ndarray, v: np.ndarray) -> F32:
    return np.dstack([u, v]).astype(np.float32)


@given(ux=slopes, uy=slopes, vx=slopes, vy=slopes)
def test_a_linear_field_has_its_strain_everywhere_to_the_border(ux, uy, vx, vy) -> None:
    strain = optical_strain(field(3 + ux * X + uy * Y, -2 + vx * X + vy * Y))
    expected = np.sqrt(ux**2 + vy**2 + 0.5 * (uy + vx) ** 2)
    assert strain.shape == (170, 140) and strain.dtype == np.float32
    np.testing.assert_allclose(strain, expected, atol=2e-5)  # float32 of fields up to 60 px


def test_a_uniform_stretch_is_exact() -> None:
    # 1/64 and its multiples are exact in float32.
    assert (optical_strain(field(X / 64, 0 * Y)) == 1 / 64).all()
    assert (optical_strain(field(3 * X / 64, 4 * Y / 64)) == 5 / 64).all()


def test_a_shift_and_a_small_turn_are_no_strain() -> None:
    assert (optical_strain(field(0 * X + 2.5, 0 * X - 1)) == 0).all()
    assert (optical_strain(field(-Y / 64, X / 64)) == 0).all()


def test_a_finite_turn_has_little() -> None:
    turn = 0.03
    u = (np.cos(turn) - 1) * X - np.sin(turn) * Y
    v = np.sin(turn) * X + (np.cos(turn) - 1) * Y
    strain = optical_strain(field(u, v))
    np.testing.assert_allclose(strain, np.sqrt(2) * (1 - np.cos(turn)), atol=1e-5)
    assert strain.max() < 0.03 * turn


def test_central_differences_inside_and_one_sided_at_the_border() -> None:
    strain = optical_strain(field(X**2 / 64, 0 * Y))
    inside = np.arange(1, 139)
    np.testing.assert_allclose(strain[5, 1:-1], 2 * inside / 64, rtol=1e-6)
    assert strain[5, 0] == pytest.approx(1 / 64)
    assert strain[5, -1] == pytest.approx((139**2 - 138**2) / 64)


def test_a_wave_has_the_strain_of_its_slope() -> None:
    period = 40
    strain = optical_strain(field(np.sin(2 * np.pi * X / period), 0 * Y))
    slope = 2 * np.pi / period
    expected = slope * np.abs(np.cos(2 * np.pi * X / period))
    assert np.abs(strain - expected)[:, 1:-1].max() < 0.005 * slope


def test_the_flow_is_left_alone() -> None:
    flow = field(X**2 / 64, Y)
    copy = flow.copy()
    optical_strain(flow)
    assert (flow == copy).all()
