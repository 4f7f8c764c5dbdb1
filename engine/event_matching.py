"""What was found against what truly happened."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from htnet.engine.types import Event

if TYPE_CHECKING:
    from htnet.engine.synth.schedule.ground_truth import TrueEvent

Match = tuple["TrueEvent | None", Event | None]


def match_events(truth: Iterable["TrueEvent"], events: Iterable[Event]) -> list[Match]:
    """Pair what overlaps in time, one to one, in order of time.

    Only believed final events count. The largest intersection over union is paired first; a
    true event without a partner comes as (true, None), a false alarm as (None, event).
    """
    truths = list(truth)
    found = [e for e in events if e.stage == "final" and e.rejected is None]
    overlaps = [(_overlap(t, e), i, j) for i, t in enumerate(truths) for j, e in enumerate(found)]
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for overlap, i, j in sorted(overlaps, key=lambda o: (-o[0], o[1], o[2])):
        if overlap > 0 and i not in partner and j not in taken:
            partner[i] = j
            taken.add(j)
    matches: list[tuple[int, Match]] = []
    for i, true in enumerate(truths):
        event = found[partner[i]] if i in partner else None
        matches.append((true.onset_ns, (true, event)))
    matches += [(e.onset_ns, (None, e)) for j, e in enumerate(found) if j not in taken]
    return [match for _, match in sorted(matches, key=lambda m: m[0])]


def _overlap(true: "TrueEvent", event: Event) -> float:
    """Intersection over union of two spans of time."""
    shared = min(true.offset_ns, event.offset_ns) - max(true.onset_ns, event.onset_ns)
    union = max(true.offset_ns, event.offset_ns) - min(true.onset_ns, event.onset_ns)
    return max(shared, 0) / union if union > 0 else 0.0
