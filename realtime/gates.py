"""What stands between a camera and an expression, each told by its own sign.

The names are what a rejected event carries in ``rejected``.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htnet.engine.pulls import MUSCLE_NAMES
from htnet.engine.types import F32, NS_PER_MS
from htnet.realtime.samples import LIDS, Sample

MOUTH: Final = np.array(
    [n in ("lip corner pull", "lip corner depress", "lip press", "jaw drop") for n in MUSCLE_NAMES]
)
"""The muscles (8,) that speech moves."""

_LATELY_MS, _PART, _SPOKEN_PX = 1000.0, 0.35, 6.0
_MEMORY_NS = 10_000 * NS_PER_MS


@dataclass(frozen=True, slots=True)
class GateConfig:
    """``turns``: how often the mouth must turn back within ``speech_ms`` to be speaking: one
    expression sets off and turns back once. ``grey_share``: by how much of itself the face's mean
    grey may change between onset and apex. ``gaze_px``: how far the pupils may move between them, px
    of the crop. ``plain``: so many times its threshold a pull is no doing of light. ``lasting``: so many
    times its threshold a macro-expression reaches: a weak pull that lasts is the head's, whose depth
    is not quite known. ``with_lids``: a brow or nose that moved in a blink for more than this share of
    its time went with the lids. ``unexplained``: as in `Pulled`; above it something lies on the face,
    unless a muscle pulls by ``broad_px``: so broad a grin is no sum of small pulls either. ``eyes``: as
    in `Pulled`; above it the lids or the pupils have moved. ``slowest_fps``: with fewer frames a second
    micro-expressions fall between them."""

    speech_ms: float = 1000.0
    turns: int = 4
    grey_share: float = 0.08
    gaze_px: float = 1.2
    plain: float = 2.0
    lasting: float = 2.0
    with_lids: float = 0.8
    unexplained: float = 0.5
    broad_px: float = 5.0
    eyes: float = 0.42
    slowest_fps: float = 18.0


class SpeechGate:
    """Whether a muscle of the mouth moves to and fro."""

    def __init__(self, config: GateConfig) -> None:
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

    def restart(self, pulls: F32) -> None:
        """The onset was replaced, so that pulls (8,) jump, which no mouth did."""
        self._extreme = pulls[MOUTH]

    def observe(self, t_ns: int, pulls: F32, thresholds: F32) -> None:
        """Take in the pulls (8,) of a frame; going back by a threshold (8,) is a turn. A mouth that
        went further lately than speech takes it has to go back further: a broad grin trembles."""
        mouth = pulls[MOUTH]
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

    def speaking(self, since_ns: int, until_ns: int) -> bool:
        """Whether a muscle turned often enough in a stretch of time that meets this one."""
        span, count = int(self._config.speech_ms * NS_PER_MS), self._config.turns
        near = [(t, who) for t, who in self._turns if since_ns - span <= t <= until_ns + span]
        for muscle in range(int(MOUTH.sum())):
            turns = [t for t, who in near if who[muscle]]
            pairs = zip(turns, turns[count - 1 :], strict=False)
            if any(last - first <= span for first, last in pairs):
                return True
        return False


def explanation(
    inside: Sequence[Sample], peak: Sample, strength: float, speech: SpeechGate, config: GateConfig
) -> str | None:
    """What else explains a movement; None if nothing does.

    ``inside``: its samples from onset to offset, ``peak`` the highest; ``strength``: how many times its
    threshold the muscle that leads there reached.
    """
    first, last = inside[0], inside[-1]
    leading = int(peak.level.argmax())
    if any(s.outside for s in inside):
        return "out of frame"
    broad = float(peak.smooth[leading]) > config.broad_px
    if not broad and max(s.unexplained for s in inside) > config.unexplained:
        return "occlusion"
    blinks = float(np.mean([s.blinking for s in inside]))
    if not MOUTH[leading] and blinks > config.with_lids:
        return "blink"
    if LIDS[leading]:
        if blinks:  # whose last part this is
            return "blink"
        if float(np.hypot(*(peak.pupils - first.pupils))) > config.gaze_px:
            return "gaze"
    if speech.speaking(first.t_ns, last.t_ns):
        return "speech"
    changed = abs(peak.grey - first.grey) > config.grey_share * max(first.grey, 1.0)
    if strength < config.plain and changed:
        return "lighting"
    seconds = (last.t_ns - first.t_ns) / 1e9
    if len(inside) > 2 and (len(inside) - 1) / seconds < config.slowest_fps:
        return "low frame rate"
    return None
