"""OFF-ApexNet: one small convolutional stream for each flow component (Gan et al., Signal
Processing: Image Communication 74, 2019, arXiv 1805.08699).

Each stream has 5 x 5 convolutions with 6 and 16 filters, each followed by a 2 x 2 max pool. The 2 x
784 values go through two layers of 1,024 to the classes. Layer sizes, 2.66 million parameters in
all, are those reported by later papers; ReLU after the convolutions and dropout between the layers
of 1,024 are our reading. The paper's input is flow as measured (TV-L1); ours is the published map,
each component min-maxed, minus its median.

Parameters: 2,664,475.
"""

from dataclasses import dataclass

from torch import nn

from htnet.engine.models.two_streams import TwoStreamConfig, TwoStreamNet


@dataclass(frozen=True, slots=True)
class OffApexNetConfig(TwoStreamConfig):
    """Shape of an OFF-ApexNet; the defaults are the paper's."""


class OffApexNet(TwoStreamNet):
    """``forward``: maps (B, channels, S, S) to logits (B, classes)."""

    def __init__(self, config: OffApexNetConfig) -> None:
        super().__init__(config, _stream, width=config.widths[1], hidden_layers=2)


def _stream(widths: tuple[int, ...]) -> nn.Sequential:
    """Stream of one flow component: (B, 1, S, S) to (B, widths[1] (S / 4)^2)."""
    return nn.Sequential(
        nn.Conv2d(1, widths[0], 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(widths[0], widths[1], 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
    )
