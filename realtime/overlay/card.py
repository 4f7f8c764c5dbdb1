"""The card of the last final event."""

import cv2

from htnet.engine.types import NS_PER_MS, U8, Event, Tick
from htnet.realtime.overlay.palette import DIM, PANEL, RULE, TEXT, Colour, blend, label_colour
from htnet.realtime.overlay.reasons import in_words
from htnet.realtime.overlay.text import fitted, width_of, write

_NOMINAL = 72
_SMALLEST = 0.55  # fraction of the heading's size


class EventCard:
    """The last final event: label, duration, muscle and magnitude, kind and probability.

    A rejected one shows its reason. After ``bright_ms`` of the Ticks' time it fades to half.
    """

    def __init__(
        self, *, bright_ms: float = 4000.0, fade_ms: float = 1500.0, background: Colour = PANEL
    ) -> None:
        self._bright_ms = bright_ms
        self._fade_ms = fade_ms
        self._background = background
        self._event: Event | None = None
        self._since_ns = 0

    def see(self, tick: Tick) -> None:
        """Take in a Tick without drawing it; more than once does no harm."""
        for event in tick.events:
            if event.stage == "final" and event is not self._event:
                self._event, self._since_ns = event, tick.frame.t_ns

    def annotate(self, scene: U8, tick: Tick) -> U8:
        """Fill ``scene``."""
        self.see(tick)
        scene[:] = self._background
        unit, width = scene.shape[0] / _NOMINAL, scene.shape[1]
        left, room = 9 * unit, width - 9 * unit
        event = self._event
        if event is None:
            cv2.line(scene, (0, round(4 * unit)), (0, round(66 * unit)), RULE, max(1, round(unit)))
            write(scene, "no event yet", (left, 14 * unit), 11 * unit, DIM)
            return scene
        gone = self._gone(tick.frame.t_ns)

        def tone(colour: Colour) -> Colour:
            return blend(colour, self._background, 0.5 * gone)

        accent = label_colour(event.label)
        bar = (0, round(3 * unit)), (round(2.5 * unit), round(67 * unit))
        if event.rejected is None:
            cv2.rectangle(scene, *bar, tone(accent), -1)
        else:
            cv2.rectangle(scene, *bar, tone(DIM), 1)
        heading, *lines = _lines(event)
        shade = accent if event.rejected is None else DIM
        # A long reason is written in smaller letters, not cut.
        shrunk = min(1.0, room / max(width_of(heading, 13.5 * unit), 1.0))
        for text, baseline, size, colour in (
            (heading, 13.0, 13.5 * max(shrunk, _SMALLEST), shade),
            (lines[0], 34.0, 17.0, TEXT),
            (lines[1], 50.5, 11.0, DIM),
            (lines[2], 65.0, 11.0, DIM),
        ):
            text = fitted(text, size * unit, room)
            write(scene, text, (left, baseline * unit), size * unit, tone(colour))
        return scene

    def _gone(self, t_ns: int) -> float:
        age_ms = abs(t_ns - self._since_ns) / NS_PER_MS
        return min(max((age_ms - self._bright_ms) / self._fade_ms, 0.0), 1.0)


def _lines(event: Event) -> tuple[str, str, str, str]:
    duration, pull = f"{event.duration_ms:.0f} ms", f"{event.muscle} {event.magnitude_px:.2f} px"
    if event.rejected is not None:
        return in_words(event.rejected), duration, pull, f"{event.kind} · {event.label}?"
    sure = event.probabilities.get(event.label)
    share = "" if sure is None else f" · {100 * sure:.0f} %"
    return event.label, duration, pull, f"{event.kind}{share}"
