"""Numerical agreement of runtimes: the same pair must get the same answer in each of them.

For one solver the probabilities must agree within `BOUNDS`, and labels wherever the reference's top
two probabilities are `CLEAR` apart. Between solvers, which measure different flows, agreement is
reported and not required.

The reference of a solver is the CPU path: crops through OpenCV and NumPy, then the network as it
was trained, unfolded, in eager float32.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from htnet.calib.engines.graph_inputs import FacePair, feeds, pictures
from htnet.calib.engines.runtime_specs import RuntimeSpec
from htnet.engine.errors import DependencyError, EngineError, UsageError
from htnet.engine.flow.device import TENSOR_SOLVERS
from htnet.engine.models.weights import Loaded
from htnet.engine.runtimes import Runtime
from htnet.engine.runtimes.graph import Graph, network_graph, pair_graph
from htnet.engine.runtimes.pytorch import PyTorch
from htnet.engine.types import F32

CLEAR: Final = 2e-3
BOUNDS: Final = {"fp32": 1e-3, "fp16": 2e-3, "bf16": 2e-2, "int8": 5e-2}
"""Largest difference of a probability from the reference's, by the network's precision.

Over twice what was measured with htnet-s on every re-animated pair of the composite: 1.3e-4,
7.4e-4, 5.0e-3 and 2.3e-2.
"""

Open = Callable[[str, Graph], Runtime]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of a runtime's probabilities with the reference's for the same pairs.

    ``max_difference``, ``mean_difference``: over all classes. ``label_agreement``: fraction of
    pairs with the same label. ``clear``: number of pairs whose top two probabilities differ by more
    than `CLEAR` in the reference. ``agreement_where_clear``: fraction of those with the same label,
    1 if there are none.
    """

    pairs: int
    max_difference: float
    mean_difference: float
    label_agreement: float
    clear: int
    agreement_where_clear: float


@dataclass(frozen=True, slots=True)
class Row:
    """A runtime held against the reference of the solver ``against``.

    ``part``: "network" behind OpenCV's flow, or "pair", the whole path as one graph.
    ``agreement``: None where it cannot run here. ``said``: the reason for that.
    """

    part: str
    solver: str
    runtime: str
    precision: str
    against: str
    agreement: Agreement | None
    said: str = ""

    @property
    def holds(self) -> bool | None:
        """True if it agrees as required; None if nothing is required or nothing was run."""
        if self.agreement is None or self.solver != self.against:
            return None
        near = self.agreement.max_difference <= BOUNDS[self.precision]
        if self.precision == "int8":  # one label in 200 may differ
            return near and self.agreement.label_agreement >= 0.995
        return near and self.agreement.agreement_where_clear == 1

    def as_json(self) -> dict[str, Any]:
        """Return the fields and ``holds``."""
        return {**asdict(self), "holds": self.holds}


def agree(reference: F32, other: F32) -> Agreement:
    """Return the agreement of two arrays of probabilities (N, classes).

    Raises `UsageError` unless both are of the same pairs, at least one.
    """
    if reference.shape != other.shape or not len(reference):
        raise UsageError(
            f"expected probabilities of the same pairs; got {reference.shape} and {other.shape}."
        )
    difference = np.abs(reference - other)
    same = reference.argmax(axis=1) == other.argmax(axis=1)
    first, second = np.sort(reference, axis=1)[:, :-3:-1].T
    clear = first - second > CLEAR
    return Agreement(
        pairs=len(reference),
        max_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
        label_agreement=float(same.mean()),
        clear=int(clear.sum()),
        agreement_where_clear=float(same[clear].mean()) if clear.any() else 1.0,
    )


def agreements(
    reference: Loaded,
    served: Loaded,
    pairs: Sequence[FacePair],
    specs: Sequence[RuntimeSpec],
    open_as: Open,
    *,
    registered: bool = False,
    flows: Sequence[str] | None = None,
) -> Iterator[Row]:
    """Yield a row for each runtime, solver and part, as soon as it is measured on ``pairs``.

    ``reference``: the weights unfolded. ``served``: the weights as they are served. ``specs``: each
    is run behind OpenCV's flow and, for solvers that run on tensors, as one graph. ``open_as``:
    opens a graph in a runtime by its name. ``flows``: solvers among the weights' own, by default
    all. ``registered``: the crops of a pair are aligned with each other already.
    """
    answers: dict[str, F32] = {}
    for solver in flows or reference.spec.flows:
        shown = pictures(reference.spec, pairs, solver, registered=registered)
        eager = PyTorch(network_graph(reference))
        answers[solver] = np.concatenate([eager(each[None])[0] for each in shown])
        for runtime, precision in specs:
            graph = network_graph(served, precision=precision)
            inputs = ({"pictures": each[None]} for each in shown)
            yield _row(graph, solver, runtime, inputs, answers[solver], open_as)
            if solver in TENSOR_SOLVERS:
                graph = pair_graph(served, flow=solver, registered=registered, precision=precision)
                yield _row(graph, solver, runtime, feeds(graph, pairs), answers[solver], open_as)
    first, *others = answers
    for solver in others:
        found = agree(answers[first], answers[solver])
        yield Row("network", solver, "torch", "fp32", first, found)


def _row(
    graph: Graph,
    solver: str,
    runtime: str,
    inputs: Iterator[Any],
    wanted: F32,
    open_as: Open,
) -> Row:
    try:
        ran = open_as(runtime, graph)
        found = np.concatenate([ran(*each.values())[0] for each in inputs])
    except (DependencyError, EngineError, UsageError) as error:
        return Row(graph.part, solver, runtime, graph.precision, solver, None, str(error))
    return Row(graph.part, solver, runtime, graph.precision, solver, agree(wanted, found))


def agreement_page(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    heads = [
        "graph",
        "flow",
        "runtime",
        "precision",
        "against",
        "pairs",
        "max diff",
        "mean diff",
        "labels equal",
        "where clear",
        "as asked",
    ]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in rows:
        asked = {True: "yes", False: "NO", None: "-"}[row.holds]
        figures = "not run here | - | - | - | -"
        if row.agreement is not None:
            a = row.agreement
            figures = (
                f"{a.pairs} | {a.max_difference:.2g} | {a.mean_difference:.2g} | "
                f"{a.label_agreement:.2%} | {a.agreement_where_clear:.2%} of {a.clear}"
            )
        names = f"{row.part} | {row.solver} | {row.runtime} | {row.precision} | {row.against}"
        lines.append(f"| {names} | {figures} | {asked} |")
    return "\n".join(lines) + "\n"
