"""Engine files of a graph: reused if their card fits, otherwise built.

Engines for ONNX Runtime are ONNX models and are stored as TensorRT's are: a file with a card beside
it (`htnet.engine.runtimes.engine_card`). The old card is deleted first, then the file is moved into
place, then the new card. After an interruption the file has no card and is built again.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from htnet import __version__
from htnet.engine.errors import EngineError, OutputError, UsageError
from htnet.engine.files import atomic_file
from htnet.engine.runtimes import Runtime, tensorrt, tensorrt_rtx
from htnet.engine.runtimes.engine_card import (
    ANY,
    CURRENT,
    DEFAULT,
    EngineCard,
    Machine,
    Parity,
    card_path,
    fingerprint,
    misfit,
    read_card,
    suits,
    this_machine,
)
from htnet.engine.runtimes.graph import Graph
from htnet.engine.runtimes.onnx import OnnxRuntime
from htnet.engine.runtimes.onnx_export import OPSET, to_onnx
from htnet.engine.types import F32

SUFFIXES: Final = {"onnx": ".onnx", "tensorrt": ".ep", "tensorrt-rtx": ".plan"}
BOUNDS: Final = {"fp32": 1e-3, "fp16": 1e-2, "bf16": 5e-2, "int8": 0.98}
"""Largest difference of a probability from PyTorch's in float32, by precision.

