"""TensorRT through torch-tensorrt: error sentences where it cannot be used."""

from importlib.util import find_spec

import pytest
import torch

from htnet.engine.errors import DependencyError, EngineError, UsageError
from htnet.engine.models.weights import default_weights, load
from htnet.engine.runtimes import tensorrt
from htnet.engine.runtimes.graph import Graph, network_graph


@pytest.fixture(scope="module")
def graph() -> Graph:
    return network_graph(load(default_weights()))


@pytest.fixture
def with_cuda(monkeypatch) -> None:
    """Pretend that there is a GPU, so that later checks are reached."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


def test_the_real_failure_without_tensorrt(capfd, with_cuda, graph) -> None:
    if find_spec("torch_tensorrt") is None:
        pytest.skip("torch-tensorrt is not installed, so its import cannot fail as it does")
    found = tensorrt.availability()
    if found.usable:
        pytest.skip("TensorRT is here")
    assert found.name == "tensorrt"
    assert "\n" not in found.said and len(found.said) < 220
    assert "htnet[trt]" in found.remedy and "NVIDIA's package index" in found.remedy
    for act in (lambda: tensorrt.build(graph), lambda: tensorrt.TensorRT("x.ep", graph)):
        with pytest.raises(DependencyError, match=r"^expected TensorRT .*\[trt\]") as raised:
            act()
        assert found.said in str(raised.value)
    assert capfd.readouterr() == ("", "")  # its import prints


@pytest.mark.parametrize("kind", [Exception, AssertionError, RuntimeError, OSError])
def test_whatever_its_import_raises(monkeypatch, kind) -> None:
    def fails(name: str) -> None:
        print("import error, and more of it")
        raise kind("no libnvinfer\nand a list of places")

    monkeypatch.setattr(tensorrt, "find_spec", lambda name: object())
    monkeypatch.setattr(tensorrt, "import_module", fails)
    found = tensorrt.availability()
    assert not found.usable
    assert found.said == "no libnvinfer"


def test_where_it_is_not_installed(monkeypatch) -> None:
    monkeypatch.setattr(tensorrt, "find_spec", lambda name: None)
    assert tensorrt.availability().said == "torch-tensorrt is not installed"
    with pytest.raises(DependencyError, match="not installed"):
        tensorrt.version()


def test_without_cuda(graph) -> None:
    for act in (
        lambda: tensorrt.build(graph, "cpu"),
        lambda: tensorrt.TensorRT("x.ep", graph, "cpu"),
    ):
        with pytest.raises(EngineError, match=r"^expected a CUDA GPU .* --runtime torch"):
            act()


def test_int8_belongs_to_the_onnx_form() -> None:
    graph = network_graph(load(default_weights()), precision="int8")
    with pytest.raises(UsageError, match="tensorrt-rtx or onnx"):
        tensorrt.build(graph)
