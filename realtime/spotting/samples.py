"""What is known of a face from frame to frame: how far each muscle pulls, smoothed, and against what."""

from collections import deque
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

import numpy as np

from htnet.engine.face import landmarks as lm
from htnet.engine.motion.muscle_fit import MUSCLE_NAMES, MuscleActivations
from htnet.engine.types import F32, NS_PER_MS, Pair
from htnet.realtime.spotting.threshold import RollingThreshold

LIDS: Final = np.array([n == "lid tighten" for n in MUSCLE_NAMES])
"""The muscle (8,) whose skin a blink moves; the others are read beyond the boxes round the eyes."""

_NO_TURN = np.zeros(2, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class FrameActivations:
    """A face against its onset."""

    t_ns: int
    activations: F32  # (8,) px
    smooth: F32  # (8,) px, over the last moments
    thresholds: F32  # (8,) px
    still_thresholds: F32  # (8,) px, what they were if the head had not turned
    blinking: bool
    grey: float
    pupils: F32  # (2,) px
    unexplained: float
    outside: bool

    @property
    def level(self) -> F32:
        """How far it is pulled, (8,) in thresholds."""
        return self.smooth / self.thresholds

    @property
    def still_level(self) -> F32:
        """The same, (8,), if the head had not turned."""
        return self.smooth / self.still_thresholds

    def progress(self, level: F32) -> float:
        """What share of the way to ``level`` (8,) it is: 1 there, 0 at the onset."""
        return float(self.level @ level) / float(level @ level)


class ActivationTrace:
    """Those since the onset was chosen, the newest last.

    ``smoothing_ms``: over how long pulls are averaged (not their sizes: noise cancels).
    ``margin_ms``: so long before a blink can be told the lids have set out. ``eyes``: as in `MuscleActivations`;
    above it the lids have moved.
    """

    def __init__(
        self, threshold: RollingThreshold, smoothing_ms: float, margin_ms: float, eyes: float
    ) -> None:
        self._threshold = threshold
        self._smoothing_ns = int(smoothing_ms * NS_PER_MS)
        self._margin_ns = int(margin_ms * NS_PER_MS)
        self._eyes = eyes
        self._kept: deque[FrameActivations] = deque(maxlen=2048)

    def clear(self) -> None:
        """Forget them: the onset is another, or the face."""
        self._kept.clear()

    def take(
        self, pair: Pair, pulled: MuscleActivations, blinking: bool, outside: bool
    ) -> FrameActivations:
        """The sample of a pair and what pulled between it; ``outside``: part of the face is cut off."""
        t_ns, activations = pair.apex.t_ns, pulled.muscles
        blinking = blinking or pulled.eyes > self._eyes
        if blinking:
            # A lid that shuts is no tightened one, whose pull from before holds. No other muscle comes
            # to its threshold in a blink.
            activations = np.where(LIDS, self._before(t_ns), activations)
        recent = [activations]
        for sample in reversed(self._kept):
            if sample.t_ns <= t_ns - self._smoothing_ns:
                break
            recent.append(sample.activations)
        taken = FrameActivations(
            t_ns,
            activations,
            np.mean(recent, axis=0, dtype=np.float32),
            self._threshold.at(pulled.turn),
            self._threshold.at(_NO_TURN),
            blinking,
            float(pair.apex.gray.mean()),
            pupils(pair.apex.landmarks),
            pulled.unexplained,
            outside,
        )
        self._kept.append(taken)
        return taken

    def since(self, t_ns: int) -> list[FrameActivations]:
        """Those from ``t_ns`` on."""
        return list(takewhile(lambda sample: sample.t_ns >= t_ns, reversed(self._kept)))[::-1]

    def moved(self, since_ns: int) -> float:
        """How far the muscle that moved most did from then on, in thresholds of a head at rest."""
        return float(np.ptp([sample.still_level for sample in self.since(since_ns)], axis=0).max())

    def _before(self, t_ns: int) -> F32:
        """The pulls (8,) from before the lids set out."""
        for sample in reversed(self._kept):
            if sample.blinking or sample.t_ns <= t_ns - self._margin_ns:
                return sample.activations
        return np.zeros(len(MUSCLE_NAMES), np.float32)


def pupils(landmarks: F32) -> F32:
    """Where both irises stand between the corners of their eyes, (2,) px of the crop."""
    irises = landmarks[list(lm.IRISES)].mean(axis=0)
    corners = landmarks[[*lm.LEFT_EYE_CORNERS, *lm.RIGHT_EYE_CORNERS]].mean(axis=0)
    where: F32 = irises - corners
    return where
