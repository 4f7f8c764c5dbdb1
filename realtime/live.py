"""A live run: source, pipeline, sinks, screen and summary."""

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from rich.console import Console

from htnet.engine.errors import HTNetError
from htnet.engine.models.weights import default_weights
from htnet.engine.recognition.recognizer import Recognizer, open_recognizer
from htnet.engine.runtimes.select import AUTO
from htnet.engine.types import F32, Event, Tick
from htnet.realtime.capture_thread import CaptureThread
from htnet.realtime.overlay.compose import Overlay
from htnet.realtime.pipeline import Pipeline
from htnet.realtime.profiles.profile import Profile
from htnet.realtime.profiles.store import read_profile
from htnet.realtime.session import ticks
from htnet.realtime.session_record import (
    SessionConfig,
    SessionRecord,
    Tally,
    observation,
    source_facts,
)
from htnet.realtime.signals import ignore_signals, mute_lost_terminal, signals_restored
from htnet.realtime.sinks.display import no_display
from htnet.realtime.sinks.outputs import OutputConfig, Outputs
from htnet.realtime.sinks.status_panel import StatusPanel
from htnet.realtime.sinks.tables import rejected_line, summary_table, truth_table
from htnet.realtime.sinks.video import OverlayVideo
from htnet.realtime.sinks.window import Window
from htnet.realtime.sources.base import Source, SourceConfig, open_source, shown
from htnet.realtime.sources.camera_controls import open_steady
from htnet.realtime.sources.demo import DemoConfig, DemoSource
from htnet.realtime.sources.looped import LoopedSource
from htnet.realtime.sources.profiled import open_profiled
from htnet.realtime.spotting.config import SpotterConfig
from htnet.realtime.spotting.operating_point import score_for
from htnet.realtime.spotting.spotter import Spotter
from htnet.realtime.spotting.threshold import RollingThreshold
from htnet.realtime.tracker_process import TrackerProcess

_USUAL_FPS = 30.0


@dataclass(frozen=True, slots=True)
class PathConfig:
    """Settings from the source to the prediction. One of ``source`` and ``demo`` is given."""

    source: SourceConfig | None
    demo: DemoConfig | None
    model: Path | None = None
    flow: str | None = None
    device: str = "cpu"
    runtime: str = AUTO
    precision: str = "fp32"
    landmarker: Path | None = None


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Settings of a run and its outputs.

    ``profile``: name of a stored profile. ``false_alarms``: accepted rate a minute; None for the
    tuned operating point. ``rejected``: list the rejected events at the end too.
    """

    path: PathConfig
    pace: bool = False
    headless: bool = False
    outputs: OutputConfig = field(default_factory=OutputConfig)
    session: SessionConfig = field(default_factory=SessionConfig)
    rejected: bool = False
    max_seconds: float | None = None
    profile: str | None = None
    false_alarms: float | None = None


@signals_restored()
def run(config: RunConfig, console: Console) -> list[Event]:
    """Run until the source ends, the window is closed, or Ctrl-C; return the final events.

    Recordings and event files are closed whole and the summary is printed whatever ends the run.
    An error of the source is raised after that.
    """
    # Paths, profile and weights are refused before a camera is opened; files are begun after.
    config.outputs.require(*_read(config.path))
    profile = None if config.profile is None else read_profile(config.profile)
    spotting = _spotter_config(config.false_alarms)
    tally = Tally()
    with ExitStack() as stack:
        tracker = TrackerProcess(config.path.landmarker)
        stack.callback(tracker.close)
        recognizer = _recognizer(config.path, console.out)
        overlay = Overlay(recognizer.spec)
        source, least = _opened(
            config.path, profile, partial(console.print, markup=False, emoji=False)
        )
        reader = CaptureThread(source, pace=config.pace)
        stack.callback(reader.close)
        fps = float(getattr(source, "fps", 0) or _USUAL_FPS)
        facts = source_facts(config.path.source, source)
        logs = config.outputs.logs(observation(config.session, facts, recognizer.spec.classes))
        weights = config.path.model or default_weights()
        record = SessionRecord(
            *(config.session, facts, config.outputs, logs),
            model=(recognizer.model, weights),
            settings=_settings(config, spotting) | {"recognizer": str(recognizer)},
        )
        video = None
        if config.outputs.overlay_video is not None:
            video = stack.enter_context(OverlayVideo(config.outputs.overlay_video, fps, overlay))
        tracker.wait()
        spotter = Spotter(spotting, RollingThreshold(least=least))
        pipeline = Pipeline(tracker, recognizer, spotter=spotter)
        console.print(f"{source.name}; {recognizer}")
        window = _window(config, overlay, fps, console)
        screen: Window | StatusPanel = window or StatusPanel(console)
        stack.enter_context(screen)
        for log in logs:
            stack.enter_context(log)
        outputs = Outputs(logs, video, screen, partial(record.write, reader, tally))
        # A recording that is watched plays in its own time, and loses no frame for it.
        watched = not (source.live or config.headless) and (window or console.is_terminal)
        wait = _playback(window) if watched else _at_once
        failure = _play(reader, pipeline, outputs, tally, wait, config.max_seconds)
        rest = pipeline.finish()
        tally.final += rest
        unwritten = outputs.finish(rest, good=failure is None)
        failure = failure or unwritten
        for path in outputs.saved():
            record.add("window", path)
        if outputs.begun:
            failure = record.end(reader, tally, failure)
    _print_summary(console, source, reader.status, tally, rejected=config.rejected)
    if failure is not None:
        raise failure
    return tally.final


def _play(
    reader: CaptureThread,
    pipeline: Pipeline,
    outputs: Outputs,
    tally: Tally,
    wait: Callable[[Tick], None],
    max_seconds: float | None,
) -> HTNetError | None:
    """Write the Ticks of ``reader`` to ``outputs`` and ``tally``; return the error that ended it.

    ``wait`` is called after each Tick.
    """
    try:
        try:
            for tick in ticks(
                reader,
                pipeline,
                max_seconds=max_seconds,
                until=outputs.closed,
                idle=lambda: outputs.idle(reader.status),
                ahead=wait is _at_once,
            ):
                tally.add(tick)
                outputs.write(tick)
                wait(tick)
                if not reader.live:
                    outputs.hold()
        except HTNetError as error:
            return error
        except OSError as error:
            if error.errno != errno.EIO:
                raise
    except KeyboardInterrupt:
        pass
    finally:
        ignore_signals()  # a second one would cut off the closing and the summary
        mute_lost_terminal()  # its SIGHUP may be yet to come, or be ignored as under nohup
    return None


def _print_summary(
    console: Console, source: Source, status: str, tally: Tally, *, rejected: bool
) -> None:
    """Print the events of a run; of the demo, beside the truth of what was played.

    ``rejected``: list the rejected ones too, instead of their counts.
    """
    if status and not source.live:
        console.print(status)
    if tally.faceless:
        console.print(f"no face in {tally.faceless} of {tally.frames} frames")
    truth = [true for true in getattr(source, "truth", ()) if true.onset_ns <= tally.last_ns]
    if truth:
        console.print(truth_table(truth, tally.final))
    if rejected or not truth:
        console.print(summary_table(tally.final, rejected=rejected))
    counts = rejected_line(tally.final)
    if counts:
        console.print(counts, soft_wrap=True)


def _spotter_config(false_alarms: float | None) -> SpotterConfig:
    """Return the settings for a rate of false alarms a minute; None: the tuned operating point."""
    return SpotterConfig() if false_alarms is None else SpotterConfig(score=score_for(false_alarms))


@contextmanager
def measured_ticks(
    path: PathConfig, *, frames: int, pace: bool, say: Callable[[str], None] = print
) -> Iterator[Iterator[Tick]]:
    """Yield up to ``frames`` Ticks of the whole path without sinks; a recording is looped."""
    with ExitStack() as stack:
        tracker = TrackerProcess(path.landmarker)
        stack.callback(tracker.close)
        recognizer = _recognizer(path, say)
        source = _open(path)
        if not source.live:
            source.close()
            source = LoopedSource(lambda: _open(path), frames)
        reader = CaptureThread(source, pace=pace)
        stack.callback(reader.close)
        tracker.wait()
        yield _first(ticks(reader, Pipeline(tracker, recognizer)), frames)


def _recognizer(path: PathConfig, say: Callable[[str], None]) -> Recognizer:
    return open_recognizer(
        path.model,
        flow=path.flow,
        device=path.device,
        runtime=path.runtime,
        precision=path.precision,
        say=say,
    )


def _open(path: PathConfig) -> Source:
    if path.demo is not None:
        return DemoSource(path.demo)
    return open_source(path.source or SourceConfig())


def _opened(
    path: PathConfig, profile: Profile | None, say: Callable[[str], None]
) -> tuple[Source, F32 | None]:
    """Return the source and, with a profile, its least thresholds (8,) in px.

    With a profile a camera's exposure and white balance are locked, as they were when the profile
    was made; ``say`` is told the result.
    """
    if profile is None:
        return _open(path), None
    heard: set[str] = set()

    def tell(sentences: list[str]) -> None:
        for each in sentences:
            if each not in heard:  # a camera that is reopened reports again
                heard.add(each)
                say(f"{each[:1].upper()}{each[1:]}.")

    def steady() -> Source:
        if path.demo is not None:
            return _open(path)
        return open_steady(path.source or SourceConfig(), tell, mains_hz=profile.mains_hz)

    opened = open_profiled(steady, profile, say)
    if profile.probe is not None:
        say(profile.probe.sentence())
    return opened


def _first(all_of_them: Iterator[Tick], count: int) -> Iterator[Tick]:
    for number, tick in enumerate(all_of_them, 1):
        yield tick
        if number == count:
            return


def _read(path: PathConfig) -> list[Path]:
    """Return the files that a run reads."""
    source = path.source.source if path.source is not None else None
    named = (source, path.model, path.landmarker)
    return [Path(each) for each in named if each is not None and "://" not in str(each)]


def _settings(config: RunConfig, spotting: SpotterConfig) -> dict[str, object]:
    """Return the settings of a run for its record; an address without its password."""
    settings = asdict(config)
    source = config.path.source
    if source is not None and source.source is not None:
        settings["path"]["source"]["source"] = shown(source.source)
    for own in ("outputs", "session"):  # the record tells them apart
        del settings[own]
    return settings | {"provisional": config.outputs.provisional, "spotter": asdict(spotting)}


def _window(config: RunConfig, overlay: Overlay, fps: float, console: Console) -> Window | None:
    """Return the window; None if it is not wanted or cannot be opened, which is printed."""
    if config.headless:
        return None
    trouble = no_display()
    if trouble is not None:
        console.print(f"No window: {trouble}. Running headless.")
        return None
    return Window(overlay=overlay, record_fps=fps)


def _at_once(tick: Tick) -> None:
    """Do not wait."""


def _playback(
    window: Window | None, clock: Callable[[], float] = time.monotonic
) -> Callable[[Tick], None]:
    """Return a function that waits until a Tick's own time, counted from the first one."""
    began: tuple[float, int] | None = None

    def wait(tick: Tick) -> None:
        nonlocal began
        now = clock()
        if began is None:
            began = now, tick.frame.t_ns
        left = began[0] + (tick.frame.t_ns - began[1]) / 1e9 - now
        if left < -0.5:  # behind, or paused: go on at normal speed
            began = now, tick.frame.t_ns
        elif left > 0:
            if window is None:
                time.sleep(left)
            else:
                window.pump(left)

    return wait
