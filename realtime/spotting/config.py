"""Settings of the spotter."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SpotterConfig:
    """Settings of the spotter; times in ms.

    ``score``: operating point. A movement opens a candidate at 1 time its muscle's threshold, and
    is believed if it reached ``score`` times what is required of its kind. A macro-expression has
    to reach more, see `ArtifactConfig.macro_strength`.
    ``reference_ms``: age of the running onset while the face is neutral.
    ``smoothing_ms``: window of the running mean of the activations.
    ``micro_ms``: longest duration of a micro-expression.
    ``shortest_ms``, ``longest_ms``: durations of a movement. After the longest the face has a new
    neutral pose.
    ``refractory_ms``: time after a movement for which its onset is kept.
    ``calm_ms``: time without motion after which a displaced face is a sustained expression.
    ``apex_ms``: time since the peak from which on a candidate is at its apex.
    ``answer_delay_ms``: delay of a believed final answer, in which speech may follow.
    ``falling_fraction``: fraction of the peak below which a candidate falls.
    ``closed_fraction``: fraction of the displacement at the peak below which a candidate is over.
    ``return_fraction``: a sustained expression ends once it has undone this fraction of its
    displacement.
    ``blink_ratio``, ``blink_margin_ms``: parameters of `BlinkDetector`.
    """

    score: float = 1.0
    reference_ms: float = 300.0
    smoothing_ms: float = 66.0
    micro_ms: float = 500.0
    shortest_ms: float = 30.0
    longest_ms: float = 4000.0
    refractory_ms: float = 400.0
    calm_ms: float = 300.0
    apex_ms: float = 60.0
    answer_delay_ms: float = 450.0
    falling_fraction: float = 0.7
    closed_fraction: float = 0.35
    return_fraction: float = 0.6
    blink_ratio: float = 0.72
    blink_margin_ms: float = 100.0
