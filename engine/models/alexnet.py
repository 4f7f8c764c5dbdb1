"""AlexNet for small pictures (Krizhevsky, Sutskever and Hinton, NIPS 2012): the large baseline of
papers on micro-expressions.

The official HTNet repository uses torchvision's AlexNet, whose first convolution is 11 x 11 with
stride 4. On 28 x 28 maps that leaves 2 x 2 for the second 3 x 3 pool, which torch refuses, so it
cannot have been run. Here the first convolution is 3 x 3 with stride 1. The other layers have
torchvision's widths. The last map, 2 x 2, goes to the classifier without being resized to 6 x 6.

Parameters: 23,440,195: five convolutions and two layers of 4,096.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from htnet.engine.models.config_limits import within


@dataclass(frozen=True, slots=True)
class AlexNetConfig:
    """Shape of a small-input AlexNet."""

    image_size: int = 28
    classes: int = 3
    channels: int = 3
    widths: tuple[int, ...] = (64, 192, 384, 256, 256)
    hidden: int = 4096
    dropout: float = 0.5

    def __post_init__(self) -> None:
        sizes = (self.image_size, self.classes, self.channels, self.hidden)
        within(self, *sizes, *self.widths, dropout=self.dropout)
        if len(self.widths) != 5 or self.pooled < 1:
            raise ValueError(f"expected five widths and pictures of 15 px or more, got {self}")

    @property
    def pooled(self) -> int:
        """Side of the map after the three pools, each 3 x 3 with stride 2."""
        side = self.image_size
        for _ in range(3):
            side = (side - 3) // 2 + 1
        return side


class AlexNet(nn.Module):
    """``forward``: maps (B, channels, S, S) to logits (B, classes)."""

    def __init__(self, config: AlexNetConfig) -> None:
        super().__init__()
        self.config = config
        a, b, c, d, e = config.widths
        self.features = nn.Sequential(
            nn.Conv2d(config.channels, a, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),  # (B, 64, 13, 13) of S = 28
            nn.Conv2d(a, b, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),  # (B, 192, 6, 6)
            nn.Conv2d(b, c, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(c, d, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(d, e, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),  # (B, 256, 2, 2)
            nn.Flatten(),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(e * config.pooled**2, config.hidden),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.classes),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return logits (B, classes)."""
        logits: Tensor = self.classifier(self.features(maps))
        return logits
