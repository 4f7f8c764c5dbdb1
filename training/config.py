"""What a training run is made of; plain numbers, so that a run can be told and repeated."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from htnet.engine.errors import UsageError
from htnet.engine.models import NETWORKS, build
from htnet.engine.preprocess import PreprocessSpec


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """``flip``: chance of the mirror image, whose u changes sign. ``shift``: crops move by up to
    this many px of the map, ``spread`` more for each region by itself. ``gain``: each channel is
    multiplied by exp of a normal with this deviation. ``noise``: deviation of Gaussian noise, of
    half the channel's range. ``view``: chance of a made view instead of the published map."""

    flip: float = 0.5
    shift: float = 1.0
    spread: float = 0.5
    gain: float = 0.2
    noise: float = 0.05
    view: float = 0.5


@dataclass(frozen=True, slots=True)
class Schedule:
    """A fixed schedule; the last epoch's weights are the result, whatever they score.

    ``balance``: exponent of the classes' inverse frequency in the loss. ``ema``: decay of the
    weights' moving average, which is what is kept (0 for none). ``mixup``: alpha of its beta.
    ``distill``: share of the loss that is the distance to a kernel teacher's scores; at 1 the
    labels act through the teacher alone, so that ``label_smoothing`` and ``balance`` are idle.
    """

    epochs: int = 40
    batch: int = 64
    lr: float = 1e-3
    weight_decay: float = 0.05
    warmup: float = 0.1
    label_smoothing: float = 0.1
    balance: float = 0.5
    ema: float = 0.99
    mixup: float = 1.0
    distill: float = 1.0
    augment: AugmentConfig = field(default_factory=AugmentConfig)


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """``data``: a folder laid out as the composite. ``landmarks``: a file that holds, or will hold,
    the apex faces' landmarks (by default one in the user's cache). ``network``: a name in the
    registry; ``model`` replaces its default config. ``views``: re-animated versions of each clip to
    train on besides its published map."""

    data: Path
    landmarks: Path | None = None
    network: str = "htnet-s"
    model: Any = None
    spec: PreprocessSpec = field(default_factory=PreprocessSpec)
    schedule: Schedule = field(default_factory=Schedule)
    views: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        if self.network not in NETWORKS or not self.network.startswith("htnet"):
            able = ", ".join(name for name in NETWORKS if name.startswith("htnet"))
            raise UsageError(
                f"expected a network that can be trained here ({able}); got {self.network!r}: "
                "choose one of them."
            )
        if self.views < 0 or self.seed < 0:
            raise UsageError(
                f"expected a seed and a number of views of at least 0; got {self.seed} and "
                f"{self.views}: correct them."
            )

    @property
    def model_config(self) -> Any:
        """The network's config."""
        return NETWORKS[self.network].config if self.model is None else self.model

    def make(self) -> nn.Module:
        """A network with new random weights."""
        return build(self.network, self.model_config)
