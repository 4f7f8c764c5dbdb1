"""The sustained expression: a displaced face at rest, and its return."""

from dataclasses import dataclass

from htnet.engine.types import F32, AlignedFace, Decision
from htnet.realtime.spotting.config import SpotterConfig
from htnet.realtime.spotting.samples import FrameActivations
from htnet.realtime.spotting.spot import Spot


@dataclass(frozen=True, slots=True, eq=False)
class SustainedExpression:
    """A sustained expression: the face has settled in a new pose.

    Later motion is measured relative to ``face``. ``level``: (8,) displacement in thresholds.
    """

    spot: Spot
    face: AlignedFace
    level: F32

    def undone(self, sample: FrameActivations) -> float:
        """Return the fraction of the displacement that the face has undone."""
        return -sample.progress(self.level)

    def abandoned(self, sample: FrameActivations, config: SpotterConfig) -> Spot:
        """Return the spot of an expression that never ended: a new neutral pose."""
        return self.spot.judged(no_return(self.undone(sample), config.return_fraction))

    def returning(self, spot: Spot, sample: FrameActivations, config: SpotterConfig) -> Spot:
        """Reject ``spot``, a candidate that the return of this expression had opened."""
        back, limit = self.undone(sample), config.return_fraction
        return spot.overruled(Decision("return", back, limit, "of the way", True))


def no_return(undone: float, limit: float) -> Decision:
    """Return the rejection of a displacement of which too small a fraction was undone."""
    return Decision("no return", undone, limit, "of the way", True)
