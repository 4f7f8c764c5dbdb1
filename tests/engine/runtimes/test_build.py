"""Engine files: built once, reused while they fit, refused where they do not agree."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from htnet.engine.errors import DependencyError, EngineError, OutputError, UsageError
from htnet.engine.models.weights import default_weights, load
from htnet.engine.runtimes import build as engines
from htnet.engine.runtimes.build import Built, ParityCheck, build_engine
from htnet.engine.runtimes.engine_card import Parity, card_path, read_card
from htnet.engine.runtimes.graph import Graph, network_graph
from htnet.engine.runtimes.onnx import OnnxRuntime
from htnet.engine.runtimes.onnx_export import to_onnx

Samples = list[tuple[NDArray[Any]]]
_EXPORTED: dict[str, bytes] = {}


def once(graph: Graph) -> bytes:
    if graph.key not in _EXPORTED:
        _EXPORTED[graph.key] = to_onnx(graph)
    return _EXPORTED[graph.key]


@pytest.fixture(scope="module")
def graph() -> Graph:
    return network_graph(load(default_weights()))


@pytest.fixture(scope="module")
def samples() -> Samples:
    draw = np.random.default_rng(0)
    return [(draw.uniform(-1, 1, (3, 28, 28)).astype(np.float32),) for _ in range(7)]


@pytest.fixture(autouse=True)
def exported_once(monkeypatch) -> None:
    """Export each graph once: the exporter takes a second and is not tested here."""
    monkeypatch.setattr(engines, "to_onnx", once)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "engines" / "network.onnx"


def onnx(graph: Graph, out: Path, **more: Any) -> tuple[Built, list[str]]:
    said: list[str] = []
    return build_engine(graph, runtime="onnx", out=out, say=said.append, **more), said


def left(out: Path) -> list[str]:
    return sorted(each.name for each in out.parent.iterdir()) if out.parent.exists() else []


@pytest.mark.slow
def test_an_engine_and_its_card(graph, samples, out) -> None:
    built, said = onnx(graph, out, network="htnet", check=ParityCheck(graph.module, samples))
    assert left(out) == ["network.onnx", "network.onnx.json"]
    assert len(said) == 1 and "once" in said[0]
    card = read_card(out)
    assert (card.runtime, card.part, card.network, card.target) == (
        "onnx",
        "network",
        "htnet",
        "any",
    )
    assert card.digest == graph.digest
    assert card.preprocess["scaling"] == graph.spec.scaling
    assert isinstance(card.parity, Parity) and isinstance(built.card.parity, Parity)
    assert card.parity.pairs == 7
    assert card.parity.label_agreement == 1
    assert card.parity.max_difference < 1e-5


@pytest.mark.slow
def test_it_is_taken_again_without_a_word(graph, samples, out) -> None:
    first, _ = onnx(graph, out)
    again, said = onnx(graph, out)
    assert (first.reused, again.reused, said) == (False, True, [])
    assert first.card.parity == "not asked for"
    checked, said = onnx(graph, out, check=ParityCheck(graph.module, samples))  # it was not yet
    assert not checked.reused
    assert onnx(graph, out, check=ParityCheck(graph.module, samples))[0].reused


@pytest.mark.slow
def test_the_cache_is_named_by_content(graph, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(engines, "cache_folder", lambda: tmp_path)
    first = build_engine(graph, runtime="onnx")
    assert build_engine(graph, runtime="onnx").path == first.path
    assert build_engine(graph, runtime="onnx").reused
    batch = network_graph(load(default_weights()), batch=2)
    assert build_engine(batch, runtime="onnx").path != first.path
    assert first.path.parent == tmp_path


@pytest.mark.slow
def test_what_does_not_fit_is_built_again(graph, out) -> None:
    onnx(graph, out)
    whole = out.read_bytes()
    out.write_bytes(whole[: len(whole) // 2])
    built, said = onnx(graph, out)
    assert not built.reused
    assert "bytes where" in said[0]
    card_path(out).write_text("{}")
    _, said = onnx(graph, out)
    assert "card cannot be read" in said[0]
    _, said = onnx(network_graph(load(default_weights()), batch=2), out)
    assert "(2, 3, 28, 28) is asked for" in said[0]
    OnnxRuntime(out, network_graph(load(default_weights()), batch=2))


@pytest.mark.slow
def test_batches_are_filled_up(samples, out) -> None:
    graph = network_graph(load(default_weights()), batch=4)
    built, _ = onnx(graph, out, check=ParityCheck(graph.module, samples))
    assert isinstance(built.card.parity, Parity)
    assert built.card.parity.pairs == 7
    assert built.card.parity.max_difference < 1e-5


@pytest.mark.slow
def test_half_precision_is_held_against_float32(graph, samples, out) -> None:
    half = network_graph(load(default_weights()), precision="fp16")
    built, _ = onnx(half, out, check=ParityCheck(graph.module, samples))
    assert isinstance(built.card.parity, Parity)
    assert 0 < built.card.parity.max_difference < 1e-2


@pytest.mark.slow
def test_where_it_cannot_be_run_the_card_says_so(graph, samples, out) -> None:
    half = network_graph(load(default_weights()), precision="bf16")
    built, _ = onnx(half, out, check=ParityCheck(graph.module, samples))
    assert built.card.parity == "not run here: ONNX Runtime has no bf16 kernels for CPUs"
    assert onnx(half, out, check=ParityCheck(graph.module, samples))[0].reused


class Wrong(torch.nn.Module):
    """Reference that is certain of the engine's least probable label."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return 1 - self.module(pictures)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.slow
