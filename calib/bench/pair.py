"""What the whole way costs, from a pair of gray crops to probabilities."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from htnet.calib.bench.comparison import (
    PAIRS,
    REFERENCE,
    Arrays,
    ComparedRuntime,
    Model,
    Opener,
    RuntimeComparison,
    contest_rows,
    contest_table,
    entrant,
    free,
    own_runtimes,
)
from htnet.calib.bench.rendered_pairs import drawn_crops, drawn_pictures
from htnet.calib.bench.timing import (
    copy_gb_per_s,
    in_turn,
    machine,
    one_thread,
    percentiles,
    timer_for,
)
from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH
from htnet.engine.flow import SOLVERS, FlowSolver, solver_named
from htnet.engine.flow.device import TENSOR_SOLVERS
from htnet.engine.motion.head_motion import remove_rigid, rigid_motion
from htnet.engine.motion.preprocess import PreprocessSpec, flow_map, network_input
from htnet.engine.recognition.recognizer import own_flow
from htnet.engine.runtimes import Runtime
from htnet.engine.runtimes.graph import Graph, network_graph, pair_graph
from htnet.engine.runtimes.pytorch import PyTorch
from htnet.engine.runtimes.select import open_runtime
from htnet.engine.types import F32, U8

if TYPE_CHECKING:
    from rich.table import Table

STAGES = ("flow", "head motion", "strain and map", "crops", "network")
_CROPS_BYTES = 2 * CROP_WIDTH * CROP_HEIGHT


class OpenCVPair:
    """A pair's way on a CPU as live takes it: OpenCV's flow, the head's motion taken out, strain
    and map, crops and scaling, and ``network`` at the end.

    Like a runtime of the pair graph it takes onset and apex (B, 1, 170, 140) and centres (B, 4, 2)
    and gives probabilities (B, classes). Pairs go one after another as far as the network, which
    takes all at once.
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
        """One call, whose stages are kept."""
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
        """p50, p95 and p99 in ms of each stage, over the calls so far."""
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
    """Time ``model`` from gray crops of 140 x 170 to probabilities, arrays in and arrays out; the
    row of ``htnet bench pair --json``.

    Two ways: "step", as live goes on a CPU, OpenCV's flow and then the network in each runtime, one
    pair at a time, with each stage's time in ``stages_ms``; and "graph", everything as one graph in
    each runtime, for each of ``batches``. Finding regions that moved, which spotting needs besides,
    is in neither. ``flow``: the solver, of the weights' own; by default the step takes their first,
    and the graph their first that runs on tensors.

    Each is held against a reference of its own solver: OpenCV's flow, one pair after another, and the
    official form of the network in eager PyTorch and float32 on ``device``. The floor is the
    weights' bytes and the crops' at the rate of a plain copy there. ``max_difference`` and
    ``agreement`` are against the reference over 16 drawn pairs: a check, not an evaluation. On a
    CPU everything runs in one thread, as live does, but for OpenCV's flow in ``flow_threads``. What
    cannot be had stands in ``skipped``. ``runtimes``: by default all that are meant for the device.
    """
    timer_for(device)
    if runtimes is None:
        runtimes = own_runtimes(device)
    spec = model.served.spec
    on_tensors = [name for name in spec.flows if name in TENSOR_SOLVERS]
    first = own_flow(spec, flow)
    whole = first if first in on_tensors else None if flow else next(iter(on_tensors), None)

    @cache  # naming its weights by content takes a second
    def network(precision: str) -> Graph:
        return network_graph(model.served, precision=precision)

    @cache
    def graph(precision: str) -> Graph:
        return pair_graph(model.served, flow=whole, precision=precision)

    contest = RuntimeComparison(device, opener, say)
    crops, pictures = drawn_crops(PAIRS), [drawn_pictures(PAIRS, spec)]
    eager = partial(PyTorch, device=device, recorded=False)
    official = network_graph(model.official)
    rows: list[dict[str, Any]] = []
    with one_thread(flow_threads):
        copy = copy_gb_per_s(device)
        for batch in batches:
            for solver in dict.fromkeys(each for each in (first, whole) if each is not None):
                free()
                entrants = {
                    REFERENCE: _stepped(
                        entrant(eager, official, pictures, batch, device),
                        SOLVERS[solver](),
                        spec,
                        crops,
                    )
                }
                for runtime, precision in product(runtimes, precisions):
                    if batch == 1:
                        alone = contest.enter(runtime, precision, network, pictures, 1)
                        if alone is not None:
                            entrants[f"step, {runtime} {precision}"] = _stepped(
                                alone, solver_named(solver), spec, crops
                            )
                    if solver == whole:
                        made = contest.enter(runtime, precision, graph, crops, batch)
                        if made is not None:
                            entrants[f"graph, {runtime} {precision}"] = made
                times = in_turn(
                    {key: each.timed for key, each in entrants.items()}, rounds, seconds=seconds
                )
                made_rows = contest_rows(entrants, times, batch, copy)
                rows += [{"flow": solver, **each} for each in made_rows]
    return {
        "v": 1,
        "bench": "pair",
        "model": model.name,
        "device": device,
        "copy_gb_per_s": round(copy, 1),
        "rows": rows,
        "skipped": contest.skipped,
        "machine": machine(),
    }


def _stepped(
    network: ComparedRuntime, solver: FlowSolver, spec: PreprocessSpec, crops: Arrays
) -> ComparedRuntime:
    """``network`` behind the CPU's way to its pictures."""
    step = OpenCVPair(network.run, solver, spec)
    return replace(
        network,
        run=step,
        inputs=crops,
        floor_bytes=network.floor_bytes + network.batch * _CROPS_BYTES,
        stages=step.stages,
    )


def pair_tables(row: dict[str, Any]) -> "list[Table]":
    """The row as tables of 80 columns: one for each flow solver, and the stages of the steps."""
    from rich.box import SIMPLE
    from rich.table import Table

    made = []
    for flow in dict.fromkeys(each["flow"] for each in row["rows"]):
        own = [each for each in row["rows"] if each["flow"] == flow]
        made.append(contest_table({**row, "rows": own}, f"A pair to probabilities, {flow}"))
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
