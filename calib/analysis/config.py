"""Records of an analysis: its settings, the video that it is of, and its result."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from htnet.engine.runtimes.select import AUTO
from htnet.realtime.formats.rows import Dialect
from htnet.realtime.profiles.profile import Profile
from htnet.realtime.session_record import SessionConfig

Span = tuple[float, float]
"""(start, end) in seconds of the video's own time."""


@dataclass(frozen=True, slots=True)
class AnalysisConfig:
    """Settings of an analysis; they hold for every video of a run.

    ``start_s``, ``end_s``: stretch of the video that is analysed. ``neutral``: stretch in which the
    person's thresholds are measured. ``profile``: stored thresholds instead. ``rotate``: degrees
    clockwise by which pictures are turned. ``every_face``: analyse each person, not the followed
    one alone. ``formats``: suffixes in which events are written too. ``dialect``: of CSV files.
    ``parquet``, ``overlay``, ``report``: write frames.parquet, overlay.mp4 and report.html too.
    ``false_alarms``: as in `RunConfig`.
    """

    model: Path | None = None
    flow: str | None = None
    device: str = "cpu"
    runtime: str = AUTO
    precision: str = "fp32"
    landmarker: Path | None = None
    start_s: float = 0.0
    end_s: float | None = None
    neutral: Span | None = None
    profile: Profile | None = None
    rotate: int = 0
    false_alarms: float | None = None
    every_face: bool = False
    session: SessionConfig = field(default_factory=SessionConfig)
    formats: tuple[str, ...] = ()
    dialect: Dialect = Dialect.STANDARD
    parquet: bool = False
    overlay: bool = False
    report: bool = True


@dataclass(frozen=True, slots=True)
class VideoJob:
    """A video and the folder that its results go to; ``key``: digest of what determines them."""

    video: Path
    folder: Path
    config: AnalysisConfig
    key: str = ""

    @property
    def name(self) -> str:
        """Name of the video among those of the run."""
        return self.folder.name


Row = dict[str, Any]
"""An event as JSON, as `Event.explained` returns it."""


@dataclass(frozen=True, slots=True)
class VideoResult:
    """Result of a video, all of it plain values for JSON.

    ``events``: final events in the order of their onsets, rejected ones among them. ``seconds``:
    duration of the analysed stretch. ``took_s``: time that the analysis took. ``width``,
    ``height``: of the pictures. ``notes``: sentences about the video. ``facts``: settings and
    versions by name. ``failure``: sentence, "" where the analysis ended well.
    """

    name: str
    video: str
    frames: int = 0
    faceless: int = 0
    seconds: float = 0.0
    took_s: float = 0.0
    width: int = 0
    height: int = 0
    events: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()
    facts: dict[str, str] | None = None
    failure: str = ""

    @property
    def believed(self) -> tuple[Row, ...]:
        """The events that no rule rejects."""
        return tuple(event for event in self.events if event["rejected"] is None)
