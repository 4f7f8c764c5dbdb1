"""Tensor solvers by name, and the adapter of one of them to `FlowSolver`."""

from typing import cast

import numpy as np
import torch
from torch import nn

from htnet.engine.errors import UsageError
from htnet.engine.flow.farneback import TensorFarneback
from htnet.engine.flow.tvl1 import TensorTVL1
from htnet.engine.types import F32, U8

TENSOR_SOLVERS: dict[str, type[TensorFarneback] | type[TensorTVL1]] = {
    solver.name: solver for solver in (TensorFarneback, TensorTVL1)
}


def tensor_solver(name: str) -> nn.Module:
    """Return the module called ``name``.

    It maps onset and apex (B, 1, H, W) in 0..255 to flow (B, 2, H, W) in px. Raises `UsageError`
    for an unknown name.
    """
    try:
        return TENSOR_SOLVERS[name]()
    except KeyError:
        raise UsageError(
            f"expected a flow solver that runs on tensors ({', '.join(TENSOR_SOLVERS)}); got "
            f"{name!r}: choose one of them."
        ) from None


class OnDevice:
    """Tensor solver on a device for one pair at a time, as `htnet.engine.flow.FlowSolver`."""

    def __init__(self, name: str, device: str) -> None:
        self.name = name
        self._module = tensor_solver(name).to(device)
        self._device = device

    def __call__(self, onset: U8, apex: U8) -> F32:
        """Return (H, W, 2) float32 flow in px."""
        with torch.inference_mode():
            pictures = torch.from_numpy(np.stack([onset, apex])).to(self._device)
            first, second = pictures.float()[:, None, None]
            flow = self._module(first, second)[0].movedim(0, -1)
            return cast(F32, flow.contiguous().cpu().numpy())
