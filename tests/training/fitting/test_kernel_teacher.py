"""What the support vector machines compare: shrunk maps and weighted histograms of directions."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from htnet.engine.models.biwoof import BiWoof, BiWoofConfig
from htnet.engine.models.svm import KernelConfig, KernelMachine


def _histograms(maps: Tensor, size: int = 5) -> Tensor:
    """(B, 8, size, size)."""
    return BiWoof(BiWoofConfig(size=size)).features(maps).reshape(-1, 8, size, size)


@pytest.mark.parametrize("turn", range(8))
def test_one_direction_fills_one_bin(turn: int) -> None:
    angle = (turn + 0.5) * math.pi / 4 - math.pi
    maps = torch.zeros(1, 3, 28, 28)
    maps[:, 0], maps[:, 1] = math.cos(angle), math.sin(angle)
    maps[:, 2, :14] = 1.0  # the upper half is strained
    own = _histograms(maps, size=2)
    assert own[0].nonzero().tolist() == [[turn, 0, 0], [turn, 0, 1]]
    torch.testing.assert_close(own.norm(), torch.tensor(1.0))


def test_a_pixel_counts_by_its_length_and_a_block_by_its_strain() -> None:
    maps = torch.zeros(1, 3, 28, 28)
    maps[0, 0, :14, :14], maps[0, 0, 0, 0] = 0.0, 3.0  # one pixel right (bin 4), length 3
    maps[0, 1, 5, 5] = 1.0  # one down (bin 6), length 1
    maps[0, 1, 20, 20] = 0.1  # another block: down alone, however weak
    maps[0, 2, :14, :14], maps[0, 2, 14:, 14:] = 2.0, 1.0
    own = _histograms(maps, size=2)[0]
    torch.testing.assert_close(own[4, 0, 0] / own[6, 0, 0], torch.tensor(3.0))
    torch.testing.assert_close(own[:, 0, 0].sum() / own[:, 1, 1].sum(), torch.tensor(2.0))
    assert own[6, 1, 1] == own[:, 1, 1].sum()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 10), st.floats(0.1, 10))
def test_histograms_do_not_know_the_amplitude(seed: int, flow: float, strain: float) -> None:
    draw = torch.Generator().manual_seed(seed)
    maps = torch.randn(2, 3, 28, 28, generator=draw)
    own = _histograms(maps)
    torch.testing.assert_close(own.flatten(1).norm(dim=1), torch.ones(2))
    assert (own >= 0).all()
    louder = maps * torch.tensor([flow, flow, strain])[:, None, None]
    torch.testing.assert_close(_histograms(louder), own, atol=1e-5, rtol=1e-4)
    turned = maps * torch.tensor([-1.0, -1.0, 1.0])[:, None, None]  # by half a turn
    torch.testing.assert_close(_histograms(turned), own.roll(4, 1), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_face_at_rest_is_judged() -> None:
    still = torch.zeros(1, 3, 28, 28)
    assert BiWoof(BiWoofConfig())(still).isfinite().all()
    assert not _histograms(still).any()


def test_maps_are_shrunk_by_area() -> None:
    maps = torch.randn(2, 3, 28, 28)
    small = KernelMachine(KernelConfig()).features(maps).reshape(2, 3, 14, 14)
    torch.testing.assert_close(small[:, :, 3, 5], maps[:, :, 6:8, 10:12].mean(dim=(-2, -1)))


def test_votes_come_first_and_decisions_order_ties() -> None:
    machine = KernelMachine(KernelConfig(size=1, kernel="linear"))
    for decisions, votes in (
        ([1.0, 1.0, 1.0], [2, 1, 0]),
        ([-5.0, 0.1, 0.1], [1, 2, 0]),
        ([1.0, -2.0, 3.0], [1, 1, 1]),  # each beats one other
    ):
        machine.intercepts = torch.tensor(decisions)  # of (0, 1), (0, 2) and (1, 2)
        [own] = machine.judge(torch.zeros(1, 3))
        torch.testing.assert_close(own.round(), torch.tensor(votes).float())
        ab, ac, bc = decisions
        sums = torch.tensor([ab + ac, bc - ab, -ac - bc])
        torch.testing.assert_close(own, torch.tensor(votes) + sums / (3 * (sums.abs() + 1)))
