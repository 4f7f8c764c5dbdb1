"""Two-stream networks: one convolutional stream for u, one for v, a classifier on both.

Base of `htnet.engine.models.off_apexnet` and `htnet.engine.models.dual_inception`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from htnet.engine.models.config_limits import channels_of, within


@dataclass(frozen=True, slots=True)
class TwoStreamConfig:
    """Shape of a two-stream network.

    ``streams``: the channels that hold u and v. ``widths``: filters of the first and the second
    part of a stream, each of which halves the map's side. ``hidden``: width of the classifier.
    """

    image_size: int = 28
    classes: int = 3
    channels: int = 3
    streams: tuple[int, ...] = (0, 1)
    widths: tuple[int, ...] = (6, 16)
    hidden: int = 1024
    dropout: float = 0.5

    def __post_init__(self) -> None:
        sizes = (self.image_size // 4, self.image_size, self.classes, self.channels, self.hidden)
        within(self, *sizes, *self.widths, dropout=self.dropout)
        channels_of(self, self.streams, 2, self.channels)
        if len(self.widths) != 2:
            raise ValueError(f"expected two widths, got {self}")


class TwoStreamNet(nn.Module):
    """``forward``: maps (B, channels, S, S) to logits (B, classes).

    ``stream``: makes the network of one component, (B, 1, S, S) to (B, width (S / 4)^2), from
    the config's widths. ``width``: channels of a stream's last map. ``hidden_layers``: layers of
    the config's hidden width before the logits.
    """

    def __init__(
        self,
        config: TwoStreamConfig,
        stream: Callable[[tuple[int, ...]], nn.Module],
        *,
        width: int,
        hidden_layers: int,
    ) -> None:
        super().__init__()
        self.config = config
        self.horizontal = stream(config.widths)
        self.vertical = stream(config.widths)
        flat = 2 * width * (config.image_size // 4) ** 2
        layers: list[nn.Module] = []
        for before, after in pairwise([flat, *[config.hidden] * hidden_layers]):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(config.dropout)]
        self.classifier = nn.Sequential(*layers, nn.Linear(config.hidden, config.classes))

    def forward(self, maps: Tensor) -> Tensor:
        """Return logits (B, classes)."""
        u, v = self.config.streams
        both = [self.horizontal(maps[:, u : u + 1]), self.vertical(maps[:, v : v + 1])]
        logits: Tensor = self.classifier(torch.cat(both, dim=1))
        return logits
