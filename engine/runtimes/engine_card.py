"""What lies beside an engine: a JSON card that says what it computes, and where it can run.

An engine is opaque, and fits one version of its runtime, often one GPU, one model and one shape. So
none is opened without its card (``engine.plan.json`` beside ``engine.plan``), which knows the
engine's own bytes too: an engine that was cut short does not pass.
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
    """An engine's answers beside those of PyTorch in float32 on ``pairs`` pairs of faces.

    ``max_difference``: of any probability. ``label_agreement``: the share of equal labels.
    ``bound``: the difference may not be above it; for int8 the agreement may not be below it.
    ``source``: where the pairs come from, "" if nobody said.
    """

    pairs: int
    max_difference: float
    label_agreement: float
    bound: float
    source: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """What an engine would run on. ``version``: its runtime's. ``gpu``: its name; ``capability``:
    such as "8.6"; ``driver``: such as "580.95.05". Each is "" where there is none, or it is unknown.
    """

    version: str
    gpu: str = ""
    capability: str = ""
    driver: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class EngineCard:
    """All that is known of an engine.

    ``runtime`` and ``version``: what built it and reads it. ``key`` and ``digest``: the graph's and
    the model's; ``network``: the model's name, "" if nobody gave it. ``inputs``: name to shape.
    ``target``: the GPUs it is for: "any" for ONNX, "default" for Ampere and later, "sm80,sm89" for
    those compute capabilities, "current" for ``gpu``, on which it was built. ``parity``: the
    figures, or why there are none. ``size``, in bytes, and ``sha256`` are the engine file's.
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
        """For people as much as for `from_json`."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values |= {"preprocess": dict(self.preprocess), "inputs": dict(self.inputs)}
        if isinstance(self.parity, Parity):
            values["parity"] = asdict(self.parity)
        return json.dumps(values, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "EngineCard":
        """Read what `to_json` wrote; raises `EngineError` for anything else."""
        try:
            return cls(**_values(json.loads(text)))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            reason = str(error).partition("\n")[0][:120] or type(error).__name__
            raise EngineError(
                f"expected the card of an engine that this version of htnet wrote; got {reason}: "
                "export the engine again."
            ) from None


def card_path(engine: Path) -> Path:
    """Where an engine's card lies."""
    return engine.with_name(f"{engine.name}.json")


def read_card(engine: Path) -> EngineCard:
    """The card beside an engine; raises `EngineError` where there is none that can be read."""
    path = card_path(engine)
    try:
        text = path.read_bytes()
    except OSError as error:
        raise EngineError(
            f"expected an engine's card at {path}; got {error.strerror or error}: export the engine "
            "again."
        ) from None
    return EngineCard.from_json(text)


def fingerprint(engine: Path) -> tuple[int, str]:
    """An engine file's size in bytes and SHA-256; raises `EngineError` where it cannot be read."""
    try:
        with engine.open("rb") as file:
            return os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EngineError(
            f"expected an engine at {engine}; got {error.strerror or error}: export it again."
        ) from None


def misfit(card: EngineCard, engine: Path, graph: Graph, machine: Machine) -> str | None:
    """Why an engine cannot serve ``graph`` on ``machine``, in words; None where it can.

    A machine without a GPU is no misfit: TensorRT-RTX builds there for others.
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
    """What ``device`` is, with the ``version`` of the runtime that is meant to use it."""
    if torch.device(device).type != "cuda" or not torch.cuda.is_available():
        return Machine(version)
    major, minor = torch.cuda.get_device_capability(device)
    return Machine(version, torch.cuda.get_device_name(device), f"{major}.{minor}", _driver())


def suits(target: str, capability: str) -> bool:
    """Whether an engine for ``target``, other than "current", runs on a GPU of ``capability``."""
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
    """The GPU driver's version, where the kernel tells it (Linux)."""
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
    """A card's fields out of its JSON; raises `ValueError` or `TypeError` that say what is wrong."""
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
