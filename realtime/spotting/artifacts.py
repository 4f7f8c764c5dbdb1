"""Artifact rejection: blink, gaze, speech, lighting, occlusion, each a rule of its own.

The names are what a rejected event carries in ``rejected``.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.engine.types import F32, NS_PER_MS, Decision
from htnet.realtime.spotting.samples import LIDS, FrameActivations

MOUTH: Final = np.array(
    [n in ("lip corner pull", "lip corner depress", "lip press", "jaw drop") for n in MUSCLE_NAMES]
)
"""The muscles (8,) that speech moves."""

_LATELY_MS, _PART, _SPOKEN_PX = 1000.0, 0.35, 6.0
_MEMORY_NS = 10_000 * NS_PER_MS


@dataclass(frozen=True, slots=True)
class ArtifactConfig:
    """``turns``: how often the mouth must turn back within ``speech_ms`` to be speaking: one
    expression sets off and turns back once. ``grey_fraction``: by how much of itself the face's mean
    grey may change between onset and apex. ``gaze_px``: how far the pupils may move between them, px
    of the crop. ``lighting_strength``: so many times its threshold a pull is no doing of light. ``macro_strength``: so many
    times its threshold a macro-expression reaches: a weak pull that lasts is the head's, whose depth
    is not quite known. ``blink_fraction``: a brow or nose that moved in a blink for more than this share of
    its time went with the lids. ``unexplained``: as in `MuscleActivations`; above it something lies on the face,
    unless a muscle pulls by ``broad_px``: so broad a grin is no sum of small pulls either. ``eyes_unexplained``: as
    in `MuscleActivations`; above it the lids or the pupils have moved. ``min_fps``: with fewer frames a second
    micro-expressions fall between them."""

    speech_ms: float = 1000.0
    speech_turns: int = 4
    grey_fraction: float = 0.08
    gaze_px: float = 1.2
    lighting_strength: float = 2.0
    macro_strength: float = 2.0
    blink_fraction: float = 0.8
    unexplained: float = 0.5
    broad_px: float = 5.0
    eyes_unexplained: float = 0.42
    min_fps: float = 18.0


class SpeechDetector:
    """Whether a muscle of the mouth moves to and fro."""

    def __init__(self, config: ArtifactConfig) -> None:
        self._config = config
        self.reset()

    def reset(self) -> None:
        """Forget the mouth."""
        count = int(MOUTH.sum())
        self._turns: deque[tuple[int, NDArray[np.bool_]]] = deque()
        self._extreme = np.zeros(count, np.float32)
        self._way = np.full(count, -1.0, np.float32)
        self._reach = 0.0
        self._t_ns = 0

    def restart(self, activations: F32) -> None:
        """The onset was replaced, so that pulls (8,) jump, which no mouth did."""
        self._extreme = activations[MOUTH]

    def observe(self, t_ns: int, activations: F32, thresholds: F32) -> None:
        """Take in the pulls (8,) of a frame; going back by a threshold (8,) is a turn. A mouth that
        went further lately than speech takes it has to go back further: a broad grin trembles."""
        mouth = activations[MOUTH]
        passed_ms, self._t_ns = (t_ns - self._t_ns) / NS_PER_MS, t_ns
        fading = float(np.exp(-max(passed_ms, 0.0) / _LATELY_MS))
        self._reach = max(float(np.abs(mouth).max()), self._reach * fading)
        enough = np.maximum(thresholds[MOUTH], _PART * (self._reach - _SPOKEN_PX))
        self._extreme = np.where(self._way * (mouth - self._extreme) > 0, mouth, self._extreme)
        turned = self._way * (self._extreme - mouth) > enough
        if not turned.any():
            return
        self._way = np.where(turned, -self._way, self._way)
        self._extreme = np.where(turned, mouth, self._extreme)
        self._turns.append((t_ns, turned))
        while t_ns - self._turns[0][0] > _MEMORY_NS:
            self._turns.popleft()

    def spoken(self, since_ns: int, until_ns: int) -> int:
        """How often a muscle turned back within `ArtifactConfig.speech_ms`, at most, in a stretch of time
        that meets this one."""
        span = int(self._config.speech_ms * NS_PER_MS)
        near = [(t, who) for t, who in self._turns if since_ns - span <= t <= until_ns + span]
        most = 0
        for muscle in range(int(MOUTH.sum())):
            turns = [t for t, who in near if who[muscle]]
            first = 0
            for last, t_ns in enumerate(turns):
                while t_ns - turns[first] > span:
                    first += 1
                most = max(most, last - first + 1)
        return most


@dataclass(frozen=True, slots=True, eq=False)
class CandidateCourse:
    """A movement that was spotted, as the rules see it.

    ``inside``: its samples from onset to offset, ``peak`` the highest of them; ``strength``: how many
    times its threshold the muscle that leads there reached. ``spoken``: how often the mouth turned
    back within `ArtifactConfig.speech_ms` in or near it.
    """

    inside: Sequence[FrameActivations]
    peak: FrameActivations
    strength: float
    spoken: int

    @property
    def leading(self) -> int:
        """The muscle that pulls most at the peak, its place in `MUSCLE_NAMES`."""
        return int(self.peak.level.argmax())

    @property
    def blinks(self) -> float:
        """The share of its samples in which the eyes blink."""
        return float(np.mean([sample.blinking for sample in self.inside]))


Rule = Callable[[CandidateCourse, ArtifactConfig], Decision | None]
"""What a rule measured; None where it has no say."""


def out_of_frame(candidate: CandidateCourse, config: ArtifactConfig) -> Decision:
    """A part of the face leaves the picture."""
    share = float(np.mean([sample.outside for sample in candidate.inside]))
    return Decision("out of frame", share, 0.0, "of the frames", share > 0)


def occlusion(candidate: CandidateCourse, config: ArtifactConfig) -> Decision:
    """Something lies on the face: no head and no muscle carries its contrast."""
    worst = max(sample.unexplained for sample in candidate.inside)
    broad = float(candidate.peak.smooth[candidate.leading]) > config.broad_px
    rejects = not broad and worst > config.unexplained
    return Decision("occlusion", worst, config.unexplained, "of the contrast", rejects)


def blink(candidate: CandidateCourse, config: ArtifactConfig) -> Decision | None:
    """Lids that move, and what they take along."""
    if MOUTH[candidate.leading]:
        return None
    limit = 0.0 if LIDS[candidate.leading] else config.blink_fraction
    return Decision("blink", candidate.blinks, limit, "of the frames", candidate.blinks > limit)


def gaze(candidate: CandidateCourse, config: ArtifactConfig) -> Decision | None:
    """Pupils that move, with nothing but a lid."""
    if not LIDS[candidate.leading]:
        return None
    moved = float(np.hypot(*(candidate.peak.pupils - candidate.inside[0].pupils)))
    return Decision("gaze", moved, config.gaze_px, "px", moved > config.gaze_px)


def speech(candidate: CandidateCourse, config: ArtifactConfig) -> Decision:
    """A mouth that turns back again and again."""
    rejects = candidate.spoken >= config.speech_turns
    return Decision("speech", candidate.spoken, config.speech_turns, "turns", rejects)


def lighting(candidate: CandidateCourse, config: ArtifactConfig) -> Decision:
    """Light that changes with a weak movement."""
    grey = candidate.inside[0].grey
    changed = abs(candidate.peak.grey - grey) / max(grey, 1.0)
    rejects = candidate.strength < config.lighting_strength and changed > config.grey_fraction
    return Decision("lighting", changed, config.grey_fraction, "of the grey", rejects)


def low_frame_rate(candidate: CandidateCourse, config: ArtifactConfig) -> Decision | None:
    """Too few frames to see a movement in."""
    inside = candidate.inside
    if len(inside) < 3:
        return None
    fps = (len(inside) - 1) / ((inside[-1].t_ns - inside[0].t_ns) / 1e9)
    return Decision("low frame rate", fps, config.min_fps, "fps", fps < config.min_fps)


RULES: Final[tuple[Rule, ...]] = (
    out_of_frame,
    occlusion,
    blink,
    gaze,
    speech,
    lighting,
    low_frame_rate,
)
"""In the order in which they decide."""


def decisions(candidate: CandidateCourse, config: ArtifactConfig) -> tuple[Decision, ...]:
    """What every rule measured of a candidate, in the order in which they decide."""
    told = (rule(candidate, config) for rule in RULES)
    return tuple(decision for decision in told if decision is not None)


def reason(told: Sequence[Decision]) -> str | None:
    """The first rule that rejects; None where none does."""
    return next((decision.rule for decision in told if decision.rejects), None)
