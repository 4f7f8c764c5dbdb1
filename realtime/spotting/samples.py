"""The activations of a face from frame to frame: smoothed, with their thresholds."""

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
"""The muscle (8,) whose skin a blink moves; the others are measured outside the eye boxes."""

_NO_TURN = np.zeros(2, np.float32)
_NONE = np.zeros(len(MUSCLE_NAMES), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class FrameActivations:
    """One face measured against its onset.

    ``smooth``: running mean of the activations. ``sides``, ``smooth_sides``: the same on the
    person's left and on the person's right. ``still_thresholds``: thresholds for a head that
    has not turned. ``grey``: mean of the crop. ``pupils``: as `pupils` returns them.
    ``unexplained``: as in `MuscleActivations`. ``outside``: a part of the face is not in the frame.
    """

    t_ns: int
    activations: F32  # (8,) px
    smooth: F32  # (8,) px
    thresholds: F32  # (8,) px
    still_thresholds: F32  # (8,) px
    blinking: bool
    grey: float
    pupils: F32  # (2,) px
    unexplained: float
    outside: bool
    sides: F32  # (2, 8) px
    smooth_sides: F32  # (2, 8) px

    @property
    def level(self) -> F32:
        """Activations (8,) in thresholds."""
        return self.smooth / self.thresholds

    @property
    def still_level(self) -> F32:
        """Activations (8,) in thresholds of a head that has not turned."""
        return self.smooth / self.still_thresholds

    def progress(self, level: F32) -> float:
        """Return the fraction of the way to ``level`` (8,): 1 there, 0 at the onset."""
        return float(self.level @ level) / float(level @ level)


class ActivationTrace:
    """The samples since the onset was chosen, in order.

    ``smoothing_ms``: window of the running mean of signed activations, in which noise cancels.
    ``margin_ms``: time for which lids have moved before a blink is detected.
    ``eyes_unexplained``: `MuscleActivations.eyes` above which the lids have moved.
    """

    def __init__(
        self,
        threshold: RollingThreshold,
        smoothing_ms: float,
        margin_ms: float,
        eyes_unexplained: float,
    ) -> None:
        self._threshold = threshold
        self._smoothing_ns = int(smoothing_ms * NS_PER_MS)
        self._margin_ns = int(margin_ms * NS_PER_MS)
        self._eyes_unexplained = eyes_unexplained
        self._kept: deque[FrameActivations] = deque(maxlen=2048)

    def clear(self) -> None:
        """Drop all samples: the onset or the face is another."""
        self._kept.clear()

    def take(
        self, pair: Pair, fitted: MuscleActivations, blinking: bool, outside: bool
    ) -> FrameActivations:
        """Add and return the sample of a pair; ``outside``: a part of the face is cut off."""
        t_ns, activations, sides = pair.apex.t_ns, fitted.muscles, fitted.sides
        blinking = blinking or fitted.eyes > self._eyes_unexplained
        if blinking:
            # A shutting lid is not a tightened one: its activation from before the blink holds. No
            # other muscle reaches its threshold in a blink.
            before = self._before(t_ns)
            activations = np.where(
                LIDS, _NONE if before is None else before.activations, activations
            )
            sides = np.where(LIDS, _NONE if before is None else before.sides, sides)
        recent, recent_sides = [activations], [sides]
        for sample in reversed(self._kept):
            if sample.t_ns <= t_ns - self._smoothing_ns:
                break
            recent.append(sample.activations)
            recent_sides.append(sample.sides)
        taken = FrameActivations(
            t_ns,
            activations,
            np.mean(recent, axis=0, dtype=np.float32),
            self._threshold.at(fitted.turn),
            self._threshold.at(_NO_TURN),
            blinking,
            float(pair.apex.gray.mean()),
            pupils(pair.apex.landmarks),
            fitted.unexplained,
            outside,
            sides,
            np.mean(recent_sides, axis=0, dtype=np.float32),
        )
        self._kept.append(taken)
        return taken

    def since(self, t_ns: int) -> list[FrameActivations]:
        """Return the samples from ``t_ns`` on."""
        return list(takewhile(lambda sample: sample.t_ns >= t_ns, reversed(self._kept)))[::-1]

    def moved(self, since_ns: int) -> float:
        """Return the largest motion of a muscle since then, in thresholds of a still head."""
        return float(np.ptp([sample.still_level for sample in self.since(since_ns)], axis=0).max())

    def _before(self, t_ns: int) -> FrameActivations | None:
        """Return the sample from before the lids moved, or None."""
        for sample in reversed(self._kept):
            if sample.blinking or sample.t_ns <= t_ns - self._margin_ns:
                return sample
        return None


def pupils(landmarks: F32) -> F32:
    """Return the mean position of both irises relative to the eye corners, (2,) px of the crop."""
    irises = landmarks[list(lm.IRISES)].mean(axis=0)
    corners = landmarks[[*lm.LEFT_EYE_CORNERS, *lm.RIGHT_EYE_CORNERS]].mean(axis=0)
    where: F32 = irises - corners
    return where
