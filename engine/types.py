"""The records that flow through the house; each is immutable and compares by identity.

Times are integers in nanoseconds of one monotonic clock (a camera's) or of the file's own
timestamps. Coordinates are pixels, x to the right and y down. ``crop`` means the canonical
face picture of `htnet.engine.face.alignment`, 140 wide and 170 high.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

CLASSES = ("negative", "positive", "surprise")
NEUTRAL = "neutral"
UNCERTAIN = "uncertain"

NS_PER_MS = 1_000_000

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


def _empty() -> Mapping[str, float]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a source: ``bgr`` is (H, W, 3) uint8.

    ``fresh``: it has nothing to do with the frame before it (a loop's seam, another recording).
    """

    index: int
    t_ns: int
    bgr: U8
    fresh: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face found in a frame.

    ``landmarks``: (478, 2) float32, face-mesh points in frame pixels, unsmoothed.
    ``openness``: height over width of the more open eye; about 0.3 open, under 0.15 closed.
    ``another``: not the face that was followed before.
    """

    landmarks: F32
    openness: float
    another: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class AlignedFace:
    """A face in the canonical crop.

    ``gray``: (170, 140) uint8. ``landmarks``: (478, 2) float32 in crop pixels.
    ``to_crop``: (2, 3) float64, the similarity that takes frame pixels to crop pixels.
    """

    frame_index: int
    t_ns: int
    gray: U8
    landmarks: F32
    to_crop: F64
    openness: float


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """An onset and a later face, in the same canonical crop."""

    onset: AlignedFace
    apex: AlignedFace


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """How far the face has moved between a pair, the head's motion taken out, px of the crop.

    ``regions`` maps a region's name to how far it moved, for show; ``activations`` a muscle's name to how
    far it has pulled, which is what is spotted. ``leading`` is the muscle that stands out most from
    its own rest; ``magnitude`` is its pull and ``threshold`` what that is held against.
    ``blinking`` takes the muscles near the eyes out.
    """

    regions: Mapping[str, float]
    magnitude: float
    threshold: float
    blinking: bool
    activations: Mapping[str, float] = field(default_factory=_empty)
    leading: str = ""


class State(StrEnum):
    """Where the spotter is."""

    NO_FACE = "no face"
    NEUTRAL = "neutral"
    RISING = "rising"
    APEX = "apex"
    FALLING = "falling"


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What the network says of a pair; ``label`` is "neutral" below the motion threshold."""

    label: str
    probabilities: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Decision:
    """What one rule measured of a candidate movement. ``limit``: against what; ``rejects``: whether
    that rule turns the candidate down. ``unit`` of both, "" for a ratio."""

    rule: str
    measured: float
    limit: float
    unit: str
    rejects: bool

    def row(self) -> dict[str, object]:
        """The decision as other programs read it."""
        return {
            "rule": self.rule,
            "measured": round(self.measured, 4),
            "limit": round(self.limit, 4),
            "unit": self.unit,
            "rejects": self.rejects,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """One spotted expression. ``stage`` is "provisional" at the apex and "final" at the offset;
    ``rejected`` holds the reason when a candidate is not believed. ``muscle`` is the one that pulled
    most, ``magnitude_px`` how far, and ``score`` how many times what is asked of its kind that is.
    ``decisions``: what each rule measured of it."""

    id: int
    stage: str
    kind: str
    label: str
    probabilities: Mapping[str, float]
    onset_ns: int
    apex_ns: int
    offset_ns: int
    magnitude_px: float
    rejected: str | None = None
    muscle: str = ""
    score: float = 0.0
    decisions: tuple[Decision, ...] = ()

    @property
    def duration_ms(self) -> float:
        """From onset to offset, in ms."""
        return (self.offset_ns - self.onset_ns) / NS_PER_MS

    def row(self) -> dict[str, object]:
        """The event as the row that other programs read; times in ms."""
        return {
            "v": 1,
            "id": self.id,
            "stage": self.stage,
            "kind": self.kind,
            "label": self.label,
            "probabilities": {name: round(p, 4) for name, p in self.probabilities.items()},
            "onset_ms": round(self.onset_ns / NS_PER_MS, 3),
            "apex_ms": round(self.apex_ns / NS_PER_MS, 3),
            "offset_ms": round(self.offset_ns / NS_PER_MS, 3),
            "duration_ms": round(self.duration_ms, 3),
            "magnitude_px": round(self.magnitude_px, 3),
            "muscle": self.muscle,
            "score": round(self.score, 3),
            "rejected": self.rejected,
        }

    def explained(self) -> dict[str, object]:
        """The row with what every rule measured, against which limit, and which of them decided."""
        return {**self.row(), "decisions": [decision.row() for decision in self.decisions]}


@dataclass(frozen=True, slots=True)
class Disturbance:
    """A span of time in which something other than an expression moves the picture, as a blink.

    Of a head turn the span is that of the turning, not of the time the head then stays turned.
    """

    name: str
    onset_ns: int
    offset_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class Health:
    """How the run is going: frames a second, frame-to-result latency in ms, frames lost."""

    fps: float = 0.0
    latency_ms: float = 0.0
    dropped: int = 0
    source: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Tick:
    """Everything known about one frame. All that shows, stores or sends takes Ticks alone."""

    frame: Frame
    face: Face | None
    aligned: AlignedFace | None
    motion: Motion | None
    state: State
    pair: Pair | None
    prediction: Prediction | None
    events: tuple[Event, ...] = ()
    health: Health = field(default_factory=Health)
    timings_ms: Mapping[str, float] = field(default_factory=_empty)
