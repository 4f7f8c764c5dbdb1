"""HTNet for serving: the same function, to about 1e-5, with constant factors multiplied out.

Where a block holds one token, softmax over one value is 1, so attention is the product of its
output and value matrices. Gain and offset of a norm are merged into the matrix after it.
"""

from collections.abc import Iterable
from typing import Final, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from htnet.engine.errors import UsageError
from htnet.engine.models.htnet import (
    Attention,
    Branch,
    FeedForward,
    HTNet,
    HTNetConfig,
    LayerNorm,
    Transformer,
    convolve,
    from_blocks,
    halves_mean,
    heads_of,
    patches,
    pool,
    to_blocks,
    with_mirror,
)


class FoldedLayer(nn.Module):
    """Transformer layer with the gains and offsets of its norms merged into the next matrices."""

    mix: Tensor  # value and output matrix in one, or the output matrix after attention
    mix_bias: Tensor
    up: Tensor
    up_bias: Tensor
    down: Tensor
    down_bias: Tensor

    def __init__(self, attend: Branch, feed: Branch, one_token: bool) -> None:
        super().__init__()
        attention, net = attend.fn, feed.fn
        assert isinstance(attention, Attention) and isinstance(net, FeedForward)
        self.heads = attention.heads
        mix, bias = _matrix(attention.to_out[0])
        qkv, none = _matrix(attention.to_qkv)
        if one_token:
            mix, bias = _merged(attend.norm, mix @ qkv[2 * attention.inner :], bias)
            self.qkv = self.qkv_bias = None
        else:
            qkv, none = _merged(attend.norm, qkv, none)
            self.register_buffer("qkv", qkv.float())
            self.register_buffer("qkv_bias", none.float())
        up, up_bias = _merged(feed.norm, *_matrix(net.net[0]))
        down, down_bias = _matrix(net.net[3])
        self.register_buffer("mix", mix.float())
        self.register_buffer("mix_bias", bias.float())
        self.register_buffer("up", up.float())
        self.register_buffer("up_bias", up_bias.float())
        self.register_buffer("down", down.float())
        self.register_buffer("down_bias", down_bias.float())

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, blocks, T, C) of ``x`` (B, blocks, T, C)."""
        values = torch.layer_norm(x, x.shape[-1:])
        if self.qkv is not None:
            q, k, v = heads_of(F.linear(values, self.qkv, self.qkv_bias), self.heads)
            dots = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
            values = (dots.softmax(dim=-1) @ v).transpose(-2, -3).flatten(-2)
        x = x + F.linear(values, self.mix, self.mix_bias)
        hidden = F.gelu(F.linear(torch.layer_norm(x, x.shape[-1:]), self.up, self.up_bias))
        return x + F.linear(hidden, self.down, self.down_bias)


class FoldedLevel(nn.Module):
    """Level: transformer layers and the aggregation after them."""

    position: Tensor
    weight: Tensor
    bias: Tensor
    gain: Tensor
    offset: Tensor

    def __init__(self, transformer: Transformer, aggregate: nn.Module, config: HTNetConfig) -> None:
        super().__init__()
        self.side = config.block_side
        pairs = cast(Iterable[tuple[Branch, Branch]], transformer.layers)
        self._each = [FoldedLayer(a, f, self.side == 1) for a, f in pairs]
        self.layers = nn.Sequential(*self._each)
        self.register_buffer("position", transformer.pos_emb.detach()[:, None].clone())
        self.last = not isinstance(aggregate, nn.Sequential)
        if isinstance(aggregate, nn.Sequential):
            conv, norm = aggregate[0], aggregate[1]
            assert isinstance(conv, nn.Conv2d) and conv.bias is not None
            assert isinstance(norm, LayerNorm)
            self.register_buffer("weight", conv.weight.detach().clone())
            self.register_buffer("bias", conv.bias.detach().clone())
            self.register_buffer("gain", norm.g.detach().flatten().clone())
            self.register_buffer("offset", norm.b.detach().flatten().clone())

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) to (B, H / 2, W / 2, 2 C), or to (B, H, W, C) at the last level."""
        side = x.shape[1]
        x = to_blocks(x, self.side) + self.position
        for layer in self._each:
            x = layer.forward(x)  # not layer(x): its hooks cost as much as an operation
        x = from_blocks(x, side)
        if self.last:
            return x
        x = convolve(x, self.weight, self.bias)
        return pool(torch.layer_norm(x, self.gain.shape, self.gain, self.offset))


