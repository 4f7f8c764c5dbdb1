"""One graph through every runtime there is, beside a reference: what the model and pair benches
share."""

import gc
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from htnet.calib.bench.timing import MemoryRise, host_ms, percentiles
from htnet.engine.models.htnet import HTNet, HTNetConfig
from htnet.engine.models.htnet_folded import FoldedHTNet
from htnet.engine.models.registry import build, entry
from htnet.engine.models.weights import Loaded, default_weights, load
from htnet.engine.runtimes import Runtime
from htnet.engine.runtimes.graph import Graph
from htnet.engine.runtimes.select import RUNTIMES, device_for
from htnet.engine.types import F32

if TYPE_CHECKING:
    from rich.table import Table

REFERENCE = "reference"
PAIRS = 16
"""Drawn pairs that answers are compared on."""
Arrays = Sequence[NDArray[Any]]
"""One array for each of a graph's inputs, the pairs first."""
Opener = Callable[[str, Graph, str, Callable[[str], None]], Runtime]
"""As `htnet.engine.runtimes.select.open_runtime`."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A network twice: ``served`` as live serves it (an HTNet folded), and ``official``, as its
    paper has it."""

    name: str
    served: Loaded
    official: Loaded


def open_model(
    path: Path | None = None, *, network: str | None = None, repeats: tuple[int, ...] | None = None
) -> Model:
    """The model in the weights file at ``path``, by default the one that ships; or, to measure speed
    alone, ``network`` with random weights, an HTNet with ``repeats`` layers at each level.

    Raises `WeightsError` for a file that cannot be served.
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


@dataclass(frozen=True, slots=True, eq=False)
class ComparedRuntime:
    """Something to be timed: ``run`` takes arrays of ``batch`` pairs and gives probabilities first.

    ``inputs``: N pairs, one array for each that ``run`` takes. ``floor_bytes``: the fewest that a
    call must move. ``stages``: p50, p95 and p99 in ms of each part of the calls so far.
    """

    name: str
    precision: str
    device: str
    run: Callable[..., tuple[F32, ...]]
    batch: int
    inputs: Arrays
    floor_bytes: int
    peak_mb: float | None = None
    stages: Callable[[], dict[str, Any]] | None = None

    @property
    def timed(self) -> Callable[[], float]:
        """One call's time in ms: arrays in, arrays out, so it waits for its device by itself."""
        taken = [_cycled(each, 0, self.batch) for each in self.inputs]
        return partial(host_ms, lambda: self.run(*taken))

    def answers(self) -> F32:
        """Probabilities (N, classes) of all pairs."""
        count = len(self.inputs[0])
        starts = range(0, count, self.batch)
        made = [self.run(*(_cycled(i, at, self.batch) for i in self.inputs))[0] for at in starts]
        return np.concatenate(made)[:count]


def entrant(
    opened: Callable[[Graph], Runtime], graph: Graph, inputs: Arrays, batch: int, device: str
) -> ComparedRuntime:
    """``graph`` as ``opened`` makes a runtime of it, run once on ``batch`` of the ``inputs``."""
    made = at_batch(graph, batch)
    with MemoryRise(device) as rise:
        runtime = opened(made)
        runtime(*(_cycled(each, 0, batch) for each in inputs))
    return ComparedRuntime(
        name=runtime.name,
        precision=graph.precision,
        device=runtime.device,
        run=runtime,
        batch=batch,
        inputs=inputs,
        floor_bytes=floor_bytes(made),
        peak_mb=rise.mb,
    )


class RuntimeComparison:
    """Opens runtimes, and notes those that cannot be had."""

    def __init__(self, device: str, opener: Opener, say: Callable[[str], None]) -> None:
        self.skipped: list[dict[str, str]] = []
        self._device, self._opener, self._say = device, opener, say

    def enter(
        self,
        runtime: str,
        precision: str,
        graph: Callable[[str], Graph],
        inputs: Arrays,
        batch: int,
    ) -> ComparedRuntime | None:
        """``graph`` of ``precision`` in ``runtime``; None, and noted, where it cannot be had."""
        try:
            return entrant(
                lambda made: self._opener(runtime, made, self._device, self._say),
                graph(precision),
                inputs,
                batch,
                self._device,
            )
        except Exception as error:  # noqa: BLE001 - one runtime's failure must not end the others
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            said = {"runtime": runtime, "precision": precision, "reason": reason}
            if said not in self.skipped:
                self.skipped.append(said)
            return None


