"""Picture and panel: the camera's picture stays whole, all text lies on a strip below it."""

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from htnet.engine.motion.preprocess import PreprocessSpec
from htnet.engine.types import U8, Tick
from htnet.realtime.overlay.bars import ProbabilityBars
from htnet.realtime.overlay.boxes import MotionMarks, RegionBoxes
from htnet.realtime.overlay.card import EventCard
from htnet.realtime.overlay.curve import MotionCurve
from htnet.realtime.overlay.palette import PANEL
from htnet.realtime.overlay.status import StatusLine

_NARROWEST = 480  # px: legible text does not fit below this


@dataclass(frozen=True, slots=True)
class Layout:
    """Boxes (x0, y0, x1, y1) on a canvas of ``width`` x ``height`` px."""

    width: int
    height: int
    picture: tuple[int, int, int, int]
    status: tuple[int, int, int, int]
    curve: tuple[int, int, int, int]
    bars: tuple[int, int, int, int]
    card: tuple[int, int, int, int]

    @classmethod
    @lru_cache(maxsize=8)
    def around(cls, width: int, height: int) -> "Layout":
        """Return the layout for a picture; a small one is enlarged by a whole number."""
        enlarged = math.ceil(_NARROWEST / width)
        width, height = width * enlarged, height * enlarged
        unit = max(min(width / 640, height / 360), 0.9)
        margin, gap = round(8 * unit), round(16 * unit)
        status = round(20 * unit)
        top = height + status + round(4 * unit)
        low = top + round(72 * unit)
        total = low + round(2 * unit)
        total += total % 2
        side = round(min(168 * unit, 0.27 * width))
        card_x = width - margin - round(0.95 * side)
        bars_x = card_x - gap - side
        return cls(
            width,
            total,
            picture=(0, 0, width, height),
            status=(0, height, width, height + status),
            curve=(margin, top, bars_x - gap, low),
            bars=(bars_x, top, card_x - gap, low),
            card=(card_x, top, width - margin, low),
        )


class Overlay:
    """A Tick as one picture. Every Tick has to pass: drawn by `annotate`, or taken in by `see`.

    The curve and the card show the last seconds. Sinks may share one overlay: a Tick is drawn once,
    and the same read-only array is returned for it. ``spec``: the network's regions and classes.
    """

    def __init__(self, spec: PreprocessSpec | None = None, *, curve_seconds: float = 6.0) -> None:
        self._boxes = RegionBoxes(spec)
        self._marks = MotionMarks()
        self._status = StatusLine()
        self._curve = MotionCurve(curve_seconds)
        self._bars = ProbabilityBars() if spec is None else ProbabilityBars(spec.classes)
        self._card = EventCard()
        self._drawn: tuple[Tick, U8] | None = None

    def see(self, tick: Tick) -> None:
        """Take in a Tick that is not drawn."""
        self._curve.see(tick)
        self._card.see(tick)

    def annotate(self, tick: Tick) -> U8:
        """Return the picture of ``tick`` (H, W, 3), larger than its frame by the panel."""
        if self._drawn is not None and self._drawn[0] is tick:
            return self._drawn[1]
        frame = tick.frame.bgr
        layout = Layout.around(frame.shape[1], frame.shape[0])
        scene: U8 = np.empty((layout.height, layout.width, 3), np.uint8)
        scene[layout.picture[3] :] = PANEL
        picture = _part(scene, layout.picture)
        if picture.shape == frame.shape:
            picture[:] = frame
        else:
            cv2.resize(frame, picture.shape[1::-1], dst=picture, interpolation=cv2.INTER_LINEAR)
        self._boxes.annotate(picture, tick)
        self._marks.annotate(picture, tick)
        self._status.annotate(_part(scene, layout.status), tick)
        self._curve.annotate(_part(scene, layout.curve), tick)
        self._bars.annotate(_part(scene, layout.bars), tick)
        self._card.annotate(_part(scene, layout.card), tick)
        scene.flags.writeable = False
        self._drawn = (tick, scene)
        return scene


def _part(scene: U8, box: tuple[int, int, int, int]) -> U8:
    x0, y0, x1, y1 = box
    return scene[y0:y1, x0:x1]
