"""Results of one person in a video: tables, event files, overlay, report, counts."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from htnet.calib.analysis.columns import cells
from htnet.calib.analysis.config import AnalysisConfig, VideoResult
from htnet.calib.analysis.curve import MotionCourse
from htnet.calib.analysis.pictures import Album
from htnet.calib.analysis.report import write_report
from htnet.calib.analysis.tables import FrameCsv, FrameParquet, FrameTable
from htnet.calib.analysis.turned import lies
from htnet.engine.recognition.recognizer import Recognizer
from htnet.engine.types import Event, Tick
from htnet.realtime.formats.observation import Observation
from htnet.realtime.overlay.compose import Overlay
from htnet.realtime.session_record import Tally
from htnet.realtime.sinks.events import EventLog
from htnet.realtime.sinks.video import OverlayVideo

_USUAL_FPS = 30.0
EVENT_FILES = (".csv", ".jsonl")
"""Formats in which events are always written."""


@dataclass(frozen=True, slots=True, eq=False)
class ResultsConfig:
    """Settings that the results of a person are made with.

    ``observation``: facts for annotation programs. ``fps``: nominal rate, 0 where unknown.
    ``start_ns``: time that is 0 in the overlay video; None: the video's own beginning.
    """

    analysis: AnalysisConfig
    recognizer: Recognizer
    observation: Observation
    fps: float = 0.0
    start_ns: int | None = None


class PersonResults:
    """Takes the Ticks of one person and writes the results into ``folder``; a context manager.

    ``person``: number of the person in the video.
    """

    def __init__(self, folder: Path, config: ResultsConfig, person: int = 1) -> None:
        self.counts = Tally()
        self.lying = 0
        self.files: list[str] = []
        self._folder, self._config, self._person = folder, config, person
        self._classes: Sequence[str] = config.recognizer.spec.classes
        self._course, self._album = MotionCourse(), Album(config.recognizer)
        self._stack = ExitStack()
        self._tables: list[FrameTable] = []
        self._logs: list[EventLog] = []
        self._overlay: OverlayVideo | None = None
        self._step_ns = 0
        self._last: Tick | None = None

    def __enter__(self) -> Self:
        analysis, config = self._config.analysis, self._config
        self._folder.mkdir(exist_ok=True)
        with ExitStack() as stack:
            self._tables = [stack.enter_context(each) for each in self._open_tables()]
            for suffix in dict.fromkeys((*EVENT_FILES, *analysis.formats)):
                path = self._folder / self._named(f"events{suffix}")
                log = EventLog(
                    path,
                    option="--formats",
                    dialect=analysis.dialect,
                    observation=config.observation,
                )
                self._logs.append(stack.enter_context(log))
            if analysis.overlay:
                self._overlay = stack.enter_context(
                    OverlayVideo(
                        self._folder / self._named("overlay.mp4"),
                        config.fps if 1 <= config.fps <= 1000 else _USUAL_FPS,
                        Overlay(config.recognizer.spec),
                        sound=config.observation.media,
                        start_ns=config.start_ns,
                    )
                )
            self._stack = stack.pop_all()
        return self

    @property
    def seconds(self) -> float:
        """Duration, the last frame as long as the one before it."""
        return (self.counts.last_ns - self.counts.first_ns + self._step_ns) / 1e9

    def take(self, tick: Tick) -> None:
        """Add the results of a frame."""
        row = cells(tick, self._classes, self._person)
        for table in self._tables:
            table.write(row)
        if self._overlay is not None:
            self._overlay.write(tick)
        if self.counts.frames:
            self._step_ns = tick.frame.t_ns - self.counts.last_ns
        self.counts.add(tick)
        self._last = tick
        self.lying += tick.face is not None and lies(tick.face)
        self._course.take(tick)
        self._album.take(tick)

    def finish(self, rest: tuple[Event, ...]) -> None:
        """Add the events that were under way when the video ended, and complete the files.

        Event files are in the order of onsets, which is known only now.
        """
        self.counts.final = sorted(
            [*self.counts.final, *rest], key=lambda event: (event.onset_ns, event.id)
        )
        for event in rest:
            self._album.add(event)
        for log in self._logs:
            if self._last is not None:
                log.write(replace(self._last, events=tuple(self.counts.final)))
            log.finish()
        if self._overlay is not None:
            self._overlay.close()

    def result(
        self, name: str, video: Path, took_s: float, notes: Sequence[str], facts: dict[str, str]
    ) -> VideoResult:
        """Return the results in short, and write the report of them."""
        counts = self.counts
        result = VideoResult(
            name=name,
            video=str(video),
            frames=counts.frames,
            faceless=counts.faceless,
            seconds=round(self.seconds, 6),
            took_s=round(took_s, 3),
            width=counts.size[0],
            height=counts.size[1],
            events=tuple(event.explained() for event in counts.final),
            notes=tuple(notes),
            facts=facts,
        )
        if self._config.analysis.report:
            path = self._folder / self._named("report.html")
            write_report(path, result, self._course, self._album.pictures)
        return result

    def _open_tables(self) -> list[FrameTable]:
        csv = self._folder / self._named("frames.csv")
        analysis = self._config.analysis
        tables: list[FrameTable] = [FrameCsv(csv, self._classes, analysis.dialect)]
        if analysis.parquet:
            parquet = self._folder / self._named("frames.parquet")
            tables.append(FrameParquet(parquet, self._classes))
        return tables

    def _named(self, name: str) -> str:
        self.files.append(name)
        return name

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)
