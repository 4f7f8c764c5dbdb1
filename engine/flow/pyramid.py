"""From coarse to fine: the driver that every tensor solver runs in."""

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor

Level = tuple[Tensor, Tensor]
"""Onset and apex, each (B, 1, h, w), at one size."""


def coarse_to_fine(
    levels: Sequence[Level], scale: float, solve: Callable[[Tensor, Tensor, Tensor], Tensor]
) -> Tensor:
    """Flow (B, 2, H, W) in px of the first of ``levels``, which are ordered from fine to coarse.

    ``scale``: a level's size over that of the one before it. ``solve(onset, apex, flow)`` betters a
    flow (B, 2, h, w) at one level; the coarsest begins with none.
    """
    onset, apex = levels[-1]
    flow = solve(onset, apex, onset.new_zeros(len(onset), 2, *onset.shape[-2:]))
    for onset, apex in reversed(levels[:-1]):
        flow = resized(flow, (onset.shape[-2], onset.shape[-1])) * (1 / scale)
        flow = solve(onset, apex, flow)
    return flow


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """``maps`` (B, C, H, W) at another size, bilinear between pixel centres, as `cv2.resize`."""
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)
