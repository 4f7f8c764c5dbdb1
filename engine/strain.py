"""Optical strain: how much the skin is stretched, from the flow's gradients."""

import numpy as np

from htnet.engine.types import F32


def optical_strain(flow: F32) -> F32:
    """Strain magnitude (H, W) of a flow (H, W, 2), per px.

    sqrt(ux^2 + vy^2 + (uy + vx)^2 / 2), the form the published maps use (Liong et al., 2019),
    with central differences inside and one-sided ones at the border.
    """
    ux, uy = _gradient(flow[..., 0])
    vx, vy = _gradient(flow[..., 1])
    shear = uy + vx
    strain: F32 = np.sqrt(ux * ux + vy * vy + 0.5 * shear * shear)
    return strain


def _gradient(field: F32) -> tuple[F32, F32]:
    dx = np.empty_like(field)
    dy = np.empty_like(field)
    np.subtract(field[:, 2:], field[:, :-2], out=dx[:, 1:-1])
    dx[:, 1:-1] *= 0.5
    dx[:, 0] = field[:, 1] - field[:, 0]
    dx[:, -1] = field[:, -1] - field[:, -2]
    np.subtract(field[2:], field[:-2], out=dy[1:-1])
    dy[1:-1] *= 0.5
    dy[0] = field[1] - field[0]
    dy[-1] = field[-1] - field[-2]
    return dx, dy
