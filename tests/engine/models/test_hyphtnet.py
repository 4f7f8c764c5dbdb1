"""HypHTNet against the official outputs, and the ball against its definitions."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from torch import Tensor

from htnet.engine.models.hyphtnet import (
    HyperbolicRegression,
    HypHTNet,
    HypHTNetConfig,
    contrast,
    distances,
    exp0,
)

C = 0.1


def _read(path: Path) -> dict[str, Tensor]:
    with safe_open(path, "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


@torch.no_grad()
def test_official_logits_and_embedding(data: Path) -> None:
    tensors = _read(data / "golden" / "hyphtnet.safetensors")
    network = HypHTNet(HypHTNetConfig(dim=24, repeats=(1, 1, 1))).eval()
    weights = {k.removeprefix("weights."): v for k, v in tensors.items() if k.startswith("weights")}
    state = {**weights, "p_head.3.num_batches_tracked": torch.tensor(0)}
    network.load_state_dict(state, strict=True)
    torch.testing.assert_close(network(tensors["input"]), tensors["logits"], atol=1e-4, rtol=0)
    logits, places = network.training_outputs(tensors["input"])
    torch.testing.assert_close(logits, tensors["logits"], atol=1e-4, rtol=0)
    torch.testing.assert_close(places, tensors["embedding"], atol=1e-5, rtol=0)


def test_official_distance(data: Path) -> None:
    """The official code adds 1e-5 to the denominator of the Moebius sum; geoopt and we do not."""
    tensors = _read(data / "golden" / "poincare_distance_c0.1.safetensors")
    points = tensors["points"]
    own = distances(points, "poincare", C)
    torch.testing.assert_close(own, tensors["distance"], atol=1e-9, rtol=3e-5)
    root = math.sqrt(C)
    for slack, theirs in ((0.0, own), (1e-5, tensors["distance"])):
        length = _mobius(-points[:, None], points[None], slack).norm(dim=-1)
        apart = 2 / root * torch.atanh(root * length)
        torch.testing.assert_close(apart, theirs, atol=1e-7, rtol=0)


def _points(count: int, seed: int, reach: float = 2.3, dim: int = 4) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    z = torch.randn(count, dim, generator=draw, dtype=torch.float64)
    lengths = torch.rand(count, 1, generator=draw, dtype=torch.float64) * reach
    return exp0(z / z.norm(dim=1, keepdim=True) * lengths, C)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 2.3))
def test_the_ball_is_a_metric_space(seed: int, reach: float) -> None:
    points = _points(5, seed, reach)
    apart = distances(points, "poincare", C)
    torch.testing.assert_close(apart, apart.T, atol=1e-9, rtol=0)
    assert (apart.diagonal() < 1e-6).all()
    through = apart[:, :, None] + apart[None]  # (from, over, to)
    assert (apart[:, None] <= through + 1e-9).all()
    origin = distances(torch.stack([points[0], torch.zeros(4)]), "poincare", C)[0, 1]
    root = math.sqrt(C)
    assert origin.item() == pytest.approx(2 / root * math.atanh(root * float(points[0].norm())))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3))
def test_exp0_stays_on_the_ball(values: list[float]) -> None:
    place = exp0(torch.tensor([values]), C)
    assert place.isfinite().all()
    assert place.norm() <= (1 - 1e-3) / math.sqrt(C) + 1e-5


def test_regression_is_ganeas() -> None:
    """Reference: equation 25, with p in the ball and a in the tangent space at p."""
    torch.manual_seed(0)
    planes = HyperbolicRegression(4, 3, C).double()
    with torch.no_grad():
        planes.points.normal_()
    x, p = _points(7, 1), exp0(planes.points, C)
    shifted = _mobius(-p[None], x[:, None])  # (7, 3, 4)
    factor = 2 / (1 - C * p.square().sum(dim=1))
    a = planes.normals * (2 / factor)[:, None]  # carried from the origin to p
    length, root = a.norm(dim=1), math.sqrt(C)
    ratio = 2 * root * (shifted * a).sum(dim=-1)
    ratio = ratio / ((1 - C * shifted.square().sum(dim=-1)) * length)
    expected = factor * length / root * torch.asinh(ratio)
    torch.testing.assert_close(planes(x), expected, atol=1e-9, rtol=0)
    torch.testing.assert_close(planes(p).diagonal(), torch.zeros(3).double(), atol=1e-6, rtol=0)


def _mobius(x: Tensor, y: Tensor, slack: float = 0.0) -> Tensor:
    xy, xx, yy = ((a * b).sum(dim=-1, keepdim=True) for a, b in ((x, y), (x, x), (y, y)))
    above = (1 + 2 * C * xy + C * yy) * x + (1 - C * xx) * y
    return above / (1 + 2 * C * xy + C * C * xx * yy + slack)


def test_contrast_written_out() -> None:
    points, labels = _points(5, 2), torch.tensor([0, 1, 1, 2, 0])
    apart = distances(points, "poincare", C)
    rows = []
    for i in range(5):
        sums = [
            sum(
                -float(apart[i, j]) / 0.2 for j in range(5) if j != i and pair(labels[i], labels[j])
            )
            for pair in (torch.eq, torch.ne)
        ]
        rows.append(sums)
    expected = torch.nn.functional.cross_entropy(
        torch.tensor(rows, dtype=torch.float64), torch.zeros(5, dtype=torch.long)
    )
    own = contrast(points, labels, "poincare", C, 0.2)
    torch.testing.assert_close(own, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("metric", ["euclidean", "poincare"])
def test_contrast_has_gradients_where_clips_coincide(metric: str) -> None:
    points = _points(4, 3)[[0, 0, 1, 2]].requires_grad_()
    contrast(points, torch.tensor([0, 0, 1, 2]), metric, C, 0.2).backward()
    assert points.grad is not None and points.grad.isfinite().all() and points.grad.any()


@pytest.mark.parametrize("metric", ["euclidean", "poincare"])
@pytest.mark.parametrize("head", ["euclidean", "hyperbolic"])
def test_it_learns(metric: str, head: str) -> None:
    torch.manual_seed(0)
    config = HypHTNetConfig(
        dim=8, heads=2, repeats=(1, 1, 1), embedding=8, metric=metric, head=head, contrast=0.1
    )
    network = HypHTNet(config).train()
    labels = torch.arange(12) % 3
    pictures = torch.randn(12, 3, 28, 28) + labels[:, None, None, None]
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(25):
        logits, extra = network.training_outputs(pictures)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        share = network.extra_weight
        loss = (1 - share) * loss + share * network.extra_loss(extra, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert extra.norm(dim=1).max() < 1 / math.sqrt(C)
