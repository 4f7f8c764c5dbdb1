"""Registry of networks: one file per network, its config dataclass beside it.

A new network is a new file and one line in `NETWORKS`. Every network maps pictures (B, 3, S, S),
their channels ordered by the preprocessing of its weights, to logits (B, classes).

A network whose loss has a second term is a `WithExtraLoss`. `TrainingForm` wraps any network for a
training loop. Under `torch.func.vmap` over stacked parameters and buffers, batch norms write their
running statistics into the stacked buffers.
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
    """Network of the registry.

    ``config``: default config. ``module``: class, constructed from a config. ``spec``: default
    preprocessing. ``fits``: "gradient", or "closed" for those that
    `htnet.training.fitting.classical` fits in closed form.
    """

    config: Any
    module: Callable[[Any], nn.Module]
    spec: PreprocessSpec
    fits: str = "gradient"


PUBLISHED = PreprocessSpec(regions="published", scaling="raw", channels=("strain", "v", "u"))
"""Preprocessing of the official HTNet code: raw maps of `cv2.imread`, cut at fixed places."""

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
    """Network with a second loss term, such as the contrast of `HypHTNet`.

    The loss is (1 - ``extra_weight``) x the logits' loss + ``extra_weight`` x `extra_loss`.
    """

    @property
    def extra_weight(self) -> float:
        """Weight of the second term, 0..1."""

    def training_outputs(self, pictures: Tensor) -> tuple[Tensor, Any]:
        """Return logits (B, classes) and the input of `extra_loss`."""

    def extra_loss(self, extra: Any, labels: Tensor) -> Tensor:
        """Return the second term, a scalar; ``labels``: (B,)."""


class TrainingForm(nn.Module):
    """Wrapper whose ``forward`` returns (logits, extra), for `torch.func.functional_call`.

    ``extra`` is () for a network without a second loss term. Tensor names get the prefix
    "network.".
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> tuple[Tensor, Any]:
        """Return logits (B, classes) and the extra output of pictures (B, 3, S, S)."""
        if isinstance(self.network, WithExtraLoss):
            return self.network.training_outputs(pictures)
        return self.network(pictures), ()


def entry(name: str) -> Entry:
    """Return the network called ``name``; raises `KeyError` with the known names."""
    if name not in NETWORKS:
        raise KeyError(f"expected one of {', '.join(NETWORKS)}; got {name!r}")
    return NETWORKS[name]


def config_to_json(config: Any) -> str:
    """Return one line of JSON, for a weights file's metadata."""
    return json.dumps(dataclasses.asdict(config))


def config_from_json(name: str, text: str) -> Any:
    """Parse the JSON of `config_to_json`; raises `ValueError` or `TypeError` for anything else."""
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
    """Return True if a JSON value fits a field's type: int, float, bool, str or a tuple of one."""
    if get_origin(kind) is tuple:
        return isinstance(value, list) and all(_is(get_args(kind)[0], each) for each in value)
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is kind


def build(name: str, config: Any = None) -> nn.Module:
    """Build a network with random weights, or an unfitted one where the fit is closed form."""
    chosen = entry(name)
    return chosen.module(chosen.config if config is None else config)
