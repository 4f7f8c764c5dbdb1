"""The status line of a run."""

import cv2

from htnet.engine.types import U8, Tick
from htnet.realtime.overlay.palette import (
    ALERT,
    DIM,
    PANEL,
    RULE,
    TEXT,
    Colour,
    blend,
    state_colour,
)
from htnet.realtime.overlay.text import fitted, width_of, write

_NOMINAL = 20


class StatusLine:
    """State and source on the left; frames a second, latency and drops on the right."""

    def __init__(self, background: Colour = PANEL) -> None:
        self._background = background

    def annotate(self, scene: U8, tick: Tick) -> U8:
        """Fill ``scene``."""
        scene[:] = self._background
        height, width = scene.shape[:2]
        unit, health = height / _NOMINAL, tick.health
        px, baseline, margin = 11 * unit, 14.2 * unit, 8 * unit
        cv2.line(scene, (0, height - 1), (width, height - 1), blend(self._background, RULE, 0.6), 1)
        colour = state_colour(tick.state)
        middle = (round((margin + 4 * unit) * 16), round(10.2 * unit * 16))
        cv2.circle(scene, middle, round(3.6 * unit * 16), colour, -1, cv2.LINE_AA, 4)
        left = margin + 12 * unit
        write(scene, tick.state.value, (left, baseline), px, TEXT)
        # Wide enough for every state, so that the source's name does not move.
        left += width_of("no face", px) + 14 * unit
        right = width - margin
        for text, shade in (
            (f"{health.dropped} dropped", ALERT if health.dropped else DIM),
            (f"{health.latency_ms:.0f} ms latency", TEXT),
            (f"{health.fps:.0f} fps", TEXT),
        ):
            right -= write(scene, text, (right, baseline), px, shade, "right") + 14 * unit
        if health.source and right - left > 30 * unit:
            write(scene, fitted(health.source, px, right - left), (left, baseline), px, DIM)
        return scene
