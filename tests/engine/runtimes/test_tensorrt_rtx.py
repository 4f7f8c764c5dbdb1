"""TensorRT-RTX: graphs are parsed and built without a GPU, and run where there is one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from htnet.engine.errors import EngineError, UsageError
from htnet.engine.models.weights import default_weights, load
from htnet.engine.runtimes import tensorrt_rtx as rtx
from htnet.engine.runtimes.graph import Graph, network_graph, pair_graph
from htnet.engine.runtimes.onnx_export import to_onnx
from htnet.engine.runtimes.quantize import quantise

trt = pytest.importorskip("tensorrt_rtx")

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU to run an engine on")


@pytest.fixture(scope="module")
def graph() -> Graph:
    return network_graph(load(default_weights()))


@pytest.fixture(scope="module")
def model(graph: Graph) -> bytes:
    return to_onnx(graph)


@pytest.fixture(scope="module")
def engine(model: bytes) -> bytes:
    return rtx.build(model)


@pytest.mark.slow
def test_the_network_is_built(engine, graph) -> None:
    weights = sum(each.nbytes for each in graph.module.state_dict().values())
    assert len(engine) > weights


@pytest.mark.parametrize("target", ["sm80", "sm80,sm89,sm120"])
def test_it_is_built_for_gpus_that_are_not_here(model, target) -> None:
    assert len(rtx.build(model, target=target)) > 10**5


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_precision_is_the_models_own(engine, precision) -> None:
    half = network_graph(load(default_weights()), precision=precision)
    assert len(rtx.build(to_onnx(half))) < len(engine)


def quantised(graph: Graph) -> bytes:
    """Quantised model with ranges from noise, enough to test that it is read."""
    feeds = {name: x.numpy() for name, x in zip(graph.inputs, graph.example(), strict=True)}
    return quantise(to_onnx(graph), graph, [feeds])


@pytest.mark.slow
def test_an_int8_network(engine) -> None:
    graph = network_graph(load(default_weights()), precision="int8")
    assert len(rtx.build(quantised(graph))) < len(engine)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_the_whole_way_from_a_pair_is_one_engine(precision) -> None:
    graph = pair_graph(load(default_weights()), flow="farneback", precision=precision)
    model = quantised(graph) if precision == "int8" else to_onnx(graph)
    assert len(rtx.build(model, target="sm80")) > 10**6


@pytest.mark.parametrize("target", ["", "sm90x", "SM80", "default,sm80", "sm80,", "none"])
def test_a_target_that_there_is_not(model, target) -> None:
    with pytest.raises(UsageError, match="default, current, or some of sm75"):
        rtx.build(model, target=target)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_the_current_gpu_where_there_is_none(model) -> None:
    with pytest.raises(EngineError, match="expected a CUDA GPU"):
        rtx.build(model, target="current")


def test_a_graph_that_it_cannot_read() -> None:
    import onnx

    node = onnx.helper.make_node("NoSuchThing", ["a"], ["b"])
    a, b = (onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1]) for n in "ab")
    made = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [a], [b]))
    with pytest.raises(EngineError, match=r"^expected a graph .*NoSuchThing.*--runtime torch\.$"):
        rtx.build(made.SerializeToString())


@pytest.mark.slow
def test_turing_has_no_float32_products(model) -> None:
    with pytest.raises(EngineError, match=r"to build an engine for sm75; it failed \(.*FP32 GEMM"):
        rtx.build(model, target="sm75")
    half = network_graph(load(default_weights()), precision="fp16")
    assert len(rtx.build(to_onnx(half), target="sm75")) > 10**5


def test_building_says_nothing(model, capfd) -> None:
    rtx.build(model)
    assert capfd.readouterr() == ("", "")


def test_what_is_available() -> None:
    found = rtx.availability()
    assert trt.__version__ in found.said
    assert found.usable == torch.cuda.is_available()
    assert bool(found.remedy) != found.usable


def test_where_it_is_not_installed(monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    found = rtx.availability()
    assert (found.usable, found.said, found.remedy) == (
        False,
        "not installed",
        "pip install 'htnet[rtx]'",
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_running_where_there_is_no_gpu(engine, graph, monkeypatch, tmp_path) -> None:
    for device in ("cuda", "cpu"):
        with pytest.raises(EngineError, match=r"^expected a CUDA GPU .* --runtime torch"):
            rtx.RtxRuntime(engine, graph, device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="the library finds a GPU here")
@pytest.mark.parametrize("kept", [None, 1000, 0])
def test_what_the_library_itself_says_of_an_engine_it_cannot_open(
    engine, graph, monkeypatch, kept
) -> None:
    # Torch made to see a GPU, so that the library is asked, which finds none.
    class Anywhere:
        def __init__(self, device: str) -> None: ...
        def __enter__(self) -> None: ...
        def __exit__(self, *raised: object) -> None: ...

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device", Anywhere)
    with pytest.raises(EngineError, match=r"^expected an engine .*: export it again") as raised:
        rtx.RtxRuntime(engine[:kept], graph)
    assert "\n" not in str(raised.value)


@gpu
def test_it_answers_as_pytorch_does(engine, graph, tmp_path: Path) -> None:
    path = tmp_path / "engine.plan"
    path.write_bytes(engine)
    (pictures,) = graph.example()
    with torch.inference_mode():
        expected = graph.module(pictures).numpy()
    run = rtx.RtxRuntime(path, graph)
    for _ in range(3):
        (found,) = run(pictures.numpy())
        np.testing.assert_allclose(found, expected, atol=1e-3)


@gpu
def test_an_engine_of_another_shape(engine, graph) -> None:
    other = replace(graph, inputs={"pictures": (2, 3, 28, 28)})
    with pytest.raises(EngineError, match="expected an engine of"):
        rtx.RtxRuntime(engine, other)
    with pytest.raises(EngineError, match="this graph was made for"):
        rtx.RtxRuntime(engine, graph)(np.zeros((2, 3, 28, 28), np.float32))


@gpu
def test_a_truncated_engine(engine, graph) -> None:
    with pytest.raises(EngineError, match="expected an engine"):
        rtx.RtxRuntime(engine[:-1000], graph)
