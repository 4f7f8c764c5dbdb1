"""Pictures seen between their pixels, at places that a flow points to.

`torch.nn.functional.grid_sample` wants places as fractions of the picture, and a fraction of 140 px
is seldom a float: a still flow would read between pixels, and a solver find motion where there is
none. So a picture is laid on a canvas whose sides are powers of two; there whole px stay whole.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_MARGIN = 2  # what cubic interpolation reads beyond the border


def pixels(height: int, width: int, device: torch.device) -> Tensor:
    """Every pixel's x and y: (2, H, W) float32."""
    y, x = torch.meshgrid(
        torch.arange(height, dtype=torch.float32, device=device),
        torch.arange(width, dtype=torch.float32, device=device),
        indexing="ij",
    )
    return torch.stack([x, y])


def canvas(maps: Tensor) -> Tensor:
    """``maps`` (B, C, H, W) with their borders repeated, for `sampled`."""
    height, width = maps.shape[-2:]
    down = _power_of_two(height + 2 * _MARGIN) - height - _MARGIN
    across = _power_of_two(width + 2 * _MARGIN) - width - _MARGIN
    return F.pad(maps, (_MARGIN, across, _MARGIN, down), mode="replicate")


def sampled(canvas: Tensor, places: Tensor, mode: str) -> Tensor:
    """The maps of a `canvas` at ``places`` (B, 2, H, W), x and y in their px: (B, C, H, W).

    ``mode``: "bilinear", or "bicubic" with OpenCV's -0.75. True for places within the maps; what is
    read outside is finite and means nothing.
    """
    height, width = canvas.shape[-2:]
    x = (places[:, 0] + (_MARGIN + 0.5)) * (2 / width) - 1
    y = (places[:, 1] + (_MARGIN + 0.5)) * (2 / height) - 1
    grid = torch.stack([x, y], dim=-1)
    return F.grid_sample(canvas, grid, mode=mode, padding_mode="zeros", align_corners=False)


def _power_of_two(at_least: int) -> int:
    return 1 << (at_least - 1).bit_length()
