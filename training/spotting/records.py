"""Records of spotting: true events, disturbances, found events and the videos that hold them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from htnet.engine.types import Decision, Disturbance, Event

if TYPE_CHECKING:
    from htnet.engine.synth.schedule.ground_truth import Truth

KINDS = ("micro", "macro")


@dataclass(frozen=True, slots=True)
class TrueEvent:
    """An annotated or simulated expression.

    ``label``: None for an expression of none of the three classes. ``apex_ns`` and
    ``amplitude_px`` (px of the 140 px crop): None where unknown.
    """

    kind: str
    label: str | None
    onset_ns: int
    apex_ns: int | None
    offset_ns: int
    amplitude_px: float | None = None


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """A reported event.

    ``told_ns``: time of its first report. ``final_ns``: time of its last report. ``score``: the
    confidence that the operating point thresholds. ``rejected``: reason of the final rejection,
    or None. ``decisions``: measurements of each rule.
    """

    kind: str
    label: str
    onset_ns: int
    apex_ns: int
    offset_ns: int
    told_ns: int
    final_ns: int
    score: float
    rejected: str | None = None
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True)
class Video:
    """A video of ``seconds`` with its ground truth and its found events.

    ``subject``: unique over all datasets. ``fps``: 0 where unknown.
    """

    name: str
    subject: str
    seconds: float
    truth: tuple[TrueEvent, ...]
    found: tuple[FoundEvent, ...]
    disturbances: tuple[Disturbance, ...] = ()
    fps: float = 0.0

    def believed(self, cut: float) -> list[FoundEvent]:
        """Return the found events of at least the score ``cut`` that were not rejected."""
        return [own for own in self.found if own.rejected is None and own.score >= cut]

    def rejected(self, cut: float) -> list[FoundEvent]:
        """Return the rejected candidates of at least the score ``cut``."""
        return [own for own in self.found if own.rejected is not None and own.score >= cut]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A hit (``true`` and ``found``), a miss (``true`` alone) or a false alarm (``found`` alone).

    ``iou``: of a hit. ``cause``: of a miss, the reason for which a candidate that would have hit
    it was rejected, or ""; of a false alarm, the disturbance that overlaps it most, or
    `matching.MISPLACED`, `matching.DOUBLE` or `matching.NONE`. ``near``: the true event beside a
    misplaced or double false alarm.
    """

    video: Video
    true: TrueEvent | None
    found: FoundEvent | None
    iou: float = 0.0
    cause: str = ""
    near: TrueEvent | None = None


def found_events(
    reports: Iterable[tuple[Event, int]],
    score: Callable[[Event], float] = lambda event: event.magnitude_px,
) -> tuple[FoundEvent, ...]:
    """Return the final events among one video's reports (event, report time in ns), by end.

    An event keeps the time of its first report, provisional or not. An event that never became
    final is left out, since no span was reported for it.
    """
    first: dict[int, int] = {}
    found = []
    for event, told_ns in reports:
        first.setdefault(event.id, told_ns)
        if event.stage == "final":
            found.append(
                FoundEvent(
                    kind=event.kind,
                    label=event.label,
                    onset_ns=event.onset_ns,
                    apex_ns=event.apex_ns,
                    offset_ns=event.offset_ns,
                    told_ns=first[event.id],
                    final_ns=told_ns,
                    score=score(event),
                    rejected=event.rejected,
                    decisions=event.decisions,
                )
            )
    return tuple(found)


def true_events(truth: "Truth") -> tuple[TrueEvent, ...]:
    """Return the events of a simulated video."""
    return tuple(
        TrueEvent(e.kind, e.label, e.onset_ns, e.apex_ns, e.offset_ns, e.amplitude_px)
        for e in truth.events
    )