For int8, whose probabilities may differ as long as its labels do not, the least share of equal
labels.
"""

_NOT_CHECKED: Final = "not asked for"
_NOT_RUN: Final = "not run here"

Quantise = Callable[[bytes, Graph], bytes]


@dataclass(frozen=True, slots=True, eq=False)
class ParityCheck:
    """Inputs of a parity check and the float32 module that an engine has to agree with.

    ``reference``: the graph's module in fp32, on the CPU. ``samples``: for each, one array for each
    input of the graph, without the batch: onset and apex (170, 140) in 0..255 and centres (4, 2)
    for a pair, the picture (3, S, S) for a network. ``source``: origin of the samples, for the
    card.
    """

    reference: nn.Module
    samples: Sequence[tuple[NDArray[Any], ...]]
    source: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """Engine file and its card; ``reused``: it existed already."""

    path: Path
    card: EngineCard
    reused: bool


def build_engine(
    graph: Graph,
    *,
    runtime: str,
    out: Path | None = None,
    target: str | None = None,
    device: str | None = None,
    network: str = "",
    check: ParityCheck | None = None,
    quantise: Quantise | None = None,
    say: Callable[[str], None] = lambda sentence: None,
) -> Built:
    """Return the engine of ``graph`` for a runtime; build it unless a fitting one exists.

    ``runtime``: "onnx", "tensorrt" or "tensorrt-rtx".
    ``out``: path of the engine, by default in the user's cache under a name by content.
    ``target``: GPUs, for TensorRT-RTX alone; see `htnet.engine.runtimes.tensorrt_rtx.build`.
    ``device``: device that runs it, by default "cpu" for ONNX and "cuda" for the others.
    ``network``: name of the model, for the card.
    ``check``: parity check. An engine that does not agree (see `BOUNDS`) is refused. Where it
    cannot be run, the card says "not run here" and the reason.
    ``quantise``: function from the ONNX model of an int8 graph to an int8 model. With it the engine
    is always built, since an engine's key does not contain the int8 ranges.
    ``say``: callback for notices, such as that of a build.

    A refused or interrupted build leaves no engine. Raises `EngineError`, `UsageError`,
    `DependencyError`, and `OutputError` where the files cannot be written.
    """
    _require(graph, runtime, target)
    target = target or {"onnx": ANY, "tensorrt": CURRENT, "tensorrt-rtx": DEFAULT}[runtime]
    device = device or ("cpu" if runtime == "onnx" else "cuda")
    machine = this_machine(_version(runtime), device)
    path = out or _cached(graph, runtime, target, machine)
    unrun = _cannot_run(graph, runtime, target, machine)

    found = _fitting(path, graph, runtime, target, machine, say)
    ranged = graph.precision == "int8" and quantise is not None
    if found is not None and not ranged and (unrun or _checked(found, check)):
        return Built(path, found, True)

    say(
        f"Building the {graph.precision} {graph.part} for {runtime}, batch {graph.batch}: this "
        f"takes {'some seconds' if runtime == 'onnx' else 'up to a few minutes'}, once."
    )
    with _atomic_output(path) as part:
        part.write_bytes(_engine(graph, runtime, target, device, quantise))
        parity: Parity | str = _NOT_CHECKED if check is None else f"{_NOT_RUN}: {unrun}"
        if check is not None and not unrun:
            parity = _agreement(_opened(part, graph, runtime, device), graph, check)
        card = _card(graph, runtime, target, machine, network, part, parity)
        card_path(path).unlink(missing_ok=True)
    with _atomic_output(card_path(path)) as part:
        part.write_text(card.to_json(), encoding="utf-8")
    return Built(path, card, False)


def cache_folder() -> Path:
    """Folder of the engines that have no path of their own."""
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("htnet"), "engines")


def _require(graph: Graph, runtime: str, target: str | None) -> None:
    if runtime not in SUFFIXES:
        raise UsageError(
            f"expected a runtime with engines ({', '.join(SUFFIXES)}); got {runtime!r}."
        )
    if target is not None and runtime != "tensorrt-rtx":
        raise UsageError(
            f"expected a target for tensorrt-rtx alone; got {target!r} for {runtime}: leave it out."
        )


def _version(runtime: str) -> str:
    """Version that an engine is tied to; raises `DependencyError` without the runtime."""
    if runtime == "onnx":
        return f"ONNX opset {OPSET}"  # any ONNX Runtime reads it
    return tensorrt_rtx.version() if runtime == "tensorrt-rtx" else tensorrt.version()


def _cached(graph: Graph, runtime: str, target: str, machine: Machine) -> Path:
    gpu = f"{machine.gpu} {machine.capability}" if target == CURRENT else ""
    text = f"{graph.key}\n{runtime}\n{machine.version}\n{target}\n{gpu}"
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    name = f"{graph.part}-{graph.precision}-{graph.batch}-{key}{SUFFIXES[runtime]}"
    return cache_folder() / name


def _fitting(
    path: Path,
    graph: Graph,
    runtime: str,
    target: str,
    machine: Machine,
    say: Callable[[str], None],
) -> EngineCard | None:
    """Return the card of the engine at ``path`` if it fits; else tell ``say`` the reason."""
    if not card_path(path).exists():
        return None
    try:
        card = read_card(path)
    except EngineError as error:
        say(f"The engine at {path} is built again, for its card cannot be read: {error}")
        return None
    reason = misfit(card, path, graph, machine)
    if reason is None and (card.runtime, card.target) != (runtime, target):
        reason = f"it is for {card.runtime} ({card.target})"
    if reason is not None:
        say(f"The engine at {path} is built again: {reason}.")
        return None
    return card


def _checked(card: EngineCard, check: ParityCheck | None) -> bool:
    """Return True if the engine passed a parity check on the same samples, or none is asked."""
    if check is None:
        return True
    return isinstance(card.parity, Parity) and card.parity.source == check.source


def _cannot_run(graph: Graph, runtime: str, target: str, machine: Machine) -> str:
    """Reason why an engine cannot be run on this machine; "" where it can."""
    if runtime == "onnx":
        bf16 = graph.precision == "bf16"
        return "ONNX Runtime has no bf16 kernels for CPUs" if bf16 and not machine.gpu else ""
    if not machine.gpu:
        return "torch finds no CUDA GPU"
    if target != CURRENT and not suits(target, machine.capability):
        return f"it is built for {target}, and the GPU here is sm{machine.capability}"
    return ""


def _engine(
    graph: Graph, runtime: str, target: str, device: str, quantise: Quantise | None
) -> bytes:
    if runtime == "tensorrt":
        return tensorrt.build(graph, device)
    if graph.precision == "int8" and quantise is None:
        raise UsageError(
            "expected an int8 engine that was exported before, or real pairs to take int8's ranges "
            f"from; got neither: run htnet export-{'onnx' if runtime == 'onnx' else 'trt'} "
            "--precision int8 first."
        )
    model = to_onnx(graph)
    if graph.precision == "int8" and quantise is not None:
        model = quantise(model, graph)
    return model if runtime == "onnx" else tensorrt_rtx.build(model, target=target)


def _opened(engine: Path, graph: Graph, runtime: str, device: str) -> Runtime:
    if runtime == "onnx":
        return OnnxRuntime(engine, graph, device)
    if runtime == "tensorrt":
        return tensorrt.TensorRT(engine, graph, device)
    return tensorrt_rtx.RtxRuntime(engine, graph, device)


def _agreement(run: Runtime, graph: Graph, check: ParityCheck) -> Parity:
    """Compare the engine with PyTorch's float32; raises `EngineError` beyond `BOUNDS`."""
    if not check.samples:
        raise UsageError("expected real pairs to check the engine on; got none: give some.")
    expected, found = [], []
    for start in range(0, len(check.samples), graph.batch):
        some = check.samples[start : start + graph.batch]
        inputs = _stacked(graph, some)
        with torch.inference_mode():
            made = check.reference(*map(torch.from_numpy, inputs))
        probabilities = made[0] if isinstance(made, tuple) else made
        expected.append(probabilities.numpy()[: len(some)])
        found.append(run(*inputs)[0][: len(some)])
    a, b = np.concatenate(expected), np.concatenate(found)
    difference = float(np.abs(a - b).max())
    agreement = float((a.argmax(axis=1) == b.argmax(axis=1)).mean())
    parity = Parity(len(a), difference, agreement, BOUNDS[graph.precision], check.source)
    if graph.precision == "int8":
        good, wanted = agreement >= parity.bound, f"equal labels on {parity.bound:.0%} of pairs"
    else:
        good, wanted = difference <= parity.bound, f"probabilities within {parity.bound:g}"
    if not (good and np.isfinite(b).all()):
        raise EngineError(
            f"expected {wanted} of PyTorch's float32; the {graph.precision} engine gives equal "
            f"labels on {agreement:.1%} of {len(a)} and differs by up to {difference:.2g}: use "
            "another --precision. No engine was written."
        )
    return parity


