"""Comparison of runtimes: one graph in each of them, timed in turn beside a reference.

Shared by the model bench and the pair bench.
"""

import gc
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from htnet.calib.bench.timing import (
    MemoryRise,
    copy_gb_per_s,
    host_ms,
    in_turn,
    machine,
    one_thread,
    percentiles,
    timer_for,
)
from htnet.engine.runtimes import Runtime
from htnet.engine.runtimes.graph import Graph
from htnet.engine.runtimes.pytorch import PyTorch
from htnet.engine.runtimes.select import RUNTIMES, device_for, open_runtime
from htnet.engine.types import F32

if TYPE_CHECKING:
    from rich.table import Table

REFERENCE = "reference"
PAIRS = 16
"""Number of rendered pairs on which answers are compared."""
Arrays = Sequence[NDArray[Any]]
"""One array for each of a graph's inputs, the pairs first."""
Opener = Callable[[str, Graph, str, Callable[[str], None]], Runtime]
"""Signature of `htnet.engine.runtimes.select.open_runtime`."""


@dataclass(frozen=True, slots=True, eq=False)
class ComparedRuntime:
    """A runtime to be timed; ``run`` takes arrays of ``batch`` pairs and returns probabilities
    first.

    ``inputs``: N pairs, one array for each input of ``run``. ``floor_bytes``: the fewest bytes that
    a call must move. ``stages``: p50, p95 and p99 in ms of each stage of the calls so far.
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
        """A function that returns one call's time in ms, arrays in and arrays out: the call waits
        for its device."""
        taken = [_cycled(each, 0, self.batch) for each in self.inputs]
        return partial(host_ms, lambda: self.run(*taken))

    def answers(self) -> F32:
        """Return the probabilities (N, classes) of all pairs."""
        count = len(self.inputs[0])
        starts = range(0, count, self.batch)
        made = [self.run(*(_cycled(i, at, self.batch) for i in self.inputs))[0] for at in starts]
        return np.concatenate(made)[:count]


def _unchanged(runtime: ComparedRuntime) -> ComparedRuntime:
    return runtime


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A graph to be opened in runtimes.

    ``graph``: returns it for a precision. ``inputs``: N pairs, one array for each input. ``wrap``:
    completes an opened runtime, such as by the steps in front of a network.
    """

    graph: Callable[[str], Graph]
    inputs: Arrays
    wrap: Callable[[ComparedRuntime], ComparedRuntime] = _unchanged


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """Runtimes that are timed in turn at one batch.

    ``reference``: opened in eager PyTorch, float32. ``subjects``: opened in every runtime and
    precision, by the prefix of their names. ``columns``: further columns of each row.
    """

    batch: int
    reference: Subject
    subjects: Mapping[str, Subject]
    columns: Mapping[str, Any] = field(default_factory=dict)


