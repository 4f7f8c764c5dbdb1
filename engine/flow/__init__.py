"""Optical flow between two gray crops: solvers by name.

Every solver is a callable ``solver(onset, apex) -> flow`` with ``onset`` and ``apex`` (H, W) uint8
and ``flow`` (H, W, 2) float32 in px: the point (x, y) of the onset corresponds to
(x + flow[..., 0], y + flow[..., 1]) of the apex; x to the right, y down.
"""

from typing import Protocol

from htnet.engine.errors import UsageError
from htnet.engine.flow.opencv import TVL1, Dis, Farneback
from htnet.engine.types import F32, U8


class FlowSolver(Protocol):
    """Solver of dense flow from the onset to the apex."""

    name: str

    def __call__(self, onset: U8, apex: U8) -> F32:
        """Return (H, W, 2) float32 flow in px."""
        ...


SOLVERS: dict[str, type[Dis] | type[Farneback] | type[TVL1]] = {
    solver.name: solver for solver in (Dis, Farneback, TVL1)
}


def solver_named(name: str, device: str = "cpu") -> FlowSolver:
    """Return the solver called ``name``: OpenCV's on a CPU, elsewhere ours if there is one.

    "tvl1" is ours on every device: OpenCV's is slower, and reproducible only to hundredths of a
    pixel (see `htnet.engine.flow.tvl1`). Raises `UsageError` for an unknown name.
    """
    if name not in SOLVERS:
        raise UsageError(f"expected a flow solver among {', '.join(SOLVERS)}; got {name!r}.")
    if name == TVL1.name or not device.startswith("cpu"):
        from htnet.engine.flow.device import TENSOR_SOLVERS, OnDevice

        if name in TENSOR_SOLVERS:
            return OnDevice(name, device)
    return SOLVERS[name]()


__all__ = ["SOLVERS", "TVL1", "Dis", "Farneback", "FlowSolver", "solver_named"]
