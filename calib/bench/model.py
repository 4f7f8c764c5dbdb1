"""Bench of the network alone, in every runtime that is installed."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from htnet.calib.bench.comparison import (
    PAIRS,
    Model,
    Opener,
    Round,
    RuntimeComparison,
    Subject,
    comparison_table,
)
from htnet.calib.bench.rendered_pairs import rendered_pictures
from htnet.engine.runtimes.graph import Graph, network_graph
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
    return comparison.run("model", model, planned)


def model_table(row: dict[str, Any]) -> "Table":
    """Return the row as a table of 80 columns."""
    return comparison_table(row, "The network alone")
