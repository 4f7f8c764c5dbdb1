"""Re-animation: clips rendered from their published fields and measured as a camera's are.

The apex face is warped by its own published field, onset(x) = apex(x + flow). Both pictures are
degraded as by a camera, and the flow between them is measured by the code of the live path. The
result is a map as the live path would make it, with the clip's true label.

A clip has a single field, so part of a movement displaces every point by the same share of it,
unlike under real muscles. The head moves in the picture's plane alone.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import cv2
import numpy as np
from numpy.typing import NDArray

from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH, as_crop
from htnet.engine.flow import solver_named
from htnet.engine.motion.preprocess import flow_map
from htnet.engine.motion.region_motion import measure_motion
from htnet.engine.types import F32, F64, U8, Pair
from htnet.training.datasets.clip import Clip
from htnet.training.datasets.composite import read_apex
from htnet.training.views import PLAIN, ViewConfig

STILL = np.zeros(4)
"""Head motion (tx, ty, s, r) of a head at rest, as of `rigid_motion`."""


def reanimated(clips: Sequence[Clip], maps: F32, seed: int, config: ViewConfig = PLAIN) -> F32:
    """Return a re-animated map (N, 28, 28, 3) of each clip and its published map (N, 28, 28, 3).

    A clip's random numbers depend on ``seed`` and its index alone. Raises `DataError` where an apex
    face cannot be read.
    """
    with ThreadPoolExecutor() as pool:
        seeds = ((seed, number) for number in range(len(clips)))
        made = pool.map(_reanimated_map, clips, np.asarray(maps), seeds, repeat(config))
        return np.stack(list(made))


def _reanimated_map(clip: Clip, published: F32, seed: tuple[int, int], config: ViewConfig) -> F32:
    onset, apex, flow = render_view(clip, published, seed, config)
    moved = Pair(as_crop(onset), as_crop(apex))
    measured = measure_motion(moved, solver_named(flow), registered=config.registered)
    return flow_map(measured.flow)


def render_view(
    clip: Clip, published: F32, seed: tuple[int, int], config: ViewConfig
) -> tuple[U8, U8, str]:
    """Render onset and apex (170, 140) of a clip by its published map (28, 28, 3).

    Also returns the name of the flow solver drawn for the view. Raises `DataError` where the apex
    face cannot be read.
    """
    draw = np.random.default_rng(seed)
    face = face_crop(read_apex(clip.apex), clip.to_map)
    flow = published_field(published, float(np.exp(draw.uniform(*np.log(config.pixels)))))
    noise = float(draw.uniform(*config.noise))
    # A separate stream, always drawn in full: turning one disturbance on leaves size, noise and the
    # other disturbances unchanged.
    extra = np.random.default_rng((*seed, 1))
    shares = extra.uniform(*config.onset), extra.uniform(*config.apex)
    reach = (config.shift, config.shift, config.zoom, np.radians(config.turn))
    head = extra.uniform(-1, 1, 4) * reach
    compressed = extra.random() < config.compressed
    quality = extra.uniform(*config.quality)
    solver = config.flows[int(extra.integers(len(config.flows)))]
    onset, apex = render_pair(face, flow, noise, draw, shares, head)
    if compressed:
        onset, apex = jpeg(onset, round(quality)), jpeg(apex, round(quality))
    return onset, apex, solver


def face_crop(bgr: NDArray[np.uint8], to_map: F32) -> U8:
    """Cut the gray crop (170, 140) of a clip's map out of its apex picture.

    ``to_map``: of the `Clip`.
    """
    height, width = bgr.shape[:2]
    gray = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    scale, offset = to_map.T
    size, source = np.array([CROP_WIDTH, CROP_HEIGHT]), np.array([width, height])
    # From px of the picture to px of the crop, by way of fractions; px centres are at .5.
    gain = scale * size / source
    shift = offset * size + 0.5 * gain - 0.5
    matrix = np.array([[gain[0], 0, shift[0]], [0, gain[1], shift[1]]])
    crop = cv2.warpAffine(
        gray,
        matrix,
        (CROP_WIDTH, CROP_HEIGHT),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    return np.asarray(crop, np.uint8)


def published_field(published: F32, pixels: float) -> F32:
    """Return the flow (170, 140, 2) of a published map, ``pixels`` at its 99th percentile.

    It is zero at the map's median. Min-max scaling has lost the relative scale of u and v; they are
    taken as they are.
    """
    centred = published[..., :2] - np.median(published[..., :2], axis=(0, 1))
    large = cv2.resize(centred, (CROP_WIDTH, CROP_HEIGHT), interpolation=cv2.INTER_CUBIC)
    size = float(np.percentile(np.hypot(large[..., 0], large[..., 1]), 99))
    return np.asarray(large * (pixels / max(size, 1e-6)), np.float32)


def render_pair(
    face: U8,
    flow: F32,
    noise: float,
    draw: np.random.Generator,
    shares: tuple[float, float] = (0.0, 1.0),
    head: F64 = STILL,
) -> tuple[U8, U8]:
    """Render onset and apex (H, W), each with its own noise.

    ``flow``: (H, W, 2), from rest to ``face``. ``shares``: of the movement in the onset and in the
    apex. ``head``: motion of the head from onset to apex, (tx, ty, s, r) as of `rigid_motion`.
    """
    height, width = face.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    tx, ty, s, r = head.astype(np.float32)
    across, down = x - np.float32(width / 2), y - np.float32(height / 2)
    onset_x, onset_y = x + tx + s * across - r * down, y + ty + r * across + s * down
    own = cv2.remap(flow, onset_x, onset_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    onset = _warp(face, onset_x, onset_y, np.asarray(own, np.float32), 1 - shares[0])
    apex = _warp(face, x, y, flow, 1 - shares[1])
    first, second = (
        np.clip(np.rint(p + draw.normal(0, noise, face.shape)), 0, 255).astype(np.uint8)
        for p in (onset, apex)
    )
    return first, second


def jpeg(gray: U8, quality: int) -> U8:
    """Return a picture (H, W) after JPEG compression of a ``quality`` of 1 to 100."""
    _, file = cv2.imencode(".jpg", gray, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(file, cv2.IMREAD_GRAYSCALE), np.uint8)


def _warp(face: U8, x: F32, y: F32, flow: F32, share: float) -> U8:
    """Sample ``face`` at (x, y) displaced by ``share`` of ``flow``."""
    lead = np.float32(share) * flow
    moved = cv2.remap(
        face, x + lead[..., 0], y + lead[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(moved, np.uint8)