def _stacked(graph: Graph, samples: Sequence[tuple[NDArray[Any], ...]]) -> list[F32]:
    """Stack samples to a full batch, filled up with the last one."""
    full = [*samples, *[samples[-1]] * (graph.batch - len(samples))]
    stacked: list[F32] = []
    for place, shape in enumerate(graph.inputs.values()):
        each = [np.asarray(sample[place], np.float32).reshape(shape[1:]) for sample in full]
        stacked.append(np.stack(each))
    return stacked


def _card(
    graph: Graph,
    runtime: str,
    target: str,
    machine: Machine,
    network: str,
    engine: Path,
    parity: Parity | str,
) -> EngineCard:
    size, sha256 = fingerprint(engine)
    # An engine for any GPU is not described by the GPU that built it.
    builder = machine if target == CURRENT else replace(machine, gpu="", capability="", driver="")
    return EngineCard(
        runtime=runtime,
        version=machine.version,
        part=graph.part,
        key=graph.key,
        digest=graph.digest,
        network=network,
        preprocess=asdict(graph.spec),
        flow=graph.flow,
        registered=graph.registered,
        precision=graph.precision,
        batch=graph.batch,
        inputs=dict(graph.inputs),
        outputs=graph.outputs,
        target=target,
        gpu=builder.gpu,
        capability=builder.capability,
        driver=builder.driver,
        htnet=__version__,
        size=size,
        sha256=sha256,
        parity=parity,
    )


@contextmanager
def _atomic_output(path: Path) -> Iterator[Path]:
    """Atomic file as `atomic_file`; raises `OutputError` where it cannot be written."""
    try:
        with atomic_file(path) as part:
            yield part
    except OSError as error:
        raise OutputError(
            f"expected to write {path}; got {error.strerror or error}: choose a writable folder, "
            "or make room."
        ) from None