class RuntimeComparison:
    """Times rounds of runtimes on ``device``.

    ``runtimes``: by default all that are meant for the device. ``rounds``, ``seconds``: limits of
    each runtime's calls, as `in_turn` has them. ``skipped``: runtimes that could not be opened,
    with the reason. Raises `UsageError` or `DependencyError` for a device that cannot be timed.
    """

    def __init__(
        self,
        device: str,
        runtimes: Sequence[str] | None,
        precisions: Sequence[str],
        rounds: int,
        seconds: float,
        *,
        say: Callable[[str], None] = print,
        opener: Opener = open_runtime,
    ) -> None:
        timer_for(device)
        self.skipped: list[dict[str, str]] = []
        self._device, self._precisions = device, precisions
        self._runtimes = own_runtimes(device) if runtimes is None else runtimes
        self._rounds, self._seconds = rounds, seconds
        self._say, self._opener = say, opener

    def run(
        self, bench: str, model: str, rounds: Iterable[Round], *, flow_threads: int = 1
    ) -> dict[str, Any]:
        """Time ``rounds`` one after another; return the row of ``htnet bench BENCH --json``.

        ``model``: its name.
        """
        rows: list[dict[str, Any]] = []
        with one_thread(flow_threads):
            copy = copy_gb_per_s(self._device)
            for each in rounds:
                _free_memory()
                rows += self._timed(each, copy)
        return {
            "v": 1,
            "bench": bench,
            "model": model,
            "device": self._device,
            "copy_gb_per_s": round(copy, 1),
            "rows": rows,
            "skipped": self.skipped,
            "machine": machine(),
        }

    def _timed(self, each: Round, copy: float) -> list[dict[str, Any]]:
        eager = partial(PyTorch, device=self._device, recorded=False)
        reference = self._opened(eager, each.reference, "fp32", each.batch)
        compared = {REFERENCE: reference}
        for runtime, precision in product(self._runtimes, self._precisions):
            for prefix, subject in each.subjects.items():
                made = self._open(runtime, precision, subject, each.batch)
                if made is not None:
                    compared[f"{prefix}{runtime} {precision}"] = made
        timed = {key: one.timed for key, one in compared.items()}
        times = in_turn(timed, self._rounds, seconds=self._seconds)
        return [{**each.columns, **row} for row in _rows(compared, times, each.batch, copy)]

    def _open(
        self, runtime: str, precision: str, subject: Subject, batch: int
    ) -> ComparedRuntime | None:
        """Return ``subject`` in ``runtime``; None where it cannot be opened, which is noted."""
        try:
            return self._opened(
                lambda graph: self._opener(runtime, graph, self._device, self._say),
                subject,
                precision,
                batch,
            )
        except Exception as error:  # noqa: BLE001 - one runtime's failure must not end the others
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            said = {"runtime": runtime, "precision": precision, "reason": reason}
            if said not in self.skipped:
                self.skipped.append(said)
            return None

    def _opened(
        self, opener: Callable[[Graph], Runtime], subject: Subject, precision: str, batch: int
    ) -> ComparedRuntime:
        """Return ``subject`` as ``opener`` opens it, run once on ``batch`` of its inputs."""
        graph = with_batch(subject.graph(precision), batch)
        with MemoryRise(self._device) as rise:
            runtime = opener(graph)
            runtime(*(_cycled(each, 0, batch) for each in subject.inputs))
        opened = ComparedRuntime(
            name=runtime.name,
            precision=graph.precision,
            device=runtime.device,
            run=runtime,
            batch=batch,
            inputs=subject.inputs,
            floor_bytes=floor_bytes(graph),
            peak_mb=rise.mb,
        )
        return subject.wrap(opened)


def own_runtimes(device: str) -> list[str]:
    """Return the runtimes that are meant for ``device``, installed or not."""
    return [name for name in RUNTIMES if device_for(name, device) == device]


def with_batch(graph: Graph, batch: int) -> Graph:
    """Return ``graph`` for ``batch`` pairs with weights of its own: runtimes move them to their
    device."""
    shapes = {name: (batch, *shape[1:]) for name, shape in graph.inputs.items()}
    return replace(graph, module=deepcopy(graph.module), inputs=shapes)


def _cycled(array: NDArray[Any], start: int, count: int) -> NDArray[Any]:
    return np.ascontiguousarray(array[np.arange(start, start + count) % len(array)])


def floor_bytes(graph: Graph) -> int:
    """Return the fewest bytes that a call must move: every weight once, pictures in (a byte a pixel
    for crops, four otherwise) and probabilities out."""
    tensors = [*graph.module.parameters(), *graph.module.buffers()]
    weights = sum(
        t.numel() * (1 if graph.precision == "int8" else t.element_size()) for t in tensors
    )
    crops = ("onset", "apex")
    inputs = sum(
        int(np.prod(shape)) * (1 if name in crops else 4) for name, shape in graph.inputs.items()
    )
    return weights + inputs + 4 * graph.batch * len(graph.spec.classes)


def _rows(
    compared: Mapping[str, ComparedRuntime],
    times: Mapping[str, list[float]],
    batch: int,
    copy_gb_per_s: float,
) -> list[dict[str, Any]]:
    """Return a row for each of ``compared``, held against the reference among them."""
    base = float(np.median(times[REFERENCE]))
    truth = compared[REFERENCE].answers()
    rows = []
    for key, each in compared.items():
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


def _free_memory() -> None:
    """Free the memory of the last round's runtimes before the next are opened."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def comparison_table(row: dict[str, Any], title: str) -> "Table":
    """Return the rows as a table of 80 columns."""
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
