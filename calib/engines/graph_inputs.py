"""Pairs of faces as a graph takes them: what int8 measures its ranges on, and what parity is
measured with."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import numpy as np

from htnet.engine.flow import solver_named
from htnet.engine.motion.head_motion import remove_rigid, rigid_motion
from htnet.engine.motion.preprocess import PreprocessSpec, flow_map, network_input
from htnet.engine.runtimes.graph import Graph
from htnet.engine.types import F32, U8

FacePair = tuple[U8, U8, F32]
"""Onset and apex (170, 140), gray, and the region centres (4, 2) as fractions of the crop."""


def feeds(
    graph: Graph, pairs: Iterable[FacePair], *, registered: bool = False
) -> Iterator[Mapping[str, F32]]:
    """The graph's inputs by name, as many pairs in each as its batch; the last batch is filled up
    with its first pair.

    For a "network" graph OpenCV measures the flow, with the solver that comes first in the weights'
    spec; ``registered`` says of it what a "pair" graph knows of itself: the crops lie over each
    other already, and no head motion is looked for.
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
    """The network's input (N, 3, S, S) for pairs, as the CPU path makes it with the solver
    ``flow``."""
    solver = solver_named(flow)
    made = []
    for onset, apex, centres in pairs:
        measured = solver(onset, apex)
        if not registered:
            measured = remove_rigid(measured, rigid_motion(measured))
        made.append(network_input(flow_map(measured, spec.size), centres, spec))
    return np.stack(made)
