"""Farneback's flow (SCIA 2003) on tensors, as OpenCV computes it.

Each picture is approximated by a quadratic round every pixel. The flow is the displacement that
maps the onset's quadratics to the apex's, averaged over a window. Written as sums over windows,
without convolutions or matrix products, so no runtime can compute it in TF32, which would add
errors of up to 4e-3 px.

It agrees with `cv2.calcOpticalFlowFarneback` to about 1e-5 px (box window, the default flags), with
one exception: where the flow is zero except for rounding, the first column and row are "inside" or
"outside" by the sign of that rounding. On identical pictures the two can therefore differ by 0.1 px
within a window of the border, where neither is right.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from htnet.engine.flow.pyramid import Level, coarse_to_fine, resized
from htnet.engine.flow.sampling import canvas, pixels, sampled

_LEAST_SIDE = 32  # of a coarser level, px


class TensorFarneback(nn.Module):
    """Farneback with the parameters of the HTNet paper: 0.5, 3, 15, 3, 5, 1.2.

    Options as in OpenCV. ``pyr_scale``: ratio between levels. ``levels``: number of levels below
    the pictures. ``winsize``: side of the averaging window, px. ``iterations``: at each level.
    ``poly_n``: quadratics are fitted over 2 ``poly_n`` + 1 px. ``poly_sigma``: Gaussian weight, px.
    """

    name = "farneback"
    _powers: Tensor

    def __init__(
        self,
        pyr_scale: float = 0.5,
        levels: int = 3,
        winsize: int = 15,
        iterations: int = 3,
        poly_n: int = 5,
        poly_sigma: float = 1.2,
    ) -> None:
        super().__init__()
        self.pyr_scale, self.levels = pyr_scale, levels
        self.winsize, self.iterations = winsize, iterations
        window = _half_gaussian(poly_n, poly_sigma)
        self._inverse = _inverse_moments(window)
        # Buffers, so that they are on the device before a CUDA graph is recorded.
        self.register_buffer("_powers", _powers(window, 3), persistent=False)
        for level in range(levels + 1):
            blur = _powers(_blur((1 / pyr_scale**level - 1) / 2), 1)
            self.register_buffer(f"_blur{level}", blur, persistent=False)

    def forward(self, onset: Tensor, apex: Tensor) -> Tensor:
        """Return flow (B, 2, H, W) in px from ``onset`` to ``apex``, each (B, 1, H, W), 0..255."""
        return coarse_to_fine(self._pyramid(onset, apex), self.pyr_scale, self._solve)

    def _pyramid(self, onset: Tensor, apex: Tensor) -> list[Level]:
        """Build the pyramid: each level is blurred and resized from the pictures themselves."""
        height, width = onset.shape[-2:]
        both = torch.cat([onset, apex])
        made: list[Level] = []
        for level in range(self.levels + 1):
            scale = self.pyr_scale**level
            if level and min(height, width) * scale < _LEAST_SIDE:
                break
            small = _blurred(both, getattr(self, f"_blur{level}"))
            if level:
                small = resized(small, (round(height * scale), round(width * scale)))
            first, second = small.chunk(2)
            made.append((first, second))
        return made

    def _solve(self, onset: Tensor, apex: Tensor, flow: Tensor) -> Tensor:
        height, width = flow.shape[-2:]
        before, after = self._quadratics(torch.cat([onset, apex])).chunk(2)
        target = canvas(after)
        here = pixels(height, width, flow.device)
        weight = _edge_weight(height, width, flow.device)
        for _ in range(self.iterations):
            flow = self._averaged(_equations(before, target, here, weight, flow))
        return flow

    def _quadratics(self, pictures: Tensor) -> Tensor:
        """Coefficients (B, 5, H, W) of y, x, y^2, x^2 and xy round every pixel."""
        reach = self._powers.shape[-1] // 2
        padded = F.pad(pictures, (reach,) * 4, mode="replicate")
        rows = torch.cat(_moments(padded, -2, self._powers), dim=1)  # of y^0, y^1, y^2
        level, slope, bend = _moments(rows, -1, self._powers)  # of x^0, x^1, x^2
        one, y, yy = level.chunk(3, dim=1)
        linear, constant, square, mixed = self._inverse
        return torch.cat(
            [
                y * linear,
                slope[:, :1] * linear,
                one * constant + yy * square,
                one * constant + bend[:, :1] * square,
                slope[:, 1:2] * mixed,
            ],
            dim=1,
        )

    def _averaged(self, equations: Tensor) -> Tensor:
        """Solve the ``equations`` summed over the window: flow (B, 2, H, W)."""
        reach = self.winsize // 2
        side = 2 * reach + 1
        summed = F.pad(equations, (reach,) * 4, mode="replicate")
        summed = _box_sums(_box_sums(summed, -2, side), -1, side)
        g11, g12, g22, h1, h2 = (summed * self.winsize**-2).chunk(5, dim=1)
        scale = 1 / (g11 * g22 - g12 * g12 + 1e-3)
        return torch.cat([(g11 * h2 - g12 * h1) * scale, (g22 * h1 - g12 * h2) * scale], dim=1)


def _equations(
    before: Tensor, target: Tensor, here: Tensor, weight: Tensor, flow: Tensor
) -> Tensor:
    """Normal equations (B, 5, H, W) = g11, g12, g22, h1, h2 of every pixel.

    ``before``: the onset's quadratics; ``target``: the `canvas` of the apex's.
    """
    height, width = flow.shape[-2:]
    places = here + flow
    x, y = places.floor().chunk(2, dim=1)
    inside = (x >= 0) & (x < width - 1) & (y >= 0) & (y < height - 1)
    after = torch.where(inside, sampled(target, places, "bilinear"), 0)
    share = torch.where(inside, 0.5, 1.0)  # outside, the onset's quadratic alone counts
    yy, xx, xy = ((before[:, 2:] + after[:, 2:]) * share).chunk(3, dim=1)
    xy = xy * 0.5  # the coefficient of xy is twice the matrix's entry
    rest_y, rest_x = ((before[:, :2] - after[:, :2]) * 0.5).chunk(2, dim=1)
    u, v = flow.chunk(2, dim=1)
    rest_y = (rest_y + yy * v + xy * u) * weight
    rest_x = (rest_x + xy * v + xx * u) * weight
    yy, xx, xy = yy * weight, xx * weight, xy * weight
    return torch.cat(
        [
            yy * yy + xy * xy,
            (yy + xx) * xy,
            xx * xx + xy * xy,
            yy * rest_y + xy * rest_x,
            xy * rest_y + xx * rest_x,
        ],
        dim=1,
    )


def _edge_weight(height: int, width: int, device: torch.device) -> Tensor:
    """Weight (H, W) of each pixel, lower within 5 px of the border."""

    def along(length: int) -> Tensor:
        near = torch.arange(length, dtype=torch.float32, device=device)
        far = length - 1 - near
        return _trust(near) * _trust(far)

    return along(height)[:, None] * along(width)


def _trust(distance: Tensor) -> Tensor:
    return torch.where(distance < 2, 0.14, torch.where(distance < 5, 0.4472, 1.0))


def _moments(maps: Tensor, dim: int, powers: Tensor) -> list[Tensor]:
    """Sums of ``maps`` over a window along ``dim``, weighted by each row of ``powers``.

    The maps get shorter by the window's length less one. Sums of shifted maps are faster in eager
    mode, but TensorRT-RTX fuses them by recomputing the inputs of each, which does not end.
    """
    near = maps.unfold(dim, powers.shape[-1], 1)
    return [(near * weights).sum(dim=-1) for weights in powers]


def _powers(window: list[float], orders: int) -> Tensor:
    """Weights (orders, 2 n + 1): window(t) t^k for t = -n..n and k < ``orders``.

    ``window``: right half of a symmetric window, from the middle on.
    """
    reach = len(window) - 1
    t = torch.arange(-reach, reach + 1, dtype=torch.float64)
    bell = torch.tensor(window[:0:-1] + window, dtype=torch.float64)
    return torch.stack([bell * t**order for order in range(orders)]).float()


def _box_sums(maps: Tensor, dim: int, side: int) -> Tensor:
    """Sums of every ``side`` neighbours along ``dim``."""
    return maps.unfold(dim, side, 1).sum(dim=-1)


def _blur(sigma: float) -> list[float]:
    """Right half of a Gaussian of ``sigma`` px, 5 sigma wide but at least 3 px."""
    reach = max(round(5 * sigma) | 1, 3) // 2
    return _half_gaussian(reach, sigma) if sigma else [0.5, 0.25]


def _blurred(pictures: Tensor, window: Tensor) -> Tensor:
    """Blur ``pictures`` with a window (1, 2 n + 1) along both axes."""
    padded = F.pad(pictures, (window.shape[-1] // 2,) * 4, mode="reflect")
    (rows,) = _moments(padded, -2, window)
    (out,) = _moments(rows, -1, window)
    return out


def _half_gaussian(reach: int, sigma: float) -> list[float]:
    """Gaussian at 0..reach that sums to 1 over -reach..reach."""
    raw = [math.exp(-(t**2) / (2 * sigma**2)) for t in range(reach + 1)]
    total = 2 * sum(raw) - raw[0]
    return [value / total for value in raw]


def _inverse_moments(window: list[float]) -> tuple[float, float, float, float]:
    """Required entries of the inverse of the moment matrix of (1, x, y, x^2, y^2, xy).

    For a symmetric window that sums to 1, with second and fourth moments m2 and m4 along a line,
    the matrix is block diagonal: x and y (m2 each), xy (m2^2), and (1, x^2, y^2) with
    [[1, m2, m2], [m2, m4, m2^2], [m2, m2^2, m4]].
    """
    m2, m4 = (2 * sum(t**k * value for t, value in enumerate(window)) for k in (2, 4))
    spread = m4 - m2**2
    return 1 / m2, -m2 / spread, 1 / spread, 1 / m2**2
