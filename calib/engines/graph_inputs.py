"""Inputs of a graph, made from pairs: for the ranges of int8 and for parity checks."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import numpy as np

from htnet.engine.flow import solver_named
from htnet.engine.motion.head_motion import remove_rigid, rigid_motion
from htnet.engine.motion.preprocess import PreprocessSpec, flow_map, network_input
from htnet.engine.runtimes.graph import Graph
from htnet.engine.types import F32, U8

FacePair = tuple[U8, U8, F32]
"""Onset and apex, gray (170, 140), and the region centres (4, 2) as fractions of the crop."""


def feeds(
    graph: Graph, pairs: Iterable[FacePair], *, registered: bool = False
) -> Iterator[Mapping[str, F32]]:
    """Yield the graph's inputs by name, a batch at a time; the last batch is filled up with its
    first pair.

    For a "network" graph OpenCV measures the flow with the first solver of the weights' spec.
    ``registered``, which a "pair" graph has built in: the crops of a pair are aligned with each
    other already, so no head motion is removed.
    """
    remaining = iter(pairs)
    while batch := list(islice(remaining, graph.batch)):
        batch += batch[:1] * (graph.batch - len(batch))
        if graph.part == "pair":
            onsets, apexes, centres = (np.stack(part) for part in zip(*batch, strict=True))
            yield {
                "onset": onsets[:, None].astype(np.float32),
                "apex": apexes[:, None].astype(np.float32),
                "centres": centres.astype(np.float32),
            }
        else:
            spec = graph.spec
            yield {"pictures": pictures(spec, batch, spec.flows[0], registered=registered)}


def pictures(
    spec: PreprocessSpec, pairs: Iterable[FacePair], flow: str, *, registered: bool = False
) -> F32:
    """Return the network's input (N, 3, S, S) by the CPU path with the solver ``flow``."""
    solver = solver_named(flow)
    made = []
    for onset, apex, centres in pairs:
        measured = solver(onset, apex)
        if not registered:
            measured = remove_rigid(measured, rigid_motion(measured))
        made.append(network_input(flow_map(measured, spec.size), centres, spec))
    return np.stack(made)
