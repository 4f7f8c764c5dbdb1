import io
import json
from collections.abc import Callable

import numpy as np
import pytest
from rich.console import Console

from htnet.calib.bench.model import open_model
from htnet.calib.bench.pair import STAGES, OpenCVPair, bench_pair, pair_tables
from htnet.calib.bench.rendered_pairs import rendered_crops, rendered_pairs
from htnet.engine.errors import DependencyError, UsageError
from htnet.engine.flow import solver_named
from htnet.engine.recognition.recognizer import Recognizer
from htnet.engine.runtimes import Runtime
from htnet.engine.runtimes.graph import Graph, network_graph
from htnet.engine.runtimes.pytorch import PyTorch


def opener(name: str, graph: Graph, device: str, say: Callable[[str], None]) -> Runtime:
    if name != "torch":
        raise DependencyError(f"expected {name}; it is not here: install it.")
    return PyTorch(graph, device)


@pytest.fixture(scope="module")
def row() -> dict:
    return bench_pair(
        open_model(), "cpu", ("torch", "onnx"), ("fp32",), (1, 2), 3, seconds=0.2, opener=opener
    )


@pytest.mark.slow
def test_step_and_graph_stand_beside_a_reference_of_their_solver(row: dict) -> None:
    said = [(each["flow"], each["batch"], each["what"]) for each in row["rows"]]
    assert said == [
        ("dis", 1, "reference"),
        ("dis", 1, "step, torch fp32"),
        ("farneback", 1, "reference"),
        ("farneback", 1, "step, torch fp32"),
        ("farneback", 1, "graph, torch fp32"),
        ("dis", 2, "reference"),
        ("farneback", 2, "reference"),
        ("farneback", 2, "graph, torch fp32"),
    ]
    assert [each["runtime"] for each in row["skipped"]] == ["onnx"]


@pytest.mark.slow
def test_all_ways_give_the_references_answer(row: dict) -> None:
    for each in row["rows"]:
        assert each["max_difference"] < 1e-3
        assert each["agreement"] == 1.0


def test_stages_of_a_step_by_a_clock_that_is_given() -> None:
    ticks = iter(range(0, 10**12, 1_000_000))
    loaded = open_model().served
    network = PyTorch(network_graph(loaded, batch=2), "cpu")
    step = OpenCVPair(network, solver_named("dis"), loaded.spec, lambda: next(ticks))
    step(*(each[:2] for each in rendered_crops(2)))
    # two pairs, a tick between any two readings; the network is called once
    assert {name: p["p50"] for name, p in step.stages().items()} == dict(
        zip(STAGES, (2.0, 2.0, 2.0, 2.0, 1.0), strict=True)
    )


def test_a_step_answers_as_the_recognizer_does() -> None:
    loaded = open_model().served
    step = OpenCVPair(PyTorch(network_graph(loaded), "cpu"), solver_named("dis"), loaded.spec)
    recognizer = Recognizer(loaded, flow="dis")
    crops = rendered_crops(2)
    for place, pair in enumerate(rendered_pairs(2)):
        (said,) = step(*(each[place : place + 1] for each in crops))
        live = recognizer.predict(recognizer.measure(pair), pair.apex.landmarks)
        np.testing.assert_allclose(said[0], list(live.probabilities.values()), atol=1e-5)


def test_a_solver_of_the_weights_own() -> None:
    with pytest.raises(UsageError, match="trained for"):
        bench_pair(open_model(), flow="horn", opener=opener)
    row = bench_pair(
        open_model(), "cpu", ("torch",), rounds=3, flow="dis", seconds=0, opener=opener
    )
    assert {each["flow"] for each in row["rows"]} == {"dis"}
    assert all("graph" not in each["what"] for each in row["rows"])


def test_row_and_tables_can_be_printed(row: dict) -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(*pair_tables(json.loads(json.dumps(row))))
    text = console.export_text()
    assert "graph, torch fp32" in text and "Where the time goes" in text
    assert "…" not in text
