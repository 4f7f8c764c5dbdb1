"""Bench of optical flow: each of our solvers beside OpenCV's in the same run."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch

from htnet.calib.bench.rendered_pairs import rendered_pairs
from htnet.calib.bench.timing import (
    Call,
    MemoryRise,
    copy_gb_per_s,
    cores,
    cuda_graph,
    host_ms,
    in_turn,
    machine,
    one_thread,
    percentiles,
    timer_for,
)
from htnet.engine.errors import UsageError
from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH
from htnet.engine.flow import SOLVERS, FlowSolver
from htnet.engine.flow.device import TENSOR_SOLVERS, tensor_solver
from htnet.engine.types import U8

if TYPE_CHECKING:
    from rich.table import Table

FORMS = ("torch", "graph", "compile")
CROP = (CROP_WIDTH, CROP_HEIGHT)
_PAIRS = 8
_OPENCV = "opencv"

Grays = list[tuple[U8, U8]]


def bench_flow(
    solvers: Sequence[str] = ("farneback", "tvl1", "dis"),
    device: str = "cpu",
    batches: Sequence[int] = (1,),
    sizes: Sequence[tuple[int, int]] = (CROP,),
    rounds: int = 30,
    *,
    forms: Sequence[str] | None = None,
    seconds: float = 3.0,
) -> dict[str, Any]:
    """Time ``solvers`` on ``device``; return the row of ``htnet bench flow --json``.

    Every batch is measured at the first of ``sizes`` (width, height), and every other size at the
    last batch. ``forms`` of our tensor solvers: "torch" (eager), "graph" (eager, recorded as a CUDA
    graph) and "compile" (`torch.compile`, on CUDA recorded too); by default the first on a CPU and
    all on CUDA. Tensors lie on the device before and after, so the solver alone is timed, on CUDA
    by its events.

    The reference is OpenCV's solver on the CPU: one thread with one pair at a time, and one thread
    a core with pairs of its own, the throughput of the whole machine. ``times_opencv`` is the speed
    a pair over the faster of the two. What could not be run is listed in ``skipped`` with the
    reason. Raises `UsageError` for unknown names.
    """
    _require(solvers, tuple(SOLVERS), "flow solver")
    _require(forms or (), FORMS, "form")
    timer = timer_for(device)
    if forms is None:
        forms = FORMS[:1] if timer is host_ms else FORMS
    rows: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    with one_thread(), torch.inference_mode():
        copy = copy_gb_per_s(device)
        for name in solvers:
            if name not in TENSOR_SOLVERS:
                reason = "it has no form on tensors: OpenCV's alone"
                skipped.append({"solver": name, "form": "torch", "reason": reason})
            for size, some in _plan(batches, sizes):
                made = _Round(name, device, timer, size, rounds, seconds)
                rows += made.run(some, forms if name in TENSOR_SOLVERS else ())
                skipped += [each for each in made.skipped if each not in skipped]
    return {
        "v": 1,
        "bench": "flow",
        "device": device,
        "cores": cores(),
        "copy_gb_per_s": round(copy, 1),
        "rows": rows,
        "skipped": skipped,
        "machine": machine(),
    }


class _Round:
    """One solver at one size, OpenCV's and ours timed in turn."""

    def __init__(
        self,
        name: str,
        device: str,
        timer: Callable[[Call], float],
        size: tuple[int, int],
        rounds: int,
        seconds: float,
    ) -> None:
        self.name, self.device, self.size = name, device, size
        self.skipped: list[dict[str, str]] = []
        self._timer, self._rounds, self._seconds = timer, rounds, seconds
        self._grays = _resized_pairs(size)

    def run(self, batches: Sequence[int], forms: Sequence[str]) -> list[dict[str, Any]]:
        """Return a row for each form and batch, OpenCV's two first."""
        timed: dict[tuple[str, int], Callable[[], float]] = {}
        peaks: dict[tuple[str, int], float | None] = {}
        at_once = 4 * cores()
        with ThreadPoolExecutor(cores()) as pool:
            try:
                single, many = self._opencv(at_once, pool)
            except (AttributeError, cv2.error):
                self._skip(_OPENCV, "this OpenCV has no such solver; it takes opencv-contrib")
            else:
                with MemoryRise() as rise:
                    single()
                    many()
                timed[_OPENCV, 1] = partial(host_ms, single)
                timed[_OPENCV, at_once] = partial(host_ms, many)
                peaks[_OPENCV, at_once] = rise.mb
            for batch in batches:
                for form in forms:
                    with MemoryRise(self.device) as rise:
                        call = self._ours(form, batch)
                    if call is not None:
                        timed[form, batch] = partial(self._timer, call)
                        peaks[form, batch] = rise.mb
            times = in_turn(timed, self._rounds, seconds=self._seconds, warmup=1)
        theirs = [float(np.median(t)) / n for (form, n), t in times.items() if form == _OPENCV]
        reference = min(theirs, default=None)
        return [self._row(key, each, peaks.get(key), reference) for key, each in times.items()]

    def _row(
        self,
        key: tuple[str, int],
        times: list[float],
        peak: float | None,
        reference: float | None,
    ) -> dict[str, Any]:
        form, batch = key
        each = float(np.median(times)) / batch
        return {
            "solver": self.name,
            "form": form,
            "threads": cores() if form == _OPENCV and batch > 1 else 1,
            "device": "cpu" if form == _OPENCV else self.device,
            "size": list(self.size),
            "batch": batch,
            "ms": percentiles(times),
            "ms_per_pair": round(each, 4),
            "pairs_per_s": round(1e3 / each, 1),
            "peak_mb": peak,
            "times_opencv": None if reference is None else round(reference / each, 2),
        }

    def _opencv(self, count: int, pool: ThreadPoolExecutor) -> tuple[Call, Call]:
        """Return two calls: one pair, the next one each time; ``count`` pairs over all threads of
        ``pool``."""
        one = SOLVERS[self.name]()
        grays = self._grays
        number = iter(range(1 << 62))
        # A solver has buffers of its own, so every thread needs one.
        share = count // cores()
        each = [SOLVERS[self.name]() for _ in range(cores())]

        def single() -> object:
            return one(*grays[next(number) % len(grays)])

        def several(solver: FlowSolver) -> None:
            for place in range(share):
                solver(*grays[place % len(grays)])

        return single, lambda: list(pool.map(several, each))

    def _ours(self, form: str, batch: int) -> Call | None:
        """Return a call that has run once; None if it cannot run, which is noted."""
        cuda = torch.device(self.device).type == "cuda"
        if form == "graph" and not cuda:
            self._skip(form, "only CUDA records graphs")
            return None
        taken = [self._grays[place % len(self._grays)] for place in range(batch)]
        try:
            onset, apex = (
                torch.from_numpy(np.stack(each))[:, None].float().to(self.device)
                for each in zip(*taken, strict=True)
            )
            solver = tensor_solver(self.name).to(self.device)
            if form == "compile":
                solver.compile(fullgraph=True, dynamic=False)
            call = partial(solver, onset, apex)
            call()
            return cuda_graph(call) if cuda and form != "torch" else call
        except torch.OutOfMemoryError:
            self._skip(form, f"the memory of {self.device} is too small for {batch} pairs")
        except Exception as error:  # noqa: BLE001 - compilers raise errors of all kinds
            self._skip(form, str(error).strip().partition("\n")[0][:160])
        return None

    def _skip(self, form: str, reason: str) -> None:
        said = {"solver": self.name, "form": form, "reason": reason}
        if said not in self.skipped:
            self.skipped.append(said)


