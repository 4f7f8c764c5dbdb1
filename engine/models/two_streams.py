"""What OFF-ApexNet and Dual-Inception have in common: a stream for u and one for v."""

from dataclasses import dataclass

from htnet.engine.models.config_limits import channels_of, within


@dataclass(frozen=True, slots=True)
class TwoStreamConfig:
    """``streams``: the channels that hold u and v. ``widths``: filters in the first and the second
    part of a stream, each of which halves the map's side. ``hidden``: width behind the streams."""

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
