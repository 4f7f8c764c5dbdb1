"""Artifact rejection: blink, gaze, speech, lighting, occlusion and others, one rule each.

The name of a rule is the reason in ``rejected`` of an event.
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
    """Limits of the rules.

    ``speech_turns``: reversals of the mouth within ``speech_ms`` from which on it speaks; one
    expression reverses once, at its apex.
    ``grey_fraction``: change of the mean grey between onset and apex, as a fraction of it, that
    explains a weak movement.
    ``gaze_px``: motion of the pupils between onset and apex that explains a lid, px of the crop.
    ``lighting_strength``: strength, in thresholds, from which on lighting explains no movement.
    ``macro_strength``: least strength, in thresholds, of a macro-expression. A weak activation that
    lasts is the head's, whose depth is known only roughly.
    ``blink_fraction``: a brow or nose that moves in a blink for more than this fraction of its time
    is moved by the lids.
    ``unexplained``: `MuscleActivations.unexplained` above which something covers the face, unless a
    muscle moves by ``broad_px``: a broad grin is not a sum of small displacements either.
    ``eyes_unexplained``: `MuscleActivations.eyes` above which lids or pupils have moved.
    ``min_fps``: frame rate below which micro-expressions fall between frames.
    """

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
    min_fps: float = 10.0


class SpeechDetector:
    """Speech detector: counts the reversals of the mouth's muscles."""

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
        """Continue from activations (8,) against another onset: the jump is no reversal."""
        self._extreme = activations[MOUTH]

    def observe(self, t_ns: int, activations: F32, thresholds: F32) -> None:
        """Take in activations and thresholds (8,) of a frame.

        A muscle that goes back by a threshold has reversed. A mouth that recently went further than
        speech does has to go back further, since a broad grin trembles.
        """
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
        """Return the most reversals of one muscle within any `speech_ms` in or near a span."""
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
    """The course of a candidate, as the rules see it.

    ``inside``: its samples from onset to offset; ``peak``: the highest of them. ``strength``:
    activation of the leading muscle at the peak, in thresholds. ``spoken``: reversals of the mouth
    within `ArtifactConfig.speech_ms`, in or near it.
    """

    inside: Sequence[FrameActivations]
    peak: FrameActivations
    strength: float
    spoken: int

    @property
    def leading(self) -> int:
        """Index in `MUSCLE_NAMES` of the muscle that is highest at the peak."""
        return int(self.peak.level.argmax())

    @property
    def blinks(self) -> float:
        """Fraction of its samples in which the eyes blink."""
        return float(np.mean([sample.blinking for sample in self.inside]))


Rule = Callable[[CandidateCourse, ArtifactConfig], Decision | None]
"""Returns what the rule measured; None where it does not apply."""


def out_of_frame(candidate: CandidateCourse, config: ArtifactConfig) -> Decision:
    """Reject a face of which a part leaves the picture."""
    share = float(np.mean([sample.outside for sample in candidate.inside]))
    return Decision("out of frame", share, 0.0, "of the frames", share > 0)


def occlusion(candidate: CandidateCourse, config: ArtifactConfig) -> Decision:
    """Reject a covered face: neither head nor muscles explain its contrast."""
    worst = max(sample.unexplained for sample in candidate.inside)
    broad = float(candidate.peak.smooth[candidate.leading]) > config.broad_px
    rejects = not broad and worst > config.unexplained
    return Decision("occlusion", worst, config.unexplained, "of the contrast", rejects)


def blink(candidate: CandidateCourse, config: ArtifactConfig) -> Decision | None:
    """Reject lids that blink, and the skin that they move."""
    if MOUTH[candidate.leading]:
        return None
    limit = 0.0 if LIDS[candidate.leading] else config.blink_fraction
    return Decision("blink", candidate.blinks, limit, "of the frames", candidate.blinks > limit)


def gaze(candidate: CandidateCourse, config: ArtifactConfig) -> Decision | None:
    """Reject a lid that follows the pupils."""
    if not LIDS[candidate.leading]:
        return None
    moved = float(np.hypot(*(candidate.peak.pupils - candidate.inside[0].pupils)))
    return Decision("gaze", moved, config.gaze_px, "px", moved > config.gaze_px)


def speech(candidate: CandidateCourse, config: ArtifactConfig) -> Decision:
    """Reject a mouth that reverses again and again."""
    rejects = candidate.spoken >= config.speech_turns
    return Decision("speech", candidate.spoken, config.speech_turns, "turns", rejects)


def lighting(candidate: CandidateCourse, config: ArtifactConfig) -> Decision:
    """Reject a weak movement during a change of lighting."""
    grey = candidate.inside[0].grey
    changed = abs(candidate.peak.grey - grey) / max(grey, 1.0)
    rejects = candidate.strength < config.lighting_strength and changed > config.grey_fraction
    return Decision("lighting", changed, config.grey_fraction, "of the grey", rejects)


def low_frame_rate(candidate: CandidateCourse, config: ArtifactConfig) -> Decision | None:
    """Reject a movement that was seen in too few frames a second."""
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
"""The rules; the first that rejects gives the reason."""


def decisions(candidate: CandidateCourse, config: ArtifactConfig) -> tuple[Decision, ...]:
    """Return what every rule measured of a candidate, in the order of `RULES`."""
    told = (rule(candidate, config) for rule in RULES)
    return tuple(decision for decision in told if decision is not None)


def reason(told: Sequence[Decision]) -> str | None:
    """Return the first rule that rejects; None where none does."""
    return next((decision.rule for decision in told if decision.rejects), None)
