"""Farneback on tensors against `cv2.calcOpticalFlowFarneback` and against known motion."""

from functools import cache

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from htnet.engine.flow import SOLVERS, solver_named
from htnet.engine.flow.device import OnDevice
from htnet.engine.flow.farneback import TensorFarneback
from htnet.engine.flow.sampling import canvas, pixels, sampled
from htnet.engine.types import F32, U8

PAPER = (0.5, 3, 15, 3, 5, 1.2)
"""pyr_scale, levels, winsize, iterations, poly_n, poly_sigma."""
# A wider quadratic; a step that leaves odd sides; a window of an even size and no pyramid.
PARAMETERS = (PAPER, (0.5, 1, 9, 2, 7, 1.5), (0.8, 5, 21, 1, 5, 1.1), (0.5, 0, 12, 4, 5, 1.2))
SIZES = ((28, 28), (40, 64), (97, 131), (170, 140), (256, 256), (255, 201))
INSIDE = np.s_[12:-12, 12:-12]


@cache
def skin() -> F32:
    noise = np.random.default_rng(0).normal(size=(400, 400))
    texture = cv2.GaussianBlur(noise, (0, 0), 2)
    return np.asarray(128 + 40 * texture / texture.std(), np.float32)


def seen(flow: F32, share: float) -> U8:
    """Texture with every point displaced by ``share`` of ``flow`` (H, W, 2)."""
    y, x = np.mgrid[0 : flow.shape[0], 0 : flow.shape[1]].astype(np.float32) + 60
    moved = cv2.remap(skin(), x + share * flow[..., 0], y + share * flow[..., 1], cv2.INTER_CUBIC)
    return np.rint(moved).clip(0, 255).astype(np.uint8)


def constant(u: float, v: float, size: tuple[int, int] = (170, 140)) -> F32:
    return np.full((*size, 2), (u, v), np.float32)


def turn(angle: float) -> F32:
    y, x = np.mgrid[0:170, 0:140].astype(np.float32)
    return np.dstack([-(y - 85) * angle, (x - 70) * angle])


def wave(period: float) -> F32:
    y, x = np.mgrid[0:170, 0:140].astype(np.float32)
    return np.dstack([np.sin(2 * np.pi * y / period), np.sin(2 * np.pi * x / period)])


KNOWN = {
    "half a pixel": constant(0.5, 0),
    "two pixels": constant(2.25, 1.5),
    "five pixels": constant(-4, 3),
    "one degree": turn(0.0175),
    "a slow wave": wave(48),
    "a fast wave": wave(32),
}


def tensor(*pictures: U8) -> Tensor:
    return torch.from_numpy(np.stack(pictures)[:, None].astype(np.float32))


def ours(onset: U8, apex: U8, parameters: tuple = PAPER) -> F32:
    flow = TensorFarneback(*parameters)(tensor(onset), tensor(apex))
    return flow[0].movedim(0, -1).numpy()


def reference(onset: U8, apex: U8, parameters: tuple = PAPER) -> F32:
    return cv2.calcOpticalFlowFarneback(onset, apex, None, *parameters, 0)


@pytest.mark.parametrize("parameters", PARAMETERS)
@pytest.mark.parametrize("size", SIZES)
def test_it_is_opencvs_up_to_the_border(size, parameters) -> None:
    flow = constant(1.3, -0.7, size)
    pair = seen(flow, 1), seen(flow, 0)
    found = ours(*pair, parameters)
    assert found.shape == (*size, 2) and found.dtype == np.float32
    np.testing.assert_allclose(found, reference(*pair, parameters), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", KNOWN)
def test_it_errs_no_more_than_opencv(name) -> None:
    pair = seen(KNOWN[name], 1), seen(KNOWN[name], 0)
    error, theirs = (
        np.linalg.norm(found - KNOWN[name], axis=2)[INSIDE].mean()
        for found in (ours(*pair), reference(*pair))
    )
    assert error <= theirs + 0.01
    np.testing.assert_allclose(ours(*pair), reference(*pair), atol=1e-4, rtol=0)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**32 - 1), st.integers(28, 60), st.integers(28, 60))
def test_it_is_opencvs_on_pictures_that_have_nothing_in_common(seed, height, width) -> None:
    draw = np.random.default_rng(seed)
    pair = [draw.integers(0, 256, (height, width)).astype(np.uint8) for _ in range(2)]
    theirs = reference(*pair)
    # Such flows reach tens of px, and a px of flow is what rounding has to be held against.
    allowed = 1e-3 * (1 + np.abs(theirs))
    assert np.percentile(np.abs(ours(*pair) - theirs) / allowed, 95) < 1


def test_a_real_pair(data) -> None:
    pair = [
        cv2.imread(str(data / f"pairs/006_006_1_2_{which}.png"), cv2.IMREAD_GRAYSCALE)
        for which in ("onset", "apex")
    ]
    for parameters in PARAMETERS:
        found, theirs = ours(*pair, parameters), reference(*pair, parameters)
        np.testing.assert_allclose(found, theirs, atol=1e-4, rtol=0)


def test_identical_pictures_have_no_flow_off_the_border() -> None:
    """At the border OpenCV reports up to 1 px, and so does this."""
    still = seen(constant(0, 0), 0)
    found, theirs = ours(still, still), reference(still, still)
    inside = np.s_[20:-20, 20:-20]
    assert np.abs(found[inside]).max() < 0.01
    np.testing.assert_allclose(found[inside], theirs[inside], atol=1e-4, rtol=0)
    assert np.abs(found - theirs).max() < 0.2


def test_pairs_of_a_batch_are_kept_apart() -> None:
    flows = [constant(1, 0), constant(-2, 1), wave(48)]
    onset, apex = tensor(*(seen(f, 1) for f in flows)), tensor(*(seen(f, 0) for f in flows))
    solver = TensorFarneback()
    together = solver(onset, apex)
    for i in range(len(flows)):
        alone = solver(onset[i : i + 1], apex[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-5, rtol=0)


def test_opencvs_solvers_serve_a_cpu_and_tensors_another_device() -> None:
    for name in ("dis", "farneback"):
        assert type(solver_named(name, "cpu")) is SOLVERS[name]
    # "meta" stands in for a GPU: tensors there have shapes and no values.
    for name, device in (("farneback", "meta"), ("tvl1", "meta"), ("tvl1", "cpu")):
        ours = solver_named(name, device)
        assert isinstance(ours, OnDevice) and ours.name == name
    assert type(solver_named("dis", "meta")) is SOLVERS["dis"]


def test_as_a_solver_of_arrays() -> None:
    pair = seen(wave(48), 1), seen(wave(48), 0)
    solver = OnDevice("farneback", "cpu")
    assert solver.name == "farneback"
    np.testing.assert_array_equal(solver(*pair), ours(*pair))


@given(st.integers(3, 70), st.integers(3, 70))
def test_whole_pixels_are_read_exactly(height, width) -> None:
    maps = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 2, height, width))).float()
    here = pixels(height, width, maps.device)[None]
    for mode in ("bilinear", "bicubic"):
        assert torch.equal(sampled(canvas(maps), here, mode), maps)
        shifted = sampled(
            canvas(maps), here[..., : width - 1] + torch.tensor([1, 0]).view(2, 1, 1), mode
        )
        assert torch.equal(shifted, maps[..., 1:])
