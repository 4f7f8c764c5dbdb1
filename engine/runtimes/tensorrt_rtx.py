"""TensorRT-RTX runtime: engines are built without a GPU and finished on the GPU that runs them.

Building has been run on a machine without a GPU. Running an engine has not been tested. The
library's list of GPUs has no compute capability 9.0.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from htnet.engine.errors import DependencyError, EngineError, UsageError
from htnet.engine.optional import need
from htnet.engine.runtimes import Availability, GraphRuntime
from htnet.engine.runtimes.cuda import gpu_availability, require_cuda
from htnet.engine.runtimes.engine_card import CURRENT, DEFAULT
from htnet.engine.runtimes.graph import Graph
from htnet.engine.runtimes.pytorch import out_of_memory
from htnet.engine.types import F32

NAME = "tensorrt-rtx"
_EXTRA = "rtx"
_AGAIN = "export it again with htnet export-trt --runtime tensorrt-rtx."


class RtxRuntime(GraphRuntime):
    """Engine of a graph (its file or its bytes) in TensorRT-RTX on a CUDA ``device``.

    Inputs and outputs have fixed addresses on the GPU. It is written from the library's reference
    and has not been run (see the module). Raises `EngineError` for an engine that is damaged, not
    the graph's, or for another GPU or version, without CUDA, and where memory is too small;
    `DependencyError` without the library.
    """

    name = NAME

    def __init__(
        self, engine: bytes | os.PathLike[str], graph: Graph, device: str = "cuda"
    ) -> None:
        trt = need("tensorrt_rtx", _EXTRA)
        read = engine if isinstance(engine, bytes) else Path(engine).read_bytes()
        require_cuda(device, "TensorRT-RTX")
        super().__init__(graph, device)
        log = _log(trt)
        with _on(device):
            self._runtime = trt.Runtime(log)
            self._engine = self._runtime.deserialize_cuda_engine(read)
            if self._engine is None:
                raise EngineError(
                    f"expected an engine that TensorRT-RTX {trt.__version__} reads on this GPU; "
                    f"got {_last(log)}: {_AGAIN}"
                )
            self._require_graph(graph)
            self._context = self._engine.create_execution_context()
            if self._context is None:
                if _ran_out(log.said):
                    raise out_of_memory(device)
                raise EngineError(
                    f"expected TensorRT-RTX to start the engine; it failed ({_last(log)}): {_AGAIN}"
                )
            self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call, unused-ignore]
            self._inputs = [self._place(name) for name in graph.inputs]
            self._made = [self._place(name) for name in graph.outputs]
        self._log = log

    def __call__(self, *inputs: NDArray[Any]) -> tuple[F32, ...]:
        """Run the graph on arrays of its input shapes."""
        self._require_shapes(inputs)
        with _on(self.device), torch.cuda.stream(self._stream):
            for place, each in zip(self._inputs, inputs, strict=True):
                place.copy_(torch.from_numpy(each))
            if not self._context.execute_async_v3(self._stream.cuda_stream):
                if _ran_out(self._log.said):
                    raise out_of_memory(self.device)
                raise EngineError(
                    f"expected TensorRT-RTX to run this graph; it failed ({_last(self._log)}): use "
                    "--runtime torch."
                )
            return tuple(np.asarray(made.cpu().numpy(), np.float32) for made in self._made)

    def _require_graph(self, graph: Graph) -> None:
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        found = {name: tuple(self._engine.get_tensor_shape(name)) for name in names}
        takes = {name: shape for name, shape in found.items() if name in graph.inputs}
        if takes != dict(graph.inputs) or set(found) != {*graph.inputs, *graph.outputs}:
            raise EngineError(
                f"expected an engine of {dict(graph.inputs)}; got one of {found}: {_AGAIN}"
            )

    def _place(self, name: str) -> Tensor:
        shape = tuple(self._engine.get_tensor_shape(name))
        place = torch.zeros(shape, dtype=torch.float32, device=self.device)
        self._context.set_tensor_address(name, place.data_ptr())
        return place


def build(onnx: bytes, *, target: str = DEFAULT) -> bytes:
    """Build the engine of an ONNX model with static shapes.

    ``target``: "default" for every GPU from Ampere on, compute capabilities such as "sm80,sm89" for
    those alone, or "current" for this machine's GPU, which alone needs one. Turing, "sm75",
    supports half precision only. Types are the model's own. Products are computed in full float32
    (no TF32). Raises `UsageError` for an unknown target, `EngineError` where the build fails, and
    `DependencyError` without the library.
    """
    trt = need("tensorrt_rtx", _EXTRA)
    capabilities = _capabilities(trt, target)
    log = _log(trt)
    builder = trt.Builder(log)
    network = builder.create_network(0)  # always strongly typed
    parser = trt.OnnxParser(network, log)
    if not parser.parse(_folded(onnx)):
        reasons = (parser.get_error(i) for i in range(parser.num_errors))
        reason = next((f"{e.node_operator()}: {e.desc()}" for e in reasons), _last(log))
        raise EngineError(
            f"expected a graph that TensorRT-RTX {trt.__version__} can read; it cannot "
            f"({_line(reason)}): use --runtime torch."
        )
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # it adds errors of up to 4e-3 px to flow
    if capabilities:
        config.num_compute_capabilities = len(capabilities)
        for place, each in enumerate(capabilities):
            config.set_compute_capability(each, place)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        if _ran_out(log.said):
            raise out_of_memory("this machine")
        raise EngineError(
            f"expected TensorRT-RTX {trt.__version__} to build an engine for {target}; it failed "
            f"({_last(log)}): use --runtime torch."
        )
    return bytes(engine)


def version() -> str:
    """Version that engines are tied to; raises `DependencyError` without the library."""
    return f"TensorRT-RTX {need('tensorrt_rtx', _EXTRA).__version__}"


def availability() -> Availability:
    """Availability of TensorRT-RTX."""
    try:
        said = version()
    except DependencyError:
        return Availability(NAME, False, "not installed", f"pip install 'htnet[{_EXTRA}]'")
    except Exception as error:  # noqa: BLE001 - a broken install raises anything
        return Availability(NAME, False, _line(str(error)), f"pip install 'htnet[{_EXTRA}]' anew")
    return gpu_availability(
        NAME, said, f"{said} builds engines here but cannot run them: torch finds no CUDA GPU"
    )


def _folded(onnx: bytes) -> bytes:
    """Fold constants and remove unused nodes.

    TensorRT requires constant axes and sizes and supports no sequences, while the exporter writes
    them as small computations. Shapes are inferred again, since a quantised model has lost them.
    """
    ir, optimizer = need("onnx_ir", _EXTRA), need("onnxscript.optimizer", _EXTRA)
    model = ir.from_proto(need("onnx", _EXTRA).load_from_string(onnx))
    optimizer.fold_constants(model, onnx_shape_inference=True)
    optimizer.remove_unused_nodes(model)
    return bytes(ir.to_proto(model).SerializeToString())


def _capabilities(trt: Any, target: str) -> list[Any]:
    """Compute capabilities of ``target``; none for the library's default."""
    if target == DEFAULT:
        return []
    known = trt.ComputeCapability.__members__
    names = target.split(",")
    if not all(name == name.lower() and name.upper() in known and name != "none" for name in names):
        able = ", ".join(name.lower() for name in known if name.startswith("SM"))
        raise UsageError(
            f"expected a target among {DEFAULT}, {CURRENT}, or some of {able}; got {target!r}."
        )
    if CURRENT in names:
        require_cuda("cuda", "TensorRT-RTX")
    return [known[name.upper()] for name in names]


@contextmanager
def _on(device: str) -> Iterator[None]:
    """Run on ``device``; torch's out-of-memory error becomes `EngineError`."""
    try:
        with torch.inference_mode(), torch.cuda.device(device):
            yield
    except torch.cuda.OutOfMemoryError:
        raise out_of_memory(device) from None


def _log(trt: Any) -> Any:
    """Logger that stores errors in ``said`` and prints nothing."""

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.said: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.said.append(message)

    return Log()


def _last(log: Any) -> str:
    return _line(log.said[0]) if log.said else "no reason given"


def _ran_out(said: Sequence[str]) -> bool:
    return any("out of memory" in each.lower() or "OutOfMemory" in each for each in said)


def _line(text: str) -> str:
    return text.strip().partition("\n")[0][:200] or "no reason given"
