"""Export of a graph to ONNX, which ONNX Runtime and TensorRT-RTX read."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

import torch

from htnet.engine.errors import EngineError
from htnet.engine.optional import need
from htnet.engine.runtimes import logging_disabled
from htnet.engine.runtimes.graph import Graph

OPSET = 20


def to_onnx(graph: Graph) -> bytes:
    """Export a graph as an ONNX model of static shapes with the graph's input and output names.

    An int8 graph is exported in float32, to be quantised afterwards. Raises `DependencyError`
    without the exporter's libraries and `EngineError` for a network that the exporter refuses.
    """
    need("onnx", None)
    need("onnxscript", None)
    example = graph.example()
    try:
        with _output_suppressed(), torch.inference_mode():
            program = torch.onnx.export(
                torch.export.export(graph.module, example),
                example,
                dynamo=True,
                opset_version=OPSET,
                optimize=False,  # ONNX Runtime and TensorRT do that, faster
                verbose=False,
                input_names=list(graph.inputs),
                output_names=list(graph.outputs),
            )
    except Exception as error:  # noqa: BLE001 - the exporter raises errors of all kinds
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise EngineError(
            f"expected a network that ONNX can express; exporting it failed ({reason}): use "
            "--runtime torch."
        ) from None
    assert program is not None
    return bytes(program.model_proto.SerializeToString())


@contextlib.contextmanager
def _output_suppressed() -> Iterator[None]:
    """Suppress the exporter's warnings, log and prints about optional packages."""
    with (
        logging_disabled(logging.WARNING),
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield
