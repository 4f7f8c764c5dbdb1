"""`htnet calibrate`: the live path in front of a neutral face, stored as a profile."""

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.text import Text

from htnet.calib.calibration.recorder import CalibrationRecorder
from htnet.calib.probe.keeper import FaceKeeper
from htnet.engine.errors import FaceError, SourceError, UsageError
from htnet.engine.recognition.recognizer import open_recognizer
from htnet.engine.types import F32, Tick
from htnet.realtime.capture_thread import CaptureThread
from htnet.realtime.live import PathConfig
from htnet.realtime.pipeline import Pipeline
from htnet.realtime.profiles.profile import Profile, require_name
from htnet.realtime.profiles.store import write_profile
from htnet.realtime.session import ticks
from htnet.realtime.sinks.live_screen import LiveScreen
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
    """Configuration of a calibration.

    ``name``: name of the profile. ``tries``: number of tries. ``mains_hz``: 50 or 60, to have the
    camera filter the flicker of lamps. ``seconds``: length of the measurement.
    """

    path: PathConfig
    name: str
    tries: int = 5
    mains_hz: int | None = None
    seconds: float = 10.0

    def __post_init__(self) -> None:
        if self.mains_hz not in (None, 50, 60):
            raise UsageError(f"expected mains of 50 or 60 Hz; got {self.mains_hz}: choose one.")


class InfiniteThreshold(RollingThreshold):
    """A threshold that no motion passes.

    Motion is then measured against the running onset throughout, as `live` does while a face is
    neutral.
    """

    def at(self, turn: F32) -> F32:
        """Return infinity for every muscle."""
        return np.full_like(super().at(turn), np.inf)


def calibrate(
    config: CalibrateConfig,
    console: Console,
    recorder: CalibrationRecorder,
    keeper: FaceKeeper | None = None,
) -> Profile | None:
    """Run until the recorder is done, store the profile and return it; None on Ctrl-C.

    ``keeper`` receives the pictures of the quiet seconds.

    Only an uninterrupted neutral stretch is ever stored. Raises `UsageError` for an invalid name,
    `FaceError` if every try was rejected, `SourceError` if the source ends before, and
    `OutputError` if the profile cannot be written.
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
                keeper,
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
    seen: Iterable[Tick],
    recorder: CalibrationRecorder,
    screen: "Screen",
    tries: int,
    keeper: FaceKeeper | None = None,
) -> bool:
    """Give Ticks to ``recorder`` until it is done; return False if they end before.

    A rejected try is shown and begun anew. Raises `FaceError` after ``tries`` of them.
    """
    spent = 0
    for tick in seen:
        recorder.take(tick)
        trouble = recorder.spoiled()
        if keeper is not None:
            keeper.take(tick, trouble is None and recorder.progress > 0)
        if trouble is not None:
            spent += 1
            if spent == tries:
                raise FaceError(
                    f"expected a face at rest for as long as it takes; got {tries} spoiled tries, "
                    f"the last because {trouble}. Nothing is stored: try again when it is calm."
                )
            recorder.again()
            if keeper is not None:
                keeper.drop()
            screen.again(trouble, spent + 1)
        elif recorder.progress >= 1.0:
            return True
        screen.write(tick, recorder)
    return False


class Screen(LiveScreen):
    """Progress of a calibration, drawn at most ``per_second`` times a second.

    Without a terminal each new sentence is printed as a line.
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
        super().__init__(console, per_second=per_second, clock=clock)
        self._source = source
        self._tries = tries
        self._seconds = seconds
        self._try = 1
        self._progress = 0.0
        self._advice = ""
        self._trouble = ""
        self._health = ""

    def __enter__(self) -> Self:
        super().__enter__()
        if self._live is None:
            self._line(_REST)
        return self

    def write(self, tick: Tick, recorder: CalibrationRecorder) -> None:
        """Show the state of ``recorder`` if the last picture is old enough; advice takes time."""
        if not self._is_due():
            return
        self._progress = recorder.progress
        self._health = f"{tick.health.fps:.0f} fps · {tick.health.dropped} dropped · "
        self.say(recorder.advice())

    def again(self, trouble: str, number: int) -> None:
        """Show that a try is rejected and that try ``number`` begins."""
        self._trouble, self._try, self._progress = trouble, number, 0.0
        if self._live is None:
            self._line(f"Again, try {number} of {self._tries}: {trouble}.")

    def say(self, advice: str) -> None:
        """Show advice; "" if there is none."""
        if self._live is None and advice and advice != self._advice:
            self._line(f"{advice[:1].upper()}{advice[1:]}.")
        self._advice = advice
        self._draw()

    def render(self) -> RenderableType:
        """Return the screen in its present state."""
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
