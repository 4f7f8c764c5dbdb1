"""HTNet: a hierarchical transformer over four face regions of optical flow.

Z. Wang et al., Neurocomputing 602, 128196 (arXiv 2307.14637). Tensor names and shapes are those of
the official checkpoints. Tokens are channels-last, so that eager torch runs matrix products instead
of 1 x 1 convolutions, with far fewer operations.

Where a block holds one token (28 x 28 pictures in patches of 7), softmax over one value is 1:
queries and keys have no effect, and `FoldedHTNet` merges value and output into one matrix.

Parameters: 114,429,446 with the paper's repeats (2, 2, 8), 139,582,982 with (2, 2, 10) as in the
published script, 546,822 in the compact form.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class HTNetConfig:
    """Shape of an HTNet; the defaults are the paper's.

    ``repeats``: transformer layers at each level, finest first; each level doubles ``dim`` and
    ``heads`` and halves the map's side.
    ``dropout``: inside attention and MLP, in training alone.
    ``drop_path``: probability of skipping a branch, in training alone.
    ``mirror``: average the logits over the picture and its mirror image. The channel of horizontal
    flow, ``mirror_channel`` (-1: none), is negated, so inputs have to be zero at rest.
    """

    image_size: int = 28
    patch_size: int = 7
    classes: int = 3
    dim: int = 256
    heads: int = 3
    repeats: tuple[int, ...] = (2, 2, 8)
    mlp_mult: int = 4
    channels: int = 3
    dropout: float = 0.0
    drop_path: float = 0.0
    mirror: bool = False
    mirror_channel: int = 0

    def __post_init__(self) -> None:
        numbers = (self.image_size, self.patch_size, self.classes, self.dim, self.heads)
        if min(*numbers, self.mlp_mult, self.channels, *self.repeats) < 1 or not self.repeats:
            raise ValueError(f"sizes, heads and repeats have to be at least 1, got {self}")
        if max(*numbers, self.mlp_mult, self.channels) > 1 << 16 or sum(self.repeats) > 1 << 8:
            raise ValueError(f"sizes are beyond any network's, got {self}")
        if self.image_size % (self.patch_size * self.blocks):
            raise ValueError(
                f"image_size {self.image_size} is not divisible by patch_size {self.patch_size} "
                f"times {self.blocks} blocks"
            )
        if self.heads > self.dim:
            raise ValueError(f"{self.heads} heads do not fit into dim {self.dim}")
        if not (0 <= self.dropout < 1 and 0 <= self.drop_path < 1):
            raise ValueError(f"dropout and drop_path are chances below 1, got {self}")
        if not -1 <= self.mirror_channel < self.channels:
            raise ValueError(f"there is no channel {self.mirror_channel} of {self.channels}")

    @property
    def blocks(self) -> int:
        """Number of blocks along a side at the first level."""
        return 1 << (len(self.repeats) - 1)

    @property
    def width(self) -> int:
        """Number of channels at the last level."""
        return self.dim << (len(self.repeats) - 1)

    @property
    def block_side(self) -> int:
        """Number of tokens along a block's side, the same at every level."""
        return self.image_size // self.patch_size // self.blocks


COMPACT = HTNetConfig(dim=32, repeats=(1, 1, 2), mirror=True)
"""Shape of htnet-s."""


class LayerNorm(nn.Module):
    """Layer norm over channels, eps 1e-5, with parameters shaped as in the official checkpoints."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(1, dim, 1, 1))
        self.b = nn.Parameter(torch.zeros(1, dim, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., C) of ``x`` (..., C)."""
        return F.layer_norm(x, x.shape[-1:], self.g.flatten(), self.b.flatten())


