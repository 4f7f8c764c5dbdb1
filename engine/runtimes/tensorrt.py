"""TensorRT runtime through torch-tensorrt.

Only the error paths have been run: torch-tensorrt needs a GPU both to build and to run, and
TensorRT's libraries from NVIDIA's package index. Written for torch-tensorrt 2.11 to 2.13.
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
from htnet.engine.runtimes import Availability, GraphRuntime, first_line, logging_disabled
from htnet.engine.runtimes.cuda import gpu_availability, require_cuda
from htnet.engine.runtimes.graph import Graph
from htnet.engine.runtimes.pytorch import out_of_memory
from htnet.engine.types import F32

NAME = "tensorrt"
_REMEDY = "pip install 'htnet[trt]', with NVIDIA's package index as its --extra-index-url"
_AGAIN = "export it again with htnet export-trt --runtime tensorrt."


class TensorRT(GraphRuntime):
    """Engine file of `build` on a CUDA ``device``.

    It has not been run (see the module). The file is a program in torch's own format: open only
    files that you built. Raises `EngineError` for an engine that is damaged or for another GPU or
    version, without CUDA, and where memory is too small; `DependencyError` without TensorRT.
    """

    name = NAME

    def __init__(self, engine: os.PathLike[str], graph: Graph, device: str = "cuda") -> None:
        require_cuda(device, "TensorRT")
        library = _library()
        super().__init__(graph, device)
        try:
            with _output_suppressed(), torch.cuda.device(device):
                self._module = library.load(str(engine)).module()
        except torch.cuda.OutOfMemoryError:
            raise out_of_memory(device) from None
        except Exception as error:  # noqa: BLE001 - its errors share no base
            raise EngineError(
                f"expected an engine that {version()} reads on this GPU; got "
                f"{first_line(error, 200)}: {_AGAIN}"
            ) from None

    def __call__(self, *inputs: NDArray[Any]) -> tuple[F32, ...]:
        """Run the graph on arrays of its input shapes."""
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
                f"expected TensorRT to run this graph; it failed ({first_line(error, 200)}): use "
                "--runtime torch."
            ) from None


def build(graph: Graph, device: str = "cuda") -> bytes:
    """Build the graph's engine for this machine's GPU: the bytes of a file for torch-tensorrt.

    Types are the module's own (2.13 ignores a requested precision). Products are computed in full
    float32 (no TF32). Raises `EngineError` without CUDA or where the build fails, `UsageError` for
    int8, whose ranges only the ONNX form holds, and `DependencyError` without TensorRT.
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
    options = {"disable_tf32": True, "truncate_double": True, "min_block_size": 1}
    if "use_explicit_typing" in inspect.signature(compiler).parameters:  # before 2.13
        options["use_explicit_typing"] = True
    try:
        with _output_suppressed(), torch.cuda.device(device), torch.no_grad():
            program = torch.export.export(graph.module.to(device), example)
            compiled = compiler(program, arg_inputs=example, **options)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "engine.ep")
                library.save(compiled, str(path), arg_inputs=example)
                return path.read_bytes()
    except torch.cuda.OutOfMemoryError:
        raise out_of_memory(device) from None
    except Exception as error:  # noqa: BLE001 - its errors share no base
        raise EngineError(
            f"expected {version()} to build this graph; it failed ({first_line(error, 200)}): use "
            "--runtime torch."
        ) from None
    finally:
        graph.module.cpu()


def version() -> str:
    """Version that engines are tied to; raises `DependencyError` without TensorRT."""
    return f"torch-tensorrt {_library().__version__}, TensorRT {_own_version()}"


def availability() -> Availability:
    """Availability of TensorRT through torch-tensorrt."""
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
    """Reason why torch-tensorrt cannot be loaded; "" where it can.

    Without TensorRT its import prints and raises errors of any kind.
    """
    if find_spec("torch_tensorrt") is None:
        return "torch-tensorrt is not installed"
    try:
        with _output_suppressed():
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
def _output_suppressed() -> Iterator[None]:
    """Suppress what the library prints and logs."""
    with (
        logging_disabled(logging.ERROR),
        redirect_stdout(io.StringIO()),
        redirect_stderr(io.StringIO()),
    ):
        yield