def own_runtimes(device: str) -> list[str]:
    """The runtimes that there are for ``device``, whether they are installed or not."""
    return [name for name in RUNTIMES if device_for(name, device) == device]


def at_batch(graph: Graph, batch: int) -> Graph:
    """``graph`` for ``batch`` pairs, with weights of its own: runtimes move them to their device."""
    shapes = {name: (batch, *shape[1:]) for name, shape in graph.inputs.items()}
    return replace(graph, module=deepcopy(graph.module), inputs=shapes)


def _cycled(array: NDArray[Any], start: int, count: int) -> NDArray[Any]:
    return np.ascontiguousarray(array[np.arange(start, start + count) % len(array)])


def floor_bytes(graph: Graph) -> int:
    """The fewest bytes a call must move: every weight once, pictures in (a byte a pixel for crops,
    four otherwise) and probabilities out."""
    tensors = [*graph.module.parameters(), *graph.module.buffers()]
    weights = sum(
        t.numel() * (1 if graph.precision == "int8" else t.element_size()) for t in tensors
    )
    crops = ("onset", "apex")
    inputs = sum(
        int(np.prod(shape)) * (1 if name in crops else 4) for name, shape in graph.inputs.items()
    )
    return weights + inputs + 4 * graph.batch * len(graph.spec.classes)


def contest_rows(
    entrants: Mapping[str, ComparedRuntime],
    times: Mapping[str, list[float]],
    batch: int,
    copy_gb_per_s: float,
) -> list[dict[str, Any]]:
    """A row for each of ``entrants``, held against the reference among them."""
    base = float(np.median(times[REFERENCE]))
    truth = entrants[REFERENCE].answers()
    rows = []
    for key, each in entrants.items():
        ms = float(np.median(times[key]))
        floor = each.floor_bytes / copy_gb_per_s / 1e6
        said = each.answers()
        rows.append(
            {
                "what": key,
                "runtime": each.name,
                "precision": each.precision,
                "device": each.device,
                "batch": batch,
                "ms": percentiles(times[key]),
                "pairs_per_s": round(batch / ms * 1e3, 1),
                "peak_mb": each.peak_mb,
                "floor_ms": round(floor, 4),
                "times_floor": round(ms / floor, 2),
                "times_reference": round(base / ms, 3),
                "max_difference": float(f"{np.abs(said - truth).max():.2g}"),
                "agreement": round(float((said.argmax(1) == truth.argmax(1)).mean()), 4),
                **({} if each.stages is None else {"stages_ms": each.stages()}),
            }
        )
    return rows


def free() -> None:
    """Let go of the last round's runtimes before the next are opened."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def contest_table(row: dict[str, Any], title: str) -> "Table":
    """The rows as a table of 80 columns."""
    from rich.box import SIMPLE
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title=f"{title} on {row['device']}: {row['model']}", box=SIMPLE, padding=(0, 1, 0, 0)
    )
    table.add_column("", no_wrap=True)
    for name in ("p50 ms", "p95", "pairs/s", "MB", "x ref", "x floor", "differ", "agree"):
        table.add_column(name, justify="right", no_wrap=True)
    batch = None
    for each in row["rows"]:
        if each["batch"] != batch:
            table.add_section()
            table.add_row(f"[bold]batch {each['batch']}[/]")
        batch = each["batch"]
        table.add_row(
            each["what"],
            *(f"{each['ms'][q]:.3g}" for q in ("p50", "p95")),
            f"{each['pairs_per_s']:.0f}",
            "" if each["peak_mb"] is None else f"{each['peak_mb']:.0f}",
            f"{each['times_reference']:.2f}",
            f"{each['times_floor']:.1f}",
            f"{each['max_difference']:.0e}",
            f"{each['agreement']:.0%}",
        )
    explained = (
        "x ref: speed over the reference's; differ, agree: from the reference\n"
        f"x floor: time over the least bytes' at a copy's {row['copy_gb_per_s']} GB/s"
    )
    notes = [f"{e['runtime']} {e['precision']}: {escape(e['reason'])}" for e in row["skipped"]]
    table.caption = "\n".join([explained, *notes, row["machine"]])
    table.caption_justify = "left"
    return table