class FeedForward(nn.Module):
    """MLP: two pointwise layers with GELU between."""

    def __init__(self, dim: int, mult: int, dropout: float) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(dim, dim * mult, 1),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Conv2d(dim * mult, dim, 1),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., C) of ``x`` (..., C)."""
        hidden = self.net[2](F.gelu(_pointwise(x, self.net[0])))
        out: Tensor = self.net[4](_pointwise(hidden, self.net[3]))
        return out


class Attention(nn.Module):
    """Multi-head self-attention among the tokens of a block."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.inner = dim // heads * heads
        self.to_qkv = nn.Conv2d(dim, 3 * self.inner, 1, bias=False)
        self.to_out = nn.Sequential(nn.Conv2d(self.inner, dim, 1), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, blocks, T, C) of ``x`` (B, blocks, T, C)."""
        if x.shape[-2] == 1:  # one token attends to itself alone
            values = F.linear(x, self.to_qkv.weight.flatten(1)[2 * self.inner :])
            values = F.dropout(values, self.dropout, self.training)
        else:
            q, k, v = heads_of(_pointwise(x, self.to_qkv), self.heads)
            dots = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
            weights = F.dropout(dots.softmax(dim=-1), self.dropout, self.training)
            values = (weights @ v).transpose(-2, -3).flatten(-2)  # (B, blocks, T, inner)
        out: Tensor = self.to_out[1](_pointwise(values, self.to_out[0]))
        return out


class Branch(nn.Module):
    """Residual branch: layer norm, then attention or MLP."""

    def __init__(self, dim: int, fn: Attention | FeedForward) -> None:
        super().__init__()
        self.norm = LayerNorm(dim)
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, blocks, T, C) of ``x`` (B, blocks, T, C)."""
        out: Tensor = self.fn(self.norm(x))
        return out


class Transformer(nn.Module):
    """Transformer layers of one level; the position embedding has one value per token."""

    def __init__(self, dim: int, depth: int, heads: int, config: HTNetConfig) -> None:
        super().__init__()
        self.drop_path = config.drop_path
        self.pos_emb = nn.Parameter(torch.randn(config.block_side**2))
        self.layers = nn.ModuleList(
            nn.ModuleList(
                [
                    Branch(dim, Attention(dim, heads, config.dropout)),
                    Branch(dim, FeedForward(dim, config.mlp_mult, config.dropout)),
                ]
            )
            for _ in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, blocks, T, C) of ``x`` (B, blocks, T, C)."""
        x = x + self.pos_emb[:, None]
        for layer in cast(Iterable[nn.ModuleList], self.layers):
            for branch in layer:
                x = x + self._dropped(branch(x))
        return x

    def _dropped(self, out: Tensor) -> Tensor:
        if not self.training or self.drop_path == 0:
            return out
        return out * F.dropout(out.new_ones(out.shape[0], 1, 1, 1), self.drop_path, True)


def _aggregate(dim: int, dim_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(dim, dim_out, 3, padding=1), LayerNorm(dim_out), nn.MaxPool2d(3, 2, padding=1)
    )


class Backbone(nn.Module, ABC):
    """HTNet without its classifier, which a subclass adds as ``head``."""

    def __init__(self, config: HTNetConfig) -> None:
        super().__init__()
        self.config = config
        patch = config.channels * config.patch_size**2
        self.to_patch_embedding = nn.Sequential(nn.Identity(), nn.Conv2d(patch, config.dim, 1))
        self.layers = nn.ModuleList()
        for level, depth in enumerate(config.repeats):
            dim = config.dim << level
            transformer = Transformer(dim, depth, config.heads << level, config)
            last = level == len(config.repeats) - 1
            aggregate = nn.Identity() if last else _aggregate(dim, 2 * dim)
            self.layers.append(nn.ModuleList([transformer, aggregate]))

    @property
    def levels(self) -> Iterable[tuple[Transformer, nn.Sequential | nn.Identity]]:
        """Transformer of each level and the aggregation after it, identity after the last."""
        return cast(Iterable[tuple[Transformer, nn.Sequential | nn.Identity]], self.layers)

    def features(self, pictures: Tensor) -> Tensor:
        """Return the last map (B, H, W, C) of pictures (B, channels, S, S)."""
        x = patches(pictures, self.config.patch_size)  # (B, H, W, patch)
        x = _pointwise(x, self.to_patch_embedding[1])  # (B, H, W, dim)
        for transformer, aggregate in self.levels:
            side = x.shape[1]
            x = from_blocks(transformer(to_blocks(x, self.config.block_side)), side)
            if isinstance(aggregate, nn.Sequential):
                conv = cast(nn.Conv2d, aggregate[0])
                x = pool(aggregate[1](convolve(x, conv.weight, conv.bias)))  # (B, H/2, W/2, 2 dim)
        return x

    @abstractmethod
    def head(self, x: Tensor) -> Tensor:
        """Return logits (B, classes) of the last map (B, H, W, C)."""

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits (B, classes) of pictures (B, channels, S, S), S = ``image_size``."""
        if not self.config.mirror or self.training:
            return self.head(self.features(pictures))  # (B, classes)
        both = with_mirror(pictures, self.config.mirror_channel)
        return halves_mean(self.head(self.features(both)))


