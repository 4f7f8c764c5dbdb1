"""ONNX Runtime: the CPU's default, and its CUDA provider where it is installed."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from htnet.engine.errors import EngineError
from htnet.engine.optional import need
from htnet.engine.runtimes import Availability, GraphRuntime, first_line
from htnet.engine.runtimes.graph import Graph
from htnet.engine.runtimes.pytorch import out_of_memory
from htnet.engine.types import F32

_CUDA = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"


class OnnxRuntime(GraphRuntime):
    """ONNX Runtime session of a graph's ONNX ``model`` (its file or its bytes).

    ``threads``: of one call; one is best beside the face tracker. Raises `EngineError` for a model
    that is damaged or not the graph's, and for a device that ONNX Runtime cannot use here.
    """

    name = "onnx"

    def __init__(
        self,
        model: bytes | os.PathLike[str],
        graph: Graph,
        device: str = "cpu",
        *,
        threads: int = 1,
    ) -> None:
        runtime = need("onnxruntime", None)
        if graph.precision == "bf16" and device.startswith("cpu"):
            raise EngineError(
                "expected fp32, fp16 or int8 for ONNX Runtime on a CPU; got bf16, which it has no "
                "kernels for: use --runtime torch."
            )
        super().__init__(graph, device)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        source = model if isinstance(model, bytes) else str(Path(model))
        try:
            self._session = runtime.InferenceSession(
                source, options, providers=_providers(runtime, device)
            )
        except EngineError:
            raise
        except Exception as error:  # noqa: BLE001 - its errors share no base
            raise EngineError(
                f"expected an ONNX model that ONNX Runtime {runtime.__version__} can run; got "
                f"{first_line(error)}: export it again with htnet export-onnx."
            ) from None
        names = [each.name for each in self._session.get_inputs()]
        shapes = [tuple(each.shape) for each in self._session.get_inputs()]
        if names != list(graph.inputs) or shapes != list(graph.inputs.values()):
            raise EngineError(
                f"expected a model that takes {dict(graph.inputs)}; got one that takes "
                f"{dict(zip(names, shapes, strict=True))}: export it again."
            )
        if device.startswith("cuda") and self._session.get_providers()[0] != _CUDA:
            raise EngineError(
                "expected ONNX Runtime's CUDA provider; it could not start, for want of CUDA or "
                "cuDNN libraries that fit it: use --runtime torch."
            )

    def __call__(self, *inputs: NDArray[Any]) -> tuple[F32, ...]:
        """Run the graph on arrays of its input shapes."""
        self._require_shapes(inputs)
        feeds = {
            name: each if each.dtype == np.float32 else each.astype(np.float32)
            for name, each in zip(self._shapes, inputs, strict=True)
        }
        try:
            return tuple(self._session.run(None, feeds))
        except Exception as error:  # noqa: BLE001 - its errors share no base
            if "memory" in str(error).lower():
                raise out_of_memory(self.device) from None
            raise EngineError(
                f"expected ONNX Runtime to run this graph; it failed ({first_line(error)}): use "
                "--runtime torch."
            ) from None


def availability() -> Availability:
    """Availability of ONNX Runtime, with the devices it can use."""
    try:
        runtime = need("onnxruntime", None)
        need("onnx", None)
        need("onnxscript", None)
    except Exception as error:  # noqa: BLE001 - a broken install raises anything
        return Availability("onnx", False, first_line(error), "pip install htnet anew")
    where = "CPU and CUDA" if _CUDA in runtime.get_available_providers() else "CPU"
    return Availability("onnx", True, f"ONNX Runtime {runtime.__version__}, {where}")


def _providers(runtime: Any, device: str) -> list[Any]:
    if device.startswith("cpu"):
        return [_CPU]
    if not device.startswith("cuda"):
        raise EngineError(
            f"expected cpu or cuda for ONNX Runtime; got {device}: use --runtime torch."
        )
    if _CUDA not in runtime.get_available_providers():
        raise EngineError(
            "expected an ONNX Runtime that can use CUDA; the one here runs on the CPU alone: pip "
            "install onnxruntime-gpu in its place, or use --runtime torch."
        )
    # TF32 would add errors of up to 4e-3 px to the flow.
    number = int(device.partition(":")[2] or 0)
    return [(_CUDA, {"device_id": number, "use_tf32": 0}), _CPU]
