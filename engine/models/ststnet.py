"""STSTNet: three shallow streams over the flow map (Liong et al., FG 2019, arXiv 1902.03634).

Tensor names are those of the published weights, one file per held-out subject of the composite.
Those were trained on raw maps (0..255) as strain, v, u; new ones are trained on maps in 0..1.

Parameters: 1,683.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from htnet.engine.models.config_limits import within


@dataclass(frozen=True, slots=True)
class STSTNetConfig:
    """Shape of an STSTNet; the defaults are the paper's."""

    image_size: int = 28
    classes: int = 3
    channels: int = 3
    widths: tuple[int, ...] = (3, 5, 8)
    dropout: float = 0.5

    def __post_init__(self) -> None:
        sizes = (self.image_size, self.classes, self.channels)
        within(self, *sizes, *self.widths, dropout=self.dropout)
        if len(self.widths) != 3 or self.pooled < 1:
            raise ValueError(f"expected three widths and pictures of 3 px or more, got {self}")

    @property
    def pooled(self) -> int:
        """Side of the map after both pools: convolution S + 2, max pool by 3, mean pool by 2."""
        return ((self.image_size + 2 + 2 - 3) // 3 + 1) // 2


class STSTNet(nn.Module):
    """``forward``: maps (B, channels, S, S) to logits (B, classes)."""

    def __init__(self, config: STSTNetConfig) -> None:
        super().__init__()
        self.config = config
        first, second, third = config.widths
        self.conv1 = nn.Conv2d(config.channels, first, 3, padding=2)
        self.conv2 = nn.Conv2d(config.channels, second, 3, padding=2)
        self.conv3 = nn.Conv2d(config.channels, third, 3, padding=2)
        self.bn1 = nn.BatchNorm2d(first)
        self.bn2 = nn.BatchNorm2d(second)
        self.bn3 = nn.BatchNorm2d(third)
        self.fc = nn.Linear(sum(config.widths) * config.pooled**2, config.classes)

    def forward(self, maps: Tensor) -> Tensor:
        """Return logits (B, classes)."""
        pairs = ((self.conv1, self.bn1), (self.conv2, self.bn2), (self.conv3, self.bn3))
        streams = []
        for conv, norm in pairs:
            x = norm(F.relu(conv(maps)))  # (B, w, S + 2, S + 2)
            x = F.max_pool2d(x, 3, 3, padding=1)  # (B, w, 10, 10) of S = 28
            streams.append(F.dropout(x, self.config.dropout, self.training))
        x = F.avg_pool2d(torch.cat(streams, dim=1), 2)  # (B, 16, 5, 5)
        logits: Tensor = self.fc(x.flatten(1))
        return logits
