"""Selection of a runtime, its fallbacks, and a recognizer opened with it."""

import numpy as np
import pytest
import torch

from htnet.engine.errors import DependencyError, EngineError, UsageError
from htnet.engine.models.weights import default_weights, load
from htnet.engine.recognition.recognizer import open_recognizer
from htnet.engine.runtimes import select as choice
from htnet.engine.runtimes.graph import Graph, network_graph
from htnet.engine.runtimes.onnx import OnnxRuntime
from htnet.engine.runtimes.pytorch import PyTorch
from htnet.engine.runtimes.select import (
    AUTO,
    RUNTIMES,
    availabilities,
    device_for,
    open_runtime,
    preferred,
)


@pytest.fixture(scope="module")
def graph() -> Graph:
    return network_graph(load(default_weights()))


def test_every_runtime_says_whether_it_can_be_used() -> None:
    found = availabilities()
    assert [each.name for each in found] == list(RUNTIMES)
    assert all(each.said for each in found)
    assert all(each.usable or each.remedy for each in found)


@pytest.mark.parametrize(
    ("runtime", "asked", "device"),
    [
        ("auto", "cpu", "cpu"),
        ("onnx", "cpu", "cpu"),
        ("torch", "cuda:1", "cuda:1"),
        ("tensorrt", "cpu", "cuda"),
        ("tensorrt-rtx", "cpu", "cuda"),
        ("tensorrt", "cuda:1", "cuda:1"),
    ],
)
def test_tensorrt_knows_no_cpu(runtime: str, asked: str, device: str) -> None:
    assert device_for(runtime, asked) == device


def test_a_runtime_that_there_is_not() -> None:
    for call in (lambda: device_for("warp", "cpu"), lambda: open_recognizer(runtime="warp")):
        with pytest.raises(UsageError, match=r"among auto, torch, compile, .*; got 'warp'"):
            call()


@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:1", "mps", "xpu"])
def test_torch_is_the_last_that_auto_tries(device: str) -> None:
    names = preferred(device)
    assert set(names) <= set(RUNTIMES)
    assert names[-1] == "torch"


def test_auto_takes_the_first_that_works(graph: Graph) -> None:
    said: list[str] = []
    open_runtime(AUTO, graph, "cpu", said.append)  # into the cache
    said.clear()
    opened = open_runtime(AUTO, graph, "cpu", said.append)
    assert isinstance(opened, OnnxRuntime)
    assert said == []


@pytest.mark.parametrize("error", [DependencyError, EngineError])
def test_auto_falls_back_in_one_sentence(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def lacking(*_: object, **__: object) -> None:
        raise error("expected the library onnx for this; it cannot be loaded: pip install onnx.")

    monkeypatch.setattr(choice, "build_engine", lacking)
    said: list[str] = []
    opened = open_runtime(AUTO, graph, "cpu", said.append)
    assert isinstance(opened, PyTorch)
    (sentence,) = said
    assert sentence == (
        "The runtime onnx cannot be used, so torch is: expected the library onnx for this; it "
        "cannot be loaded: pip install onnx."
    )
    with pytest.raises(error):  # who names a runtime gets it or an error
        open_runtime("onnx", graph, "cpu", said.append)
    assert len(said) == 1


def test_the_same_answer_by_any_of_them(graph: Graph) -> None:
    (pictures,) = (each.numpy() for each in graph.example())
    answers = [
        open_runtime(name, graph, "cpu", lambda _: None)(pictures)[0] for name in ("torch", "onnx")
    ]
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-5)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_named_tensorrt_where_there_is_no_gpu() -> None:
    for name in ("tensorrt", "tensorrt-rtx"):
        with pytest.raises(DependencyError, match="'cuda' is not one here"):
            open_recognizer(runtime=name, say=lambda _: None)


def test_a_recognizer_says_what_runs_it() -> None:
    opened = open_recognizer(runtime="torch", flow="farneback")
    assert str(opened) == "htnet-s, flow farneback, runtime torch (fp32, cpu)"
    assert opened.whole is None
    assert torch.get_num_threads() == 1


def test_int8_without_an_engine_names_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.setattr("htnet.engine.runtimes.build.cache_folder", lambda: tmp_path)
    with pytest.raises(UsageError, match="htnet export-onnx --precision int8 first"):
        open_recognizer(runtime="onnx", precision="int8", say=lambda _: None)
    said: list[str] = []
    with pytest.raises(UsageError, match="use --runtime onnx"):  # torch has no int8
        open_recognizer(precision="int8", say=said.append)


def test_what_cannot_be_folded_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("htnet.engine.models.htnet_folded._EXACT", -1.0)
    said: list[str] = []
    opened = open_recognizer(runtime="torch", say=said.append)
    assert [each.partition(",")[0] for each in said] == ["htnet-s.safetensors is served unfolded"]
    assert opened.model == "htnet-s"