def _plan(
    batches: Sequence[int], sizes: Sequence[tuple[int, int]]
) -> list[tuple[tuple[int, int], Sequence[int]]]:
    return [(sizes[0], batches), *((size, batches[-1:]) for size in sizes[1:])]


def _resized_pairs(size: tuple[int, int]) -> Grays:
    """Return the rendered pairs at ``size`` (width, height)."""

    def at_size(gray: U8) -> U8:
        return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_LINEAR), np.uint8)

    pairs = rendered_pairs(_PAIRS)
    return [(at_size(pair.onset.gray), at_size(pair.apex.gray)) for pair in pairs]


def _require(names: Sequence[str], known: Sequence[str], what: str) -> None:
    for name in names:
        if name not in known:
            raise UsageError(f"expected a {what} among {', '.join(known)}; got {name!r}.")


def flow_table(row: dict[str, Any]) -> "Table":
    """Return the row as a table of 80 columns."""
    from rich.box import SIMPLE
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"Optical flow on {row['device']}", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for name in ("batch", "p50 ms", "p95", "ms a pair", "pairs/s", "MB", "ratio"):
        table.add_column(name, justify="right")
    before = None
    for each in row["rows"]:
        kind = f"{each['solver']} {'x'.join(map(str, each['size']))}"
        if kind != before:
            table.add_section()
            table.add_row(f"[bold]{kind}[/]")
        before = kind
        several = f" x {each['threads']}" if each["threads"] > 1 else ""
        table.add_row(
            f"  {each['form']}{several}",
            str(each["batch"]),
            f"{each['ms']['p50']:.3g}",
            f"{each['ms']['p95']:.3g}",
            f"{each['ms_per_pair']:.3g}",
            f"{each['pairs_per_s']:.0f}",
            "" if each["peak_mb"] is None else f"{each['peak_mb']:.0f}",
            "" if each["times_opencv"] is None else f"{each['times_opencv']:.2f}",
        )
    notes = [
        f"{each['solver']}, {each['form']}: {escape(each['reason'])}" for each in row["skipped"]
    ]
    explained = (
        f"ratio: speed over OpenCV's on {row['cores']} cores, pair for pair\n"
        f"a plain copy moves {row['copy_gb_per_s']} GB/s"
    )
    table.caption = "\n".join([explained, *notes, row["machine"]])
    table.caption_justify = "left"
    return table
