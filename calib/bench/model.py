"""Bench of the network alone, in every runtime that is installed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from htnet.calib.bench.comparison import (
    PAIRS,
    Opener,
    Round,
    RuntimeComparison,
    Subject,
    comparison_table,
)
from htnet.calib.bench.rendered_pairs import rendered_pictures
from htnet.engine.models.htnet import HTNet, HTNetConfig
from htnet.engine.models.htnet_folded import FoldedHTNet
from htnet.engine.models.registry import build, entry
from htnet.engine.models.weights import Loaded, default_weights, load
from htnet.engine.runtimes.graph import Graph, network_graph
from htnet.engine.runtimes.select import open_runtime

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A network in two forms: ``served`` as live runs it (an HTNet folded), ``official`` as in its
    paper."""

    name: str
    served: Loaded
    official: Loaded


def open_model(
    path: Path | None = None, *, network: str | None = None, repeats: tuple[int, ...] | None = None
) -> Model:
    """Return the model in the weights file ``path``, by default the one that ships.

    ``network``: for speed alone, this network with random weights instead, an HTNet with
    ``repeats`` layers at each level. Raises `WeightsError` for a file that cannot be served.
    """
    if network is None:
        path = path or default_weights()
        return Model(path.name, load(path), load(path, folded=False))
    chosen = entry(network)
    config = chosen.config
    if repeats is not None and isinstance(config, HTNetConfig):
        config = replace(config, repeats=repeats)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = build(network, config).eval().requires_grad_(False)
    official = Loaded(made, network, config, chosen.spec, {})
    folded = FoldedHTNet(made) if isinstance(made, HTNet) else made
    return Model(f"{network}, random weights", replace(official, network=folded), official)


def bench_model(
    model: Model,
    device: str = "cpu",
    runtimes: Sequence[str] | None = None,
    precisions: Sequence[str] = ("fp32",),
    batches: Sequence[int] = (1,),
    rounds: int = 100,
    *,
    seconds: float = 5.0,
    say: Callable[[str], None] = print,
    opener: Opener = open_runtime,
) -> dict[str, Any]:
    """Time the network of ``model`` from pictures to probabilities, arrays in and out; return the
    row of ``htnet bench model --json``.

    The reference is the official form (an HTNet unfolded) in eager PyTorch and float32 on the same
    device. The floor is the weights' bytes and the pictures' at the rate of a plain copy there,
    which weights small enough for a cache can beat. ``max_difference`` and ``agreement`` (of
    labels) are against the reference over 16 rendered pairs: a check, not an evaluation. On a CPU
    everything runs in one thread, as live does. A runtime or precision that cannot be opened is
    listed in ``skipped``. ``runtimes``: by default all that are meant for the device.
    """
    comparison = RuntimeComparison(
        device, runtimes, precisions, rounds, seconds, say=say, opener=opener
    )

    @cache  # the digest of its weights takes a second
    def graph(precision: str) -> Graph:
        return network_graph(model.served, precision=precision)

    pictures = [rendered_pictures(PAIRS, model.served.spec)]
    official = network_graph(model.official)
    reference = Subject(lambda precision: official, pictures)
    planned = (Round(batch, reference, {"": Subject(graph, pictures)}) for batch in batches)
    return comparison.run("model", model.name, planned)


def model_table(row: dict[str, Any]) -> "Table":
    """Return the row as a table of 80 columns."""
    return comparison_table(row, "The network alone")
