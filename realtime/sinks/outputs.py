"""The outputs of a run: their settings, and the open sinks written to as one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from htnet.engine.errors import HTNetError
from htnet.engine.types import Event, Tick
from htnet.realtime.formats.observation import Observation
from htnet.realtime.formats.rows import Dialect
from htnet.realtime.formats.suffixes import DOCUMENTS, require_suffix
from htnet.realtime.sinks.events import EventLog, require_appendable
from htnet.realtime.sinks.paths import Existing, require_free, writable
from htnet.realtime.sinks.status_panel import StatusPanel
from htnet.realtime.sinks.video import OverlayVideo
from htnet.realtime.sinks.window import Window

EVENTS, EXPLAIN, OVERLAY = "--events", "--explain", "--overlay-video"


@dataclass(frozen=True, slots=True)
class OutputConfig:
    """Files that a run writes.

    ``provisional``: provisional events too. ``explain``: file for every candidate and the decisions
    of all rules. ``existing``: treatment of files that exist. ``dialect``: of CSV files.
    """

    events: Path | None = None
    provisional: bool = False
    explain: Path | None = None
    overlay_video: Path | None = None
    existing: Existing = Existing.REFUSE
    dialect: Dialect = Dialect.STANDARD

    def paths(self) -> dict[str, Path]:
        """Return the files by the options that name them."""
        named = {EVENTS: self.events, EXPLAIN: self.explain, OVERLAY: self.overlay_video}
        return {option: path for option, path in named.items() if path is not None}

    def require(self, *read: Path) -> None:
        """Raise `UsageError` unless all can be written; ``read``: files that the run reads."""
        for option, path in self.paths().items():
            writable(path, option)
        require_free(self.paths(), self.existing, taken=read, appended=(EVENTS, EXPLAIN))
        for option, path in self.paths().items():
            if option != OVERLAY:
                suffix = require_suffix(path, option, explain=option == EXPLAIN)
                if suffix in DOCUMENTS:
                    require_appendable(path, option, self.existing)

    def logs(self, observation: Observation) -> list[EventLog]:
        """Return the event files, not yet opened."""
        logs = []
        for option, path in self.paths().items():
            if option != OVERLAY:
                logs.append(
                    EventLog(
                        path,
                        self.provisional and option == EVENTS,
                        option=option,
                        explain=option == EXPLAIN,
                        existing=self.existing,
                        dialect=self.dialect,
                        observation=observation,
                    )
                )
        return logs


class Outputs:
    """The open sinks of a run: event files, overlay video, and a window or a status panel.

    ``begun``: True once a file has been begun, when ``on_begin`` is called.
    """

    def __init__(
        self,
        logs: list[EventLog],
        video: OverlayVideo | None,
        screen: Window | StatusPanel,
        on_begin: Callable[[], None] = lambda: None,
    ) -> None:
        self._logs = logs
        self._video = video
        self._screen = screen
        self._on_begin = on_begin
        self.begun = False
        self.window = screen if isinstance(screen, Window) else None

    def closed(self) -> bool:
        """Return True once the user has closed the window."""
        return self.window is not None and self.window.closed

    def idle(self, status: str) -> None:
        """Show the state of a source that gives no frame; keep the window alive."""
        self._screen.say(status)
        if self.window is not None:
            self.window.pump()

    def write(self, tick: Tick) -> None:
        """Write a Tick to every sink, the files first."""
        for log in self._logs:
            log.write(tick)
        if self._video is not None:
            self._video.write(tick)
        self._begin(self._video is not None)
        self._screen.write(tick)

    def saved(self) -> list[Path]:
        """Return the recordings and snapshots that the window made."""
        return [path for path in (self.window.saved if self.window else []) if path.exists()]

    def hold(self) -> None:
        """Return once the window is not paused any more, or closed."""
        while self.window is not None and self.window.paused and not self.closed():
            self.window.pump(0.03)

    def finish(self, rest: tuple[Event, ...], *, good: bool = True) -> HTNetError | None:
        """Write the events that belong to no Tick, end the video; return a file's first error.

        ``good``: no error ended the run, so that files without an event are made too.
        """
        failure: HTNetError | None = None
        for log in self._logs:
            try:
                log.add(rest)
                if good or log.begun:
                    log.finish()
            except HTNetError as error:
                failure = failure or error
        try:
            if self._video is not None:
                self._video.close()
        except HTNetError as error:
            failure = failure or error
        try:
            self._begin(bool(self.saved()))
        except HTNetError as error:
            failure = failure or error
        if isinstance(self._screen, StatusPanel):
            self._screen.add(rest)
        return failure

    def _begin(self, begun: bool) -> None:
        """Tell once that a file is begun: one of the logs, or another where ``begun``."""
        if not self.begun and (begun or any(log.begun for log in self._logs)):
            self.begun = True
            self._on_begin()
