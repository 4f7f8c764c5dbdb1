"""Batches out of samples: random views, mirror images, shifted crops, gains and noise.

Everything is drawn from one generator, so a seed fixes it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from htnet.training.config import AugmentConfig
from htnet.training.samples import Samples


def batch(samples: Samples, rows: Tensor, config: AugmentConfig, draw: torch.Generator) -> Tensor:
    """Augmented network inputs (B, 3, S, S) of the clips ``rows`` (B,)."""
    count, spec = len(rows), samples.spec

    def chance(p: float, *shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=draw) < p

    views = torch.zeros(count, dtype=torch.long)
    if samples.pictures.shape[1] > 1 and config.view > 0:
        made = torch.randint(1, samples.pictures.shape[1], (count,), generator=draw)
        views = torch.where(chance(config.view), made, views)
    pictures = samples.pictures[rows, views]
    if spec.regions != "whole":
        shift = _shift(count, config.shift, 1, draw) + _shift(count, config.spread, 4, draw)
        pictures = cut(pictures, samples.centres[rows], shift, spec.region)
    flipped = mirror(pictures, spec.channels.index("u"))
    pictures = torch.where(chance(config.flip, 1, 1, 1), flipped, pictures)
    if config.gain > 0:
        gains = torch.randn(count, 3, 1, 1, generator=draw).mul_(config.gain).exp_()
        pictures = pictures * gains
    if config.noise > 0:
        level = torch.rand(count, 1, 1, 1, generator=draw) * config.noise
        pictures = pictures + level * torch.randn(pictures.shape, generator=draw)
    return pictures


def cut(pictures: Tensor, centres: Tensor, shift: Tensor, side: int) -> Tensor:
    """`tile_regions` for a batch: (B, 3, H, W) to (B, 3, 2 side, 2 side).

    ``centres``: (B, 4, 2) fractions; ``shift``: (B, 1 or 4, 2) px added to them.
    """
    size = pictures.shape[-1]
    steps = torch.arange(side) - (side - 1) / 2
    places = (centres * size + shift)[..., None] + steps  # (B, 4, 2, side) px from the corner
    x, y = (places * (2 / size) - 1).unbind(2)  # as grid_sample counts, (B, 4, side)
    x, y = x[:, :, None, :].expand(-1, -1, side, -1), y[..., None].expand(-1, -1, -1, side)
    grid = torch.stack([x, y], dim=-1)  # (B, 4, side, side, 2)
    left, right = grid[:, :2].flatten(1, 2), grid[:, 2:].flatten(1, 2)
    return F.grid_sample(
        pictures, torch.cat([left, right], dim=2), padding_mode="border", align_corners=False
    )


def mirror(pictures: Tensor, horizontal: int) -> Tensor:
    """Mirror images of pictures (..., C, H, W) that are zero at rest: u changes its sign."""
    flipped = pictures.flip(-1)
    flipped[..., horizontal, :, :].neg_()
    return flipped


def _shift(count: int, reach: float, places: int, draw: torch.Generator) -> Tensor:
    return (2 * torch.rand(count, places, 2, generator=draw) - 1) * reach
