import io
import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from htnet.calib.bench.comparison import floor_bytes
from htnet.calib.bench.model import Model, bench_model, model_table, open_model
from htnet.engine.errors import DependencyError, WeightsError
from htnet.engine.models.htnet import HTNet
from htnet.engine.models.htnet_folded import FoldedHTNet
from htnet.engine.runtimes import Runtime
from htnet.engine.runtimes.graph import Graph, network_graph, pair_graph
from htnet.engine.runtimes.pytorch import PyTorch


def opener(name: str, graph: Graph, device: str, say: Callable[[str], None]) -> Runtime:
    if name != "torch":
        raise DependencyError(f"expected {name}; it is not here: pip install 'htnet[trt]'.")
    return PyTorch(graph, device)


@pytest.fixture(scope="module")
def model() -> Model:
    return open_model()


@pytest.fixture(scope="module")
def row(model: Model) -> dict:
    return bench_model(
        model, "cpu", ("torch", "tensorrt"), ("fp32", "bf16"), (1, 3), 3, seconds=0.2, opener=opener
    )


@pytest.mark.slow
def test_the_reference_is_the_official_form_at_every_batch(row: dict, model: Model) -> None:
    assert isinstance(model.official.network, HTNet)
    assert isinstance(model.served.network, FoldedHTNet)
    for batch in (1, 3):
        first, *others = [each for each in row["rows"] if each["batch"] == batch]
        assert (first["what"], first["precision"]) == ("reference", "fp32")
        assert (first["times_reference"], first["max_difference"]) == (1.0, 0.0)
        assert [each["what"] for each in others] == ["torch fp32", "torch bf16"]


def test_answers_are_held_against_the_references(row: dict) -> None:
    for each in row["rows"]:
        bound = 1e-4 if each["precision"] == "fp32" else 5e-2
        assert each["max_difference"] < bound
        assert each["agreement"] >= (1.0 if each["precision"] == "fp32" else 0.9)


def test_the_floor_is_bytes_at_a_copys_rate(row: dict, model: Model) -> None:
    graph = network_graph(model.served, batch=3)
    (ours,) = [r for r in row["rows"] if r["batch"] == 3 and r["what"] == "torch fp32"]
    floor = floor_bytes(graph) / (row["copy_gb_per_s"] * 1e6)
    assert ours["floor_ms"] == pytest.approx(floor, rel=0.05, abs=1e-3)
    assert ours["times_floor"] == pytest.approx(ours["ms"]["p50"] / floor, rel=0.1)


def test_bytes_of_a_graph(model: Model) -> None:
    tensors = [*model.served.network.buffers(), *model.served.network.parameters()]
    weights = 4 * sum(tensor.numel() for tensor in tensors)
    graph = network_graph(model.served, batch=2)
    assert floor_bytes(graph) == weights + 2 * 3 * 28 * 28 * 4 + 2 * 3 * 4
    assert floor_bytes(replace(graph, precision="int8")) == weights // 4 + 2 * 3 * 28 * 28 * 4 + 24
    pair = pair_graph(model.served, flow="farneback")
    windows = 4 * sum(tensor.numel() for tensor in pair.module.solver.buffers())
    assert floor_bytes(pair) == weights + windows + 2 * 140 * 170 + 4 * 8 + 12


def test_a_runtime_that_is_not_here_is_told_with_its_reason(row: dict) -> None:
    assert [(each["runtime"], each["precision"]) for each in row["skipped"]] == [
        ("tensorrt", "fp32"),
        ("tensorrt", "bf16"),
    ]
    assert "htnet[trt]" in row["skipped"][0]["reason"]


def test_random_weights_are_the_same_each_time() -> None:
    first, again = (open_model(network="htnet", repeats=(1, 1, 1)) for _ in range(2))
    assert first.official.config.repeats == (1, 1, 1)
    assert first.name == "htnet, random weights"
    for one, other in zip(
        first.official.network.parameters(), again.official.network.parameters(), strict=True
    ):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_a_file_that_is_not_there(tmp_path) -> None:
    with pytest.raises(WeightsError, match="found none"):
        open_model(tmp_path / "none.safetensors")


def test_row_and_table_can_be_printed(row: dict) -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(model_table(json.loads(json.dumps(row))))
    text = console.export_text()
    assert "torch bf16" in text and "batch 3" in text and "htnet[trt]" in text
    assert "…" not in text
