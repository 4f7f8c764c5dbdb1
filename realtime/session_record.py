"""Session record: a JSON file beside the outputs of a run, with what they need to be understood.

``formats/schema/session.schema.json`` describes it.
"""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import htnet
from htnet.engine.errors import HTNetError
from htnet.engine.files import plain, write_text
from htnet.engine.types import NS_PER_MS, Event, Frame, Tick
from htnet.realtime.formats.observation import Observation
from htnet.realtime.sinks.events import EventLog
from htnet.realtime.sinks.outputs import OutputConfig
from htnet.realtime.sinks.paths import Existing
from htnet.realtime.sources.base import Source, SourceConfig

VERSION = 1
_LIBRARIES = {
    "torch": "torch",
    "opencv": "opencv-contrib-python",
    "mediapipe": "mediapipe",
    "av": "av",
    "numpy": "numpy",
    "onnxruntime": "onnxruntime",
}


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """The participant's and the session's name, "" where not told."""

    participant: str = ""
    session: str = ""


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """Facts of a source.

    ``live``: its row times count from the first frame; else they are the recording's own.
    ``file``: of a recording. ``camera``: its number. ``fps``: as the source says it, 0 unknown.
    """

    name: str
    live: bool
    file: Path | None = None
    camera: int | None = None
    fps: float = 0.0


@dataclass(slots=True, eq=False)
class Tally:
    """Counts and final events of a run so far; times in ns of the rows, ``size`` in px."""

    final: list[Event] = field(default_factory=list)
    frames: int = 0
    faceless: int = 0
    first_ns: int = 0
    last_ns: int = 0
    size: tuple[int, int] = (0, 0)

    def add(self, tick: Tick) -> None:
        """Count a Tick and keep its final events."""
        self.count(tick.frame, tick.face is not None)
        self.final += [event for event in tick.events if event.stage == "final"]

    def count(self, frame: Frame, seen: bool) -> None:
        """Count a frame; ``seen``: a face is in it."""
        if not self.frames:
            self.first_ns = frame.t_ns
            self.size = frame.bgr.shape[1], frame.bgr.shape[0]
        self.last_ns = frame.t_ns
        self.frames += 1
        self.faceless += not seen


class Clocked(Protocol):
    """A reader of frames: wall clock at its first one, None before, and how many it dropped."""

    @property
    def started(self) -> datetime | None: ...

    @property
    def dropped(self) -> int: ...


class SessionRecord:
    """The record of one run, beside the first output that is a file.

    It is written when the first output begins and again at the end; without such an output, not at
    all. ``model``: name of the network and its weights file. ``settings``: every setting.
    ``path``: the record's own, by default beside the first output; None where there is none.
    """

    def __init__(
        self,
        session: SessionConfig,
        source: SourceFacts,
        outputs: OutputConfig,
        logs: Iterable[EventLog] = (),
        *,
        model: tuple[str, Path],
        settings: Mapping[str, Any],
        path: Path | None = None,
    ) -> None:
        self.path = path
        self._session, self._source = session, source
        self._existing = outputs.existing
        self._outputs: list[dict[str, object]] = []
        rows = {log.path: log.first_row for log in logs}
        for option, output in outputs.paths().items():
            if output.is_file() or not output.exists():  # no device or pipe
                self.add(option, output, rows.get(output, 0))
        # Known beforehand, so that the record follows the first row at once.
        self._facts = {
            "model": _model(*model),
            "settings": jsonable(settings),
            "versions": versions(),
        }

    def add(self, option: str, path: Path, rows_before: int = 0) -> None:
        """Add an output; ``option``: the option or part that made it."""
        self.path = self.path or record_path(path, self._existing)
        output = {"option": option, "path": str(path.absolute()), "rows_before": rows_before}
        self._outputs.append(output)

    def write(
        self,
        reader: Clocked,
        tally: Tally,
        *,
        ended: datetime | None = None,
        error: HTNetError | None = None,
    ) -> None:
        """Write the record; raises `OutputError`.

        ``ended``: None while the run goes on. ``error``: the one that ended it.
        """
        if self.path is None:
            return
        started = reader.started or ended or _now()
        row = {
            "v": VERSION,
            "participant": self._session.participant,
            "session": self._session.session,
            "started": _iso(started),
            "ended": None if ended is None else _iso(ended),
            "error": None if error is None else str(error),
            "row_time": _row_time(self._source.live, started, tally),
            "source": _source_row(self._source, tally, reader.dropped),
            "counts": _counts(tally, reader.dropped),
            "outputs": self._outputs,
            **self._facts,
        }
        text = json.dumps(row, indent=1, ensure_ascii=False) + "\n"
        # A file's name may hold bytes that are not UTF-8.
        write_text(self.path, text.encode("utf-8", "replace").decode())

    def end(self, reader: Clocked, tally: Tally, error: HTNetError | None) -> HTNetError | None:
        """Write the record of a run that is over; return ``error``, or the record's own."""
        try:
            self.write(reader, tally, ended=_now(), error=error)
        except HTNetError as unwritten:
            return error or unwritten
        return error


