"""Parity of the preprocessing on tensors with that on a CPU, step by step."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from htnet.engine.face import regions
from htnet.engine.face.alignment import canonical_landmarks
from htnet.engine.motion import head_motion, preprocess, preprocess_torch, strain
from htnet.engine.motion.preprocess import PreprocessSpec
from htnet.engine.types import F32

CENTRES = regions.region_centres(canonical_landmarks()) / np.array([140, 170], np.float32)


def flows(seed: int, count: int = 1, size: tuple[int, int] = (170, 140)) -> F32:
    """Smooth motion on a moving head, with noise: (N, H, W, 2)."""
    draw = np.random.default_rng(seed)
    smooth = [cv2.GaussianBlur(draw.normal(size=(*size, 2)), (0, 0), 8) for _ in range(count)]
    noise = draw.normal(0, 0.05, (count, *size, 2))
    return (8 * np.stack(smooth) + noise + draw.normal(size=(count, 1, 1, 2))).astype(np.float32)


def first(values: F32) -> Tensor:
    """Transpose (N, H, W, C) to (N, C, H, W)."""
    return torch.from_numpy(values).movedim(-1, 1)


def last(values: Tensor) -> F32:
    """Transpose (N, C, H, W) to (N, H, W, C)."""
    return values.movedim(1, -1).numpy()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_the_heads_motion(seed) -> None:
    many = flows(seed, 3)
    motions = preprocess_torch.rigid_motion(first(many))
    expected = [head_motion.rigid_motion(flow) for flow in many]
    assert motions.shape == (3, 4)
    np.testing.assert_allclose(motions.numpy(), expected, atol=1e-5, rtol=0)
    left = preprocess_torch.remove_rigid(first(many), motions)
    for flow, motion, found in zip(many, expected, last(left), strict=True):
        np.testing.assert_allclose(found, head_motion.remove_rigid(flow, motion), atol=1e-5, rtol=0)


@pytest.mark.parametrize("planted", [(0, 0, 0, 0), (1.5, -0.75, 0.01, -0.02)])
def test_a_head_alone_leaves_nothing(planted) -> None:
    tx, ty, s, r = planted
    y, x = np.mgrid[0:170, 0:140].astype(float)
    x, y = x - 70, y - 85
    flow = np.dstack([tx + s * x - r * y, ty + r * x + s * y]).astype(np.float32)
    found = preprocess_torch.rigid_motion(first(flow[None]))
    np.testing.assert_allclose(found[0].numpy(), planted, atol=1e-5)
    assert preprocess_torch.remove_rigid(first(flow[None]), found).abs().max() < 1e-4


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(28, 80), st.integers(28, 80))
def test_strain(seed, height, width) -> None:
    many = flows(seed, 2, (height, width))
    found = preprocess_torch.optical_strain(first(many))
    assert found.shape == (2, 1, height, width)
    for flow, one in zip(many, found, strict=True):
        np.testing.assert_allclose(one[0].numpy(), strain.optical_strain(flow), atol=1e-6, rtol=0)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(8, 28), st.integers(28, 80), st.integers(28, 80))
def test_the_map(seed, size, height, width) -> None:
    many = flows(seed, 2, (height, width))
    found = preprocess_torch.flow_map(first(many), size)
    expected = [preprocess.flow_map(flow, size) for flow in many]
    np.testing.assert_allclose(last(found), expected, atol=1e-2, rtol=0)


@pytest.mark.parametrize("size", [28, 56, 33])
def test_the_map_of_a_crop(size) -> None:
    many = flows(1, 2)
    expected = [preprocess.flow_map(flow, size) for flow in many]
    np.testing.assert_allclose(
        last(preprocess_torch.flow_map(first(many), size)), expected, atol=1e-3, rtol=0
    )


def test_no_motion_has_an_empty_map() -> None:
    assert not preprocess_torch.flow_map(torch.zeros(1, 2, 170, 140)).any()


@pytest.mark.parametrize("layout", ["tiled", "published", "whole"])
@pytest.mark.parametrize("scaling", ["raw", "unit", "median", "robust"])
def test_the_networks_input(layout, scaling) -> None:
    draw = np.random.default_rng(2)
    maps = np.stack([preprocess.flow_map(flow) for flow in flows(3, 4)])
    # Regions that leave the map too, as a mouth does at the chin.
    centres = (CENTRES + draw.normal(0, 0.3, (4, 4, 2))).astype(np.float32)
    for channels in (("u", "v", "strain"), ("strain", "v", "u")):
        spec = PreprocessSpec(regions=layout, scaling=scaling, channels=channels, region=12)
        found = preprocess_torch.network_input(first(maps), torch.from_numpy(centres), spec)
        expected = [
            preprocess.network_input(map_, own, spec)
            for map_, own in zip(maps, centres, strict=True)
        ]
        scale = 255 if scaling == "raw" else 1
        np.testing.assert_allclose(found.numpy() / scale, np.divide(expected, scale), atol=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(9, 40))
def test_regions_of_any_size(seed, side, size) -> None:
    draw = np.random.default_rng(seed)
    picture = draw.uniform(0, 255, (size, size, 3)).astype(np.float32)
    centres = draw.uniform(-0.5 * size, 1.5 * size, (4, 2)).astype(np.float32)
    found = preprocess_torch.tile_regions(
        first(picture[None]), torch.from_numpy(centres)[None], side
    )
    expected = regions.tile_regions(picture, centres, side)
    np.testing.assert_allclose(last(found)[0], expected, atol=5e-3, rtol=0)
