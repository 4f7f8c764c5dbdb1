"""Preprocessing of a flow field into the network's input, the same in training and in service.

flow (170, 140, 2) -> `flow_map` (28, 28, 3), the form of the composite's published maps ->
`network_input` (3, 28, 28), four regions tiled and scaled. Published maps enter at the second step.
The `PreprocessSpec` is stored in the weights file and applied at load.
"""

import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import cv2
import numpy as np

from htnet.engine.errors import WeightsError
from htnet.engine.face.regions import PUBLISHED_CENTRES, PUBLISHED_TILES, tile_regions
from htnet.engine.motion.strain import optical_strain
from htnet.engine.types import CLASSES, F32


@dataclass(frozen=True, slots=True)
class PreprocessSpec:
    """Specification of a network's input.

    ``size``: side of the flow map, px.
    ``region``: side of one region's square, px.
    ``regions``: "tiled" for the four regions round the landmarks, "published" for the same four at
    the fixed places and in the layout of the official code, "whole" for the whole map.
    ``channels``: order of the map's channels.
    ``scaling``: "raw" keeps 0..255; "unit" gives 0..1; "median" subtracts each channel's median and
    divides by 127.5, so that skin at rest is zero for any extremes; "robust" divides by twice the
    90th percentile of the distance from the median (plus 2) and clips to -1..1, so that single
    pixels do not set the scale.
    ``flows``: solvers that the weights were trained and tested for, the default first.
    ``classes``: names of the classes in the order of the logits.
    ``temperature``: divisor of the logits.
    """

    size: int = 28
    region: int = 14
    regions: str = "tiled"
    channels: tuple[str, ...] = ("u", "v", "strain")
    scaling: str = "robust"
    flows: tuple[str, ...] = ("dis", "farneback", "tvl1")
    classes: tuple[str, ...] = CLASSES
    temperature: float = 1.0

    def __post_init__(self) -> None:
        regions, scalings = ("tiled", "published", "whole"), ("raw", "unit", "median", "robust")
        if self.regions not in regions or self.scaling not in scalings:
            raise WeightsError(
                "expected regions tiled|published|whole and scaling "
                "raw|unit|median|robust; got "
                f"{self.regions!r} and {self.scaling!r}: the weights were made by another version "
                "of htnet."
            )
        wrong = self._wrong()
        if wrong:
            raise WeightsError(
                f"expected a preprocess spec that a network can be served by; got {wrong}: train "
                "or convert the weights again."
            )

    def _wrong(self) -> str:
        """Describe the first invalid value; "" if all are valid."""
        for name, side in (("size", self.size), ("region", self.region)):
            if type(side) is not int or side < 1:
                return f"{name} {side!r}"
        if self.region > self.size:
            return f"regions of {self.region} px on a map of {self.size} px"
        for name in ("channels", "flows", "classes"):
            names = getattr(self, name)
            if type(names) is not tuple or not all(type(n) is str for n in names):
                return f"{name} {names!r}"
            if not names or len(set(names)) < len(names):
                return f"{name} {names!r}"
        if set(self.channels) != {"u", "v", "strain"}:
            return f"channels {self.channels!r}"
        if type(self.temperature) not in (int, float) or not 0 < self.temperature < math.inf:
            return f"a temperature of {self.temperature!r}"
        return ""

    def to_json(self) -> str:
        """Return one line of JSON, for a weights file's metadata."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "PreprocessSpec":
        """Parse the JSON of `to_json`; raises `WeightsError` for anything else."""
        try:
            values: dict[str, Any] = json.loads(text)
            known = {field.name for field in fields(cls)}
            if not isinstance(values, dict):
                raise TypeError(f"{text[:40]!r}, which is no JSON object")
            if set(values) - known:
                raise ValueError(f"unknown fields {sorted(set(values) - known)}")
            values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
            return cls(**values)
        except (ValueError, TypeError) as error:
            raise WeightsError(
                f"expected a preprocess spec that this version of htnet knows; got {error}: "
                "train or convert the weights again."
            ) from None


def min_max(field: F32) -> F32:
    """Scale a field linearly to 0..255; a constant one becomes 0."""
    low, high = float(field.min()), float(field.max())
    if high - low < 1e-12:
        return np.zeros_like(field)
    return (field - low) * (255.0 / (high - low))


def flow_map(flow: F32, size: int = 28) -> F32:
    """Map (size, size, 3) = u, v, strain of a flow (H, W, 2), each channel min-maxed to 0..255.

    Strain is computed at full size, then each channel is resized by area and scaled: the order that
    reproduces the published maps best.
    """
    small = np.empty((size, size, 3), np.float32)
    small[..., :2] = cv2.resize(flow, (size, size), interpolation=cv2.INTER_AREA)
    small[..., 2] = cv2.resize(optical_strain(flow), (size, size), interpolation=cv2.INTER_AREA)
    for c in range(3):
        small[..., c] = min_max(small[..., c])
    return small


def scaled(map_: F32, spec: PreprocessSpec) -> F32:
    """Apply channels and scaling of ``spec`` to a map (size, size, 3) = u, v, strain, 0..255."""
    picture: F32 = map_[..., [("u", "v", "strain").index(c) for c in spec.channels]]
    if spec.scaling == "unit":
        picture = picture / np.float32(255)
    elif spec.scaling == "median":
        picture = (picture - _quantile(picture, 0.5)) / np.float32(127.5)
    elif spec.scaling == "robust":
        picture = picture - _quantile(picture, 0.5)
        picture = np.clip(picture / (2 * _quantile(np.abs(picture), 0.9) + 2), -1, 1)
    return picture


def _quantile(picture: F32, q: float) -> F32:
    """Quantile (C,) of each channel, interpolated as by NumPy in about a third of its time."""
    flat = picture.reshape(-1, picture.shape[-1])
    place = q * (len(flat) - 1)
    low = int(place)
    high = min(low + 1, len(flat) - 1)
    parted = np.partition(flat, (low, high), axis=0)
    value: F32 = parted[low] + (parted[high] - parted[low]) * np.float32(place - low)
    return value


def network_input(map_: F32, centres: F32, spec: PreprocessSpec) -> F32:
    """Network input (3, S, S) of a map (size, size, 3) = u, v, strain in 0..255.

    ``centres``: (4, 2), `region_centres` as fractions of the crop's width and height. S is
    ``2 * region`` for tiled regions, ``size`` for the whole map.
    """
    picture = scaled(map_, spec)
    if spec.regions != "whole":
        if spec.regions == "published":
            centres = PUBLISHED_CENTRES[PUBLISHED_TILES]
        picture = tile_regions(picture, centres * spec.size, spec.region)
    return np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32)
