"""Clips in the domain of a camera: published fields put back on their faces and measured again.

The apex face is warped by its own published field, onset(x) = apex(x + flow), both get sensor
noise, and the flow between them is taken by the solver that serves. What comes out is a map as the
live path would make it, with the clip's true label.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from htnet.engine.flow.opencv import Dis
from htnet.engine.preprocess import CROP_HEIGHT, CROP_WIDTH, flow_map
from htnet.engine.types import F32, U8
from htnet.training.datasets.composite import read_apex
from htnet.training.datasets.sample import Sample


def reanimated(
    clips: Sequence[Sample],
    maps: F32,
    seed: int,
    pixels: tuple[float, float] = (1.0, 4.0),
    noise: tuple[float, float] = (0.0, 4.0),
) -> F32:
    """One re-animated map (N, 28, 28, 3) for each clip.

    ``pixels``: range of the field's 99th percentile, in px of the 140 x 170 crop. ``noise``: range
    of the sensor noise's deviation, of 255. Each clip's numbers come from ``seed`` and its place.
    """
    solver = Dis()
    made = []
    for number, (clip, published) in enumerate(zip(clips, maps, strict=True)):
        draw = np.random.default_rng((seed, number))
        face = face_crop(read_apex(clip.apex), clip.to_map)
        size = np.exp(draw.uniform(*np.log(pixels)))
        flow = field(published, float(size))
        onset, apex = pair(face, flow, float(draw.uniform(*noise)), draw)
        made.append(flow_map(solver(onset, apex)))
    return np.stack(made)


def face_crop(bgr: NDArray[np.uint8], to_map: F32) -> U8:
    """The gray crop (170, 140) that a clip's map was computed on, out of its apex picture;
    ``to_map``: the `Sample`'s."""
    height, width = bgr.shape[:2]
    gray = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    scale, offset = to_map.T
    size, source = np.array([CROP_WIDTH, CROP_HEIGHT]), np.array([width, height])
    # From px of the picture to px of the crop, by way of fractions; px have their centres at .5.
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


def field(published: F32, pixels: float) -> F32:
    """Flow (170, 140, 2) of a published map: zero at its median, ``pixels`` at its 99th percentile.

    Min-max scaling has lost how u and v compare; they are taken as they are.
    """
    centred = published[..., :2] - np.median(published[..., :2], axis=(0, 1))
    large = cv2.resize(centred, (CROP_WIDTH, CROP_HEIGHT), interpolation=cv2.INTER_CUBIC)
    size = float(np.percentile(np.hypot(large[..., 0], large[..., 1]), 99))
    return np.asarray(large * (pixels / max(size, 1e-6)), np.float32)


def pair(face: U8, flow: F32, noise: float, draw: np.random.Generator) -> tuple[U8, U8]:
    """Onset and apex (H, W) whose motion is ``flow``, each with its own noise."""
    height, width = face.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    onset = cv2.remap(
        face, x + flow[..., 0], y + flow[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    first, second = (
        np.clip(np.rint(p + draw.normal(0, noise, face.shape)), 0, 255).astype(np.uint8)
        for p in (onset, face)
    )
    return first, second
