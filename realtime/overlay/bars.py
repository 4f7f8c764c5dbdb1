"""The prediction for the live pair."""

import cv2

from htnet.engine.types import CLASSES, NEUTRAL, U8, Tick
from htnet.realtime.overlay.palette import (
    DIM,
    PANEL,
    PLOT,
    RULE,
    TEXT,
    Colour,
    blend,
    label_colour,
)
from htnet.realtime.overlay.text import width_of, write

_NOMINAL = 72  # the scene's height in units


class ProbabilityBars:
    """The label and a bar for each class; grey while the face is neutral."""

    def __init__(self, classes: tuple[str, ...] = CLASSES, background: Colour = PANEL) -> None:
        self._classes = classes
        self._background = background

    def annotate(self, scene: U8, tick: Tick) -> U8:
        """Fill ``scene``."""
        scene[:] = self._background
        unit = scene.shape[0] / _NOMINAL
        prediction = tick.prediction
        label = prediction.label if prediction else ("no face" if tick.face is None else NEUTRAL)
        quiet = prediction is None or label == NEUTRAL
        write(scene, label, (0, 14 * unit), 13.5 * unit, DIM if quiet else label_colour(label))
        px = 11 * unit
        names = max(width_of(name, px) for name in self._classes) + 7 * unit
        numbers = width_of("100 %", px)
        right = scene.shape[1] - numbers - 5 * unit
        for i, name in enumerate(self._classes):
            middle = (28 + 17 * i) * unit
            share = prediction.probabilities.get(name, 0.0) if prediction else 0.0
            colour = RULE if quiet else label_colour(name)
            best = not quiet and name == label
            write(scene, name, (0, middle + 4 * unit), px, TEXT if best else DIM)
            top, low = round(middle - 4 * unit), round(middle + 4 * unit)
            x0, x1 = round(names), round(right)
            cv2.rectangle(scene, (x0, top), (x1, low), PLOT, -1)
            if prediction is not None:
                end = x0 + round((x1 - x0) * share)
                cv2.rectangle(scene, (x0, top), (end, low), colour, -1)
                number = f"{100 * share:.0f} %"
                shade = TEXT if best else (blend(DIM, RULE, 0.4) if quiet else DIM)
                write(scene, number, (scene.shape[1], middle + 4 * unit), px, shade, "right")
        return scene
