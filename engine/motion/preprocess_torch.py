"""Preprocessing on tensors, batched and on any device: a second implementation for export.

Restates in torch, under the same names, what NumPy and OpenCV do on a CPU: `rigid_motion` and
`remove_rigid` of `htnet.engine.motion.head_motion`, `optical_strain` of
`htnet.engine.motion.strain`, `flow_map`, `scaled` and `network_input` of
`htnet.engine.motion.preprocess`, and `tile_regions` of `htnet.engine.face.regions`. The restatement
is needed because ONNX and TensorRT take torch modules alone. Tests hold the parity: 1e-5 px of head
motion, 1e-3 of the map's 0..255.

Convolutions and matrix products are avoided, since a runtime may compute them in TF32. Shapes
depend on shapes alone, not on values, so that the graph can be exported.
"""

import torch
from torch import Tensor

from htnet.engine.face.regions import PUBLISHED_CENTRES, PUBLISHED_TILES
from htnet.engine.flow.sampling import canvas, pixels, sampled
from htnet.engine.motion.head_motion import ROUNDS, STABLE_SKIN, STEP
from htnet.engine.motion.preprocess import PreprocessSpec

_CHANNELS = ("u", "v", "strain")


def rigid_motion(flow: Tensor) -> Tensor:
    """Fit the head's motion (tx, ty, s, r), (B, 4), to a flow (B, 2, 170, 140), in float32.

    See `htnet.engine.motion.head_motion.rigid_motion`.
    """
    place = _stable(_from_centre(flow)[None])  # (1, 2, N)
    moved = _stable(flow)  # (B, 2, N)
    count = place.shape[-1]
    weights = torch.full_like(moved[:, :1], 1 / count)
    shift = turn = torch.zeros_like(moved[:, :, :1])
    for _ in range(ROUNDS):
        mean, moved_mean = _mean(place, weights), _mean(moved, weights)
        arm, pull = place - mean, moved - moved_mean
        length = _mean((arm * arm).sum(dim=1, keepdim=True), weights)
        along = (arm * pull).sum(dim=1, keepdim=True)
        across = arm[:, :1] * pull[:, 1:] - arm[:, 1:] * pull[:, :1]
        turn = torch.cat([_mean(along, weights), _mean(across, weights)], dim=1) / length
        shift = moved_mean - _turned(mean, turn)
        squares = (moved - shift - _turned(place, turn)).square().sum(dim=1, keepdim=True)
        middle = squares.sort(dim=-1).values[..., count // 2 : count // 2 + 1]
        weights = 1 / (1 + squares / (2.25 * middle).clamp(min=4e-4)).square()
        weights = weights / weights.sum(dim=-1, keepdim=True)
    return torch.cat([shift, turn], dim=1)[..., 0]


def remove_rigid(flow: Tensor, motion: Tensor) -> Tensor:
    """Subtract the flow of ``motion`` (B, 4) from ``flow`` (B, 2, 170, 140)."""
    shift, turn = motion[:, :, None, None].chunk(2, dim=1)
    return flow - (shift + _turned(_from_centre(flow)[None], turn))


def _from_centre(flow: Tensor) -> Tensor:
    """Coordinates x and y (2, H, W) of every pixel, relative to the crop's centre."""
    height, width = flow.shape[-2:]
    x, y = pixels(height, width, flow.device)
    return torch.stack([x - width / 2, y - height / 2])


def _stable(maps: Tensor) -> Tensor:
    """Samples (B, C, N) of ``maps`` at the points of stable skin."""
    boxes = [maps[:, :, y0:y1:STEP, x0:x1:STEP] for x0, y0, x1, y1 in STABLE_SKIN]
    return torch.cat([box.flatten(2) for box in boxes], dim=-1)


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum(dim=-1, keepdim=True)


def _turned(place: Tensor, turn: Tensor) -> Tensor:
    """Complex product (s x - r y, r x + s y) of ``place`` (x, y) and ``turn`` (s, r)."""
    (x, y), (s, r) = place.chunk(2, dim=1), turn.chunk(2, dim=1)
    return torch.cat([s * x - r * y, r * x + s * y], dim=1)


def optical_strain(flow: Tensor) -> Tensor:
    """Strain magnitude (B, 1, H, W) of a flow (B, 2, H, W), per px.

    See `htnet.engine.motion.strain.optical_strain`.
    """
    (ux, vx), (uy, vy) = (_differences(flow, dim).chunk(2, dim=1) for dim in (-1, -2))
    shear = uy + vx
    return (ux * ux + vy * vy + 0.5 * shear * shear).sqrt()


def _differences(maps: Tensor, dim: int) -> Tensor:
    """Central differences along ``dim``, one-sided at the border."""
    last = maps.shape[dim] - 1
    steps = maps.narrow(dim, 1, last) - maps.narrow(dim, 0, last)
    inner = (maps.narrow(dim, 2, last - 1) - maps.narrow(dim, 0, last - 1)) * 0.5
    return torch.cat([steps.narrow(dim, 0, 1), inner, steps.narrow(dim, last - 1, 1)], dim=dim)


def flow_map(flow: Tensor, size: int = 28) -> Tensor:
    """Map (B, 3, size, size) = u, v, strain of a flow (B, 2, H, W), each min-maxed to 0..255.

    ``size`` is at most H and W.
    """
    full = torch.cat([flow, optical_strain(flow)], dim=1)
    small = _by_area(_by_area(full, -1, size), -2, size)
    low, high = small.amin(dim=(-2, -1), keepdim=True), small.amax(dim=(-2, -1), keepdim=True)
    flat = high - low < 1e-12
    return torch.where(flat, 0, (small - low) * (255 / torch.where(flat, 1, high - low)))


def _by_area(maps: Tensor, dim: int, size: int) -> Tensor:
    """Resize ``maps`` by area to ``size`` along ``dim``: a cell is the mean of what it covers."""
    length = maps.shape[dim]
    # Integers in units of 1/size px: a cell is ``length`` wide, a pixel ``size``.
    start = torch.arange(size, device=maps.device)[:, None] * length
    px = start // size + torch.arange(length // size + 2, device=maps.device)
    covered = torch.minimum(px * size + size, start + length) - torch.maximum(px * size, start)
    share = covered.clamp(min=0) / length
    taken = maps.index_select(dim, px.clamp(max=length - 1).flatten())
    if dim == -1:
        return (taken.reshape(*maps.shape[:-1], *px.shape) * share).sum(dim=-1)
    cells = taken.reshape(*maps.shape[:-2], *px.shape, maps.shape[-1])
    return (cells * share[..., None]).sum(dim=-2)


def scaled(maps: Tensor, spec: PreprocessSpec) -> Tensor:
    """Apply channels and scaling of ``spec`` to maps (B, 3, size, size) = u, v, strain, 0..255."""
    places = [_CHANNELS.index(name) for name in spec.channels]
    pictures = torch.cat([maps[:, place : place + 1] for place in places], dim=1)
    if spec.scaling == "unit":
        return pictures / 255
    if spec.scaling == "median":
        return (pictures - _quantile(pictures, 0.5)) / 127.5
    if spec.scaling == "robust":
        pictures = pictures - _quantile(pictures, 0.5)
        return (pictures / (2 * _quantile(pictures.abs(), 0.9) + 2)).clamp(-1, 1)
    return pictures


def _quantile(pictures: Tensor, q: float) -> Tensor:
    """Quantile (B, C, 1, 1) of each channel, linearly interpolated."""
    values = pictures.flatten(2).sort(dim=-1).values
    place = q * (values.shape[-1] - 1)
    low = int(place)
    high = min(low + 1, values.shape[-1] - 1)
    quantile = values[..., low] + (values[..., high] - values[..., low]) * (place - low)
    return quantile[..., None, None]


def network_input(maps: Tensor, centres: Tensor, spec: PreprocessSpec) -> Tensor:
    """Network input (B, 3, S, S) of maps (B, 3, size, size) = u, v, strain in 0..255.

    ``centres``: (B, 4, 2), `region_centres` as fractions of the crop's width and height; used for
    tiled regions alone.
    """
    pictures = scaled(maps, spec)
    if spec.regions == "whole":
        return pictures
    if spec.regions == "published":
        centres = _published(centres)
    return tile_regions(pictures, centres * spec.size, spec.region)


def _published(centres: Tensor) -> Tensor:
    """Fixed centres (B, 4, 2) of the official code.

    Made on the device, since a recorded CUDA graph may not copy from the host.
    """
    rows = [
        torch.stack([torch.full_like(centres[:, 0, 0], float(at)) for at in place], dim=-1)
        for place in PUBLISHED_CENTRES[PUBLISHED_TILES]
    ]
    return torch.stack(rows, dim=1)


def tile_regions(pictures: Tensor, centres: Tensor, side: int) -> Tensor:
    """Cut four squares of ``side`` px round ``centres`` and tile them: (B, C, 2 side, 2 side).

    ``pictures``: (B, C, H, W). ``centres``: (B, 4, 2) in their px, ordered as `REGIONS`. See
    `htnet.engine.face.regions.tile_regions`.
    """
    height, width = pictures.shape[-2:]
    steps = torch.arange(side, dtype=centres.dtype, device=centres.device) - side / 2
    x, y = (_across(centres[..., axis], steps) for axis in (0, 1))
    columns = x[:, None, :, :, None, :].expand(-1, 1, 2, 2, side, side)
    rows = y[:, None, :, :, :, None].expand(-1, 1, 2, 2, side, side)
    places = torch.cat([columns.clamp(0, width - 1), rows.clamp(0, height - 1)], dim=1)
    # (B, 2, column, row, y, x) to (B, 2, row y, column x).
    places = places.permute(0, 1, 3, 4, 2, 5).reshape(-1, 2, 2 * side, 2 * side)
    return sampled(canvas(pictures), places, "bilinear")


def _across(centres: Tensor, steps: Tensor) -> Tensor:
    """Coordinates (B, column, row, side) of the px of four squares along one axis."""
    return centres.reshape(-1, 2, 2, 1) + steps
