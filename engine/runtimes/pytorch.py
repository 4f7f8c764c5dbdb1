"""PyTorch runtime: eager, compiled, and on CUDA recorded as a CUDA graph."""

from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from htnet.engine.errors import EngineError, UsageError
from htnet.engine.runtimes import Availability, GraphRuntime, first_line
from htnet.engine.runtimes.graph import Graph
from htnet.engine.types import F32


class PyTorch(GraphRuntime):
    """Graph in PyTorch on ``device``.

    ``compiled``: compile it with `torch.compile`, in the constructor. ``recorded``: on CUDA, record
    it as a CUDA graph, so that one call launches all kernels; its shapes are static. Raises
    `UsageError` for int8.
    """

    def __init__(
        self, graph: Graph, device: str = "cpu", *, compiled: bool = False, recorded: bool = True
    ) -> None:
        if graph.precision == "int8":
            raise UsageError(
                "expected fp32, fp16 or bf16 for PyTorch; got int8, which ONNX Runtime and "
                "TensorRT run: use --runtime onnx."
            )
        super().__init__(graph, device)
        self.name = "compile" if compiled else "torch"
        self._cuda = torch.device(device).type == "cuda"
        # The graph's own module stays on the CPU, since it may be exported too.
        self._module: Any = graph.module if device == "cpu" else deepcopy(graph.module).to(device)
        torch.backends.cudnn.allow_tf32 = False  # it adds errors of up to 4e-3 px to flow
        self._recorded: _Recorded | None = None
        if compiled:
            self._module = torch.compile(self._module, fullgraph=True, dynamic=False)
            self._first(graph)
        if self._cuda and recorded:
            self._recorded = _Recorded(self._module, graph, device)

    def __call__(self, *inputs: NDArray[Any]) -> tuple[F32, ...]:
        """Run the graph on arrays of its input shapes."""
        self._require_shapes(inputs)
        try:
            with torch.inference_mode():
                tensors = [torch.from_numpy(each) for each in inputs]
                if self._recorded is not None:
                    return _arrays(self._recorded(tensors))
                return _arrays(self.run(*(t.to(self.device) for t in tensors)))
        except torch.cuda.OutOfMemoryError:
            raise out_of_memory(self.device) from None

    def run(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run the graph on tensors of the device, without waiting for the result."""
        made = self._module(*(t.float() for t in inputs))
        return made if isinstance(made, tuple) else (made,)

    def _first(self, graph: Graph) -> None:
        """Compile by a first call."""
        try:
            with torch.inference_mode():
                self.run(*(t.to(self.device) for t in graph.example()))
        except torch.cuda.OutOfMemoryError:
            raise out_of_memory(self.device) from None
        except Exception as error:  # noqa: BLE001 - compilers raise errors of all kinds
            raise EngineError(
                "expected torch.compile to take this network here; it failed "
                f"({first_line(error)}): install a C++ compiler, or use --runtime torch."
            ) from None


class _Recorded:
    """Module recorded as a CUDA graph, with inputs at fixed addresses."""

    def __init__(self, module: nn.Module, graph: Graph, device: str) -> None:
        try:
            with torch.inference_mode(), torch.cuda.device(device):
                self._inputs = [t.to(device) for t in graph.example()]
                # Its stub is untyped in some versions of torch and typed in others.
                aside = torch.cuda.Stream()  # type: ignore[no-untyped-call, unused-ignore]
                aside.wait_stream(torch.cuda.current_stream())
                with torch.cuda.stream(aside):  # set-up at first use may not be recorded
                    for _ in range(3):
                        module(*self._inputs)
                torch.cuda.current_stream().wait_stream(aside)
                self._graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(self._graph):
                    made = module(*self._inputs)
        except torch.cuda.OutOfMemoryError:
            raise out_of_memory(device) from None
        except RuntimeError as error:
            raise EngineError(
                f"expected a graph that CUDA can record; it cannot ({first_line(error)}): use "
                "--runtime compile."
            ) from None
        self._outputs = made if isinstance(made, tuple) else (made,)

    def __call__(self, inputs: list[Tensor]) -> tuple[Tensor, ...]:
        for place, each in zip(self._inputs, inputs, strict=True):
            place.copy_(each.to(place.device))  # converted there: uint8 is a quarter of the bytes
        self._graph.replay()
        return self._outputs


def availability() -> list[Availability]:
    """Availability of "torch" and "compile"."""
    version = torch.__version__.partition("+")[0]
    here = Availability("torch", True, f"torch {version}")
    # Importing torch's compiler takes seconds, so only a C++ compiler is looked for.
    import shutil

    compiler = next((name for name in ("c++", "g++", "clang++") if shutil.which(name)), None)
    if compiler is None and not torch.cuda.is_available():
        lacking = Availability("compile", False, "no C++ compiler", "install g++ or clang++")
        return [here, lacking]
    return [here, Availability("compile", True, f"torch {version}, {compiler or 'Triton'}")]


def out_of_memory(device: str) -> EngineError:
    """Error for a device whose memory is too small."""
    return EngineError(
        f"expected room on {device}; its memory is full: use a smaller --batch, close what else "
        "runs there, or use --device cpu."
    )


def _arrays(tensors: tuple[Tensor, ...]) -> tuple[F32, ...]:
    return tuple(np.asarray(t.float().cpu().numpy(), np.float32) for t in tensors)
