"""Runtimes behind one protocol: arrays in, arrays out.

pytorch        eager, compiled, and on CUDA recorded as one CUDA graph
onnx           ONNX Runtime
tensorrt       TensorRT through torch-tensorrt
tensorrt_rtx   TensorRT-RTX

`htnet.engine.runtimes.select.open_runtime` opens one for a `Graph`.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from htnet.engine.errors import EngineError
from htnet.engine.types import F32

if TYPE_CHECKING:
    from htnet.engine.runtimes.graph import Graph


class Runtime(Protocol):
    """Compiled graph.

    ``name``: as in ``--runtime``. ``device``: as torch names it. ``precision``: the network's.
    ``part``, ``outputs`` and ``registered``: the graph's.
    """

    name: str
    device: str
    precision: str
    part: str
    outputs: tuple[str, ...]
    registered: bool

    def __call__(self, *inputs: NDArray[Any]) -> tuple[F32, ...]:
        """Run the graph on arrays of its input shapes; uint8 crops are accepted for float32.

        Raises `EngineError` for other shapes, or where the device fails.
        """


@dataclass(frozen=True, slots=True)
class Availability:
    """Availability of a runtime on this machine.

    ``said``: its version, or the reason why it cannot be used. ``remedy``: the install line or
    another action, "" where none is needed.
    """

    name: str
    usable: bool
    said: str
    remedy: str = ""


class GraphRuntime:
    """Base class of the runtimes: the attributes of `Runtime` and the check of input shapes."""

    name: str

    def __init__(self, graph: "Graph", device: str) -> None:
        self.device = device
        self.precision = graph.precision
        self.part = graph.part
        self.outputs = graph.outputs
        self.registered = graph.registered
        self._shapes = graph.inputs

    def _require_shapes(self, inputs: Sequence[NDArray[Any]]) -> None:
        """Raise `EngineError` unless ``inputs`` have the shapes of the graph's inputs."""
        came = [tuple(each.shape) for each in inputs]
        if came != list(self._shapes.values()):
            wanted = ", ".join(f"{name} {shape}" for name, shape in self._shapes.items())
            raise EngineError(
                f"expected {wanted}, which this graph was made for; got "
                f"{', '.join(map(str, came))}: export it again with the --batch you need."
            )


@contextmanager
def logging_disabled(level: int) -> Iterator[None]:
    """Disable logging up to ``level`` for the whole process."""
    before = logging.root.manager.disable
    logging.disable(level)
    try:
        yield
    finally:
        logging.disable(before)


def first_line(error: Exception, longest: int = 160) -> str:
    """Return the first line of an error's message, cut at ``longest`` characters."""
    return str(error).strip().partition("\n")[0][:longest] or type(error).__name__
