"""A spotted movement, before its recognition."""

from dataclasses import dataclass, replace

from htnet.engine.types import Decision


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """A spotted movement. Fields as in `htnet.engine.types.Event`."""

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
    left_px: float = 0.0
    right_px: float = 0.0

    def judged(self, *decisions: Decision) -> "Spot":
        """Return the spot with further decisions.

        The first that rejects gives the reason, unless the spot has one.
        """
        told = next((each.rule for each in decisions if each.rejects), None)
        return replace(
            self, rejected=self.rejected or told, decisions=(*self.decisions, *decisions)
        )

    def overruled(self, decision: Decision) -> "Spot":
        """Return the spot rejected by this decision, whatever earlier ones say."""
        return replace(self, rejected=decision.rule, decisions=(*self.decisions, decision))
