"""Final answers on their way out, in order."""

from collections import deque

from htnet.engine.types import Decision
from htnet.realtime.spotting.artifacts import ArtifactConfig, SpeechDetector
from htnet.realtime.spotting.spot import Spot


class PendingAnswers:
    """A queue of final answers; a believed one is delayed and judged for speech once more.

    What follows tells an expression from a first syllable. Answers leave in the order in which
    they came in, so a rejected one waits for those before it.
    """

    def __init__(self, speech: SpeechDetector, config: ArtifactConfig) -> None:
        self._speech = speech
        self._limit = config.speech_turns
        self._queue: deque[tuple[int, Spot]] = deque()

    def clear(self) -> None:
        """Drop all answers."""
        self._queue.clear()

    def delay(self, due_ns: int, spot: Spot) -> None:
        """Add an answer that is due at ``due_ns``."""
        self._queue.append((due_ns, spot))

    def tell(self, t_ns: int, spot: Spot) -> tuple[Spot, ...]:
        """Add an answer that is due now; return all answers that are due."""
        self.delay(t_ns, spot)
        return self.due(t_ns)

    def due(self, t_ns: int) -> tuple[Spot, ...]:
        """Remove and return the answers that are due at ``t_ns``."""
        spots = []
        while self._queue and t_ns >= self._queue[0][0]:
            spots.append(self._heard(self._queue.popleft()[1], t_ns))
        return tuple(spots)

    def rest(self, t_ns: int) -> list[Spot]:
        """Return all answers, due or not, judged at ``t_ns``."""
        return [self._heard(spot, t_ns) for _, spot in self._queue]

    def _heard(self, spot: Spot, t_ns: int) -> Spot:
        """Return the answer judged for speech from its onset to ``t_ns``."""
        if spot.rejected is not None:
            return spot
        turns, limit = self._speech.spoken(spot.onset_ns, t_ns), self._limit
        return spot.judged(Decision("speech", turns, limit, "turns", turns >= limit))
