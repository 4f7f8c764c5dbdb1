"""PyTorch and ONNX Runtime behind the protocol: the same answers, and error sentences."""

import importlib
import shutil

import numpy as np
import pytest
import torch

from htnet.engine.errors import DependencyError, EngineError, UsageError
from htnet.engine.models.registry import build, entry
from htnet.engine.models.weights import Loaded, default_weights, load
from htnet.engine.runtimes import onnx, pytorch
from htnet.engine.runtimes.graph import network_graph, pair_graph
from htnet.engine.runtimes.onnx import OnnxRuntime
from htnet.engine.runtimes.onnx_export import to_onnx
from htnet.engine.runtimes.pytorch import PyTorch


@pytest.fixture(scope="module")
def shipped() -> Loaded:
    return load(default_weights())


def arrays(graph) -> list[np.ndarray]:
    return [each.numpy() for each in graph.example()]


@pytest.fixture(scope="module")
def exported(shipped) -> bytes:
    return to_onnx(network_graph(shipped, batch=2))


def test_onnx_runtime_answers_as_pytorch(shipped, exported) -> None:
    graph = network_graph(shipped, batch=2)
    (expected,) = PyTorch(graph)(*arrays(graph))
    (found,) = OnnxRuntime(exported, graph)(*arrays(graph))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert expected.dtype == found.dtype == np.float32
    assert np.ptp(expected, axis=1).min() > 0.05


@pytest.mark.slow
def test_half_precision_in_onnx_runtime(shipped) -> None:
    graph, full = network_graph(shipped, precision="fp16"), network_graph(shipped)
    (found,) = OnnxRuntime(to_onnx(graph), graph)(*arrays(graph))
    (expected,) = PyTorch(full)(*arrays(graph))
    np.testing.assert_allclose(found, expected, atol=5e-3)


@pytest.mark.slow
def test_the_whole_graph_with_its_motion(shipped) -> None:
    graph = pair_graph(shipped, with_motion=True)
    crops = [each.astype(np.uint8) for each in arrays(graph)[:2]]
    inputs = [*crops, arrays(graph)[2]]
    expected, found = PyTorch(graph)(*inputs), OnnxRuntime(to_onnx(graph), graph)(*inputs)
    for one, other, atol in zip(expected, found, (1e-4, 5e-3, 1e-4), strict=True):
        np.testing.assert_allclose(other, one, atol=atol)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_network_answers_as_the_eager_one(shipped) -> None:
    graph = network_graph(shipped)
    compiled = PyTorch(graph, compiled=True)
    assert compiled.name == "compile"
    np.testing.assert_allclose(
        compiled(*arrays(graph))[0], PyTorch(graph)(*arrays(graph))[0], atol=1e-5
    )


def test_a_shape_it_was_not_made_for(shipped, exported) -> None:
    graph = network_graph(shipped, batch=2)
    three = np.zeros((3, 3, 28, 28), np.float32)
    for runtime in (PyTorch(graph), OnnxRuntime(exported, graph)):
        with pytest.raises(EngineError, match=r"pictures \(2, 3, 28, 28\).*got \(3, 3, 28, 28\)"):
            runtime(three)


def test_a_model_of_another_graph_or_a_damaged_one(shipped, exported) -> None:
    with pytest.raises(EngineError, match="expected a model that takes"):
        OnnxRuntime(exported, network_graph(shipped, batch=1))
    with pytest.raises(EngineError, match="export it again with htnet export-onnx"):
        OnnxRuntime(exported[: len(exported) // 2], network_graph(shipped, batch=2))


def test_what_a_runtime_cannot_do(shipped, exported) -> None:
    with pytest.raises(UsageError, match="got int8"):
        PyTorch(network_graph(shipped, precision="int8"))
    with pytest.raises(EngineError, match="got bf16, which it has no kernels for"):
        OnnxRuntime(exported, network_graph(shipped, precision="bf16", batch=2))
    with pytest.raises(EngineError, match="expected cpu or cuda"):
        OnnxRuntime(exported, network_graph(shipped, batch=2), "mps")
    if not torch.cuda.is_available():
        with pytest.raises(EngineError, match="ONNX Runtime that can use CUDA"):
            OnnxRuntime(exported, network_graph(shipped, batch=2), "cuda")


def test_a_network_that_onnx_cannot_express(shipped) -> None:
    class Fickle(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1)[:, :3] * (1 if x.sum() > 0 else 2)

    odd = Loaded(Fickle(), "fickle", None, shipped.spec, {})
    with pytest.raises(EngineError, match="use --runtime torch"):
        to_onnx(network_graph(odd))


@pytest.mark.parametrize("name", ["ststnet", "hyphtnet"])
@pytest.mark.slow
def test_the_relatives_run_in_onnx_runtime_too(name) -> None:
    torch.manual_seed(0)
    config = entry(name).config
    if name == "hyphtnet":
        config = type(config)(dim=12, repeats=(1, 1, 1))
    loaded = Loaded(build(name, config).eval(), name, config, entry(name).spec, {})
    graph = network_graph(loaded)
    (found,) = OnnxRuntime(to_onnx(graph), graph)(*arrays(graph))
    np.testing.assert_allclose(found, PyTorch(graph)(*arrays(graph))[0], atol=1e-4)


def test_a_missing_library_is_named(shipped, monkeypatch) -> None:
    real = importlib.import_module

    def fake(name: str, package: str | None = None):
        if name.startswith("onnx"):
            raise ImportError(f"No module named {name!r}")
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", fake)
    with pytest.raises(DependencyError, match="pip install onnx"):
        to_onnx(network_graph(shipped))
    lacking = onnx.availability()
    assert not lacking.usable and "onnxruntime" in lacking.said


def test_pytorch_is_always_there(monkeypatch) -> None:
    torch_here, compiled = pytorch.availability()
    assert torch_here.usable and torch_here.said.startswith("torch 2")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    if not torch.cuda.is_available():
        lacking = pytorch.availability()[1]
        assert not lacking.usable and "C++ compiler" in lacking.said and lacking.remedy
    assert compiled.name == "compile"
