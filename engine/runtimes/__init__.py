"""The runtimes behind one protocol: arrays in, arrays out.

pytorch      eager, compiled, and on CUDA replayed as one graph
onnx         ONNX Runtime
tensorrt     TensorRT through torch-tensorrt
rtx          TensorRT-RTX

`open_runtime` makes one of a `Graph`; `choose` says which one ``auto`` means on a device and why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from htnet.engine.errors import EngineError
from htnet.engine.types import F32


class Runtime(Protocol):
    """A graph ready to run.

    ``name``: as in ``--runtime``. ``device``: where it runs, as torch names it. ``precision``: the
    network's. ``part``, ``outputs`` and ``registered`` are its graph's.
    """

    name: str
    device: str
    precision: str
    part: str
    outputs: tuple[str, ...]
    registered: bool

    def __call__(self, *inputs: NDArray[Any]) -> tuple[F32, ...]:
        """Run it on arrays of the graph's shapes (uint8 crops will do where float32 is meant).

        Raises `EngineError` for a shape that it was not made for, or where the device fails.
        """


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a runtime can be used here. ``said``: its version, or why not; ``remedy``: the
    install line, or what to do, "" where nothing is to be done."""

    name: str
    usable: bool
    said: str
    remedy: str = ""


def require_shapes(shapes: Mapping[str, tuple[int, ...]], inputs: Sequence[NDArray[Any]]) -> None:
    """Raise `EngineError` unless ``inputs`` are of a graph's ``shapes``."""
    came = [tuple(each.shape) for each in inputs]
    if came != list(shapes.values()):
        wanted = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise EngineError(
            f"expected {wanted}, which this graph was made for; got {', '.join(map(str, came))}: "
            "export it again with the --batch you need."
        )
