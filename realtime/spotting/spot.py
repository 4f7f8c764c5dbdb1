"""A spot: what the spotter tells of a movement, before the network has said what it is."""

from dataclasses import dataclass, replace

from htnet.engine.types import Decision


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """A spotted course. Fields as in `htnet.engine.types.Event`."""

    id: int
    stage: str
    kind: str
    onset_ns: int
    apex_ns: int
    offset_ns: int
    magnitude_px: float
    muscle: str
    score: float
    rejected: str | None
    decisions: tuple[Decision, ...] = ()

    def judged(self, *decisions: Decision) -> "Spot":
        """The spot with what more rules measured; the first that rejects decides, unless one has."""
        told = next((each.rule for each in decisions if each.rejects), None)
        return replace(
            self, rejected=self.rejected or told, decisions=(*self.decisions, *decisions)
        )

    def overruled(self, decision: Decision) -> "Spot":
        """The spot rejected by this rule, whatever rules before it have said."""
        return replace(self, rejected=decision.rule, decisions=(*self.decisions, decision))
