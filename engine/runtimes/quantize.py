"""Int8 quantisation of the network's matrix products and convolutions by ONNX Runtime.

Weights have one scale for each output channel; activations have one scale for each tensor, measured
on real pairs. Both are symmetric round zero, the form that TensorRT reads too. Norms, GELU, softmax
and sums stay float32, and so do flow, strain and scaling outside the network.
"""

import ast
import logging
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from htnet.engine.errors import EngineError, UsageError
from htnet.engine.optional import need
from htnet.engine.runtimes import logging_disabled
from htnet.engine.runtimes.graph import Graph
from htnet.engine.types import F32

_SCOPES: Final = "pkg.torch.onnx.name_scopes"
_PRODUCTS: Final = ("MatMul", "Gemm", "Conv")


def quantise(model: bytes, graph: Graph, feeds: Iterable[Mapping[str, F32]]) -> bytes:
    """Quantise the network of an ONNX model to int8.

    ``model``: of `htnet.engine.runtimes.onnx_export.to_onnx` for ``graph``. ``feeds``: the graph's
    inputs by name, of a few dozen real pairs, as `htnet.calib.engines.graph_inputs.feeds` makes
    them; the largest magnitude of a tensor on them maps to 127. Raises `UsageError` without feeds,
    `EngineError` for a model without a network to quantise and `DependencyError` without ONNX
    Runtime's quantiser.
    """
    onnx = need("onnx", None)
    quantisation = need("onnxruntime.quantization", None)
    proto = onnx.load_from_string(model)
    names = network_products(proto)
    if not names:
        raise EngineError(
            f"expected a {graph.part} graph whose network multiplies matrices; found none in it: "
            "export it again with htnet export-onnx, or use --precision fp16."
        )
    _fold_transposes(proto)
    del proto.graph.value_info[:]  # shapes of tensors that the quantiser renames
    reader = _Reader(feeds)
    with (
        tempfile.TemporaryDirectory(prefix="htnet-int8-") as folder,
        logging_disabled(logging.WARNING),  # advice on preprocessing, which has been done already
    ):
        target = Path(folder) / "int8.onnx"
        quantisation.quantize_static(
            proto,
            target,
            reader,
            quant_format=quantisation.QuantFormat.QDQ,
            calibrate_method=quantisation.CalibrationMethod.MinMax,
            activation_type=quantisation.QuantType.QInt8,
            weight_type=quantisation.QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=list(_PRODUCTS),
            nodes_to_quantize=names,
            extra_options={
                "ActivationSymmetric": True,
                "WeightSymmetric": True,
                "QuantizeBias": False,  # TensorRT supports no int32 bias
            },
        )
        return target.read_bytes()


def network_products(proto: Any) -> list[str]:
    """Names of the network's matrix products and convolutions in an exported model.

    A node belongs to the network by the module names that the exporter stored with it.
    """
    return [
        node.name for node in proto.graph.node if node.op_type in _PRODUCTS and _in_network(node)
    ]


def _in_network(node: Any) -> bool:
    noted = next((each.value for each in node.metadata_props if each.key == _SCOPES), "[]")
    return "network" in ast.literal_eval(noted)[1:2]


def _fold_transposes(proto: Any) -> None:
    """Fold transposes of weights into the weights, so that the quantiser finds constants."""
    numpy_helper = need("onnx.numpy_helper", None)
    weights = {each.name: each for each in proto.graph.initializer}
    transposes = [
        node
        for node in proto.graph.node
        if node.op_type == "Transpose" and node.input[0] in weights
    ]
    for node in transposes:
        weight = numpy_helper.to_array(weights[node.input[0]])
        axes = next((list(each.ints) for each in node.attribute if each.name == "perm"), None)
        folded = np.ascontiguousarray(weight.transpose(axes))
        proto.graph.initializer.append(numpy_helper.from_array(folded, node.output[0]))
        proto.graph.node.remove(node)
    used = {name for node in proto.graph.node for name in node.input}
    for name in {node.input[0] for node in transposes} - used:
        proto.graph.initializer.remove(weights[name])


class _Reader:
    """Calibration reader of ONNX Runtime: one feed at each call, None after the last."""

    def __init__(self, feeds: Iterable[Mapping[str, F32]]) -> None:
        self._feeds = iter(feeds)
        self._next = next(self._feeds, None)
        if self._next is None:
            raise UsageError(
                "expected pairs to measure the ranges of int8 on; got none: give --data a folder "
                "laid out as the composite."
            )

    def get_next(self) -> dict[str, F32] | None:
        given, self._next = self._next, next(self._feeds, None)
        return None if given is None else dict(given)
