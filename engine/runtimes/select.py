"""Selection and opening of a runtime by ``--runtime`` and device."""

from collections.abc import Callable
from typing import Final

import torch

from htnet.engine.errors import DependencyError, EngineError, OutputError, UsageError
from htnet.engine.runtimes import Availability, Runtime, onnx, pytorch, tensorrt, tensorrt_rtx
from htnet.engine.runtimes.build import build_engine
from htnet.engine.runtimes.graph import Graph
from htnet.engine.runtimes.onnx import OnnxRuntime
from htnet.engine.runtimes.pytorch import PyTorch

AUTO: Final = "auto"
RUNTIMES: Final = ("torch", "compile", "onnx", "tensorrt", "tensorrt-rtx")
_NVIDIA: Final = ("tensorrt", "tensorrt-rtx")

Say = Callable[[str], None]


def availabilities() -> list[Availability]:
    """Availability of every runtime, in the order of `RUNTIMES`."""
    return [
        *pytorch.availability(),
        onnx.availability(),
        tensorrt.availability(),
        tensorrt_rtx.availability(),
    ]


def device_for(runtime: str, device: str) -> str:
    """Return the device of ``runtime``: ``device``, or "cuda" for TensorRT instead of "cpu".

    Raises `UsageError` for an unknown runtime.
    """
    if runtime not in (AUTO, *RUNTIMES):
        raise UsageError(
            f"expected a runtime among {AUTO}, {', '.join(RUNTIMES)}; got {runtime!r}: choose one."
        )
    return "cuda" if runtime in _NVIDIA and device == "cpu" else device


def preferred(device: str) -> tuple[str, ...]:
    """Runtimes that ``auto`` tries on ``device`` in turn.

    The first is the fastest one measured on a CPU, elsewhere the device's own.
    """
    kind = torch.device(device).type
    return {"cpu": ("onnx", "torch"), "cuda": ("tensorrt", "torch")}.get(kind, ("torch",))


def open_runtime(name: str, graph: Graph, device: str, say: Say) -> Runtime:
    """Open ``graph`` in the runtime called ``name`` on ``device``.

    "auto" opens the first of `preferred` that works. Engines are taken from the cache or built into
    it. ``say`` is told of fallbacks, with the reason, and of builds. Raises `DependencyError` or
    `EngineError` where the runtime cannot be used.
    """
    if name != AUTO:
        return _open(name, graph, device, say)
    *first, last = preferred(device)
    for each in first:
        try:
            return _open(each, graph, device, say)
        except (DependencyError, EngineError, OutputError, UsageError) as error:
            say(f"The runtime {each} cannot be used, so {last} is: {error}")
    return _open(last, graph, device, say)


def _open(name: str, graph: Graph, device: str, say: Say) -> Runtime:
    if name == "torch":
        return PyTorch(graph, device)
    if name == "compile":
        say("Compiling the network; this takes up to a minute.")
        return PyTorch(graph, device, compiled=True)
    built = build_engine(graph, runtime=name, device=device, say=say)
    if name == "onnx":
        return OnnxRuntime(built.path, graph, device)
    kind = tensorrt.TensorRT if name == "tensorrt" else tensorrt_rtx.RtxRuntime
    return kind(built.path, graph, device)
