"""Spots from samples: boundaries, kind, score and the decisions of all rules."""

from collections.abc import Sequence

import numpy as np

from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.engine.types import NS_PER_MS, Decision
from htnet.realtime.spotting.artifacts import (
    ArtifactConfig,
    CandidateCourse,
    SpeechDetector,
    decisions,
    reason,
)
from htnet.realtime.spotting.boundaries import read_course
from htnet.realtime.spotting.candidate import OpenCandidate
from htnet.realtime.spotting.config import SpotterConfig
from htnet.realtime.spotting.samples import ActivationTrace, FrameActivations
from htnet.realtime.spotting.spot import Spot


class CandidateJudge:
    """Makes the spot of a candidate from its samples; changes nothing."""

    def __init__(
        self,
        config: SpotterConfig,
        artifacts: ArtifactConfig,
        samples: ActivationTrace,
        speech: SpeechDetector,
    ) -> None:
        self._config = config
        self._artifacts = artifacts
        self._samples = samples
        self._speech = speech

    def spot(
        self, number: int, candidate: OpenCandidate, stage: str, kind: str | None = None
    ) -> Spot:
        """Return the spot of a candidate: its times by `read_course`, judged by all rules.

        ``kind``: "macro" for a sustained expression; None where the duration decides.
        """
        course = self._samples.since(candidate.since_ns)
        times = np.array([s.t_ns for s in course], np.int64)
        strengths = np.stack([s.activations / s.thresholds for s in course]).astype(np.float64)
        onset_ns, apex_ns, offset_ns = read_course(times, strengths[..., None], candidate.peak_ns)
        peak = course[int(np.abs(times - candidate.peak_ns).argmin())]
        leading = int(peak.level.argmax())
        inside = [s for s in course if onset_ns <= s.t_ns <= offset_ns] or [peak]
        kind = kind or self._kind(onset_ns, offset_ns)
        score = self._score(candidate.peak, kind)
        weak = Decision("weak", score, self._config.score, "", score < self._config.score)
        spoken = self._speech.spoken(inside[0].t_ns, inside[-1].t_ns)
        judged = CandidateCourse(inside, peak, candidate.peak, spoken)
        told = (*decisions(judged, self._artifacts), weak)
        return Spot(
            id=number,
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
            left_px=float(peak.smooth_sides[0, leading]),
            right_px=float(peak.smooth_sides[1, leading]),
        )

    def head_turn(self, number: int, samples: Sequence[FrameActivations]) -> Spot:
        """Return the rejected spot of a movement that a turning head explains.

        ``samples``: those that exceed the thresholds of a still head, in order.
        """
        peak = max(samples, key=lambda s: float(s.still_level.max()))
        leading, strength = int(peak.still_level.argmax()), float(peak.level.max())
        kind = self._kind(samples[0].t_ns, samples[-1].t_ns)
        spot = Spot(
            id=number,
            stage="final",
            kind=kind,
            onset_ns=samples[0].t_ns,
            apex_ns=peak.t_ns,
            offset_ns=samples[-1].t_ns,
            magnitude_px=float(peak.smooth[leading]),
            muscle=MUSCLE_NAMES[leading],
            score=self._score(strength, kind),
            rejected=None,
            left_px=float(peak.smooth_sides[0, leading]),
            right_px=float(peak.smooth_sides[1, leading]),
        )
        return spot.judged(Decision("head turn", strength, 1.0, "", True))

    def _kind(self, onset_ns: int, offset_ns: int) -> str:
        micro = offset_ns - onset_ns <= self._config.micro_ms * NS_PER_MS
        return "micro" if micro else "macro"

    def _score(self, strength: float, kind: str) -> float:
        """Return ``strength``, in thresholds, as a multiple of what is required of ``kind``."""
        return strength / (self._artifacts.macro_strength if kind == "macro" else 1.0)
