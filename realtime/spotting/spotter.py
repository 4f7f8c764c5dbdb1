"""Spotting: from muscle activations against the running onset to onset, apex and offset.

A state machine in milliseconds. While the face is neutral the running onset is the newest
open-eyed face of `SpotterConfig.reference_ms` ago, so that slow drift never adds up. When a muscle
exceeds its threshold the onset is frozen and a candidate opens: rising to the apex, falling, over.
Its final times come from `read_course`: the activations are projected on those at the apex, which
averages noise out, and onset and offset are read from the slopes.

A face that settles in a new pose is a sustained expression. Later motion is measured relative to
that pose, so that movements on top of it are seen. The expression ends when the face returns, and
is rejected if it never does.

A candidate that an artifact explains is emitted as rejected, with the reason. A believed final
answer is delayed: what follows tells an expression from a first syllable.
"""

from collections import deque
from dataclasses import replace

import numpy as np

from htnet.engine.motion.muscle_fit import MUSCLE_NAMES, MuscleActivations
from htnet.engine.motion.region_motion import PairMotion
from htnet.engine.types import F32, NS_PER_MS, AlignedFace, Decision, Motion, Pair, State
from htnet.realtime.spotting.artifacts import ArtifactConfig, SpeechDetector
from htnet.realtime.spotting.blink import BlinkDetector
from htnet.realtime.spotting.candidate import AT_REST, OpenCandidate, RefractoryPeriod
from htnet.realtime.spotting.config import SpotterConfig
from htnet.realtime.spotting.face_buffer import FaceBuffer
from htnet.realtime.spotting.judge import CandidateJudge
from htnet.realtime.spotting.pending import PendingAnswers
from htnet.realtime.spotting.samples import ActivationTrace, FrameActivations
from htnet.realtime.spotting.spot import Spot
from htnet.realtime.spotting.sustained import SustainedExpression, no_return
from htnet.realtime.spotting.threshold import RollingThreshold