def test_an_engine_that_does_not_agree_is_refused(samples, out, precision) -> None:
    graph = network_graph(load(default_weights()), precision=precision)
    reference = Wrong(network_graph(load(default_weights())).module)
    asked: list[str] = []

    def same(model: bytes, graph: Graph) -> bytes:
        asked.append(graph.precision)
        return model

    with pytest.raises(
        EngineError, match=r"^expected (equal labels|probabilities) .* 7 .*No engine"
    ):
        onnx(graph, out, check=ParityCheck(reference, samples), quantise=same)
    assert left(out) == []
    assert asked == (["int8"] if precision == "int8" else [])


def test_an_engine_that_answers_with_no_number_is_refused(graph, samples, out, monkeypatch) -> None:
    monkeypatch.setattr(
        OnnxRuntime, "__call__", lambda self, *x: (np.full((1, 3), np.nan, np.float32),)
    )
    with pytest.raises(EngineError, match="No engine was written"):
        onnx(graph, out, check=ParityCheck(graph.module, samples))
    assert left(out) == []


@pytest.mark.parametrize("where", ["to_onnx", "_agreement", "_card"])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, MemoryError, EngineError])
def test_an_interrupted_build_leaves_nothing(graph, samples, out, monkeypatch, where, kind) -> None:
    def stopped(*_: object) -> None:
        raise kind("stopped")

    with monkeypatch.context() as patched:
        patched.setattr(engines, where, stopped)
        with pytest.raises(kind):
            onnx(graph, out, check=ParityCheck(graph.module, samples))
    assert left(out) == []


def test_one_stopped_before_its_card_is_built_again(graph, out, monkeypatch) -> None:
    onnx(graph, out)
    out.write_bytes(b"cut short")  # so that there is reason to build it again

    def stopped(self: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(engines.EngineCard, "to_json", stopped)
        with pytest.raises(KeyboardInterrupt):
            onnx(graph, out)
    assert left(out) == ["network.onnx"]  # without a card it counts for nothing
    assert not onnx(graph, out)[0].reused


@pytest.mark.slow
def test_one_that_was_killed_leaves_no_engine(out) -> None:
    script = f"""
import os, signal
from pathlib import Path
from htnet.engine.runtimes import build as engines
from htnet.engine.runtimes.onnx_export import to_onnx
from htnet.engine.runtimes.graph import network_graph
from htnet.engine.models.weights import default_weights, load
engines._card = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
graph = network_graph(load(default_weights()))
engines.build_engine(graph, runtime="onnx", out=Path({str(out)!r}))
"""
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=False, timeout=120
    )
    assert run.returncode == -signal.SIGKILL
    assert [name for name in left(out) if not name.endswith(".part")] == []


def test_int8_needs_pairs_or_an_export(out) -> None:
    graph = network_graph(load(default_weights()), precision="int8")
    with pytest.raises(UsageError, match="export-onnx --precision int8"):
        onnx(graph, out)
    assert left(out) == []


def test_what_cannot_be_asked_for(graph, out) -> None:
    with pytest.raises(UsageError, match="onnx, tensorrt, tensorrt-rtx"):
        build_engine(graph, runtime="torch", out=out)
    with pytest.raises(UsageError, match="tensorrt-rtx alone"):
        onnx(graph, out, target="sm80")
    with pytest.raises(UsageError, match="expected real pairs"):
        onnx(graph, out, check=ParityCheck(graph.module, []))


def test_a_place_that_cannot_be_written(graph, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose a writable folder"):
        onnx(graph, tmp_path / "file" / "network.onnx")


def test_tensorrt_where_it_is_not(graph, out) -> None:
    from htnet.engine.runtimes import tensorrt

    if tensorrt.availability().usable:
        pytest.skip("TensorRT is here")
    with pytest.raises((DependencyError, EngineError)):
        build_engine(graph, runtime="tensorrt", out=out)
    assert left(out) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU to run it on")
@pytest.mark.slow
def test_tensorrt_rtx_without_a_gpu(graph, samples, tmp_path) -> None:
    pytest.importorskip("tensorrt_rtx")
    out = tmp_path / "engine.plan"
    check = ParityCheck(graph.module, samples)
    built = build_engine(graph, runtime="tensorrt-rtx", out=out, target="sm80", check=check)
    assert built.card.parity == "not run here: torch finds no CUDA GPU"
    assert (built.card.target, built.card.gpu) == ("sm80", "")
    assert built.card.version.startswith("TensorRT-RTX 1.")
    again = build_engine(graph, runtime="tensorrt-rtx", out=out, target="sm80", check=check)
    assert again.reused
    said: list[str] = []
    build_engine(graph, runtime="tensorrt-rtx", out=out, say=said.append)
    assert "it is for tensorrt-rtx (sm80)" in said[0]
