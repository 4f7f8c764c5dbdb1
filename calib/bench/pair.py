"""Bench of a whole pair: from two gray crops to probabilities."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from htnet.calib.bench.comparison import (
    PAIRS,
    Arrays,
    ComparedRuntime,
    Opener,
    Round,
    RuntimeComparison,
    Subject,
    comparison_table,
)
from htnet.calib.bench.model import Model
from htnet.calib.bench.rendered_pairs import rendered_crops, rendered_pictures
from htnet.calib.bench.timing import percentiles
from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH
from htnet.engine.flow import SOLVERS, FlowSolver, solver_named
from htnet.engine.flow.device import TENSOR_SOLVERS
from htnet.engine.motion.head_motion import remove_rigid, rigid_motion
from htnet.engine.motion.preprocess import PreprocessSpec, flow_map, network_input
from htnet.engine.recognition.recognizer import own_flow
from htnet.engine.runtimes import Runtime
from htnet.engine.runtimes.graph import Graph, network_graph, pair_graph
from htnet.engine.runtimes.select import open_runtime
from htnet.engine.types import F32, U8

if TYPE_CHECKING:
    from rich.table import Table

STAGES = ("flow", "head motion", "strain and map", "crops", "network")
_CROPS_BYTES = 2 * CROP_WIDTH * CROP_HEIGHT


class OpenCVPair:
    """The CPU path of live for a pair: OpenCV's flow, head motion removed, strain and map, crops
    and scaling, then ``network``.

    Takes what a pair graph takes, onset and apex (B, 1, 170, 140) and centres (B, 4, 2), and
    returns probabilities (B, classes). Pairs are measured one after another; the network takes all
    at once.
    """

    def __init__(
        self,
        network: Runtime | Callable[..., tuple[F32, ...]],
        solver: FlowSolver,
        spec: PreprocessSpec,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._network, self._solver, self._spec, self._clock = network, solver, spec, clock
        self._laps: list[list[float]] = []

    def __call__(self, onset: U8, apex: U8, centres: F32) -> tuple[F32, ...]:
        """Run one call and keep the times of its stages."""
        laps = [0.0] * len(STAGES)
        pictures = np.stack(
            [self._picture(*each, laps) for each in zip(onset, apex, centres, strict=True)]
        )
        began = self._clock()
        answer = self._network(pictures)
        laps[-1] += (self._clock() - began) / 1e6
        self._laps.append(laps)
        return answer

    def _picture(self, onset: U8, apex: U8, centres: F32, laps: list[float]) -> F32:
        times = [self._clock()]
        flow = self._solver(onset[0], apex[0])
        times.append(self._clock())
        flow = remove_rigid(flow, rigid_motion(flow))
        times.append(self._clock())
        map_ = flow_map(flow, self._spec.size)
        times.append(self._clock())
        picture = network_input(map_, centres, self._spec)
        times.append(self._clock())
        for place, ns in enumerate(np.diff(times).tolist()):
            laps[place] += ns / 1e6
        return picture

    def stages(self) -> dict[str, Any]:
        """Return p50, p95 and p99 in ms of each stage, over the calls so far."""
        kept = zip(*self._laps, strict=True)
        return {name: percentiles(each) for name, each in zip(STAGES, kept, strict=False)}


def bench_pair(
    model: Model,
    device: str = "cpu",
    runtimes: Sequence[str] | None = None,
    precisions: Sequence[str] = ("fp32",),
    batches: Sequence[int] = (1,),
    rounds: int = 100,
    *,
    flow: str | None = None,
    flow_threads: int = 1,
    seconds: float = 5.0,
    say: Callable[[str], None] = print,
    opener: Opener = open_runtime,
) -> dict[str, Any]:
    """Time ``model`` from gray crops of 140 x 170 to probabilities, arrays in and out; return the
    row of ``htnet bench pair --json``.

    "step" is the CPU path of live: OpenCV's flow, then the network in each runtime, one pair at a
    time, with each stage's time in ``stages_ms``. "graph" is one graph in each runtime, for each of
    ``batches``. The search for moving regions, which spotting needs besides, is in neither.
    ``flow``: one of the weights' solvers; by default the step takes their first, and the graph
    their first that runs on tensors.

    Each is held against a reference of its own solver: OpenCV's flow, one pair after another, and
    the official form of the network in eager PyTorch and float32 on ``device``. The floor is the
    weights' bytes and the crops' at the rate of a plain copy there. ``max_difference`` and
    ``agreement`` are against the reference over 16 rendered pairs: a check, not an evaluation. On a
    CPU everything runs in one thread, as live does, but for OpenCV's flow in ``flow_threads``. What
    cannot be opened is listed in ``skipped``. ``runtimes``: by default all meant for the device.
    """
    comparison = RuntimeComparison(
        device, runtimes, precisions, rounds, seconds, say=say, opener=opener
    )
    spec = model.served.spec
    on_tensors = [name for name in spec.flows if name in TENSOR_SOLVERS]
    first = own_flow(spec, flow)
    whole = first if first in on_tensors else None if flow else next(iter(on_tensors), None)
    solvers = [name for name in dict.fromkeys((first, whole)) if name is not None]
    planned = _rounds(model, batches, solvers, whole)
    return comparison.run("pair", model.name, planned, flow_threads=flow_threads)


def _rounds(
    model: Model, batches: Sequence[int], solvers: Sequence[str], whole: str | None
) -> Iterator[Round]:
    """Yield a round for each batch and solver; the graph contains the solver ``whole``, the step
    is timed at batch 1 alone."""
    spec = model.served.spec
    crops, pictures = rendered_crops(PAIRS), [rendered_pictures(PAIRS, spec)]
    official = network_graph(model.official)

    @cache  # the digest of its weights takes a second
    def network(precision: str) -> Graph:
        return network_graph(model.served, precision=precision)

    @cache
    def graph(precision: str) -> Graph:
        return pair_graph(model.served, flow=whole, precision=precision)

    for batch, solver in product(batches, solvers):
        opencv = partial(_stepped, solver=SOLVERS[solver], spec=spec, crops=crops)
        step = partial(_stepped, solver=partial(solver_named, solver), spec=spec, crops=crops)
        subjects = {}
        if batch == 1:
            subjects["step, "] = Subject(network, pictures, step)
        if solver == whole:
            subjects["graph, "] = Subject(graph, crops)
        reference = Subject(lambda precision: official, pictures, opencv)
        yield Round(batch, reference, subjects, {"flow": solver})


def _stepped(
    network: ComparedRuntime,
    *,
    solver: Callable[[], FlowSolver],
    spec: PreprocessSpec,
    crops: Arrays,
) -> ComparedRuntime:
    """Return ``network`` behind the CPU path from crops to pictures, with a new ``solver``."""
    step = OpenCVPair(network.run, solver(), spec)
    return replace(
        network,
        run=step,
        inputs=crops,
        floor_bytes=network.floor_bytes + network.batch * _CROPS_BYTES,
        stages=step.stages,
    )


def pair_tables(row: dict[str, Any]) -> "list[Table]":
    """Return the row as tables of 80 columns: one for each flow solver, and the stages of the
    steps."""
    from rich.box import SIMPLE
    from rich.table import Table

    made = []
    for flow in dict.fromkeys(each["flow"] for each in row["rows"]):
        own = [each for each in row["rows"] if each["flow"] == flow]
        made.append(comparison_table({**row, "rows": own}, f"A pair to probabilities, {flow}"))
    stages = Table(title="Where the time goes, p50 ms", box=SIMPLE, padding=(0, 1, 0, 0))
    stages.add_column("batch", no_wrap=True)
    for name in STAGES:
        stages.add_column(name, justify="right")
    for each in row["rows"]:
        if "stages_ms" in each:
            stages.add_row(
                f"{each['batch']} {each['flow']}, {each['what'].removeprefix('step, ')}",
                *(f"{each['stages_ms'][name]['p50']:.3g}" for name in STAGES),
            )
    return [*made, stages]
