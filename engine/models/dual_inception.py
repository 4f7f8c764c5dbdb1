"""Dual-Inception: two inception blocks for each flow component (Zhou, Mao and Xue, "Dual-inception
network for cross-database micro-expression recognition", FG 2019).

Every block concatenates four branches: 1 x 1; 1 x 1 then 3 x 3; 1 x 1 then 5 x 5; 3 x 3 max pool
then 1 x 1. Each has 6 filters in the first block and 16 in the second; a 2 x 2 max pool follows
both. The concatenated streams go through a layer of 1,024 to the classes.

Differences: the authors use the flow from the onset to the frame in the *middle* of the clip, as
gray pictures in three equal channels, and their code has no dropout. Here each component of the
onset-to-apex map is one channel; ``dropout`` 0 gives theirs.

Parameters: 6,449,867.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from htnet.engine.models.two_streams import TwoStreamConfig, TwoStreamNet


@dataclass(frozen=True, slots=True)
class DualInceptionConfig(TwoStreamConfig):
    """Shape of a Dual-Inception; the defaults are the paper's except ``dropout``."""


class Inception(nn.Module):
    """Inception block: four branches, each followed by ReLU: (B, C, H, W) to (B, 4 width, H, W)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.single = _conv(channels, width, 1)
        self.triple = nn.Sequential(_conv(channels, width, 1), _conv(width, width, 3))
        self.quintuple = nn.Sequential(_conv(channels, width, 1), _conv(width, width, 5))
        self.pooled = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), _conv(channels, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 4 width, H, W) of ``x`` (B, C, H, W)."""
        branches = (self.single, self.triple, self.quintuple, self.pooled)
        return torch.cat([branch(x) for branch in branches], dim=1)


class DualInception(TwoStreamNet):
    """``forward``: maps (B, channels, S, S) to logits (B, classes)."""

    def __init__(self, config: DualInceptionConfig) -> None:
        super().__init__(config, _stream, width=4 * config.widths[1], hidden_layers=1)


def _conv(channels: int, width: int, side: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, side, padding=side // 2), nn.ReLU())


def _stream(widths: tuple[int, ...]) -> nn.Sequential:
    """Stream of one flow component: (B, 1, S, S) to (B, 4 widths[1] (S / 4)^2)."""
    first, second = widths
    return nn.Sequential(
        Inception(1, first),
        nn.MaxPool2d(2),
        Inception(4 * first, second),
        nn.MaxPool2d(2),
        nn.Flatten(),
    )
