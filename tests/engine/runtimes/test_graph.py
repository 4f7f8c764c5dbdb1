"""Graphs: inputs and outputs, the network's precision, and keys by content."""

import re

import numpy as np
import pytest
import torch

from htnet.engine.errors import UsageError
from htnet.engine.models.weights import Loaded, default_weights, load
from htnet.engine.runtimes.graph import Half, digest, network_graph, pair_graph


@pytest.fixture(scope="module")
def shipped() -> Loaded:
    return load(default_weights())


@pytest.mark.parametrize("batch", [1, 3])
def test_inputs_and_outputs_are_as_the_graph_says(shipped, batch) -> None:
    for graph in (
        network_graph(shipped, batch=batch),
        pair_graph(shipped, batch=batch),
        pair_graph(shipped, batch=batch, with_motion=True),
    ):
        example = graph.example()
        assert [tuple(t.shape) for t in example] == list(graph.inputs.values())
        assert graph.batch == batch
        with torch.inference_mode():
            made = graph.module(*example)
        made = made if isinstance(made, tuple) else (made,)
        assert len(made) == len(graph.outputs)
        assert made[0].shape == (batch, 3) and made[0].dtype == torch.float32
        np.testing.assert_allclose(made[0].sum(dim=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp16", torch.float16), ("bf16", torch.bfloat16)]
)
def test_half_precision_is_the_networks_alone(shipped, precision, dtype) -> None:
    graph = pair_graph(shipped, precision=precision)
    assert isinstance(graph.module.network, Half)
    assert {t.dtype for t in graph.module.network.state_dict().values()} == {dtype}
    assert {t.dtype for t in graph.module.solver.state_dict().values()} <= {torch.float32}
    assert {t.dtype for t in shipped.network.state_dict().values()} == {torch.float32}


def test_an_unknown_precision_is_a_sentence(shipped) -> None:
    with pytest.raises(UsageError, match="fp32, fp16, bf16, int8; got 'fp8'"):
        network_graph(shipped, precision="fp8")


def test_a_key_names_content(shipped) -> None:
    keys = {
        network_graph(shipped).key,
        network_graph(shipped, batch=2).key,
        network_graph(shipped, precision="int8").key,
        pair_graph(shipped).key,
        pair_graph(shipped, flow="tvl1").key,
        pair_graph(shipped, registered=True).key,
        pair_graph(shipped, with_motion=True).key,
        network_graph(load(default_weights(), folded=False)).key,
    }
    assert len(keys) == 8
    assert all(re.fullmatch("[0-9a-f]{16}", key) for key in keys)
    assert network_graph(load(default_weights())).key in keys


def test_a_digest_sees_every_weight() -> None:
    one, other = load(default_weights()), load(default_weights())
    assert digest(one) == digest(other)
    name, tensor = next(iter(other.network.state_dict().items()))
    tensor.view(-1)[0] += 1e-6
    assert digest(one) != digest(other), name
