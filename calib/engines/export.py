"""Export of a weights file as an engine, checked against PyTorch before it is stored.

The reference is the network as it was trained, unfolded, in eager float32, behind the same
preprocessing; the engine's network is folded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from numpy.typing import NDArray

from htnet.calib.bench.rendered_pairs import rendered_crops
from htnet.calib.engines.graph_inputs import FacePair, feeds, pictures
from htnet.engine.errors import UsageError
from htnet.engine.models.weights import Loaded, default_weights, load
from htnet.engine.recognition.recognizer import own_flow
from htnet.engine.runtimes.build import Built, ParityCheck, build_engine
from htnet.engine.runtimes.engine_card import Parity, card_path
from htnet.engine.runtimes.graph import Graph, network_graph, pair_graph
from htnet.engine.runtimes.quantize import quantise

PARTS: Final = ("pair", "network")
COUNT: Final = 48
"""Number of pairs on which an engine is checked and the ranges of int8 are measured."""
REAL: Final = "re-animated composite"
DRAWN: Final = "drawn from the shipped portrait"


@dataclass(frozen=True, slots=True)
class ExportConfig:
    """Configuration of an export.

    ``part``: "network", which live runs behind OpenCV's flow, or "pair", one graph from two gray
    crops to the answer. ``flow``: one of the weights' solvers, inside a pair graph, or measuring
    the pictures on which a network is checked. ``motion``: a pair graph returns flow and head
    motion too, as live needs them. ``runtime``, ``out``, ``target``: as in
    `htnet.engine.runtimes.build.build_engine`.
    """

    runtime: str
    part: str
    model: Path | None = None
    flow: str | None = None
    precision: str = "fp32"
    batch: int = 1
    motion: bool = True
    out: Path | None = None
    target: str | None = None


def export(
    config: ExportConfig,
    pairs: Sequence[FacePair] | None = None,
    say: Callable[[str], None] = lambda sentence: None,
) -> Built:
    """Build the engine of ``config``, or reuse the one that is stored already.

    ``pairs``: real pairs, registered as a dataset's are. Without them the engine is checked on
    pairs drawn from the shipped portrait, and int8 is refused: ranges that were not measured on
    real faces clip larger values. Raises as `build_engine` and `load` do, and `UsageError` for
    weights whose folding is not exact.
    """
    if config.part not in PARTS:
        raise UsageError(f"expected a part among {', '.join(PARTS)}; got {config.part!r}.")
    if config.precision == "int8" and not pairs:
        raise UsageError(
            "expected real pairs to take the ranges of int8 from; got none: name a folder laid out "
            "as the composite with --data, or use --precision fp16."
        )
    torch.set_num_threads(1)  # as in live: the order of summation changes the folded weights
    path = config.model or default_weights()
    served = load(path)
    graph = _graph(served, config, config.precision)
    reference = _graph(load(path, folded=False), config, "fp32").module
    real = pairs is not None
    given = pairs if pairs is not None else _drawn()
    return build_engine(
        graph,
        runtime=config.runtime,
        out=config.out,
        target=config.target,
        network=served.name,
        check=ParityCheck(reference, _samples(graph, config, given, real), REAL if real else DRAWN),
        quantise=partial(_quantised, pairs=given),
        say=say,
    )


def parity_line(built: Built) -> str:
    """Return the parity of the engine with PyTorch as a sentence."""
    parity = built.card.parity
    if not isinstance(parity, Parity):
        return f"parity: {parity}"
    return (
        f"parity with eager float32 on {parity.pairs} pairs ({parity.source}): equal labels on "
        f"{parity.label_agreement:.1%}, probabilities within {parity.max_difference:.1e}"
    )


def export_summary(built: Built) -> str:
    """Return the paths of the engine and its card, and its parity: three lines."""
    return "\n".join(
        (
            f"engine: {built.path}{' (was there already)' if built.reused else ''}",
            f"card: {card_path(built.path)}",
            parity_line(built),
        )
    )


def _drawn() -> list[FacePair]:
    onsets, apexes, centres = rendered_crops(COUNT)
    return list(zip(onsets[:, 0], apexes[:, 0], centres, strict=True))


def _graph(loaded: Loaded, config: ExportConfig, precision: str) -> Graph:
    if config.part == "network":
        own_flow(loaded.spec, config.flow)
        return network_graph(loaded, precision=precision, batch=config.batch)
    return pair_graph(
        loaded,
        flow=config.flow,
        precision=precision,
        batch=config.batch,
        with_motion=config.motion,
    )


def _samples(
    graph: Graph, config: ExportConfig, pairs: Sequence[FacePair], registered: bool
) -> list[tuple[NDArray[Any], ...]]:
    if graph.part == "network":
        flow = own_flow(graph.spec, config.flow)
        return [(each,) for each in pictures(graph.spec, pairs, flow, registered=registered)]
    return [(onset[None], apex[None], centres) for onset, apex, centres in pairs]


def _quantised(model: bytes, graph: Graph, *, pairs: Sequence[FacePair]) -> bytes:
    return quantise(model, graph, feeds(graph, pairs, registered=True))
