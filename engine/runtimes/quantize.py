"""Int8 through ONNX Runtime's quantiser: the network's matrices, and nothing before it.

Weights get a scale for each output channel, what flows into a matrix gets one scale for the tensor,
measured on real pairs; both are symmetric, with zero at zero, which is the form that TensorRT reads
too. Norms, GELU, softmax and sums stay float32, and so do flow, strain and scaling: a product or a
convolution outside the network is left alone.
"""

import ast
import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from htnet.engine.errors import EngineError, UsageError
from htnet.engine.optional import need
from htnet.engine.runtimes.graph import Graph
from htnet.engine.types import F32

_SCOPES: Final = "pkg.torch.onnx.name_scopes"
_PRODUCTS: Final = ("MatMul", "Gemm", "Conv")


def quantise(model: bytes, graph: Graph, feeds: Iterable[Mapping[str, F32]]) -> bytes:
    """``model``, which `htnet.engine.runtimes.onnx_export.to_onnx` made of ``graph``, with its network in int8.

    ``feeds``: the graph's inputs by name, of a few dozen real pairs, as
    `htnet.calib.engines.graph_inputs.feeds` makes them; the largest magnitude that a tensor takes on them is what
    its 127 stands for. Raises `UsageError` without any, `EngineError` for a model without a network
    to quantise and `DependencyError` without ONNX Runtime's quantiser.
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
    _lay_weights(proto)
    del proto.graph.value_info[:]  # shapes of tensors whose names the quantiser gives anew
    reader = _Reader(feeds)
    with tempfile.TemporaryDirectory(prefix="htnet-int8-") as folder, _hushed():
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
                "QuantizeBias": False,  # TensorRT takes no int32 bias
            },
        )
        return target.read_bytes()


def network_products(proto: Any) -> list[str]:
    """Names of an exported model's matrix products and convolutions that belong to the network,
    by the modules that the exporter noted each node came from."""
    return [
        node.name for node in proto.graph.node if node.op_type in _PRODUCTS and _in_network(node)
    ]


def _in_network(node: Any) -> bool:
    noted = next((each.value for each in node.metadata_props if each.key == _SCOPES), "[]")
    return "network" in ast.literal_eval(noted)[1:2]


def _lay_weights(proto: Any) -> None:
    """Transpose weights now that are transposed in each run, so that the quantiser sees weights."""
    numpy_helper = need("onnx.numpy_helper", None)
    weights = {each.name: each for each in proto.graph.initializer}
    turned = [
        node
        for node in proto.graph.node
        if node.op_type == "Transpose" and node.input[0] in weights
    ]
    for node in turned:
        weight = numpy_helper.to_array(weights[node.input[0]])
        axes = next((list(each.ints) for each in node.attribute if each.name == "perm"), None)
        laid = np.ascontiguousarray(weight.transpose(axes))
        proto.graph.initializer.append(numpy_helper.from_array(laid, node.output[0]))
        proto.graph.node.remove(node)
    used = {name for node in proto.graph.node for name in node.input}
    for name in {node.input[0] for node in turned} - used:
        proto.graph.initializer.remove(weights[name])


class _Reader:
    """Feeds as the quantiser takes them: one at each call, and None after the last."""

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


@contextmanager
def _hushed() -> Iterator[None]:
    """Without the quantiser's advice to run what has been done here already."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(level)
