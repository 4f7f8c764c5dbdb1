"""What is seen: annotators that draw a Tick, and `Overlay`, which lays them out round its picture.

One noun per class, style in ``__init__``, one method ``annotate(scene, tick) -> scene``. A scene is
a BGR picture (H, W, 3) uint8 of the caller's own; an annotator fills the scene it is given and
scales with it, and never touches the array of the frame.
"""

from htnet.realtime.overlay.bars import ProbabilityBars
from htnet.realtime.overlay.boxes import MotionMarks, RegionBoxes
from htnet.realtime.overlay.card import EventCard
from htnet.realtime.overlay.compose import Layout, Overlay
from htnet.realtime.overlay.curve import MotionCurve
from htnet.realtime.overlay.status import StatusLine

__all__ = [
    "EventCard",
    "Layout",
    "MotionCurve",
    "MotionMarks",
    "Overlay",
    "ProbabilityBars",
    "RegionBoxes",
    "StatusLine",
]
