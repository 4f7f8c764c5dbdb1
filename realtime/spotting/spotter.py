"""Spotting: from how muscles pull against the running onset to onset, apex and offset.

A state machine in milliseconds. While the face is neutral the running onset is the newest
open-eyed face of `SpotterConfig.reference_ms` ago, so that slow drift never adds up. When a muscle
pulls by more than its threshold the onset is frozen and the pulls are followed against it: rising to
the apex, falling, closed. The times in the closed event come from a second look at the whole course:
the pulls are projected on what they were at the apex, which sums their evidence and averages the
noise out, and onset and offset are read from the slopes.

A face that comes to rest elsewhere is held against that from then on, so that what happens on top of a
long expression is seen; the expression ends when the face goes back, and was none if it never does.

A candidate that something else explains is kept, with the reason why it is not believed. A final
answer that is believed waits a moment: what follows tells an expression from a first syllable.
"""

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from htnet.engine.motion.muscle_fit import MUSCLE_NAMES, MuscleActivations
from htnet.engine.motion.region_motion import PairMotion
from htnet.engine.types import F32, NS_PER_MS, AlignedFace, Decision, Motion, Pair, State
from htnet.realtime.spotting.artifacts import Candidate, GateConfig, SpeechGate, decisions, reason
from htnet.realtime.spotting.blink import BlinkGate
from htnet.realtime.spotting.boundaries import read_course
from htnet.realtime.spotting.face_buffer import FaceBuffer
from htnet.realtime.spotting.samples import ActivationTrace, FrameActivations
from htnet.realtime.spotting.spot import Spot
from htnet.realtime.spotting.threshold import RollingThreshold


@dataclass(frozen=True, slots=True)
class SpotterConfig:
    """Times in ms; ``falling`` as a fraction of the peak, ``closed`` of the way there. ``calm_ms``: so
    long nothing moves in a face that is held elsewhere; ``back``: the share of the way that is a return.

    ``score``: the operating point. A movement opens a candidate at 1 time its muscle's threshold, and
    is believed if it reached ``score`` times what is asked of its kind: a macro-expression has to go
    further, see `GateConfig`.
    """

    score: float = 1.0
    reference_ms: float = 300.0
    smoothing_ms: float = 66.0
    micro_ms: float = 500.0
    longest_ms: float = 4000.0
    refractory_ms: float = 400.0
    calm_ms: float = 300.0
    shortest_ms: float = 30.0
    settled_ms: float = 60.0
    falling: float = 0.7
    closed: float = 0.35
    back: float = 0.6
    hold_ms: float = 450.0
    blink_ratio: float = 0.72
    blink_margin_ms: float = 100.0


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """A movement that has come to rest elsewhere than where it set out from."""

    spot: Spot
    face: AlignedFace  # as it rests now, against which what follows is held
    level: F32  # (8,) how far it went, in thresholds

    def gone(self, sample: FrameActivations, config: SpotterConfig) -> Spot:
        """It never went back: no expression, but another way to hold the face."""
        return self.spot.judged(no_return(self.went_back(sample), config.back))

    def went_back(self, sample: FrameActivations) -> float:
        """The share of its way that the face has gone back."""
        return -sample.along(self.level)


def no_return(went_back: float, limit: float) -> Decision:
    """A face that has gone back by too small a share of its way."""
    return Decision("no return", went_back, limit, "of the way", True)


