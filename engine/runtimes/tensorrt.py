"""TensorRT through torch-tensorrt.

Nothing here but the refusals has been run: torch-tensorrt needs a GPU to build as much as to run,
and TensorRT's own libraries, which NVIDIA's package index holds. It is written for torch-tensorrt
2.11 to 2.13.
"""

import inspect
import io
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from htnet.engine.errors import DependencyError, EngineError, UsageError
from htnet.engine.runtimes import Availability, GraphRuntime, first_line
from htnet.engine.runtimes.cuda import gpu_availability, require_cuda
from htnet.engine.runtimes.graph import Graph
from htnet.engine.runtimes.pytorch import out_of_memory
from htnet.engine.types import F32

NAME = "tensorrt"
_REMEDY = "pip install 'htnet[trt]', with NVIDIA's package index as its --extra-index-url"
_AGAIN = "export it again with htnet export-trt --runtime tensorrt."


class TensorRT(GraphRuntime):
    """A graph's ``engine`` file, as `build` makes them, on a CUDA ``device``.

    It has not been run (see the module). Such a file is a program in torch's own format: open only
    those that you built. Raises `EngineError` for an engine that is damaged or for another GPU or
    version, and where there is no CUDA or too little memory; `DependencyError` without TensorRT.
    """

    name = NAME

    def __init__(self, engine: os.PathLike[str], graph: Graph, device: str = "cuda") -> None:
        require_cuda(device, "TensorRT")
        library = _library()
        super().__init__(graph, device)
        try:
            with _hushed(), torch.cuda.device(device):
                self._module = library.load(str(engine)).module()
        except torch.cuda.OutOfMemoryError:
            raise out_of_memory(device) from None
        except Exception as error:  # noqa: BLE001 - its errors share no base
            raise EngineError(
                f"expected an engine that {version()} reads on this GPU; got {first_line(error, 200)}: "
                f"{_AGAIN}"
            ) from None

    def __call__(self, *inputs: NDArray[Any]) -> tuple[F32, ...]:
        """Run it on arrays of the graph's shapes."""
        self._require_shapes(inputs)
        try:
            with torch.inference_mode(), torch.cuda.device(self.device):
                tensors = [torch.from_numpy(each).to(self.device).float() for each in inputs]
                made = self._module(*tensors)
                some = made if isinstance(made, tuple | list) else (made,)
                return tuple(np.asarray(each.float().cpu().numpy(), np.float32) for each in some)
        except torch.cuda.OutOfMemoryError:
            raise out_of_memory(self.device) from None
        except RuntimeError as error:
            raise EngineError(
                f"expected TensorRT to run this graph; it failed ({first_line(error, 200)}): use --runtime "
                "torch."
            ) from None


def build(graph: Graph, device: str = "cuda") -> bytes:
    """The graph's engine for the GPU here, as a file that torch-tensorrt loads.

    Types are the module's own (2.13 knows no other way, and ignores a wished-for precision), and
    products are taken in full float32 (no TF32). Raises `EngineError` without CUDA or where it
    cannot build, `UsageError` for int8, whose ranges only the ONNX form carries, and
    `DependencyError` without TensorRT.
    """
    if graph.precision == "int8":
        raise UsageError(
            "expected fp32, fp16 or bf16 for TensorRT through torch-tensorrt; got int8: use "
            "--runtime tensorrt-rtx or onnx."
        )
    require_cuda(device, "TensorRT")
    library = _library()
    example = tuple(each.to(device) for each in graph.example())
    compiler = library.dynamo.compile
    wished = {"disable_tf32": True, "truncate_double": True, "min_block_size": 1}
    if "use_explicit_typing" in inspect.signature(compiler).parameters:  # before 2.13
        wished["use_explicit_typing"] = True
    try:
        with _hushed(), torch.cuda.device(device), torch.no_grad():
            program = torch.export.export(graph.module.to(device), example)
            compiled = compiler(program, arg_inputs=example, **wished)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "engine.ep")
                library.save(compiled, str(path), arg_inputs=example)
                return path.read_bytes()
    except torch.cuda.OutOfMemoryError:
        raise out_of_memory(device) from None
    except Exception as error:  # noqa: BLE001 - its errors share no base
        raise EngineError(
            f"expected {version()} to build this graph; it failed ({first_line(error, 200)}): use --runtime "
            "torch."
        ) from None
    finally:
        graph.module.cpu()


def version() -> str:
    """What engines are tied to; raises `DependencyError` without TensorRT."""
    return f"torch-tensorrt {_library().__version__}, TensorRT {_own_version()}"


def availability() -> Availability:
    """Of TensorRT through torch-tensorrt."""
    try:
        said = version()
    except DependencyError:
        return Availability(NAME, False, _reason() or "unusable", _REMEDY)
    return gpu_availability(NAME, said, f"{said}, but torch finds no CUDA GPU")


def _library() -> Any:
    reason = _reason()
    if reason:
        raise DependencyError(
            f"expected TensorRT and torch-tensorrt; they cannot be loaded ({reason}): {_REMEDY}."
        )
    return import_module("torch_tensorrt")


def _reason() -> str:
    """Why torch-tensorrt cannot be loaded; "" where it can.

    Without TensorRT its import prints, and raises whatever its parts happen to.
    """
    if find_spec("torch_tensorrt") is None:
        return "torch-tensorrt is not installed"
    try:
        with _hushed():
            import_module("torch_tensorrt")
    except Exception as error:  # noqa: BLE001 - Exception itself, AssertionError, RuntimeError
        return first_line(error, 200).rpartition("got error ")[2]
    return ""


def _own_version() -> str:
    try:
        return metadata.version("tensorrt")
    except metadata.PackageNotFoundError:  # NVIDIA's containers have it outside pip
        return str(import_module("tensorrt").__version__)


@contextmanager
def _hushed() -> Iterator[None]:
    """Without what the library prints and logs on its way."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(level)
