"""Spotting: from how regions move against the running onset to onset, apex and offset.

A state machine in milliseconds. While the face is neutral the running onset is the newest
open-eyed face of `SpotterConfig.reference_ms` ago, so that slow drift never adds up. When the
magnitude passes the threshold the onset is frozen and motion is followed against it: rising to the
apex, falling, closed. The times in the closed event come from a second look at the whole course:
every region's vectors are projected on what they were at the apex, which sums their evidence and
averages the noise out, and onset and offset are read from the slopes.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from htnet.engine.motion import NEAR_EYES, SPOTTING, PairMotion
from htnet.engine.types import F32, NS_PER_MS, AlignedFace, Motion, State
from htnet.realtime.blink import BlinkGate
from htnet.realtime.course import read_course
from htnet.realtime.ring import Ring
from htnet.realtime.threshold import RollingThreshold


@dataclass(frozen=True, slots=True)
class SpotterConfig:
    """Times in ms, motion in px of the crop, the rest as fractions of the peak."""

    reference_ms: float = 300.0
    smoothing_ms: float = 66.0
    micro_ms: float = 500.0
    longest_ms: float = 4000.0
    refractory_ms: float = 350.0
    shortest_ms: float = 30.0
    settled_ms: float = 60.0
    falling: float = 0.7
    closed: float = 0.35
    blink_ratio: float = 0.8
    blink_margin_ms: float = 100.0


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """A spotted course, before the network has said what it is. Fields as in `Event`."""

    id: int
    stage: str
    kind: str
    onset_ns: int
    apex_ns: int
    offset_ns: int
    magnitude_px: float
    rejected: str | None


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    t_ns: int
    vectors: F32  # (len(SPOTTING), 2)
    magnitude: float
    blinking: bool


class Spotter:
    """Chooses the live pair and closes events. One object follows one face."""

    def __init__(
        self, config: SpotterConfig | None = None, threshold: RollingThreshold | None = None
    ) -> None:
        self._config = config or SpotterConfig()
        self._threshold = threshold or RollingThreshold()
        self._blink = BlinkGate(self._config.blink_ratio, self._config.blink_margin_ms)
        self._next_id = 1
        self._clear()

    def _clear(self) -> None:
        self._state = State.NEUTRAL
        self._samples: deque[_Sample] = deque(maxlen=2048)
        self._onset: AlignedFace | None = None
        self._peak = 0.0
        self._peak_ns = 0
        self._crossed_ns = 0
        self._told = False
        self._resting_until_ns: int | None = None
        self._held: dict[str, F32] = {}

    def reset(self) -> None:
        """Forget the face: what comes next has nothing to do with it."""
        self._clear()
        self._blink.reset()
        self._threshold.reset()

    def keep(self, ring: Ring, face: AlignedFace) -> bool:
        """Put ``face`` into ``ring``; returns whether it is blinking. Comes before `onset`."""
        blinking = self._blink.closing(face.t_ns, face.openness)
        ring.push(face, usable=not blinking)
        if blinking:
            # The lids were on their way before that could be told.
            ring.spoil_since(face.t_ns - int(self._config.blink_margin_ms * NS_PER_MS))
        return blinking

    def onset(self, ring: Ring, t_ns: int) -> AlignedFace:
        """The running onset to hold the face of ``t_ns``, which `keep` has seen, against."""
        if self._onset is not None:
            return self._onset
        return ring.onset_before(t_ns - int(self._config.reference_ms * NS_PER_MS))

    def step(
        self, onset: AlignedFace, t_ns: int, measured: PairMotion, blinking: bool
    ) -> tuple[Motion, State, Spot | None]:
        """Take in the motion from ``onset`` to the face at ``t_ns``."""
        sample, regions = self._smooth(t_ns, measured, blinking)
        self._samples.append(sample)
        motion = Motion(regions, sample.magnitude, self._threshold.value, blinking)
        spot = self._advance(onset, sample)
        return motion, self._state, spot

    def cut_off(self, reason: str) -> Spot | None:
        """End whatever is under way, unseen: returns it, rejected for ``reason``, or None.

        The threshold is kept: the face or the frames may come back.
        """
        spot = None
        if self._state is not State.NEUTRAL and self._onset is not None:
            spot = replace(self._spot("final"), rejected=reason)
            self._next_id += 1
        self._clear()
        return spot

    def _smooth(
        self, t_ns: int, measured: PairMotion, blinking: bool
    ) -> tuple[_Sample, Mapping[str, float]]:
        """Average the vectors (not their lengths: noise cancels) over the last moments."""
        vectors = dict(measured.regions)
        if blinking:
            # A closing lid drags the skin of the brow along. What was known before it holds.
            for name in NEAR_EYES:
                vectors[name] = self._held.get(name, np.zeros(2, np.float32))
        else:
            self._held = {name: vectors[name] for name in NEAR_EYES}
        now = np.stack([vectors[name] for name in SPOTTING])
        earliest = t_ns - int(self._config.smoothing_ms * NS_PER_MS)
        recent = [now]
        for sample in reversed(self._samples):
            if sample.t_ns <= earliest:
                break
            recent.append(sample.vectors)
        mean = np.mean(recent, axis=0)
        lengths = np.hypot(mean[:, 0], mean[:, 1])
        regions = dict(zip(SPOTTING, map(float, lengths), strict=True))
        regions["eyes"] = float(np.hypot(*measured.regions["eyes"]))
        sample = _Sample(t_ns, now, float(lengths.max()), blinking)
        return sample, regions

    def _advance(self, onset: AlignedFace, sample: _Sample) -> Spot | None:
        config, t_ns, magnitude = self._config, sample.t_ns, sample.magnitude
        threshold = self._threshold.value
        if self._state is State.NEUTRAL:
            if self._resting_until_ns is not None:
                # Just after an event the old onset stays: the face of 300 ms ago is in the event.
                if t_ns >= self._resting_until_ns:
                    self._resting_until_ns = None
                    self._onset = None
            elif magnitude < threshold:
                self._threshold.observe(t_ns, magnitude)
            else:
                self._state = State.RISING
                self._onset = onset
                self._crossed_ns = self._peak_ns = t_ns
                self._peak = magnitude
                self._told = False
            return None
        if magnitude > self._peak:
            self._peak, self._peak_ns = magnitude, t_ns
            self._state = State.RISING
        elif magnitude < max(config.closed * self._peak, 0.5 * threshold):
            return self._close(t_ns)
        elif magnitude < config.falling * self._peak:
            self._state = State.FALLING
        elif t_ns - self._peak_ns >= config.settled_ms * NS_PER_MS:
            self._state = State.APEX
        if t_ns - self._crossed_ns > config.longest_ms * NS_PER_MS:
            spot = self._close(t_ns)
            # The face has not come back: what it does now is its new rest, and what was measured
            # against the old one says nothing of it.
            self._resting_until_ns = self._onset = None
            self._samples.clear()
            return spot
        if self._state is not State.RISING and not self._told:
            self._told = True
            return self._spot("provisional")
        return None

    def _close(self, t_ns: int) -> Spot | None:
        self._state = State.NEUTRAL
        self._resting_until_ns = t_ns + int(self._config.refractory_ms * NS_PER_MS)
        short = t_ns - self._crossed_ns < self._config.shortest_ms * NS_PER_MS
        if short and not self._told:
            return None
        spot = self._spot("final")
        self._next_id += 1
        return replace(spot, rejected="too short") if short else spot

    def _spot(self, stage: str) -> Spot:
        assert self._onset is not None
        course = [s for s in self._samples if s.t_ns >= self._onset.t_ns]
        times = np.array([s.t_ns for s in course], np.int64)
        vectors = np.stack([s.vectors for s in course]).astype(np.float64)
        onset_ns, apex_ns, offset_ns = read_course(times, vectors, self._peak_ns)
        micro = offset_ns - onset_ns <= self._config.micro_ms * NS_PER_MS
        inside = (times >= onset_ns) & (times <= offset_ns)
        blinks = np.array([s.blinking for s in course])[inside]
        driving = SPOTTING[int(np.hypot(*vectors[np.abs(times - apex_ns).argmin()].T).argmax())]
        # Lids pull at the brows, and a little at the fit of the head and so at everything.
        weak = driving in NEAR_EYES or self._peak < 2 * self._threshold.value
        blink = weak and blinks.size > 0 and blinks.mean() > 0.5
        return Spot(
            id=self._next_id,
            stage=stage,
            kind="micro" if micro else "macro",
            onset_ns=onset_ns,
            apex_ns=apex_ns,
            offset_ns=offset_ns,
            magnitude_px=self._peak,
            rejected="blink" if blink else None,
        )