class Spotter:
    """Chooses the live pair and closes events. One object follows one face."""

    def __init__(
        self,
        config: SpotterConfig | None = None,
        threshold: RollingThreshold | None = None,
        gates: GateConfig | None = None,
    ) -> None:
        self._config = config or SpotterConfig()
        self._threshold = threshold or RollingThreshold()
        self._gates = gates or GateConfig()
        self._faces = FaceBuffer()
        self._blink = BlinkGate(self._config.blink_ratio, self._config.blink_margin_ms)
        self._speech = SpeechGate(self._gates)
        self._samples = ActivationTrace(
            self._threshold,
            self._config.smoothing_ms,
            self._config.blink_margin_ms,
            self._gates.eyes,
        )
        self._next_id = 1
        self._clear()

    @property
    def score(self) -> float:
        """The operating point: how many times what is asked of its kind a movement has to reach."""
        return self._config.score

    def _clear(self) -> None:
        self._state = State.NEUTRAL
        self._samples.clear()
        self._onset: AlignedFace | None = None
        self._released = True
        self._now_ns = 0
        self._level = np.ones(len(MUSCLE_NAMES), np.float32)  # at the peak, in thresholds
        self._peak = 0.0  # the most of it
        self._peak_ns = 0
        self._crossed_ns = 0
        self._since_ns = 0
        self._closed_ns = 0
        self._asked = False
        self._told = False
        self._settled = False
        self._resting_until_ns: int | None = None
        self._held: _Held | None = None
        self._waiting: deque[tuple[int, Spot]] = deque()
        self._turning: deque[FrameActivations] = deque(maxlen=2048)

    def reset(self) -> None:
        """Forget the face: what comes next has nothing to do with it."""
        self._clear()
        self._faces.clear()
        self._blink.reset()
        self._speech.reset()
        self._threshold.reset()

    @property
    def faces(self) -> FaceBuffer:
        """Aligned faces of the last seconds; after `cut_off` the caller clears them."""
        return self._faces

    def pair(self, face: AlignedFace) -> tuple[Pair, bool]:
        """Keep ``face``; return the pair of the running onset and it, and whether it blinks."""
        blinking = self._blink.closing(face.t_ns, face.openness)
        self._faces.push(face, usable=not blinking)
        if blinking:
            # The lids were on their way before that could be told.
            self._faces.spoil_since(face.t_ns - int(self._config.blink_margin_ms * NS_PER_MS))
        onset = self._onset
        if onset is None:
            reference_ns = face.t_ns - int(self._config.reference_ms * NS_PER_MS)
            onset = self._faces.onset_before(reference_ns)
        return Pair(onset, face), blinking

    def step(
        self,
        pair: Pair,
        measured: PairMotion,
        pulled: MuscleActivations,
        blinking: bool,
        *,
        outside: bool = False,
    ) -> tuple[Motion, State, tuple[Spot, ...]]:
        """Take in how the face moved from the pair's onset, and what pulled; ``outside``: a part of
        the face is not in the frame."""
        if self._released:
            self._released = False
            self._speech.restart(pulled.muscles)
        sample = self._samples.take(pair, pulled, blinking, outside)
        self._now_ns = sample.t_ns
        rest = self._state is State.NEUTRAL and self._resting_until_ns is None
        self._threshold.observe(sample.t_ns, sample.smooth, rest=rest)
        self._speech.observe(sample.t_ns, sample.smooth, sample.thresholds)
        spots = self._advance(pair, sample)
        leading = int(sample.level.argmax())
        motion = Motion(
            regions={name: float(np.hypot(*v)) for name, v in measured.regions.items()},
            magnitude=max(float(sample.smooth[leading]), 0.0),
            threshold=float(sample.thresholds[leading]) * self._config.score,
            blinking=blinking,
            activations=dict(zip(MUSCLE_NAMES, map(float, sample.smooth), strict=True)),
            leading=MUSCLE_NAMES[leading],
        )
        return motion, self._state, spots

    def cut_off(self, reason: str) -> tuple[Spot, ...]:
        """End whatever is under way, unseen, rejected for ``reason``; what only waits is told.

        The threshold is kept: the face or the frames may come back.
        """
        spots = [self._heard(spot, self._now_ns) for _, spot in self._waiting]
        if self._held is not None:
            spots.append(replace(self._held.spot, rejected=reason))
        if self._state is not State.NEUTRAL and self._onset is not None:
            spots.append(replace(self._spot("final"), rejected=reason))
            self._next_id += 1
        self._clear()
        return tuple(spots)

    def _advance(self, pair: Pair, sample: FrameActivations) -> tuple[Spot, ...]:
        config, t_ns = self._config, sample.t_ns
        ready = self._followed(sample) + self._no_longer_waiting(t_ns)
        if self._released:  # what this frame was held against says nothing any more
            return ready
        strength = float(sample.level.max())
        if self._state is State.NEUTRAL:
            if self._resting_until_ns is not None:
                # Just after an event the old onset stays: the face of 300 ms ago is in the event.
                self._settled = self._settled or strength < 0.5
                if t_ns >= self._resting_until_ns:
                    self._resting_until_ns = None
                    self._release(afresh=not self._settled)
                elif self._settled and strength >= 1:
                    self._open(pair.onset, sample)
            elif strength >= 1:
                self._turning.clear()
                self._open(pair.onset, sample)
            else:
                return ready + self._turned(sample)
            return ready
        if strength > self._peak:
            self._peak, self._peak_ns, self._level = strength, t_ns, sample.level
            self._state = State.RISING
            self._asked = self._told  # what was not believed at a lower peak may be now
        elif strength < 0.5 or sample.along(self._level) < config.closed:
            # Another muscle may still be on its way, or the head: this movement is over.
            return ready + self._close(t_ns)
        elif strength < config.falling * self._peak:
            self._state = State.FALLING
        elif t_ns - self._peak_ns >= config.settled_ms * NS_PER_MS:
            self._state = State.APEX
        if t_ns - self._crossed_ns > config.longest_ms * NS_PER_MS:
            spots = self._close(t_ns, no_return(1 - sample.along(self._level), 1 - config.closed))
            # The face has not come back: what it does now is its new rest.
            self._resting_until_ns = None
            self._release(afresh=True)
            return ready + spots
        since = self._crossed_ns + int(config.micro_ms * NS_PER_MS)
        if t_ns > since and not sample.blinking and self._calm(t_ns, self._crossed_ns):
            return ready + self._hold(pair.apex, sample)
        if self._state is not State.RISING and not self._asked:
            self._asked = True
            spot = self._spot("provisional")
            self._told = spot.rejected is None
            return (*ready, spot) if self._told else ready
        return ready

    def _calm(self, t_ns: int, since_ns: int) -> bool:
        """Whether no muscle has moved by its threshold for so long, all of it after ``since_ns``."""
        earliest = t_ns - int(self._config.calm_ms * NS_PER_MS)
        return earliest >= since_ns and self._samples.moved(earliest) < 1

    def _hold(self, face: AlignedFace, sample: FrameActivations) -> tuple[Spot, ...]:
        """``face`` rests, though not where it set out from: a long expression, or an onset that lay
        in a movement. What happens on top is told against it; whether it goes back, later. One that
        was held before is given up."""
        spots: tuple[Spot, ...] = ()
        if self._held is not None:
            spots = self._in_turn(face.t_ns, self._held.gone(sample, self._config))
        spot = self._spot("final", kind="macro")
        self._held = None
        if spot.rejected in (None, "weak"):
            self._held = _Held(spot, face, sample.level)
            if spot.rejected is None and not self._told:
                spots += (replace(spot, stage="provisional"),)
        else:  # where the face goes from a syllable is no return to another
            spots += self._in_turn(face.t_ns, spot)
        self._next_id += 1
        self._state = State.NEUTRAL
        self._release(afresh=True)
        return spots

    def _followed(self, sample: FrameActivations) -> tuple[Spot, ...]:
        """The end of a movement that is held: its return, or that there is none."""
        held, t_ns = self._held, sample.t_ns
        if held is None:
            return ()
        if t_ns - held.spot.onset_ns > self._config.longest_ms * NS_PER_MS:
            self._held = None
            if self._state is State.NEUTRAL and self._resting_until_ns is None:
                self._release(afresh=True)
            return self._in_turn(t_ns, held.gone(sample, self._config))
        if held.went_back(sample) < self._config.back:
            return ()
        self._held = None
        spots: tuple[Spot, ...] = ()
        if self._state is not State.NEUTRAL:  # the return had opened a candidate
            if self._told:
                spots = self._in_turn(t_ns, self._returned(sample, held))
            self._next_id += 1
        self._rest(held.face, t_ns)
        return spots + self._in_turn(t_ns, replace(held.spot, offset_ns=t_ns))

    def _returned(self, sample: FrameActivations, held: _Held) -> Spot:
        """The candidate that the way back of a held movement had opened."""
        back, limit = held.went_back(sample), self._config.back
        return self._spot("final").overruled(Decision("return", back, limit, "of the way", True))

    def _turned(self, sample: FrameActivations) -> tuple[Spot, ...]:
        """Tells of a movement that a turning head explains, when it is over."""
        if sample.bare.max() >= 1:
            self._turning.append(sample)
            return ()
        if not self._turning:
            return ()
        first, last = self._turning[0], self._turning[-1]
        peak = max(self._turning, key=lambda s: float(s.bare.max()))
        leading = int(peak.bare.argmax())
        self._turning.clear()
        if last.t_ns - first.t_ns < self._config.shortest_ms * NS_PER_MS:
            return ()
        kind = self._kind(first.t_ns, last.t_ns)
        spot = Spot(
            id=self._next_id,
            stage="final",
            kind=kind,
            onset_ns=first.t_ns,
            apex_ns=peak.t_ns,
            offset_ns=last.t_ns,
            magnitude_px=float(peak.smooth[leading]),
            muscle=MUSCLE_NAMES[leading],
            score=self._score(float(peak.level.max()), kind),
            rejected=None,
        ).judged(Decision("head turn", float(peak.level.max()), 1.0, "", True))
        self._next_id += 1
        return self._in_turn(sample.t_ns, spot)

    def _kind(self, onset_ns: int, offset_ns: int) -> str:
        micro = offset_ns - onset_ns <= self._config.micro_ms * NS_PER_MS
        return "micro" if micro else "macro"

    def _open(self, onset: AlignedFace, sample: FrameActivations) -> None:
        self._state = State.RISING
        self._onset = onset
        # Of a second movement against the same onset, the first is not its course.
        again = self._resting_until_ns is not None
        self._since_ns = self._closed_ns if again else onset.t_ns
        self._crossed_ns = self._peak_ns = sample.t_ns
        self._level, self._peak = sample.level, float(sample.level.max())
        self._asked = self._told = False
        self._resting_until_ns = None

    def _rest(self, onset: AlignedFace, t_ns: int) -> None:
        """Nothing is under way any more; for a while the face is still held against ``onset``."""
        self._state = State.NEUTRAL
        self._onset, self._closed_ns, self._settled = onset, t_ns, False
        self._resting_until_ns = t_ns + int(self._config.refractory_ms * NS_PER_MS)
        self._turning.clear()

    def _release(self, *, afresh: bool) -> None:
        """From here on the onset runs again, or is the face that is held; ``afresh``: it is another
        face than the old onset, so that what was measured against that says nothing any more."""
        self._onset = None if self._held is None else self._held.face
        self._released = True
        self._turning.clear()
        if afresh:
            self._samples.clear()

    def _close(self, t_ns: int, *also: Decision) -> tuple[Spot, ...]:
        assert self._onset is not None
        self._rest(self._onset, t_ns)
        spot = self._spot("final")
        if t_ns - self._crossed_ns < self._config.shortest_ms * NS_PER_MS:
            if not self._told:
                return ()
            short = self._config.shortest_ms
            lasted = (t_ns - self._crossed_ns) / NS_PER_MS
            spot = spot.overruled(Decision("too short", lasted, short, "ms", True))
        self._next_id += 1
        spot = spot.judged(*also)
        if spot.rejected is not None:
            return self._in_turn(t_ns, spot)
        self._waiting.append((t_ns + int(self._config.hold_ms * NS_PER_MS), spot))
        # One that fell before it could be told at its apex is told now.
        return () if self._told else (replace(spot, stage="provisional"),)

    def _in_turn(self, t_ns: int, spot: Spot) -> tuple[Spot, ...]:
        """A final answer that need not wait, but for those before it."""
        self._waiting.append((t_ns, spot))
        return self._no_longer_waiting(t_ns)

    def _no_longer_waiting(self, t_ns: int) -> tuple[Spot, ...]:
        """The final answers that waited for what follows, when they have."""
        spots = []
        while self._waiting and t_ns >= self._waiting[0][0]:
            spots.append(self._heard(self._waiting.popleft()[1], t_ns))
        return tuple(spots)

    def _heard(self, spot: Spot, t_ns: int) -> Spot:
        """The final answer, now that ``t_ns`` has come: what followed may have been speech."""
        if spot.rejected is not None:
            return spot
        turns, limit = self._speech.spoken(spot.onset_ns, t_ns), self._gates.turns
        return spot.judged(Decision("speech", turns, limit, "turns", turns >= limit))

    def _spot(self, stage: str, kind: str | None = None) -> Spot:
        assert self._onset is not None
        course = self._samples.since(self._since_ns)
        times = np.array([s.t_ns for s in course], np.int64)
        strengths = np.stack([s.activations / s.thresholds for s in course]).astype(np.float64)
        onset_ns, apex_ns, offset_ns = read_course(times, strengths[..., None], self._peak_ns)
        peak = course[int(np.abs(times - self._peak_ns).argmin())]
        leading = int(peak.level.argmax())
        inside = [s for s in course if onset_ns <= s.t_ns <= offset_ns] or [peak]
        kind = kind or self._kind(onset_ns, offset_ns)
        score = self._score(self._peak, kind)
        strong = Decision("weak", score, self._config.score, "", score < self._config.score)
        spoken = self._speech.spoken(inside[0].t_ns, inside[-1].t_ns)
        told = (*decisions(Candidate(inside, peak, self._peak, spoken), self._gates), strong)
        return Spot(
            id=self._next_id,
            stage=stage,
            kind=kind,
            onset_ns=onset_ns,
            apex_ns=apex_ns,
            offset_ns=offset_ns,
            magnitude_px=float(peak.smooth[leading]),
            muscle=MUSCLE_NAMES[leading],
            score=score,
            rejected=reason(told),
            decisions=told,
        )

    def _score(self, strength: float, kind: str) -> float:
        """How many times what is asked of its kind a movement reached; ``strength`` in thresholds."""
        return strength / (self._gates.lasting if kind == "macro" else 1.0)
