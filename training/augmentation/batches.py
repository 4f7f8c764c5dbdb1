"""Augmented batches: random views, mirror images, shifted crops, gains and noise.

Everything is drawn from one generator, so that a seed determines it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from htnet.engine.motion.preprocess import PreprocessSpec
from htnet.training.augmentation.samples import Samples
from htnet.training.config import AugmentConfig


def batch(samples: Samples, rows: Tensor, config: AugmentConfig, draw: torch.Generator) -> Tensor:
    """Return augmented network inputs (B, 3, S, S) of the clips ``rows`` (B,).

    ``draw``: a CPU generator, so that a seed gives the same batch on every device.
    """
    count, spec, device = len(rows), samples.spec, samples.pictures.device

    def chance(p: float, *shape: int) -> Tensor:
        return (torch.rand(count, *shape, generator=draw) < p).to(device)

    views = torch.zeros(count, dtype=torch.long, device=device)
    if samples.pictures.shape[1] > 1 and config.view > 0:
        made = torch.randint(1, samples.pictures.shape[1], (count,), generator=draw)
        made = made.to(device)
        views = torch.where(chance(config.view), made, views)
    pictures = samples.pictures[rows, views]
    if spec.regions != "whole":
        shift = _shift(count, config.shift, 1, draw) + _shift(count, config.spread, 4, draw)
        pictures = tile_batch(pictures, samples.centres[rows], shift.to(device), spec.region)
    flipped = mirror(pictures, spec)
    pictures = torch.where(chance(config.flip, 1, 1, 1), flipped, pictures)
    if config.gain > 0:
        gains = torch.randn(count, 3, 1, 1, generator=draw).mul_(config.gain).exp_()
        pictures = pictures * gains.to(device)
    if config.noise > 0:
        level = torch.rand(count, 1, 1, 1, generator=draw) * config.noise
        noise = level * torch.randn(pictures.shape, generator=draw)
        pictures = pictures + noise.to(device)
    return pictures


def inputs_of(samples: Samples, rows: Tensor, view: int) -> Tensor:
    """Return network inputs (B, 3, S, S) of one view of the clips ``rows``, not augmented."""
    pictures = samples.pictures[rows, view]
    if samples.spec.regions == "whole":
        return pictures
    still = torch.zeros(len(rows), 1, 2, device=pictures.device)
    return tile_batch(pictures, samples.centres[rows], still, samples.spec.region)


def tile_batch(pictures: Tensor, centres: Tensor, shift: Tensor, side: int) -> Tensor:
    """Tile regions of a batch as `tile_regions` does: (B, 3, H, W) to (B, 3, 2 side, 2 side).

    ``centres``: (B, 4, 2) fractions. ``shift``: (B, 1 or 4, 2) px, added to the centres.
    """
    size = pictures.shape[-1]
    steps = torch.arange(side, device=pictures.device) - (side - 1) / 2
    places = (centres * size + shift)[..., None] + steps  # (B, 4, 2, side) px from the corner
    x, y = (places * (2 / size) - 1).unbind(2)  # grid_sample's coordinates, (B, 4, side)
    x, y = x[:, :, None, :].expand(-1, -1, side, -1), y[..., None].expand(-1, -1, -1, side)
    grid = torch.stack([x, y], dim=-1)  # (B, 4, side, side, 2)
    left, right = grid[:, :2].flatten(1, 2), grid[:, 2:].flatten(1, 2)
    return F.grid_sample(
        pictures, torch.cat([left, right], dim=2), padding_mode="border", align_corners=False
    )


def mirror(pictures: Tensor, spec: PreprocessSpec) -> Tensor:
    """Mirror network inputs (..., 3, S, S): flip the picture and negate u.

    In maps of 0..255 or 0..1, u is subtracted from the maximum instead.
    """
    if spec.regions == "published":  # left regions lie above right ones, so the rows are swapped
        side = pictures.shape[-1] // 2
        tiles = pictures.reshape(*pictures.shape[:-2], 2, side, 2, side)  # row, y, column, x
        flipped = tiles.flip((-4, -1)).reshape(pictures.shape)
    else:
        flipped = pictures.flip(-1)
    channel, top = spec.channels.index("u"), {"raw": 255.0, "unit": 1.0}.get(spec.scaling, 0.0)
    flipped[..., channel, :, :] = top - flipped[..., channel, :, :]
    return flipped


def _shift(count: int, reach: float, places: int, draw: torch.Generator) -> Tensor:
    return (2 * torch.rand(count, places, 2, generator=draw) - 1) * reach