class Spotter:
    """The state machine of one face: chooses the live pair and emits spots."""

    def __init__(
        self,
        config: SpotterConfig | None = None,
        threshold: RollingThreshold | None = None,
        artifacts: ArtifactConfig | None = None,
    ) -> None:
        self._config = config or SpotterConfig()
        self._threshold = threshold or RollingThreshold()
        self._artifacts = artifacts or ArtifactConfig()
        self._faces = FaceBuffer()
        self._blink = BlinkDetector(self._config.blink_ratio, self._config.blink_margin_ms)
        self._speech = SpeechDetector(self._artifacts)
        self._samples = ActivationTrace(
            self._threshold,
            self._config.smoothing_ms,
            self._config.blink_margin_ms,
            self._artifacts.eyes_unexplained,
        )
        self._judge = CandidateJudge(self._config, self._artifacts, self._samples, self._speech)
        self._pending = PendingAnswers(self._speech, self._artifacts)
        self._turning: deque[FrameActivations] = deque(maxlen=2048)
        self._next_id = 1
        self._clear()

    def _clear(self) -> None:
        """Forget what is under way."""
        self._candidate: OpenCandidate | None = None
        self._refractory: RefractoryPeriod | None = None
        self._sustained: SustainedExpression | None = None
        self._onset_changed = True
        self._last_ns = 0
        self._samples.clear()
        self._pending.clear()
        self._turning.clear()

    @property
    def score(self) -> float:
        """Operating point: the multiple of what is required of its kind that a movement needs."""
        return self._config.score

    @property
    def faces(self) -> FaceBuffer:
        """Aligned faces of the last seconds; after `cut_off` the caller clears them."""
        return self._faces

    def reset(self) -> None:
        """Forget the face: another one follows."""
        self._clear()
        self._faces.clear()
        self._blink.reset()
        self._speech.reset()
        self._threshold.reset()

    def pair(self, face: AlignedFace) -> tuple[Pair, bool]:
        """Keep ``face``; return the pair of its onset and it, and True in a blink."""
        blinking = self._blink.closing(face.t_ns, face.openness)
        self._faces.push(face, usable=not blinking)
        if blinking:
            # The lids were on their way before that could be told.
            self._faces.spoil_since(face.t_ns - int(self._config.blink_margin_ms * NS_PER_MS))
        return Pair(self._onset(face.t_ns), face), blinking

    def _onset(self, t_ns: int) -> AlignedFace:
        """Return the face that the face of ``t_ns`` is measured against."""
        if self._candidate is not None:
            return self._candidate.onset
        if self._refractory is not None:
            return self._refractory.onset
        if self._sustained is not None:
            return self._sustained.face
        return self._faces.onset_before(t_ns - int(self._config.reference_ms * NS_PER_MS))

    def step(
        self,
        pair: Pair,
        measured: PairMotion,
        fitted: MuscleActivations,
        blinking: bool,
        *,
        outside: bool = False,
    ) -> tuple[Motion, State, tuple[Spot, ...]]:
        """Take in the motion and the activations of ``pair``; return what is known of the face.

        ``pair``, ``blinking``: as `pair` returned them. ``outside``: a part of the face is not in
        the frame.
        """
        if self._onset_changed:
            self._onset_changed = False
            self._speech.restart(fitted.muscles)
        sample = self._samples.take(pair, fitted, blinking, outside)
        self._last_ns = sample.t_ns
        rest = self._candidate is None and self._refractory is None
        self._threshold.observe(sample.t_ns, sample.smooth, rest=rest)
        self._speech.observe(sample.t_ns, sample.smooth, sample.thresholds)
        spots = self._advance(pair, sample)
        leading, score = int(sample.level.argmax()), self._config.score
        motion = Motion(
            regions={name: float(np.hypot(*v)) for name, v in measured.regions.items()},
            magnitude=max(float(sample.smooth[leading]), 0.0),
            threshold=float(sample.thresholds[leading]) * score,
            blinking=blinking,
            activations=_named(sample.smooth),
            leading=MUSCLE_NAMES[leading],
            left=_named(sample.smooth_sides[0]),
            right=_named(sample.smooth_sides[1]),
            thresholds={n: px * score for n, px in _named(sample.thresholds).items()},
        )
        state = State.NEUTRAL if self._candidate is None else self._candidate.state
        return motion, state, spots

    def cut_off(self, reason: str) -> tuple[Spot, ...]:
        """End whatever is under way, rejected for ``reason``; return it after what was pending.

        The threshold is kept: the face or the frames may come back.
        """
        spots = self._pending.rest(self._last_ns)
        if self._sustained is not None:
            spots.append(replace(self._sustained.spot, rejected=reason))
        if self._candidate is not None:
            spots.append(
                replace(self._judge.spot(self._next_id, self._candidate, "final"), rejected=reason)
            )
            self._next_id += 1
        self._clear()
        return tuple(spots)

    def _advance(self, pair: Pair, sample: FrameActivations) -> tuple[Spot, ...]:
        """Update sustained expression, candidate and refractory period; return the spots due."""
        spots = self._follow_sustained(sample) + self._pending.due(sample.t_ns)
        if self._onset_changed:  # the sample was measured against an onset that no longer holds
            return spots
        if self._candidate is not None:
            return spots + self._follow_candidate(self._candidate, pair.apex, sample)
        strength = float(sample.level.max())
        rest = self._refractory
        if rest is not None:
            rest.calmed = rest.calmed or strength < AT_REST
            if sample.t_ns >= rest.until_ns:
                self._release_onset(clear_samples=not rest.calmed)
            elif rest.calmed and strength >= 1:
                # The course of a second movement against one onset starts after the first.
                self._open(pair.onset, rest.closed_ns, sample)
            return spots
        if strength >= 1:
            self._turning.clear()
            self._open(pair.onset, pair.onset.t_ns, sample)
            return spots
        return spots + self._follow_head_turn(sample)

    def _follow_candidate(
        self, candidate: OpenCandidate, face: AlignedFace, sample: FrameActivations
    ) -> tuple[Spot, ...]:
        """Update the candidate by ``sample`` of ``face``; return the spots due."""
        config, t_ns = self._config, sample.t_ns
        if candidate.update(sample, config):
            return self._close(candidate, t_ns)
        if t_ns - candidate.crossed_ns > config.longest_ms * NS_PER_MS:
            undone = 1 - sample.progress(candidate.level)
            spots = self._close(candidate, t_ns, no_return(undone, 1 - config.closed_fraction))
            # The face has not come back: its pose now is its new rest.
            self._release_onset(clear_samples=True)
            return spots
        micro_ns = int(config.micro_ms * NS_PER_MS)
        late = t_ns > candidate.crossed_ns + micro_ns and not sample.blinking
        if late and self._calm(t_ns, candidate.crossed_ns):
            return self._sustain(candidate, face, sample)
        if candidate.state is State.RISING or candidate.answered:
            return ()
        candidate.answered = True
        spot = self._judge.spot(self._next_id, candidate, "provisional")
        candidate.told = spot.rejected is None
        return (spot,) if candidate.told else ()

    def _calm(self, t_ns: int, since_ns: int) -> bool:
        """Return True if no muscle has moved by its threshold in the last `calm_ms`.

        All of that time has to lie after ``since_ns``.
        """
        earliest = t_ns - int(self._config.calm_ms * NS_PER_MS)
        return earliest >= since_ns and self._samples.moved(earliest) < 1

    def _open(self, onset: AlignedFace, since_ns: int, sample: FrameActivations) -> None:
        """Open a candidate whose samples start at ``since_ns``."""
        t_ns, peak = sample.t_ns, float(sample.level.max())
        self._candidate = OpenCandidate(onset, since_ns, t_ns, sample.level, peak, t_ns)
        self._refractory = None

    def _close(self, candidate: OpenCandidate, t_ns: int, *also: Decision) -> tuple[Spot, ...]:
        """End a candidate and return what is told of it; ``also``: further decisions on it."""
        self._start_refractory(candidate.onset, t_ns)
        spot = self._judge.spot(self._next_id, candidate, "final")
        shortest_ms = self._config.shortest_ms
        if t_ns - candidate.crossed_ns < shortest_ms * NS_PER_MS:
            if not candidate.told:
                return ()
            lasted = (t_ns - candidate.crossed_ns) / NS_PER_MS
            spot = spot.overruled(Decision("too short", lasted, shortest_ms, "ms", True))
        self._next_id += 1
        spot = spot.judged(*also)
        if spot.rejected is not None:
            return self._pending.tell(t_ns, spot)
        self._pending.delay(t_ns + int(self._config.answer_delay_ms * NS_PER_MS), spot)
        # A candidate that fell before its apex could be told is told now.
        return () if candidate.told else (replace(spot, stage="provisional"),)

    def _start_refractory(self, onset: AlignedFace, t_ns: int) -> None:
        """End the candidate; measure the face against ``onset`` for `refractory_ms` longer."""
        self._candidate = None
        until_ns = t_ns + int(self._config.refractory_ms * NS_PER_MS)
        self._refractory = RefractoryPeriod(onset, t_ns, until_ns)
        self._turning.clear()

    def _release_onset(self, *, clear_samples: bool) -> None:
        """Let the onset run again, or be the face of the sustained expression.

        ``clear_samples``: samples against the old onset do not hold against the new one.
        """
        self._candidate = self._refractory = None
        self._onset_changed = True
        self._turning.clear()
        if clear_samples:
            self._samples.clear()

    def _sustain(
        self, candidate: OpenCandidate, face: AlignedFace, sample: FrameActivations
    ) -> tuple[Spot, ...]:
        """Turn a candidate whose face rests in a new pose into the sustained expression.

        It is a long expression, or its onset lay in a movement: its return will tell. One that was
        sustained before is abandoned.
        """
        spots: tuple[Spot, ...] = ()
        if self._sustained is not None:
            abandoned = self._sustained.abandoned(sample, self._config)
            spots = self._pending.tell(face.t_ns, abandoned)
        spot = self._judge.spot(self._next_id, candidate, "final", kind="macro")
        self._sustained = None
        if spot.rejected in (None, "weak"):
            self._sustained = SustainedExpression(spot, face, sample.level)
            if spot.rejected is None and not candidate.told:
                spots += (replace(spot, stage="provisional"),)
        else:  # a movement away from a syllable is no return to the face before it
            spots += self._pending.tell(face.t_ns, spot)
        self._next_id += 1
        self._release_onset(clear_samples=True)
        return spots

    def _follow_sustained(self, sample: FrameActivations) -> tuple[Spot, ...]:
        """Return the final answer of the sustained expression once it has returned or expired."""
        sustained, t_ns = self._sustained, sample.t_ns
        if sustained is None:
            return ()
        if t_ns - sustained.spot.onset_ns > self._config.longest_ms * NS_PER_MS:
            self._sustained = None
            if self._candidate is None and self._refractory is None:
                self._release_onset(clear_samples=True)
            return self._pending.tell(t_ns, sustained.abandoned(sample, self._config))
        if sustained.undone(sample) < self._config.return_fraction:
            return ()
        self._sustained = None
        spots: tuple[Spot, ...] = ()
        if self._candidate is not None:  # the return had opened it
            if self._candidate.told:
                spot = self._judge.spot(self._next_id, self._candidate, "final")
                spots = self._pending.tell(t_ns, sustained.returning(spot, sample, self._config))
            self._next_id += 1
        self._start_refractory(sustained.face, t_ns)
        return spots + self._pending.tell(t_ns, replace(sustained.spot, offset_ns=t_ns))

    def _follow_head_turn(self, sample: FrameActivations) -> tuple[Spot, ...]:
        """Return the movement that a turning head explains, rejected, once it is over."""
        if sample.still_level.max() >= 1:
            self._turning.append(sample)
            return ()
        if not self._turning:
            return ()
        samples = tuple(self._turning)
        self._turning.clear()
        if samples[-1].t_ns - samples[0].t_ns < self._config.shortest_ms * NS_PER_MS:
            return ()
        spot = self._judge.head_turn(self._next_id, samples)
        self._next_id += 1
        return self._pending.tell(sample.t_ns, spot)


def _named(values: F32) -> dict[str, float]:
    """Return values (8,) by the name of their muscle."""
    return dict(zip(MUSCLE_NAMES, values.tolist(), strict=True))
