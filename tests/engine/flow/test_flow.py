"""Flow solvers against known motion.

Tolerances are the accuracy of OpenCV's solvers on 140 x 170 px: Farneback and DIS overshoot small
motion by up to 0.1 px, and flatten fine waves.
"""

from functools import cache

import cv2
import numpy as np
import pytest

from htnet.engine.errors import UsageError
from htnet.engine.flow import SOLVERS, solver_named
from htnet.engine.types import F32, U8

NAMES = list(SOLVERS)
INSIDE = np.s_[12:-12, 12:-12]


@cache
def skin() -> F32:
    noise = np.random.default_rng(0).normal(size=(300, 300))
    texture = cv2.GaussianBlur(noise, (0, 0), 2)
    return np.asarray(128 + 40 * texture / texture.std(), np.float32)


def face(dx: float = 0, dy: float = 0) -> U8:
    """Texture moved by (dx, dy): to the right and down."""
    place = np.array([[1, 0, 80 - dx], [0, 1, 65 - dy]], float)
    moved = cv2.warpAffine(skin(), place, (140, 170), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
    return np.rint(moved).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shift", [(0.5, 0.0), (2.25, 1.5), (-4.0, 3.0)])
def test_a_shift_is_found_with_its_sign(name, shift) -> None:
    flow = solver_named(name)(face(), face(*shift))
    assert flow.shape == (170, 140, 2) and flow.dtype == np.float32
    error = np.linalg.norm(flow[INSIDE] - shift, axis=2)
    assert np.median(error) < 0.12 and np.percentile(error, 90) < 0.2


@pytest.mark.parametrize("name", NAMES)
def test_one_pixel_waves_are_found(name) -> None:
    y, x = np.mgrid[0:170, 0:140].astype(np.float32)
    wave = np.dstack([np.sin(2 * np.pi * y / 48), np.sin(2 * np.pi * x / 48)]).astype(np.float32)
    apex = face()
    # The onset's point (x, y) is at (x, y) + flow of the apex.
    onset = cv2.remap(apex, x + wave[..., 0], y + wave[..., 1], cv2.INTER_CUBIC)
    flow = solver_named(name)(onset, apex)
    error = np.linalg.norm(flow - wave, axis=2)[INSIDE]
    assert error.mean() < 0.35
    for channel in range(2):
        found, true = flow[INSIDE][..., channel].ravel(), wave[INSIDE][..., channel].ravel()
        assert np.corrcoef(found, true)[0, 1] > 0.95


@pytest.mark.parametrize("name", ["dis", "tvl1"])
def test_the_same_picture_twice_has_exactly_no_flow(name) -> None:
    assert not solver_named(name)(face(), face()).any()


def test_farneback_has_next_to_none_inside_the_border() -> None:
    flow = solver_named("farneback")(face(), face())
    assert np.abs(flow[INSIDE]).max() < 0.01


@pytest.mark.parametrize("name", NAMES)
def test_a_flat_picture_has_no_flow(name) -> None:
    flat = np.full((170, 140), 90, np.uint8)
    assert np.abs(solver_named(name)(flat, flat)).max() < 1e-6


@pytest.mark.parametrize("name", ["dis", "farneback"])
def test_a_solver_forgets_the_pair_before_and_keeps_its_own_results_apart(name) -> None:
    solver = solver_named(name)
    first = solver(face(), face(1, 0))
    kept = first.copy()
    solver(face(), face(-3, 2))
    assert (first == kept).all()
    assert (solver(face(), face(1, 0)) == kept).all()
    assert (solver_named(name)(face(), face(1, 0)) == kept).all()


def test_dis_sees_past_sensor_noise() -> None:
    draw = np.random.default_rng(1)
    noisy = [
        np.rint(p + draw.normal(0, 3, p.shape)).clip(0, 255).astype(np.uint8)
        for p in (face(), face(0.8, -0.5))
    ]
    flow = solver_named("dis")(*noisy)[INSIDE]
    assert np.abs(np.median(flow, axis=(0, 1)) - (0.8, -0.5)).max() < 0.12


def test_solvers_go_by_their_names() -> None:
    assert NAMES == ["dis", "farneback", "tvl1"]
    assert all(solver_named(name).name == name for name in NAMES)
    with pytest.raises(UsageError, match="among dis, farneback, tvl1; got 'raft'"):
        solver_named("raft")