def source_facts(asked: SourceConfig | None, source: Source) -> SourceFacts:
    """Return the facts of a source; ``asked``: its settings, None of the demo."""
    named = None if asked is None else asked.source
    file = None if named is None else Path(named).expanduser()
    return SourceFacts(
        name=source.name,
        live=source.live,
        file=file if file is not None and file.is_file() else None,
        camera=(asked.camera or 0) if asked is not None and named is None else None,
        fps=float(getattr(source, "fps", 0.0)),
    )


def observation(
    session: SessionConfig, source: SourceFacts, labels: tuple[str, ...]
) -> Observation:
    """Return the facts that annotation programs keep; ``labels``: classes of the network."""
    return Observation(
        name=session.session or (source.file.stem if source.file else source.name),
        participant=session.participant,
        media=source.file,
        fps=source.fps,
        labels=labels,
        started=_now().isoformat("T", "seconds"),
    )


def record_path(output: Path, existing: Existing = Existing.REFUSE) -> Path:
    """Return the record's path beside ``output``: its name with ".session.json".

    Unless outputs are overwritten, a record that exists is kept: the next one gets a number.
    """
    path, number = output.with_name(f"{output.name}.session.json"), 1
    while existing is not Existing.OVERWRITE and path.exists():
        number += 1
        path = output.with_name(f"{output.name}.session-{number}.json")
    return path


def versions() -> dict[str, str | None]:
    """Return the versions of htnet, its libraries, Python and the system; None where absent."""
    found: dict[str, str | None] = {"htnet": htnet.__version__}
    for name, package in _LIBRARIES.items():
        try:
            found[name] = version(package)
        except PackageNotFoundError:
            found[name] = None
    return {**found, "python": platform.python_version(), "system": platform.platform()}


def jsonable(value: Any) -> Any:
    """Return ``value`` for JSON: as `plain` does, paths and enumerations as text."""
    if isinstance(value, Mapping):
        return {str(name): jsonable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(inner) for inner in value]
    if isinstance(value, str | Path):
        return str(value)
    return plain(value)


def _row_time(live: bool, started: datetime, tally: Tally) -> dict[str, object]:
    """Return the mapping from row times to the wall clock, or to the recording's own times."""
    first_ms = tally.first_ns / NS_PER_MS
    return {
        "zero_wall_clock": _iso(started - timedelta(milliseconds=first_ms)) if live else None,
        "zero_container_ms": None if live else 0.0,
        "first_frame_ms": round(first_ms, 3),
        "last_frame_ms": round(tally.last_ns / NS_PER_MS, 3),
    }


def _source_row(source: SourceFacts, tally: Tally, dropped: int) -> dict[str, object]:
    seconds = (tally.last_ns - tally.first_ns) / 1e9
    given = tally.frames + dropped - 1
    return {
        "name": source.name,
        "live": source.live,
        "file": None if source.file is None else str(source.file.absolute()),
        "camera": source.camera,
        "size": list(tally.size),
        "fps": source.fps or None,
        "measured_fps": round(given / seconds, 3) if seconds > 0 else None,
    }


def _counts(tally: Tally, dropped: int) -> dict[str, int]:
    found = sum(event.rejected is None for event in tally.final)
    return {
        "frames": tally.frames,
        "without_face": tally.faceless,
        "dropped": dropped,
        "found": found,
        "rejected": len(tally.final) - found,
    }


def _model(name: str, weights: Path) -> dict[str, str]:
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": name, "file": str(weights.absolute()), "sha256": digest}


def _now() -> datetime:
    return datetime.now().astimezone()


def _iso(time: datetime) -> str:
    return time.isoformat("T", "microseconds")
