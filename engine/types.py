"""Records shared by all rooms; each is immutable and compares by identity.

Times are integers in ns, since the first frame of a run (cameras) or a file's own. Coordinates are
pixels, x to the right and y down. "Crop" is the canonical face picture of
`htnet.engine.face.alignment`, 140 wide and 170 high.
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
    """Picture of a source.

    ``bgr``: (H, W, 3) uint8. ``fresh``: the frame does not continue the one before it (a loop's
    seam, another recording).
    """

    index: int
    t_ns: int
    bgr: U8
    fresh: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """Face detected in a frame.

    ``landmarks``: (478, 2) float32, face-mesh points in frame pixels, not smoothed in time.
    ``openness``: eye aspect ratio of the more open eye; about 0.3 open, under 0.15 closed.
    ``another``: True if it is not the face that was tracked before.
    """

    landmarks: F32
    openness: float
    another: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class AlignedFace:
    """Face in the canonical crop.

    ``gray``: (170, 140) uint8. ``landmarks``: (478, 2) float32 in crop pixels.
    ``to_crop``: (2, 3) float64, similarity from frame pixels to crop pixels.
    """

    frame_index: int
    t_ns: int
    gray: U8
    landmarks: F32
    to_crop: F64
    openness: float


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Onset face and later apex face, in the same canonical crop."""

    onset: AlignedFace
    apex: AlignedFace


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Facial motion between a pair, without head motion, in crop px.

    ``regions``: displacement of each region by name, for display.
    ``activations``: activation of each muscle by name, from which expressions are spotted.
    ``left``, ``right``: the same on the person's left and on the person's right, fitted apart.
    ``thresholds``: activation of each muscle from which on a movement counts.
    ``leading``: muscle with the largest activation relative to its own rest.
    ``magnitude``, ``threshold``: activation of that muscle, and its threshold.
    ``blinking``: True while muscles near the eyes are ignored.
    """

    regions: Mapping[str, float]
    magnitude: float
    threshold: float
    blinking: bool
    activations: Mapping[str, float] = field(default_factory=_empty)
    leading: str = ""
    left: Mapping[str, float] = field(default_factory=_empty)
    right: Mapping[str, float] = field(default_factory=_empty)
    thresholds: Mapping[str, float] = field(default_factory=_empty)


class State(StrEnum):
    """State of the spotter."""

    NO_FACE = "no face"
    NEUTRAL = "neutral"
    RISING = "rising"
    APEX = "apex"
    FALLING = "falling"


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Answer of the network for a pair; ``label`` is "neutral" below the motion threshold."""

    label: str
    probabilities: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Decision:
    """Decision of one rule on a candidate movement.

    ``measured``, ``limit``: the measured value and the rule's limit, in ``unit``, "" for a ratio.
    ``rejects``: True if the rule rejects the candidate.
    """

    rule: str
    measured: float
    limit: float
    unit: str
    rejects: bool

    def row(self) -> dict[str, object]:
        """Return the decision as a JSON object for other programs."""
        return {
            "rule": self.rule,
            "measured": round(self.measured, 4),
            "limit": round(self.limit, 4),
            "unit": self.unit,
            "rejects": self.rejects,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """Spotted expression.

    ``stage``: "provisional" at the apex, "final" at the offset.
    ``rejected``: reason why the candidate is rejected, or None.
    ``muscle``, ``magnitude_px``: muscle with the largest activation, and that activation.
    ``units``: the muscle's FACS action units, as "AU12".
    ``left_px``, ``right_px``: activation of that muscle at the apex on the person's left and on the
    person's right. A mirrored picture, as of a selfie camera, swaps the two.
    ``score``: activation as a multiple of the threshold for its kind.
    ``decisions``: decisions of all rules.
    """

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
    units: str = ""
    left_px: float = 0.0
    right_px: float = 0.0

    @property
    def side(self) -> str:
        """Side of the movement: "left", "right" or "both".

        One side where the other moves less than half as far.
        """
        less, more = sorted((self.left_px, self.right_px))
        if more <= 0 or less >= more / 2:
            return "both"
        return "left" if self.left_px > self.right_px else "right"

    @property
    def duration_ms(self) -> float:
        """Duration from onset to offset, ms."""
        return (self.offset_ns - self.onset_ns) / NS_PER_MS

    def row(self) -> dict[str, object]:
        """Return the event as a JSON object for other programs; times in ms."""
        return {
            "v": 2,
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
            "units": self.units,
            "left_px": round(self.left_px, 3),
            "right_px": round(self.right_px, 3),
            "side": self.side,
            "score": round(self.score, 3),
            "rejected": self.rejected,
        }

    def explained(self) -> dict[str, object]:
        """Return the row with the decisions of all rules."""
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
    """Health of a run: frames a second, frame-to-result latency in ms, frames dropped."""

    fps: float = 0.0
    latency_ms: float = 0.0
    dropped: int = 0
    source: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Tick:
    """Result for one frame: the only input of everything that shows, stores or sends."""

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
