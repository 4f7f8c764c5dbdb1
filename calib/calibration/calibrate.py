"""Calibration in front of a camera: the path of `live`, ten quiet seconds, a profile."""

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.text import Text

from htnet.calib.calibration.recorder import CalibrationRecorder
from htnet.engine.errors import FaceError, SourceError, UsageError
from htnet.engine.recognition.recognizer import open_recognizer
from htnet.engine.types import F32, Tick
from htnet.realtime.capture_thread import CaptureThread
from htnet.realtime.live import PathConfig
from htnet.realtime.pipeline import Pipeline
from htnet.realtime.profile import Profile, require_name, write_profile
from htnet.realtime.session import ticks
from htnet.realtime.sinks.tables import ALERT, MOVING
from htnet.realtime.sources.base import Source, SourceConfig
from htnet.realtime.sources.camera_controls import open_steady
from htnet.realtime.sources.demo import DemoSource
from htnet.realtime.spotting.spotter import Spotter
from htnet.realtime.spotting.threshold import RollingThreshold
from htnet.realtime.tracker_process import TrackerProcess

_REST = "Look at the camera, face at rest, lips closed. Blink as you like."
_WIDTH = 80


@dataclass(frozen=True, slots=True)
class CalibrateConfig:
    """``name`` of the profile; ``tries`` before it is given up; ``mains_hz``: 50 or 60, to have the
    camera filter the flicker of lamps."""

    path: PathConfig
    name: str
    tries: int = 5
    mains_hz: int | None = None
    seconds: float = 10.0

    def __post_init__(self) -> None:
        if self.mains_hz not in (None, 50, 60):
            raise UsageError(f"expected mains of 50 or 60 Hz; got {self.mains_hz}: choose one.")


class InfiniteThreshold(RollingThreshold):
    """A threshold that nothing passes: motion is measured against the running onset throughout,
    as `live` does while a face is neutral."""

    def at(self, turn: F32) -> F32:
        """Infinite."""
        return np.full_like(super().at(turn), np.inf)


def calibrate(
    config: CalibrateConfig, console: Console, recorder: CalibrationRecorder
) -> Profile | None:
    """Watch until ten quiet seconds are had, and store the profile; None on Ctrl-C.

    Only a whole quiet stretch is ever stored. Raises `UsageError` for a name that cannot be,
    `FaceError` when every try was spoiled, `SourceError` when the source ends before, and
    `OutputError` when the profile cannot be written.
    """
    require_name(config.name)
    told: dict[str, None] = {}  # in order, each once
    with ExitStack() as stack:
        tracker = TrackerProcess(config.path.landmarker)
        stack.callback(tracker.close)
        recognizer = open_recognizer(
            config.path.model,
            flow=config.path.flow,
            device=config.path.device,
            runtime=config.path.runtime,
            precision=config.path.precision,
            say=console.out,
        )
        source = _open(config, lambda said: told.update(dict.fromkeys(said)))
        reader = CaptureThread(source)
        stack.callback(reader.close)
        tracker.wait()
        pipeline = Pipeline(tracker, recognizer, spotter=Spotter(threshold=InfiniteThreshold()))
        screen = stack.enter_context(Screen(console, source.name, config.tries, config.seconds))
        try:
            found = quiet_seconds(
                ticks(reader, pipeline, idle=lambda: screen.say(reader.status)),
                recorder,
                screen,
                config.tries,
            )
        except KeyboardInterrupt:
            return None
        if not found:
            raise SourceError(
                f"expected {config.seconds:g} quiet seconds from {source.name}; it ended before "
                "there were so many: give a longer recording of a face at rest."
            )
    profile = recorder.result(config.name, source.name, datetime.now().astimezone(), tuple(told))
    write_profile(profile)
    return profile


def quiet_seconds(
    seen: Iterable[Tick], recorder: CalibrationRecorder, screen: "Screen", tries: int
) -> bool:
    """Hand Ticks to ``recorder`` until it is done; False when they end before. A try that is
    spoiled is told, and begun anew; `FaceError` after ``tries`` of them."""
    spent = 0
    for tick in seen:
        recorder.take(tick)
        trouble = recorder.spoiled()
        if trouble is not None:
            spent += 1
            if spent == tries:
                raise FaceError(
                    f"expected a face at rest for as long as it takes; got {tries} spoiled tries, "
                    f"the last because {trouble}. Nothing is stored: try again when it is calm."
                )
            recorder.again()
            screen.again(trouble, spent + 1)
        elif recorder.progress >= 1.0:
            return True
        screen.write(tick, recorder)
    return False


class Screen:
    """How the calibration goes, at most ``per_second`` times a second.

    Where the console is no terminal nothing moves: each new sentence is a line.
    """

    def __init__(
        self,
        console: Console,
        source: str,
        tries: int,
        seconds: float,
        *,
        per_second: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._source = source
        self._tries = tries
        self._seconds = seconds
        self._interval_s = 1 / per_second
        self._clock = clock
        self._live: Live | None = None
        self._drawn_at = float("-inf")
        self._try = 1
        self._progress = 0.0
        self._advice = ""
        self._trouble = ""
        self._health = ""

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        else:
            self._line(_REST)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def write(self, tick: Tick, recorder: CalibrationRecorder) -> None:
        """Show where ``recorder`` is, if the last picture is old enough: advice costs a moment."""
        if self._clock() - self._drawn_at < self._interval_s:
            return
        self._progress = recorder.progress
        self._health = f"{tick.health.fps:.0f} fps · {tick.health.dropped} dropped · "
        self.say(recorder.advice())

    def again(self, trouble: str, number: int) -> None:
        """Tell that a try is lost and that try ``number`` begins."""
        self._trouble, self._try, self._progress = trouble, number, 0.0
        if self._live is None:
            self._line(f"Again, try {number} of {self._tries}: {trouble}.")

    def say(self, advice: str) -> None:
        """Show a sentence, "" when all is well again."""
        if self._live is None and advice and advice != self._advice:
            self._line(f"{advice[:1].upper()}{advice[1:]}.")
        self._advice = advice
        self._drawn_at = self._clock()
        if self._live is not None:
            self._live.update(self.render(), refresh=True)

    def render(self) -> RenderableType:
        """The screen as it stands."""
        done = self._progress * self._seconds
        bar = ProgressBar(
            total=1.0, completed=self._progress, width=40, complete_style=MOVING, pulse=False
        )
        rows: list[RenderableType] = [
            Text(_REST),
            Text(),
            bar,
            Text.assemble(
                f"{done:4.1f} of {self._seconds:g} s",
                (f"   try {self._try} of {self._tries}", "dim"),
            ),
            Text(),
            Text(f"Now: {self._advice}.", ALERT) if self._advice else Text("All is well.", MOVING),
            Text(f"Begun anew, since {self._trouble}.", "dim") if self._trouble else Text(),
        ]
        return Panel(
            Group(*rows),
            title=Text.assemble("htnet calibrate", (f" · {self._source}", "dim")),
            title_align="left",
            subtitle=Text.assemble(self._health, ("Ctrl-C stores nothing", "dim")),
            subtitle_align="right",
            width=min(self._console.width, _WIDTH),
            border_style="dim",
        )

    def _line(self, sentence: str) -> None:
        self._console.print(Text(sentence), soft_wrap=True)


def _open(config: CalibrateConfig, tell: Callable[[list[str]], None]) -> Source:
    if config.path.demo is not None:
        return DemoSource(config.path.demo)
    return open_steady(config.path.source or SourceConfig(), tell, mains_hz=config.mains_hz)
