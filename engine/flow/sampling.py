"""Interpolation of pictures at the places that a flow points to.

`torch.nn.functional.grid_sample` takes places as fractions of the picture, and fractions of 140 px
are mostly not exact in float32: with zero flow it would sample between pixels, and a solver would
find false motion. So a picture is padded to sides that are powers of two, where integer px are
exact.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_MARGIN = 2  # px that cubic interpolation reads beyond the border


def pixels(height: int, width: int, device: torch.device) -> Tensor:
    """Coordinates x and y of every pixel: (2, H, W) float32."""
    y, x = torch.meshgrid(
        torch.arange(height, dtype=torch.float32, device=device),
        torch.arange(width, dtype=torch.float32, device=device),
        indexing="ij",
    )
    return torch.stack([x, y])


def canvas(maps: Tensor) -> Tensor:
    """Pad ``maps`` (B, C, H, W) by repeating their borders, for `sampled`."""
    height, width = maps.shape[-2:]
    down = _power_of_two(height + 2 * _MARGIN) - height - _MARGIN
    across = _power_of_two(width + 2 * _MARGIN) - width - _MARGIN
    return F.pad(maps, (_MARGIN, across, _MARGIN, down), mode="replicate")


def sampled(canvas: Tensor, places: Tensor, mode: str) -> Tensor:
    """Sample the maps of a `canvas` at ``places`` (B, 2, H, W), x and y in px: (B, C, H, W).

    ``mode``: "bilinear", or "bicubic" with OpenCV's -0.75. Valid for places within the maps; values
    outside are finite and meaningless.
    """
    height, width = canvas.shape[-2:]
    x = (places[:, 0] + (_MARGIN + 0.5)) * (2 / width) - 1
    y = (places[:, 1] + (_MARGIN + 0.5)) * (2 / height) - 1
    grid = torch.stack([x, y], dim=-1)
    return F.grid_sample(canvas, grid, mode=mode, padding_mode="zeros", align_corners=False)


def _power_of_two(at_least: int) -> int:
    return 1 << (at_least - 1).bit_length()
