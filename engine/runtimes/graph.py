"""Graphs: modules of static shapes with the description needed to compile them.

There are two: "network", from the network's input to probabilities, where OpenCV computes the flow
on the CPU; and "pair", from two gray crops to probabilities, where everything stays on one device.
"""

import hashlib
import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Final

import torch
from torch import Tensor, nn

from htnet.engine.errors import UsageError
from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH
from htnet.engine.models.weights import Loaded
from htnet.engine.motion.preprocess import PreprocessSpec
from htnet.engine.runtimes.pair_module import PairRecognizer

PRECISIONS: Final = ("fp32", "fp16", "bf16", "int8")
_HALVES: Final = {"fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """Module to be compiled, and its description.

    ``part``: "network" or "pair".
    ``module``: float32, in eval mode, on the CPU.
    ``inputs``: name to shape, the batch first.
    ``outputs``: names, each float32.
    ``precision``: the network's; flow, strain and scaling are always float32. For int8 the module
    is float32 too: its network is quantised at export.
    ``digest``: hash of weights and preprocessing, for caches and cards.
    ``flow``, ``registered``: of a pair graph, see `pair_graph`.
    """

    part: str
    module: nn.Module
    inputs: Mapping[str, tuple[int, ...]]
    outputs: tuple[str, ...]
    precision: str
    spec: PreprocessSpec
    digest: str
    flow: str | None = None
    registered: bool = False

    @property
    def batch(self) -> int:
        """Number of pairs in one call."""
        return next(iter(self.inputs.values()))[0]

    @property
    def key(self) -> str:
        """Hash of the computed function: 16 hexadecimal digits."""
        said = [self.part, self.digest, self.precision, self.flow, self.registered]
        shapes = {name: list(shape) for name, shape in self.inputs.items()}
        text = json.dumps([_VERSION, *said, shapes, self.outputs])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def example(self) -> tuple[Tensor, ...]:
        """Return inputs of the right shapes: noise for crops and pictures, 0.5 for centres."""
        drawn = torch.Generator().manual_seed(0)
        made = []
        for name, shape in self.inputs.items():
            if name == "centres":
                made.append(torch.full(shape, 0.5))
            elif name == "pictures":
                made.append(torch.rand(shape, generator=drawn) * 2 - 1)
            else:
                made.append((torch.rand(shape, generator=drawn) * 255).round())
        return tuple(made)


_VERSION: Final = 1
"""Version of the key, increased when the same weights give another graph."""


def network_graph(loaded: Loaded, *, precision: str = "fp32", batch: int = 1) -> Graph:
    """Graph from pictures (B, 3, S, S) of `network_input` to probabilities (B, classes)."""
    spec = loaded.spec
    side = spec.size if spec.regions == "whole" else 2 * spec.region
    return Graph(
        part="network",
        module=Network(_at(precision, loaded.network), spec.temperature).eval(),
        inputs=MappingProxyType({"pictures": (batch, 3, side, side)}),
        outputs=("probabilities",),
        precision=precision,
        spec=spec,
        digest=digest(loaded),
    )


def pair_graph(
    loaded: Loaded,
    *,
    flow: str | None = None,
    registered: bool = False,
    precision: str = "fp32",
    batch: int = 1,
    with_motion: bool = False,
) -> Graph:
    """Graph from onset, apex and region centres to probabilities (B, classes).

    Inputs: onset and apex (B, 1, 170, 140) in 0..255, centres (B, 4, 2). ``with_motion``: also
    return the flow (B, 2, 170, 140) without head motion and the head motion (B, 4), for spotting.
    Other options as in `PairRecognizer`. Raises `UsageError` for a solver that does not run on
    tensors.
    """
    network = replace(loaded, network=_at(precision, loaded.network))
    module = PairRecognizer(network, flow=flow, registered=registered, with_motion=with_motion)
    crop = (batch, 1, CROP_HEIGHT, CROP_WIDTH)
    return Graph(
        part="pair",
        module=module.eval(),
        inputs=MappingProxyType({"onset": crop, "apex": crop, "centres": (batch, 4, 2)}),
        outputs=("probabilities", "flow", "head") if with_motion else ("probabilities",),
        precision=precision,
        spec=loaded.spec,
        digest=digest(loaded),
        flow=module.flow,
        registered=registered,
    )


class Network(nn.Module):
    """Network, temperature and softmax: pictures (B, 3, S, S) to probabilities (B, classes)."""

    def __init__(self, network: nn.Module, temperature: float) -> None:
        super().__init__()
        self.network = network
        self.temperature = temperature

    def forward(self, pictures: Tensor) -> Tensor:
        """Return probabilities (B, classes)."""
        return torch.softmax(self.network(pictures) / self.temperature, dim=-1)


class Half(nn.Module):
    """Network in half precision, with float32 pictures and float32 logits."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network.to(dtype)
        self.dtype = dtype

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits (B, classes) of pictures (B, 3, S, S)."""
        logits: Tensor = self.network(pictures.to(self.dtype))
        return logits.float()


def _at(precision: str, network: nn.Module) -> nn.Module:
    if precision not in PRECISIONS:
        raise UsageError(
            f"expected a precision among {', '.join(PRECISIONS)}; got {precision!r}: choose one."
        )
    half = _HALVES.get(precision)
    if half is None:
        return network
    return Half(deepcopy(network), half)


def digest(loaded: Loaded) -> str:
    """SHA-256 of weights and preprocessing: 64 hexadecimal digits."""
    total = hashlib.sha256(json.dumps([loaded.name, asdict(loaded.spec)], sort_keys=True).encode())
    for name, tensor in sorted(loaded.network.state_dict().items()):
        total.update(name.encode())
        flat = tensor.detach().cpu().contiguous()
        total.update(flat.reshape(-1).view(torch.uint8).numpy())
    return total.hexdigest()
