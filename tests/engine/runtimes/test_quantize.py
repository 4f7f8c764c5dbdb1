"""Int8: the network's matrices alone, ranges from the feeds, answers that stay near."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from htnet.engine.errors import EngineError, UsageError
from htnet.engine.models.htnet import HTNet, HTNetConfig
from htnet.engine.models.weights import Loaded, default_weights, load
from htnet.engine.motion.preprocess import PreprocessSpec
from htnet.engine.runtimes.graph import Graph, network_graph, pair_graph
from htnet.engine.runtimes.onnx import OnnxRuntime
from htnet.engine.runtimes.onnx_export import to_onnx
from htnet.engine.runtimes.quantize import network_products, quantise
from htnet.engine.types import F32

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")


def pictures(seed: int, count: int) -> F32:
    return np.random.default_rng(seed).uniform(-1, 1, (count, 1, 3, 28, 28)).astype(np.float32)


@pytest.fixture(scope="module")
def graph() -> Graph:
    return network_graph(load(default_weights()), precision="int8")


@pytest.fixture(scope="module")
def exported(graph: Graph) -> bytes:
    return to_onnx(graph)


def fed(count: int = 16) -> Iterator[dict[str, F32]]:
    return ({"pictures": each} for each in pictures(0, count))


@pytest.fixture(scope="module")
def quantised(exported: bytes, graph: Graph) -> bytes:
    return quantise(exported, graph, fed())


@pytest.mark.slow
def test_it_answers_about_as_in_float32(exported: bytes, quantised: bytes, graph: Graph) -> None:
    plain, int8 = OnnxRuntime(exported, graph), OnnxRuntime(quantised, graph)
    unseen = pictures(1, 32)
    wanted, found = (np.concatenate([ran(x)[0] for x in unseen]) for ran in (plain, int8))
    np.testing.assert_allclose(found, wanted, atol=0.05)
    assert not np.array_equal(found, wanted)
    assert np.mean(found.argmax(axis=1) == wanted.argmax(axis=1)) > 0.9


def test_every_matrix_is_a_quarter(exported: bytes, quantised: bytes) -> None:
    """Weights are int8 with a scale for each output, symmetric round zero, as TensorRT needs."""
    proto = onnx.load_from_string(quantised)
    held = {each.name: onnx.numpy_helper.to_array(each) for each in proto.graph.initializer}
    eights = {name: values for name, values in held.items() if values.dtype == np.int8}
    matrices = [values for values in eights.values() if values.ndim > 1]
    assert len(matrices) == len(network_products(onnx.load_from_string(exported)))
    assert all(not values.any() for values in eights.values() if values.ndim < 2)  # zero points
    assert not [name for name, values in held.items() if values.dtype == np.uint8]
    assert len(quantised) < 0.4 * len(exported)


def test_without_pairs_it_says_so(exported: bytes, graph: Graph) -> None:
    with pytest.raises(UsageError, match="expected pairs"):
        quantise(exported, graph, iter(()))


def test_a_graph_without_a_network_is_refused(graph: Graph) -> None:
    class Sum(torch.nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return pictures.sum(dim=(1, 2, 3))[:, None]

    program = torch.onnx.export(
        Sum().eval(),
        (torch.zeros(1, 3, 28, 28),),
        dynamo=True,
        optimize=False,
        verbose=False,
        input_names=["pictures"],
    )
    assert program is not None
    with pytest.raises(EngineError, match="found none"):
        quantise(program.model_proto.SerializeToString(), graph, fed())


class Blurred(torch.nn.Module):
    """Solver with a product and a convolution of its own, which must stay float32."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", torch.full((1, 1, 3, 3), 1 / 9))
        self.register_buffer("turn", torch.eye(140))

    def forward(self, onset: torch.Tensor, apex: torch.Tensor) -> torch.Tensor:
        u = torch.conv2d(apex - onset, self.kernel, padding=1) / 64
        return torch.cat([u, u @ self.turn], dim=1)


@pytest.mark.slow
def test_nothing_before_the_network_is_touched() -> None:
    torch.manual_seed(0)
    config = HTNetConfig(dim=12, repeats=(1, 1, 1))
    network = HTNet(config).eval().requires_grad_(False)
    graph = pair_graph(
        Loaded(network, "htnet", config, PreprocessSpec(), {}),
        flow="farneback",
        registered=True,
        precision="int8",
    )
    graph.module.solver = Blurred().eval()
    exported = to_onnx(graph)
    names = network_products(onnx.load_from_string(exported))
    products = [
        node.name
        for node in onnx.load_from_string(exported).graph.node
        if node.op_type in ("MatMul", "Gemm", "Conv")
    ]
    assert len(set(products) - set(names)) == 2

    draw = np.random.default_rng(0)
    faces = [draw.integers(0, 256, (2, 1, 1, 170, 140)).astype(np.float32) for _ in range(4)]
    places = np.full((1, 4, 2), 0.5, np.float32)
    feeds = [{"onset": onset, "apex": apex, "centres": places} for onset, apex in faces]
    quantised = quantise(exported, graph, feeds)

    proto = onnx.load_from_string(quantised)
    made = {output: node for node in proto.graph.node for output in node.output}
    fed_int8 = {
        node.name
        for node in proto.graph.node
        if node.op_type in ("MatMul", "Gemm", "Conv")
        and any(made[i].op_type == "DequantizeLinear" for i in node.input if i in made)
    }
    assert fed_int8 and not fed_int8 & (set(products) - set(names))
    plain, int8 = OnnxRuntime(exported, graph), OnnxRuntime(quantised, graph)
    for feed in feeds:
        np.testing.assert_allclose(int8(*feed.values())[0], plain(*feed.values())[0], atol=0.05)


@pytest.mark.slow
def test_real_pairs_keep_their_labels(data: Path) -> None:
    """On the published maps at the shipped size: 199 of 200 labels, the bound of int8."""
    from htnet.training.augmentation.samples import make_samples, read_composite

    loaded = load(default_weights())
    clips, maps, centres = read_composite(data / "composite")
    shown = make_samples(clips, [maps], centres, loaded.spec).inputs.numpy()[:, None]
    graph = network_graph(loaded, precision="int8")
    exported = to_onnx(graph)
    plain = OnnxRuntime(exported, graph)
    int8 = OnnxRuntime(quantise(exported, graph, ({"pictures": x} for x in shown[::8])), graph)
    wanted, found = (np.concatenate([ran(x)[0] for x in shown]) for ran in (plain, int8))
    assert np.mean(found.argmax(axis=1) == wanted.argmax(axis=1)) >= 0.995
    assert np.abs(found - wanted).max() < 0.05
