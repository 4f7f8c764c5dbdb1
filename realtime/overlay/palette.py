"""Colours (BGR) by Okabe and Ito, which the colour-blind can tell apart, on a dark panel."""

from typing import Final

from htnet.engine.types import NEUTRAL, UNCERTAIN, State

Colour = tuple[int, int, int]

PANEL: Final[Colour] = (32, 27, 24)
PLOT: Final[Colour] = (45, 38, 34)
RULE: Final[Colour] = (78, 68, 62)
DIM: Final[Colour] = (168, 158, 150)
TEXT: Final[Colour] = (240, 236, 232)
WHITE: Final[Colour] = (255, 255, 255)
BLACK: Final[Colour] = (0, 0, 0)
ALERT: Final[Colour] = (70, 130, 255)
MOTION: Final[Colour] = (170, 216, 70)  # bluish green: motion above the threshold

_LABELS: Final[dict[str, Colour]] = {
    "negative": (64, 128, 240),  # vermilion, lightened for the dark panel
    "positive": (233, 180, 86),  # sky blue
    "surprise": (66, 228, 240),  # yellow
    UNCERTAIN: (190, 160, 204),  # reddish purple, lightened
    NEUTRAL: DIM,
}
_STATES: Final[dict[State, Colour]] = {
    State.NO_FACE: ALERT,
    State.NEUTRAL: DIM,
    State.RISING: MOTION,
    State.APEX: MOTION,
    State.FALLING: MOTION,
}


def label_colour(label: str) -> Colour:
    """Return the colour of a label."""
    return _LABELS.get(label, TEXT)


def state_colour(state: State) -> Colour:
    """Return the colour of a state."""
    return _STATES[state]


def blend(a: Colour, b: Colour, share: float) -> Colour:
    """Return ``a`` with a fraction ``share`` (0..1) of ``b`` mixed in."""
    mixed = [round(x + (y - x) * share) for x, y in zip(a, b, strict=True)]
    return mixed[0], mixed[1], mixed[2]
