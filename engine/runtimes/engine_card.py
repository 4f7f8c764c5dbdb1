"""Engine card: a JSON file beside an engine that describes its graph, GPU, version and parity.

An engine is opaque and fits one version of its runtime, one model, one shape and often one GPU. It
is only opened with its card (``engine.plan.json`` beside ``engine.plan``). The card holds the
engine's size and SHA-256 too, so a truncated engine is refused.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import torch

from htnet.engine.errors import EngineError
from htnet.engine.runtimes.graph import Graph

FORMAT: Final = "htnet-engine/1"
ANY: Final = "any"
DEFAULT: Final = "default"
CURRENT: Final = "current"
_OLDEST: Final = 8.0  # compute capability of Ampere, where TensorRT-RTX's "default" begins


@dataclass(frozen=True, slots=True)
class Parity:
    """Agreement of an engine with PyTorch in float32 on ``pairs`` pairs of faces.

    ``max_difference``: largest difference of a probability. ``label_agreement``: share of equal
    labels. ``bound``: upper bound of the difference; for int8, lower bound of the agreement.
    ``source``: origin of the pairs, "" if unknown.
    """

    pairs: int
    max_difference: float
    label_agreement: float
    bound: float
    source: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """Runtime and GPU of this machine.

    ``version``: of the runtime. ``gpu``: name. ``capability``: such as "8.6". ``driver``: such as
    "580.95.05". Each of the GPU's is "" without a GPU or where it is unknown.
    """

    version: str
    gpu: str = ""
    capability: str = ""
    driver: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class EngineCard:
    """Description of an engine.

    ``runtime``, ``version``: the runtime that built it and reads it.
    ``key``, ``digest``: of the graph and of the model.
    ``network``: name of the model, "" if unknown.
    ``inputs``: name to shape.
    ``target``: GPUs: "any" for ONNX, "default" for Ampere and later, "sm80,sm89" for those compute
    capabilities, "current" for ``gpu``, on which it was built.
    ``parity``: figures of the check, or the reason why there are none.
    ``size``, ``sha256``: of the engine file, in bytes and hexadecimal.
    """

    runtime: str
    version: str
    part: str
    key: str
    digest: str
    network: str
    preprocess: Mapping[str, Any]
    flow: str | None
    registered: bool
    precision: str
    batch: int
    inputs: Mapping[str, tuple[int, ...]]
    outputs: tuple[str, ...]
    target: str
    gpu: str
    capability: str
    driver: str
    htnet: str
    size: int
    sha256: str
    parity: Parity | str
    format: str = FORMAT

    def to_json(self) -> str:
        """Return indented JSON, readable by people and by `from_json`."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values |= {"preprocess": dict(self.preprocess), "inputs": dict(self.inputs)}
        if isinstance(self.parity, Parity):
            values["parity"] = asdict(self.parity)
        return json.dumps(values, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "EngineCard":
        """Parse the JSON of `to_json`; raises `EngineError` for anything else."""
        try:
            return cls(**_values(json.loads(text)))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            reason = str(error).partition("\n")[0][:120] or type(error).__name__
            raise EngineError(
                f"expected the card of an engine that this version of htnet wrote; got {reason}: "
                "export the engine again."
            ) from None


def card_path(engine: Path) -> Path:
    """Path of an engine's card."""
    return engine.with_name(f"{engine.name}.json")


def read_card(engine: Path) -> EngineCard:
    """Read the card beside an engine; raises `EngineError` where it is missing or invalid."""
    path = card_path(engine)
    try:
        text = path.read_bytes()
    except OSError as error:
        raise EngineError(
            f"expected an engine's card at {path}; got {error.strerror or error}: export the "
            "engine again."
        ) from None
    return EngineCard.from_json(text)


def fingerprint(engine: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 of an engine file; raises `EngineError` if it cannot be read."""
    try:
        with engine.open("rb") as file:
            return os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EngineError(
            f"expected an engine at {engine}; got {error.strerror or error}: export it again."
        ) from None


def misfit(card: EngineCard, engine: Path, graph: Graph, machine: Machine) -> str | None:
    """Reason in words why an engine cannot serve ``graph`` on ``machine``; None where it can.

    A machine without a GPU fits: TensorRT-RTX builds there for other machines.
    """
    if card.digest != graph.digest:
        return "it was made of another model"
    if card.precision != graph.precision:
        return f"it is {card.precision}, and {graph.precision} is asked for"
    if dict(card.inputs) != dict(graph.inputs):
        return f"it takes {_shapes(card.inputs)}, and {_shapes(graph.inputs)} is asked for"
    if card.key != graph.key:
        return "it computes something else, or was made by another htnet"
    if card.version != machine.version:
        return f"it was built by {card.version}, and {machine.version} is here"
    return _other_gpu(card, machine) or _damage(card, engine)


def this_machine(version: str, device: str) -> Machine:
    """Describe this machine's ``device``, with the ``version`` of the runtime that uses it."""
    if torch.device(device).type != "cuda" or not torch.cuda.is_available():
        return Machine(version)
    major, minor = torch.cuda.get_device_capability(device)
    return Machine(version, torch.cuda.get_device_name(device), f"{major}.{minor}", _driver())


def suits(target: str, capability: str) -> bool:
    """Return True if an engine for ``target`` (not "current") runs on a GPU of ``capability``."""
    if target == ANY:
        return True
    if target == DEFAULT:
        return float(capability) >= _OLDEST
    return f"sm{capability.replace('.', '')}" in target.split(",")


def _other_gpu(card: EngineCard, machine: Machine) -> str | None:
    here = (machine.gpu, machine.capability)
    if card.target == CURRENT:
        same = (card.gpu, card.capability) == here
        return None if same else f"it was built on {card.gpu}, and {machine.gpu or 'none'} is here"
    if not machine.capability or suits(card.target, machine.capability):
        return None
    return f"it was built for {card.target}, and the GPU here is sm{machine.capability}"


def _damage(card: EngineCard, engine: Path) -> str | None:
    try:
        size = engine.stat().st_size
    except OSError:
        return "its file is missing"
    if size != card.size:
        return f"its file has {size} bytes where {card.size} were written"
    return None if fingerprint(engine)[1] == card.sha256 else "its file is damaged"


def _shapes(inputs: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {tuple(shape)}" for name, shape in inputs.items())


def _driver() -> str:
    """Version of the GPU driver as the Linux kernel reports it, else ""."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(r"\b\d{3}\.\d+(\.\d+)?\b", text)
    return found[0] if found else ""


_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "batch": (int,),
    "size": (int,),
    "registered": (bool,),
    "flow": (str, type(None)),
    "preprocess": (dict,),
    "inputs": (dict,),
    "outputs": (list,),
    "parity": (dict, str),
}


def _values(read: Any) -> dict[str, Any]:
    """Fields of a card from its JSON; raises `ValueError` or `TypeError` with the reason."""
    if not isinstance(read, dict):
        raise TypeError("no JSON object")
    if read.get("format") != FORMAT:
        raise ValueError(f"the format {read.get('format')!r}, where {FORMAT} is known")
    names = {field.name for field in fields(EngineCard)}
    if set(read) != names:
        raise ValueError(f"missing or unknown fields {sorted(set(read) ^ names)}")
    for name, value in read.items():
        if type(value) not in _KINDS.get(name, (str,)):
            raise ValueError(f"{name} {value!r}")
    inputs = {name: _shape(name, shape) for name, shape in read["inputs"].items()}
    outputs = tuple(read["outputs"])
    if not all(type(name) is str for name in outputs):
        raise ValueError(f"outputs {outputs!r}")
    parity = read["parity"]
    made = parity if isinstance(parity, str) else _parity(parity)
    return read | {"inputs": inputs, "outputs": outputs, "parity": made}


def _shape(name: str, shape: Any) -> tuple[int, ...]:
    if type(shape) is not list or not all(type(side) is int and side > 0 for side in shape):
        raise ValueError(f"{name} of shape {shape!r}")
    return tuple(shape)


def _parity(read: dict[str, Any]) -> Parity:
    made = Parity(**read)
    figures = (made.max_difference, made.label_agreement, made.bound)
    if (type(made.pairs), type(made.source)) != (int, str) or not all(
        type(value) in (int, float) and math.isfinite(value) for value in figures
    ):
        raise ValueError(f"parity {read!r}")
    return made
