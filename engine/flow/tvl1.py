"""TV-L1 flow (Zach et al., DAGM 2007; Sanchez et al., IPOL 2013/26) on tensors.

Between two warps of the apex the brightness error is linear in the flow. The sum of that error and
of the flow's total variation is minimised by alternating a threshold step and a step on the dual
variable. Pyramid, parameters and median filter are those of `cv2.optflow.DualTVL1OpticalFlow`.

Three details differ from OpenCV, so that the same pair gives the same flow on every device:

- The number of iterations is fixed, about that of OpenCV on faces; OpenCV stops when the flow
  changes by less than 0.01 px.
- The apex is sampled at the exact place; OpenCV rounds to 1/32 px.
- Where the flow leads out of the picture, the brightness error is down-weighted, to zero from 1 px
  on; OpenCV compares with black.

When one picture changes by 1e-4 grey levels, OpenCV's flow changes by about 0.01 px on average, and
by up to 1 px in places, because of its rounding; this one changes by less than 1e-3 px on average.
The two differ by 0.01 to 0.05 px on average.
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from htnet.engine.flow.median import median_5x5
from htnet.engine.flow.pyramid import Level, coarse_to_fine
from htnet.engine.flow.sampling import canvas, pixels, sampled

_LEAST_SIDE = 16  # of a coarser level, px
_FLAT = 2.0**-23  # least squared gradient that can be matched

State = tuple[Tensor, Tensor]
"""Flow (B, 2, H, W) and its dual variable (B, 2, 2, H, W): component, then direction."""


class TensorTVL1(nn.Module):
    """TV-L1 with OpenCV's parameters, named as there.

    ``tau``: step of the dual variable. ``lambda_``: weight of the brightness error. ``theta``:
    tightness of the coupling. ``scales``, ``scale_step``: levels of the pyramid and their ratio.
    ``warps``: at each level. ``first``: iterations after a level's first warp; ``iterations``:
    after each other one.
    """

    name = "tvl1"

    def __init__(
        self,
        tau: float = 0.25,
        lambda_: float = 0.15,
        theta: float = 0.3,
        scales: int = 5,
        scale_step: float = 0.8,
        warps: int = 5,
        first: int = 40,
        iterations: int = 20,
    ) -> None:
        super().__init__()
        self.tau, self.lambda_, self.theta = tau, lambda_, theta
        self.scales, self.scale_step = scales, scale_step
        self.warps, self.first, self.iterations = warps, first, iterations

    def forward(self, onset: Tensor, apex: Tensor) -> Tensor:
        """Return flow (B, 2, H, W) in px from ``onset`` to ``apex``, each (B, 1, H, W), 0..255."""
        return coarse_to_fine(self._pyramid(onset, apex), self.scale_step, self._solve)

    def _pyramid(self, onset: Tensor, apex: Tensor) -> list[Level]:
        """Build the pyramid: each level is resized from the one before."""
        made = [(onset, apex)]
        for _ in range(1, self.scales):
            first, second = (_shrunk(picture, self.scale_step) for picture in made[-1])
            if min(first.shape[-2:]) < _LEAST_SIDE:
                break
            made.append((first, second))
        return made

    def _solve(self, onset: Tensor, apex: Tensor, flow: Tensor) -> Tensor:
        height, width = flow.shape[-2:]
        target = canvas(torch.cat([apex, *_central_differences(apex)], dim=1))
        warp = partial(self._warp, onset, target, pixels(height, width, flow.device))
        state = flow, flow.new_zeros(len(flow), 2, 2, height, width)
        for times in (self.first, *[self.iterations] * (self.warps - 1)):
            state = warp(times, *state)
        return state[0]

    def _warp(
        self, onset: Tensor, target: Tensor, here: Tensor, times: int, flow: Tensor, dual: Tensor
    ) -> State:
        """Run ``times`` iterations with the apex warped by ``flow``.

        ``target``: the `canvas` of the apex, its x and its y derivative. ``here``: `pixels`.
        """
        places = here + flow
        nearest = torch.minimum(places.clamp(min=0), here[:, -1:, -1:])
        trust = (1 - (places - nearest).abs().amax(dim=1, keepdim=True)).clamp(min=0)
        warped = sampled(target, nearest, "bicubic")
        slope = warped[:, 1:] * trust
        rest = (warped[:, :1] - onset) * trust - _dot(slope, flow)
        inverse = 1 / _dot(slope, slope).clamp(min=_FLAT)
        relax = partial(self._relax, slope, rest, inverse)
        return _repeated(times, relax, (median_5x5(flow), dual))

    def _relax(
        self, slope: Tensor, rest: Tensor, inverse: Tensor, flow: Tensor, dual: Tensor
    ) -> State:
        """Run one iteration; the brightness error is ``rest`` + ``slope`` . flow."""
        reach = self.lambda_ * self.theta
        towards = ((rest + _dot(slope, flow)) * inverse).clamp(-reach, reach)
        flow = flow - towards * slope + self.theta * _divergence(dual)
        steps = torch.stack(_forward_differences(flow), dim=2) * (self.tau / self.theta)
        length = (steps * steps).sum(dim=2, keepdim=True).sqrt()
        return flow, (dual + steps) / (1 + length)


def _repeated(times: int, step: Callable[[Tensor, Tensor], State], state: State) -> State:
    """Repeat ``step``; an exported graph holds a loop instead of ``times`` copies."""
    if not torch.compiler.is_exporting():
        for _ in range(times):
            state = step(*state)
        return state
    from torch._higher_order_ops import while_loop

    def left(count: Tensor, *_: Tensor) -> Tensor:
        return count < times

    def once(count: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        return count + 1, *step(*state)

    # The state of a loop must not share memory with tensors outside.
    count = state[0].new_zeros((), dtype=torch.int64)
    start = count, *(part.clone() for part in state)
    _, flow, dual = while_loop(left, once, start)  # type: ignore[no-untyped-call]
    return flow, dual


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner product (B, 1, H, W) of two (B, 2, H, W)."""
    return (a * b).sum(dim=1, keepdim=True)


def _shrunk(picture: Tensor, scale: float) -> Tensor:
    """Resize ``picture`` (B, 1, H, W) by ``scale``, with rounded sides.

    The distance of samples stays 1 / ``scale`` px, although the sides are rounded.
    """
    height, width = picture.shape[-2:]
    padded = F.pad(picture, (0, 2, 0, 2), mode="replicate")  # interpolate rounds sides down
    small = F.interpolate(padded, scale_factor=scale, mode="bilinear", recompute_scale_factor=False)
    return small[..., : round(height * scale), : round(width * scale)]


def _central_differences(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences along x and y; half the one-sided difference at the border."""
    padded = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    inner = padded[..., 1:-1, :], padded[..., 1:-1]
    return (
        (inner[0][..., 2:] - inner[0][..., :-2]) * 0.5,
        (inner[1][..., 2:, :] - inner[1][..., :-2, :]) * 0.5,
    )


def _forward_differences(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Forward differences along x and y; zero in the last column and row."""
    across = flow[..., 1:] - flow[..., :-1]
    down = flow[..., 1:, :] - flow[..., :-1, :]
    return F.pad(across, (0, 1)), F.pad(down, (0, 0, 0, 1))


def _divergence(dual: Tensor) -> Tensor:
    """Divergence (B, 2, H, W) of a dual variable (B, 2, 2, H, W) over its directions."""
    across, down = dual.unbind(2)
    before_x = F.pad(across, (1, 0))[..., :-1]
    before_y = F.pad(down, (0, 0, 1, 0))[..., :-1, :]
    return across - before_x + down - before_y
