"""Engine card: strict parsing, and the comparison with a machine."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from htnet.engine.errors import EngineError
from htnet.engine.models.weights import default_weights, load
from htnet.engine.runtimes import engine_card as cards
from htnet.engine.runtimes.engine_card import (
    EngineCard,
    Machine,
    Parity,
    card_path,
    fingerprint,
    misfit,
)
from htnet.engine.runtimes.graph import Graph, network_graph

HERE = Machine("TensorRT-RTX 1.7", "a GPU", "8.6", "580.95.05")


@pytest.fixture(scope="module")
def graph() -> Graph:
    return network_graph(load(default_weights()))


def card(graph: Graph, **changes: Any) -> EngineCard:
    made = EngineCard(
        runtime="tensorrt-rtx",
        version=HERE.version,
        part=graph.part,
        key=graph.key,
        digest=graph.digest,
        network="htnet",
        preprocess={"size": 28},
        flow=graph.flow,
        registered=graph.registered,
        precision=graph.precision,
        batch=graph.batch,
        inputs=dict(graph.inputs),
        outputs=graph.outputs,
        target="default",
        gpu="",
        capability="",
        driver="",
        htnet="0",
        size=0,
        sha256="",
        parity=Parity(12, 2e-6, 1.0, 1e-3),
    )
    return replace(made, **changes)


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    path = tmp_path / "engine.plan"
    path.write_bytes(b"an engine" * 1000)
    return path


def of(graph: Graph, engine: Path, **changes: Any) -> EngineCard:
    size, sha256 = fingerprint(engine)
    return card(graph, size=size, sha256=sha256, **changes)


@pytest.mark.parametrize("parity", [Parity(442, 0.25, 0.5, 1e-3), "not run here: no GPU"])
def test_a_card_comes_back_as_it_was(graph, parity) -> None:
    made = card(graph, parity=parity)
    again = EngineCard.from_json(made.to_json())
    assert again.to_json() == made.to_json()
    assert again.inputs == {"pictures": (1, 3, 28, 28)}
    assert again.parity == parity


def test_it_lies_beside_its_engine(graph, engine) -> None:
    made = of(graph, engine)
    card_path(engine).write_text(made.to_json())
    assert card_path(engine).name == "engine.plan.json"
    assert cards.read_card(engine).sha256 == made.sha256


def test_an_engine_that_fits(graph, engine) -> None:
    assert misfit(of(graph, engine), engine, graph, HERE) is None
    no_gpu = Machine(HERE.version)  # it builds for others
    assert misfit(of(graph, engine), engine, graph, no_gpu) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"digest": "another"}, "another model"),
        ({"precision": "fp16"}, "it is fp16, and fp32 is asked for"),
        (
            {"inputs": {"pictures": (8, 3, 28, 28)}},
            "takes pictures (8, 3, 28, 28), and pictures (1",
        ),
        ({"key": "another"}, "computes something else"),
        (
            {"version": "TensorRT-RTX 1.4"},
            "built by TensorRT-RTX 1.4, and TensorRT-RTX 1.7 is here",
        ),
        ({"target": "sm80,sm89"}, "built for sm80,sm89, and the GPU here is sm8.6"),
        ({"target": "current", "gpu": "b", "capability": "8.6"}, "built on b, and a GPU is here"),
    ],
)
def test_why_an_engine_does_not_fit(graph, engine, changes, said) -> None:
    assert said in (misfit(of(graph, engine, **changes), engine, graph, HERE) or "")


def test_the_gpus_that_a_target_means(graph, engine) -> None:
    built_here = of(graph, engine, target="current", gpu="a GPU", capability="8.6")
    assert misfit(built_here, engine, graph, HERE) is None
    assert "none is here" in (misfit(built_here, engine, graph, Machine(HERE.version)) or "")
    old = replace(HERE, capability="7.5")
    assert "sm7.5" in (misfit(of(graph, engine), engine, graph, old) or "")
    assert misfit(of(graph, engine, target="sm75"), engine, graph, old) is None
    assert misfit(of(graph, engine, target="any"), engine, graph, old) is None
    assert cards.suits("default", "12.0")


def test_a_truncated_a_damaged_and_a_missing_file(graph, engine) -> None:
    made = of(graph, engine)
    whole = engine.read_bytes()
    engine.write_bytes(whole[:-5])
    assert "8995 bytes where 9000" in (misfit(made, engine, graph, HERE) or "")
    engine.write_bytes(whole[:-1] + b"?")
    assert "damaged" in (misfit(made, engine, graph, HERE) or "")
    engine.unlink()
    assert "missing" in (misfit(made, engine, graph, HERE) or "")


def test_a_missing_card_or_engine_is_a_sentence(tmp_path) -> None:
    for read in (cards.read_card, fingerprint):
        with pytest.raises(EngineError, match=r"^expected .*No such file.*export"):
            read(tmp_path / "engine.plan")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def refused_or_whole(text: str | bytes) -> None:
    try:
        read = EngineCard.from_json(text)
    except EngineError as error:
        assert "\n" not in str(error)
        return
    assert EngineCard.from_json(read.to_json()).to_json() == read.to_json()


@given(st.binary() | st.text())
def test_any_text_is_read_or_refused(text) -> None:
    refused_or_whole(text)


@given(data=st.data())
def test_any_field_of_any_kind_is_read_or_refused(graph, data) -> None:
    values = json.loads(card(graph).to_json())
    values[data.draw(st.sampled_from([*values, "another"]))] = data.draw(JSON)
    refused_or_whole(json.dumps(values))


@given(place=st.integers(0, 2000))
def test_a_card_that_was_cut_short_is_refused(graph, place) -> None:
    text = card(graph).to_json().strip()
    with pytest.raises(EngineError):
        EngineCard.from_json(text[: place % len(text)])


@pytest.mark.parametrize("text", ["[" * 10**5, "NaN", "[]", '{"format": "htnet-engine/2"}'])
def test_what_is_no_card(text) -> None:
    with pytest.raises(EngineError, match="export the engine again"):
        EngineCard.from_json(text)


def test_this_machine() -> None:
    assert cards.this_machine("1", "cpu") == Machine("1")
    here = cards.this_machine("1", "cuda")
    assert bool(here.gpu) == bool(here.capability) == torch.cuda.is_available()
