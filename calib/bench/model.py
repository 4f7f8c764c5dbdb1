"""What the network alone costs, in every runtime that is here."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import product
from typing import TYPE_CHECKING, Any

from htnet.calib.bench.comparison import (
    PAIRS,
    REFERENCE,
    Model,
    Opener,
    RuntimeComparison,
    contest_rows,
    contest_table,
    entrant,
    free,
    own_runtimes,
)
from htnet.calib.bench.rendered_pairs import drawn_pictures
from htnet.calib.bench.timing import copy_gb_per_s, in_turn, machine, one_thread, timer_for
from htnet.engine.runtimes.graph import Graph, network_graph
from htnet.engine.runtimes.pytorch import PyTorch
from htnet.engine.runtimes.select import open_runtime

if TYPE_CHECKING:
    from rich.table import Table


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
    """Time the network of ``model`` from pictures to probabilities, arrays in and arrays out; the
    row of ``htnet bench model --json``.

    The reference is the official form (an HTNet unfolded) in eager PyTorch and float32 on the same
    device; the floor is the weights' bytes and the pictures' at the rate of a plain copy there,
    which weights small enough for a cache can beat. ``max_difference`` and ``agreement`` (of labels)
    are against the reference over 16 drawn pairs: a check, not an evaluation. On a CPU everything
    runs in one thread, as live does. A runtime or precision that cannot be had stands in
    ``skipped``. ``runtimes``: by default all that are meant for the device.
    """
    timer_for(device)
    if runtimes is None:
        runtimes = own_runtimes(device)
    eager = partial(PyTorch, device=device, recorded=False)

    @cache  # naming its weights by content takes a second
    def graph(precision: str) -> Graph:
        return network_graph(model.served, precision=precision)

    contest = RuntimeComparison(device, opener, say)
    pictures = drawn_pictures(PAIRS, model.served.spec)
    rows: list[dict[str, Any]] = []
    with one_thread():
        copy = copy_gb_per_s(device)
        for batch in batches:
            free()
            entrants = {
                REFERENCE: entrant(eager, network_graph(model.official), [pictures], batch, device)
            }
            for runtime, precision in product(runtimes, precisions):
                made = contest.enter(runtime, precision, graph, [pictures], batch)
                if made is not None:
                    entrants[f"{runtime} {precision}"] = made
            timed = {key: each.timed for key, each in entrants.items()}
            times = in_turn(timed, rounds, seconds=seconds)
            rows += contest_rows(entrants, times, batch, copy)
    return {
        "v": 1,
        "bench": "model",
        "model": model.name,
        "device": device,
        "copy_gb_per_s": round(copy, 1),
        "rows": rows,
        "skipped": contest.skipped,
        "machine": machine(),
    }


def model_table(row: dict[str, Any]) -> "Table":
    """The row as a table of 80 columns."""
    return contest_table(row, "The network alone")
