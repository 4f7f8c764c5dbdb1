"""The last thing that happened."""

import cv2

from htnet.engine.types import NS_PER_MS, U8, Event, Tick
from htnet.realtime.overlay.palette import DIM, PANEL, RULE, TEXT, Colour, blend, label_colour
from htnet.realtime.overlay.text import fitted, write

_NOMINAL = 72


class EventCard:
    """The last final event: label, duration, kind, probability and magnitude; of a rejected one the
    reason. After ``bright_ms`` of the ticks' time it fades to a memory of itself."""

    def __init__(
        self, *, bright_ms: float = 4000.0, fade_ms: float = 1500.0, background: Colour = PANEL
    ) -> None:
        self._bright_ms = bright_ms
        self._fade_ms = fade_ms
        self._background = background
        self._event: Event | None = None
        self._since_ns = 0

    def see(self, tick: Tick) -> None:
        """Take in a tick without drawing it; once or more."""
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
        heading, first, second = _lines(event)
        shade = accent if event.rejected is None else DIM
        heading = fitted(heading, 13.5 * unit, room)
        write(scene, heading, (left, 14 * unit), 13.5 * unit, tone(shade))
        write(scene, fitted(first, 18 * unit, room), (left, 39 * unit), 18 * unit, tone(TEXT))
        write(scene, fitted(second, 11 * unit, room), (left, 60 * unit), 11 * unit, tone(DIM))
        return scene

    def _gone(self, t_ns: int) -> float:
        age_ms = abs(t_ns - self._since_ns) / NS_PER_MS
        return min(max((age_ms - self._bright_ms) / self._fade_ms, 0.0), 1.0)


def _lines(event: Event) -> tuple[str, str, str]:
    duration = f"{event.duration_ms:.0f} ms"
    if event.rejected is not None:
        return f"rejected: {event.rejected}", duration, f"{event.label}? · {event.kind}"
    sure = event.probabilities.get(event.label)
    share = "" if sure is None else f" · {100 * sure:.0f} %"
    return event.label, duration, f"{event.kind}{share} · {event.magnitude_px:.2f} px"