class HTNet(Backbone):
    """``forward``: pictures (B, channels, S, S) to logits (B, classes)."""

    def __init__(self, config: HTNetConfig) -> None:
        super().__init__(config)
        self.mlp_head = mean_head(config.width, config.classes)

    def head(self, x: Tensor) -> Tensor:
        """Return logits (B, classes) of the last map (B, H, W, C)."""
        return on_mean(self.mlp_head, x)


def mean_head(width: int, out: int) -> nn.Sequential:
    """Head of layer norm, mean over the map and a matrix, named as in the official checkpoints."""
    return nn.Sequential(LayerNorm(width), nn.Identity(), nn.Linear(width, out))


def on_mean(head: nn.Sequential, x: Tensor) -> Tensor:
    """Apply a `mean_head` to a map (B, H, W, C): (B, out)."""
    out: Tensor = head[2](head[0](x).mean(dim=(1, 2)))
    return out


def with_mirror(pictures: Tensor, channel: int) -> Tensor:
    """Append the mirror images, with ``channel`` negated: (B, C, S, S) to (2B, C, S, S)."""
    mirrored = pictures.flip(-1)
    if channel >= 0:
        mirrored[:, channel].neg_()
    return torch.cat([pictures, mirrored])


def patches(pictures: Tensor, side: int) -> Tensor:
    """Cut into patches: (B, C, S, S) to (B, S / side, S / side, side * side * C), channels last."""
    batch, channels, height, width = pictures.shape
    rows, columns = height // side, width // side
    cut = pictures.reshape(batch, channels, rows, side, columns, side)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(batch, rows, columns, side * side * channels)


def to_blocks(x: Tensor, side: int) -> Tensor:
    """Cut into blocks of side x side tokens: (B, H, W, C) to (B, blocks, side * side, C)."""
    batch, height, width, channels = x.shape
    if side == 1:
        return x.reshape(batch, height * width, 1, channels)
    cut = x.reshape(batch, height // side, side, width // side, side, channels)
    return cut.transpose(2, 3).reshape(batch, -1, side * side, channels)


def from_blocks(x: Tensor, map_side: int) -> Tensor:
    """Undo `to_blocks`: (B, blocks, T, C) to (B, map_side, map_side, C)."""
    batch, blocks, tokens, channels = x.shape
    if tokens == 1:
        return x.reshape(batch, map_side, map_side, channels)
    side, count = math.isqrt(tokens), math.isqrt(blocks)
    cut = x.reshape(batch, count, count, side, side, channels).transpose(2, 3)
    return cut.reshape(batch, map_side, map_side, channels)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Apply a 3 x 3 convolution, padded by 1, to channels-last x (B, H, W, C)."""
    return torch.conv2d(x.permute(0, 3, 1, 2), weight, bias, padding=1).permute(0, 2, 3, 1)


def pool(x: Tensor) -> Tensor:
    """Apply a 3 x 3 max pool with stride 2 to channels-last x (B, H, W, C)."""
    return torch.max_pool2d(x.permute(0, 3, 1, 2), 3, 2, 1).permute(0, 2, 3, 1)


def _pointwise(x: Tensor, conv: nn.Module) -> Tensor:
    """Apply a 1 x 1 convolution to channels-last tokens (..., C)."""
    assert isinstance(conv, nn.Conv2d)
    return F.linear(x, conv.weight.flatten(1), conv.bias)


def heads_of(qkv: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Split (B, blocks, T, 3 inner) into queries, keys, values, each (B, blocks, heads, T, d)."""
    q, k, v = qkv.reshape(*qkv.shape[:-1], 3, heads, -1).movedim(-3, 0).transpose(-2, -3)
    return q, k, v


def halves_mean(logits: Tensor) -> Tensor:
    """Average logits (2 B, classes) of pictures and their mirror images to (B, classes)."""
    return logits.reshape(2, -1, logits.shape[-1]).mean(dim=0)
