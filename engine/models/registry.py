"""The registry of networks: one file per network, its config dataclass beside it.

A new network is a new file and one line in `NETWORKS`. Every network maps pictures (B, 3, S, S),
their channels ordered by the preprocessing that goes with its weights, to logits (B, classes).

A network whose loss has a second part is a `WithExtraLoss`; `TrainingForm` calls any network as a
training loop wants it. Under `torch.func.vmap` over stacked parameters and stacked buffers, batch
norms write their running statistics into the stacked buffers.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, get_args, get_origin, runtime_checkable

from torch import Tensor, nn

from htnet.engine.models.alexnet import AlexNet, AlexNetConfig
from htnet.engine.models.biwoof import BiWoof, BiWoofConfig
from htnet.engine.models.dual_inception import DualInception, DualInceptionConfig
from htnet.engine.models.htnet import COMPACT, HTNet, HTNetConfig
from htnet.engine.models.hyphtnet import HypHTNet, HypHTNetConfig
from htnet.engine.models.off_apexnet import OffApexNet, OffApexNetConfig
from htnet.engine.models.rcn import RCN, RCNConfig
from htnet.engine.models.ststnet import STSTNet, STSTNetConfig
from htnet.engine.models.svm import KernelConfig, KernelMachine
from htnet.engine.motion.preprocess import PreprocessSpec


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A network by name: its default config, its module class, made from a config alone, and the
    preprocessing that it is meant for. ``fits``: "gradient", or "closed" for those that
    `htnet.training.fitting.classical` fits in one go."""

    config: Any
    module: Callable[[Any], nn.Module]
    spec: PreprocessSpec
    fits: str = "gradient"


PUBLISHED = PreprocessSpec(regions="published", scaling="raw", channels=("strain", "v", "u"))
"""What the official HTNet code feeds: raw maps as `cv2.imread` gives them, cut at fixed places."""

_UNIT = PreprocessSpec(regions="whole", scaling="unit")
_CENTRED = PreprocessSpec(regions="whole", scaling="median")

NETWORKS: Mapping[str, Entry] = {
    "htnet": Entry(HTNetConfig(), HTNet, PUBLISHED),
    "htnet-s": Entry(COMPACT, HTNet, PreprocessSpec()),
    "hyphtnet": Entry(HypHTNetConfig(), HypHTNet, PUBLISHED),
    "ststnet": Entry(STSTNetConfig(), STSTNet, _UNIT),
    "off-apexnet": Entry(OffApexNetConfig(), OffApexNet, _CENTRED),
    "dual-inception": Entry(DualInceptionConfig(), DualInception, _UNIT),
    "rcn": Entry(RCNConfig(), RCN, _UNIT),
    "alexnet": Entry(AlexNetConfig(), AlexNet, _UNIT),
    "bi-woof": Entry(BiWoofConfig(), BiWoof, _CENTRED, fits="closed"),
    "svm": Entry(
        KernelConfig(),
        KernelMachine,
        PreprocessSpec(regions="whole", scaling="raw"),
        fits="closed",
    ),
}


@runtime_checkable
class WithExtraLoss(Protocol):
    """A network whose loss is (1 - ``extra_weight``) times the logits' and ``extra_weight`` times
    its own, such as the contrast of `HypHTNet`."""

    @property
    def extra_weight(self) -> float:
        """The share, 0..1."""

    def training_outputs(self, pictures: Tensor) -> tuple[Tensor, Any]:
        """Logits (B, classes) and what `extra_loss` takes."""

    def extra_loss(self, extra: Any, labels: Tensor) -> Tensor:
        """A scalar; ``labels``: (B,)."""


class TrainingForm(nn.Module):
    """A network whose ``forward`` gives (logits, extra), so that `torch.func.functional_call` can
    reach both; extra is () where there is none. Its tensors are called "network." and their
    name."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> tuple[Tensor, Any]:
        """``pictures``: (B, 3, S, S)."""
        if isinstance(self.network, WithExtraLoss):
            return self.network.training_outputs(pictures)
        return self.network(pictures), ()


def entry(name: str) -> Entry:
    """The network called ``name``; raises `KeyError` with the names there are."""
    if name not in NETWORKS:
        raise KeyError(f"expected one of {', '.join(NETWORKS)}; got {name!r}")
    return NETWORKS[name]


def config_to_json(config: Any) -> str:
    """One line of JSON, for a weights file's metadata."""
    return json.dumps(dataclasses.asdict(config))


def config_from_json(name: str, text: str) -> Any:
    """Read what `config_to_json` wrote; raises `ValueError` or `TypeError` for anything else."""
    kind = type(entry(name).config)
    values = json.loads(text)
    if not isinstance(values, dict):
        raise TypeError(f"a config is a JSON object, got {text[:40]!r}")
    known = {field.name: field.type for field in dataclasses.fields(kind)}
    if unknown := set(values) - set(known):
        raise ValueError(f"unknown fields {sorted(unknown)}")
    for key, value in values.items():
        if not _is(known[key], value):
            raise ValueError(f"{key} is {value!r}")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def _is(kind: Any, value: Any) -> bool:
    """Whether a JSON value is of a field's type: int, float, bool, str or a tuple of one of
    them."""
    if get_origin(kind) is tuple:
        return isinstance(value, list) and all(_is(get_args(kind)[0], each) for each in value)
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is kind


def build(name: str, config: Any = None) -> nn.Module:
    """A new network with random weights; one that is fitted in closed form knows nothing yet."""
    chosen = entry(name)
    return chosen.module(chosen.config if config is None else config)
