"""A spot: what the spotter tells of a movement, before the network has said what it is."""

from dataclasses import dataclass

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
