"""Optical strain: magnitude of skin deformation, from the gradients of the flow."""

import numpy as np

from htnet.engine.types import F32


def optical_strain(flow: F32) -> F32:
    """Strain magnitude (H, W) of a flow (H, W, 2), per px.

    sqrt(ux^2 + vy^2 + (uy + vx)^2 / 2), the form of the published maps (Liong et al., 2019), with
    central differences inside and one-sided ones at the border.
    """
    # Derivatives of both components, (H, W, 2): along x, then along y.
    dx, dy = np.empty_like(flow), np.empty_like(flow)
    np.subtract(flow[:, 2:], flow[:, :-2], out=dx[:, 1:-1])
    np.subtract(flow[2:], flow[:-2], out=dy[1:-1])
    dx[:, 1:-1] *= 0.5
    dy[1:-1] *= 0.5
    dx[:, 0], dx[:, -1] = flow[:, 1] - flow[:, 0], flow[:, -1] - flow[:, -2]
    dy[0], dy[-1] = flow[1] - flow[0], flow[-1] - flow[-2]
    shear = dy[..., 0] + dx[..., 1]
    strain = dx[..., 0] * dx[..., 0]
    strain += dy[..., 1] * dy[..., 1]
    shear *= shear
    shear *= 0.5
    strain += shear
    return np.sqrt(strain, out=strain)