_EXACT: Final = 1e-5
"""Largest difference of the folded logits, relative to the logits' scale."""


class FoldedHTNet(nn.Module):
    """`HTNet` for serving, with constant factors multiplied out in the constructor.

    Raises `UsageError` where the result would be another function: for a network in training mode,
    whose dropout acts between the merged matrices; for a subclass or a network with hooks, whose
    forward pass may differ; and where the logits of random pictures differ by more than 1e-5 of
    their scale, as when products of the weights exceed float32.
    """

    embedding: Tensor
    embedding_bias: Tensor
    head: Tensor
    head_bias: Tensor

    def __init__(self, network: HTNet) -> None:
        super().__init__()
        _require_plain(network)
        self.config = network.config
        embedding, embedding_bias = _matrix(network.to_patch_embedding[1])
        norm = network.mlp_head[0]
        assert isinstance(norm, LayerNorm)
        head, head_bias = _merged(norm, *_matrix(network.mlp_head[2]))
        self.register_buffer("embedding", embedding.float())
        self.register_buffer("embedding_bias", embedding_bias.float())
        self._each = [FoldedLevel(*level, self.config) for level in network.levels]
        self.levels = nn.Sequential(*self._each)
        self.register_buffer("head", head.float())
        self.register_buffer("head_bias", head_bias.float())
        self.eval()
        self._require_same(network)

    def _require_same(self, network: HTNet) -> None:
        """Raise unless the logits are the network's on random pictures of -1..1 and 0..255."""
        side, draw = self.config.image_size, torch.Generator().manual_seed(0)
        pictures = torch.rand(2, self.config.channels, side, side, generator=draw)
        pictures = torch.stack([2 * pictures[0] - 1, 255 * pictures[1]]).to(self.head.device)
        with torch.inference_mode():
            wanted, found = network(pictures), self.forward(pictures)
        off = float((found - wanted).abs().max() / wanted.abs().max().clamp(min=1))
        if not off <= _EXACT:  # NaN too
            raise UsageError(
                f"expected a network whose folded form gives its logits to {_EXACT:g} of their "
                f"scale; got {off:.1e}, since its weights are out of the range in which float32 "
                "multiplies them exactly enough: use it unfolded."
            )

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits (B, classes) of pictures (B, channels, S, S), S = ``image_size``."""
        if self.config.mirror:
            pictures = with_mirror(pictures, self.config.mirror_channel)
        x = patches(pictures, self.config.patch_size)
        x = F.linear(x, self.embedding, self.embedding_bias)  # (B, H, W, C)
        for level in self._each:
            x = level.forward(x)
        x = torch.layer_norm(x, x.shape[-1:]).mean(dim=(1, 2))
        logits = F.linear(x, self.head, self.head_bias)
        return halves_mean(logits) if self.config.mirror else logits  # (B, classes)


def _require_plain(network: HTNet) -> None:
    """Raise unless the network is a plain `HTNet`, in float32 and in eval mode."""
    hooked = [m for m in network.modules() if m._forward_hooks or m._forward_pre_hooks]
    if type(network) is not HTNet:
        came = f"{type(network).__name__}, which may go its own way to its logits"
    elif any(module.training for module in network.modules()):
        came = "one in training mode: call eval() first, or use it unfolded"
    elif hooked:
        came = f"one with hooks on {type(hooked[0]).__name__}: remove them, or use it unfolded"
    elif any(p.dtype != torch.float32 for p in network.parameters()):
        came = "one in other numbers: fold it first and convert it then"
    else:
        return
    raise UsageError(f"expected a plain HTNet in float32 and eval mode to fold; got {came}.")


def _matrix(module: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight (out, in) and bias (out,) of a pointwise layer, in double precision."""
    assert isinstance(module, nn.Conv2d | nn.Linear)
    weight = module.weight.detach().flatten(1).double()
    bias = weight.new_zeros(len(weight)) if module.bias is None else module.bias.detach().double()
    return weight, bias


def _merged(norm: LayerNorm, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Merge gain and offset of a layer norm into the weight and bias after it."""
    gain, offset = norm.g.detach().flatten().double(), norm.b.detach().flatten().double()
    return weight * gain, bias + weight @ offset
