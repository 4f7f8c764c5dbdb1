"""TV-L1 on tensors against `cv2.optflow.DualTVL1OpticalFlow` and against known motion."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from htnet.engine.flow.device import OnDevice
from htnet.engine.flow.median import median_5x5
from htnet.engine.flow.tvl1 import TensorTVL1
from htnet.engine.types import F32, U8

INSIDE = np.s_[12:-12, 12:-12]


@cache
def skin() -> F32:
    noise = np.random.default_rng(0).normal(size=(400, 400))
    texture = cv2.GaussianBlur(noise, (0, 0), 2)
    return np.asarray(128 + 40 * texture / texture.std(), np.float32)


def seen(flow: F32, share: float) -> U8:
    """Texture with every point displaced by ``share`` of ``flow`` (170, 140, 2)."""
    y, x = np.mgrid[0:170, 0:140].astype(np.float32) + 60
    moved = cv2.remap(skin(), x + share * flow[..., 0], y + share * flow[..., 1], cv2.INTER_CUBIC)
    return np.rint(moved).clip(0, 255).astype(np.uint8)


def constant(u: float, v: float) -> F32:
    return np.full((170, 140, 2), (u, v), np.float32)


def turn(angle: float) -> F32:
    y, x = np.mgrid[0:170, 0:140].astype(np.float32)
    return np.dstack([-(y - 85) * angle, (x - 70) * angle])


def wave(period: float) -> F32:
    y, x = np.mgrid[0:170, 0:140].astype(np.float32)
    return np.dstack([np.sin(2 * np.pi * y / period), np.sin(2 * np.pi * x / period)])


KNOWN = {
    "half a pixel": constant(0.5, 0),
    "two pixels": constant(2.25, 1.5),
    "one degree": turn(0.0175),
    "a slow wave": wave(48),
    "a fast wave": wave(32),
}


def tensor(*pictures: F32 | U8) -> Tensor:
    return torch.from_numpy(np.stack(pictures)[:, None].astype(np.float32))


def ours(onset: F32 | U8, apex: F32 | U8) -> F32:
    with torch.inference_mode():
        return TensorTVL1()(tensor(onset), tensor(apex))[0].movedim(0, -1).numpy()


def reference(onset: U8, apex: U8) -> F32:
    return cv2.optflow.DualTVL1OpticalFlow_create().calc(onset, apex, None)


def apart(a: F32, b: F32) -> F32:
    return np.linalg.norm(a - b, axis=2)


@pytest.mark.slow
@pytest.mark.parametrize("name", KNOWN)
def test_it_is_near_opencvs_and_errs_no_more(name) -> None:
    pair = seen(KNOWN[name], 1), seen(KNOWN[name], 0)
    found, theirs = ours(*pair), reference(*pair)
    assert found.shape == (170, 140, 2) and found.dtype == np.float32
    assert apart(found, theirs).mean() < 0.05
    error, their_error = (apart(f, KNOWN[name])[INSIDE].mean() for f in (found, theirs))
    assert error <= their_error + 0.01


def test_real_faces(data: Path) -> None:
    pair = [
        cv2.imread(str(data / f"pairs/006_006_1_2_{which}.png"), cv2.IMREAD_GRAYSCALE)
        for which in ("onset", "apex")
    ]
    assert apart(ours(*pair), reference(*pair)).mean() < 0.05


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 2**32 - 1), st.integers(20, 60), st.integers(20, 60))
def test_the_same_picture_twice_has_exactly_no_flow(seed, height, width) -> None:
    still = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)
    assert not ours(still, still).any()


def test_rounding_does_not_decide() -> None:
    """A change of 1e-4 grey levels changes OpenCV's own flow by 0.01 px and more."""
    onset, apex = seen(wave(32), 1), seen(wave(32), 0)
    dust = np.random.default_rng(0).normal(0, 1e-4, onset.shape)
    assert apart(ours(onset, apex), ours(onset + dust, apex)).mean() < 1e-3


def test_pairs_of_a_batch_are_kept_apart() -> None:
    flows = [constant(1, 0), wave(48)]
    onset, apex = tensor(*(seen(f, 1) for f in flows)), tensor(*(seen(f, 0) for f in flows))
    solver = TensorTVL1(first=10, iterations=5)
    with torch.inference_mode():
        together = solver(onset, apex)
        for i in range(len(flows)):
            alone = solver(onset[i : i + 1], apex[i : i + 1])
            assert (together[i : i + 1] - alone).abs().mean() < 1e-4


def test_as_a_solver_of_arrays() -> None:
    pair = seen(wave(48), 1), seen(wave(48), 0)
    solver = OnDevice("tvl1", "cpu")
    assert solver.name == "tvl1"
    np.testing.assert_array_equal(solver(*pair), ours(*pair))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(3, 40), st.integers(3, 40), st.booleans())
def test_the_median_is_opencvs(seed, height, width, few) -> None:
    draw = np.random.default_rng(seed)
    picture = draw.integers(0, 4, (height, width)) if few else draw.normal(size=(height, width))
    picture = picture.astype(np.float32)
    found = median_5x5(torch.from_numpy(picture)[None, None])[0, 0].numpy()
    np.testing.assert_array_equal(found, cv2.medianBlur(picture, 5))


@pytest.mark.slow
def test_an_exported_graph_loops_and_gives_the_same() -> None:
    solver = TensorTVL1(scales=2, warps=1, first=4).eval()
    pair = tensor(seen(wave(48), 1)), tensor(seen(wave(48), 0))
    exported = torch.export.export(solver, pair)
    loops = [node for node in exported.graph.nodes if "while_loop" in str(node.target)]
    assert loops
    with torch.inference_mode():
        torch.testing.assert_close(exported.module()(*pair), solver(*pair), atol=1e-5, rtol=0)
