"""The open sinks of a run, written to as one."""

from htnet.engine.errors import HTNetError
from htnet.engine.types import Event, Tick
from htnet.realtime.sinks.events import EventLog
from htnet.realtime.sinks.status_panel import StatusPanel
from htnet.realtime.sinks.video import OverlayVideo
from htnet.realtime.sinks.window import Window


class Outputs:
    """The open sinks of a run: event files, overlay video, and a window or a status panel."""

    def __init__(
        self, logs: list[EventLog], video: OverlayVideo | None, screen: Window | StatusPanel
    ) -> None:
        self._logs = logs
        self._video = video
        self._screen = screen
        self.window = screen if isinstance(screen, Window) else None
        sinks: list[EventLog | OverlayVideo | Window | StatusPanel | None] = [*logs, video, screen]
        self._sinks = [sink for sink in sinks if sink is not None]

    def closed(self) -> bool:
        """Return True once the user has closed the window."""
        return self.window is not None and self.window.closed

    def idle(self, status: str) -> None:
        """Show the state of a source that gives no frame; keep the window alive."""
        self._screen.say(status)
        if self.window is not None:
            self.window.pump()

    def write(self, tick: Tick) -> None:
        """Write a Tick to every sink."""
        for sink in self._sinks:
            sink.write(tick)

    def hold(self) -> None:
        """Return once the window is not paused any more, or closed."""
        while self.window is not None and self.window.paused and not self.closed():
            self.window.pump(0.03)

    def finish(self, rest: tuple[Event, ...]) -> HTNetError | None:
        """Write the events that belong to no Tick, end the video; return a file's first error."""
        failure: HTNetError | None = None
        for log in self._logs:
            try:
                log.add(rest)
            except HTNetError as error:
                failure = failure or error
        try:
            if self._video is not None:
                self._video.close()
        except HTNetError as error:
            failure = failure or error
        if isinstance(self._screen, StatusPanel):
            self._screen.add(rest)
        return failure
