"""RCN: a recurrent convolutional layer over the flow map (Xia et al., "Revealing the invisible with
model and data shrinking for composite-database micro-expression recognition", IEEE TIP 29, 2020).

A 5 x 5 stem, one recurrent layer, which applies the same 3 x 3 convolution repeatedly to its own
output, an average pool and the classifier. Three of the paper's modules are options: ``wide``
(RCN-W) makes the stem of three dilated branches, ``shortcut`` (RCN-S) feeds every iteration the sum
of all earlier outputs, ``attention`` (RCN-A) weights the last map by the class activation of the
stem, computed with the classifier's own weights. Without them it is the plain RCN.

Differences: the paper's input is 60 x 60 and pooled to 7 x 7, ours 28 x 28 and pooled to 3 x 3, the
same ratio. Weights are initialised as torch does. The paper's RCN-P, RCN-C and RCN-F are left out.

Parameters: 48,067, with ``wide`` 44,995; the other two add none.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from htnet.engine.models.config_limits import within


@dataclass(frozen=True, slots=True)
class RCNConfig:
    """Shape of an RCN. ``width``: channels of every map; ``pooled``: side of the last one."""

    image_size: int = 28
    classes: int = 3
    channels: int = 3
    width: int = 64
    pooled: int = 3
    dropout: float = 0.5
    wide: bool = False
    shortcut: bool = False
    attention: bool = False

    def __post_init__(self) -> None:
        sizes = (self.image_size, self.classes, self.channels, self.width, self.pooled)
        within(self, *sizes, dropout=self.dropout)
        if self.image_size < 8 or self.width % 4:
            raise ValueError(f"expected 8 px or more and a width in fours, got {self}")


class RecurrentLayer(nn.Module):
    """Recurrent layer (B, C, H, W) to (B, C, H, W): a convolution applied two or three times."""

    def __init__(self, width: int, shortcut: bool) -> None:
        super().__init__()
        self.shortcut = shortcut
        self.feed = _normed(nn.Conv2d(width, width, 1))
        self.recur = _normed(nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, H, W) of ``x`` (B, C, H, W)."""
        out: Tensor = self.feed(x)
        if not self.shortcut:
            for _ in range(2):
                out = self.recur(x + out)
            return out
        seen = x + out
        for _ in range(2):
            seen = seen + self.recur(seen)
        out = self.recur(seen)
        return out


class WideStem(nn.Module):
    """Three branches of dilation 1, 2, 3 and stride 3: (B, channels, S, S) to (B, C, S/3, S/3)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, own, 3, stride=3, padding=dilation, dilation=dilation),
                nn.ReLU(),
                nn.BatchNorm2d(own),
            )
            for dilation, own in ((1, width // 2), (2, width // 4), (3, width // 4))
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return (B, C, S/3, S/3) of ``maps`` (B, channels, S, S)."""
        return torch.cat([branch(maps) for branch in self.branches], dim=1)


class RCN(nn.Module):
    """``forward``: maps (B, channels, S, S) to logits (B, classes)."""

    def __init__(self, config: RCNConfig) -> None:
        super().__init__()
        self.config = config
        if config.wide:
            self.stem: nn.Module = WideStem(config.channels, config.width)
        else:
            self.stem = nn.Sequential(
                _normed(nn.Conv2d(config.channels, config.width, 5)), nn.MaxPool2d(2)
            )
        self.recurrent = RecurrentLayer(config.width, config.shortcut)
        self.fc = nn.Linear(config.width * config.pooled**2, config.classes)

    def forward(self, maps: Tensor) -> Tensor:
        """Return logits (B, classes)."""
        stem = self._dropped(self.stem(maps))  # (B, C, 12, 12) of S = 28
        x = self._dropped(F.max_pool2d(self.recurrent(stem), 2))  # (B, C, 6, 6)
        x = F.adaptive_avg_pool2d(x, self.config.pooled)  # (B, C, 3, 3)
        if self.config.attention:
            x = x * self.activation(stem)
        logits: Tensor = self.fc(x.flatten(1))
        return logits

    def activation(self, x: Tensor) -> Tensor:
        """Class activation (B, 1, p, p) in 0..1 of a map (B, C, H, W).

        The activation of each class, with the classifier's weights, is min-maxed over the map; the
        result is their mean.
        """
        pooled = F.adaptive_avg_pool2d(x, self.config.pooled)
        weights = self.fc.weight.reshape(self.config.classes, *pooled.shape[1:])
        maps = (weights * pooled[:, None]).mean(dim=2)  # (B, classes, p, p)
        maps = maps - maps.amin(dim=(-2, -1), keepdim=True)
        maps = maps / maps.amax(dim=(-2, -1), keepdim=True).clamp_min(1e-12)
        return maps.mean(dim=1, keepdim=True)

    def _dropped(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.config.dropout, self.training)


def _normed(conv: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU())
