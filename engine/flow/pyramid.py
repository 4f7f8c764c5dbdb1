"""Coarse-to-fine driver of the tensor solvers."""

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor

Level = tuple[Tensor, Tensor]
"""Onset and apex of one pyramid level, each (B, 1, h, w)."""


def coarse_to_fine(
    levels: Sequence[Level], scale: float, solve: Callable[[Tensor, Tensor, Tensor], Tensor]
) -> Tensor:
    """Solve the flow (B, 2, H, W), in px of the finest level, from the coarsest level up.

    ``levels``: ordered from fine to coarse. ``scale``: ratio of a level's size to that of the finer
    one. ``solve(onset, apex, flow)``: refines a flow (B, 2, h, w) at one level; the coarsest level
    starts from zero.
    """
    onset, apex = levels[-1]
    flow = solve(onset, apex, onset.new_zeros(len(onset), 2, *onset.shape[-2:]))
    for onset, apex in reversed(levels[:-1]):
        flow = resized(flow, (onset.shape[-2], onset.shape[-1])) * (1 / scale)
        flow = solve(onset, apex, flow)
    return flow


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize ``maps`` (B, C, H, W), bilinear between pixel centres, as `cv2.resize`."""
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)
