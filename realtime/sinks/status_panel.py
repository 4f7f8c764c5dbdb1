"""The status panel: a run in a terminal, where there is no window."""

import time
from collections import deque
from collections.abc import Callable, Iterable

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from htnet.engine.types import CLASSES, NEUTRAL, NS_PER_MS, Event, State, Tick
from htnet.realtime.sinks.live_screen import LiveScreen
from htnet.realtime.sinks.tables import ALERT, LABELS, MOVING

_SPARKS, _ASCII_SPARKS = "▁▂▃▄▅▆▇█", "._-~=+*#"
_SPARK_NS = 100 * NS_PER_MS  # time of a column, which shows the highest magnitude
_COLUMNS, _BAR, _EVENTS = 48, 32, 4


class StatusPanel(LiveScreen):
    """The content of the overlay in 80 columns, at most ``per_second`` times a second.

    Where the console is no terminal, only a line for each final event is printed.
    """

    def __init__(
        self,
        console: Console,
        *,
        per_second: float = 8.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(console, per_second=per_second, clock=clock)
        self._tick: Tick | None = None
        self._status = ""
        self._motion: deque[tuple[int, float, float]] = deque(maxlen=_COLUMNS)
        self._events: deque[Event] = deque(maxlen=_EVENTS)

    def write(self, tick: Tick) -> None:
        """Take in ``tick``, and redraw if the last drawing is old enough."""
        self._tick = tick
        column = tick.frame.t_ns // _SPARK_NS
        motion = tick.motion
        magnitude, threshold = (motion.magnitude, motion.threshold) if motion else (0.0, 0.0)
        if self._motion and self._motion[-1][0] == column:
            magnitude = max(magnitude, self._motion.pop()[1])
        self._motion.append((column, magnitude, threshold))
        self.add(tick.events)
        if self._is_due():
            self._draw()

    def add(self, events: Iterable[Event]) -> None:
        """Take in events, of a Tick or of the source's end."""
        for event in events:
            if event.stage == "final":
                self._events.append(event)
                if self._live is None:
                    self._console.print(_event_line(event), soft_wrap=True, highlight=False)

    def say(self, status: str) -> None:
        """Show a sentence about the source; "" removes it."""
        if status == self._status:
            return
        self._status = status
        if self._live is None:
            if status:
                self._console.print(Text(status), soft_wrap=True)
        else:
            self._draw()

    def render(self) -> RenderableType:
        """Return the panel of the last Tick."""
        tick = self._tick
        if tick is None:
            return Panel(Text(self._status or "waiting for pictures", style="dim"), title="htnet")
        health = tick.health
        title = Text.assemble("htnet", (f" · {health.source}" if health.source else "", "dim"))
        dropped = (f"{health.dropped} dropped", ALERT if health.dropped else "dim")
        numbers = f"{health.fps:.0f} fps · {health.latency_ms:.0f} ms latency · "
        rows: list[RenderableType] = [self._state(tick), self._spark(tick)]
        rows += self._bars(tick)
        rows.append(Text())
        rows += [_event_line(e) for e in reversed(self._events)]
        rows += [Text("no event yet", style="dim")] * (not self._events)
        rows += [Text()] * (_EVENTS - max(len(self._events), 1))
        rows.append(Text(self._status, style=ALERT) if self._status else Text("Ctrl-C ends", "dim"))
        return Panel(
            Group(*rows),
            title=title,
            title_align="left",
            subtitle=Text.assemble(numbers, dropped),
            subtitle_align="right",
            width=min(self._console.width, 80),
            border_style="dim",
        )

    def _state(self, tick: Tick) -> Text:
        style = ALERT if tick.state is State.NO_FACE else MOVING
        label = tick.prediction.label if tick.prediction else ""
        return Text.assemble(
            (f"{tick.state.value:<10}", "dim" if tick.state is State.NEUTRAL else style),
            (label if label != NEUTRAL else "", LABELS.get(label, "")),
            ("blink" if tick.motion and tick.motion.blinking else "", "dim"),
        )

    def _spark(self, tick: Tick) -> Text:
        """Return the motion of the last seconds; above the threshold it is coloured."""
        sparks = _ASCII_SPARKS if self._console.options.ascii_only else _SPARKS
        line = Text(f"{'motion':<10}")
        top = max([2 * t for _, _, t in self._motion] + [m for _, m, _ in self._motion] + [1e-6])
        line.append(" " * (_COLUMNS - len(self._motion)))
        for _, magnitude, threshold in self._motion:
            level = min(int(magnitude / top * len(sparks)), len(sparks) - 1)
            line.append(sparks[level], MOVING if magnitude >= threshold > 0 else "dim")
        if tick.motion is not None:
            line.append(f"  {tick.motion.magnitude:.2f}")
            line.append(f" / {tick.motion.threshold:.2f} px", "dim")
        return line

    def _bars(self, tick: Tick) -> list[RenderableType]:
        full, empty = ("#", ".") if self._console.options.ascii_only else ("━", "━")
        prediction = tick.prediction
        quiet = prediction is None or prediction.label == NEUTRAL
        names = CLASSES if prediction is None else tuple(prediction.probabilities)
        bars: list[RenderableType] = []
        for name in names:
            share = prediction.probabilities[name] if prediction else 0.0
            filled = round(share * _BAR)
            bars.append(
                Text.assemble(
                    (f"{name:<10}", "dim" if quiet else ""),
                    (full * filled, "dim" if quiet else LABELS.get(name, "")),
                    (empty * (_BAR - filled), "#303030"),
                    (f" {100 * share:3.0f} %" if prediction else "", "dim" if quiet else ""),
                )
            )
        return bars


def _event_line(event: Event) -> Text:
    at = event.onset_ns / 1e9
    share = event.probabilities.get(event.label, 0.0)
    line = Text(f"{at:8.2f} s  ")
    if event.rejected is not None:
        line.append(f"rejected: {event.rejected}", "dim")
        line.append(f"  {event.duration_ms:.0f} ms", "dim")
        return line
    line.append(f"{event.label:<9}", LABELS.get(event.label, ""))
    line.append(f"{100 * share:4.0f} %  {event.kind}  {event.duration_ms:5.0f} ms")
    line.append(f"  {event.magnitude_px:.2f} px", "dim")
    return line
