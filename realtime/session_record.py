"""Session record: a JSON file beside the outputs of a run, with what they need to be understood.

``formats/schema/session.schema.json`` describes it.
"""

import hashlib
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import htnet
from htnet.engine.files import plain, write_json
from htnet.engine.types import NS_PER_MS
from htnet.realtime.sinks.paths import Existing

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


@dataclass(frozen=True, slots=True)
class OutputFile:
    """An output of a run; ``first_row``: number of rows of earlier runs in it."""

    option: str
    path: Path
    first_row: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of a run so far; times in ns of the rows."""

    frames: int = 0
    faceless: int = 0
    dropped: int = 0
    found: int = 0
    rejected: int = 0
    first_ns: int = 0
    last_ns: int = 0


class SessionRecord:
    """The record of one run, written when its first output begins and again at its end.

    ``weights``: file of the network. ``settings``: every setting of the run, for JSON.
    Raises `OutputError` where it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        session: SessionConfig,
        source: SourceFacts,
        outputs: Iterable[OutputFile],
        model: str,
        weights: Path,
        settings: Mapping[str, Any],
    ) -> None:
        self.path = path
        self._source = source
        self._facts = {
            "participant": session.participant,
            "session": session.session,
            "outputs": [
                {"option": each.option, "path": str(each.path.absolute()), "rows": each.first_row}
                for each in outputs
            ],
            "model": {"name": model, "file": str(weights.absolute()), "sha256": _sha256(weights)},
            "settings": jsonable(settings),
            "versions": versions(),
        }

    def write(
        self,
        started: datetime,
        size: tuple[int, int],
        counts: Counts,
        *,
        ended: datetime | None = None,
        error: str | None = None,
    ) -> None:
        """Write the record.

        ``started``: wall clock at the first frame, with its zone. ``size``: (width, height) of the
        pictures. ``ended``: None while the run goes on. ``error``: the sentence that ended it.
        """
        source = self._source
        seconds = (counts.last_ns - counts.first_ns) / 1e9
        given = counts.frames + counts.dropped - 1
        row = {
            "v": VERSION,
            "participant": self._facts["participant"],
            "session": self._facts["session"],
            "started": started.isoformat("T", "microseconds"),
            "ended": None if ended is None else ended.isoformat("T", "microseconds"),
            "error": error,
            "row_time": _row_time(source.live, started, counts),
            "source": {
                "name": source.name,
                "live": source.live,
                "file": None if source.file is None else str(source.file.absolute()),
                "camera": source.camera,
                "size": list(size),
                "fps": source.fps or None,
                "measured_fps": round(given / seconds, 3) if seconds > 0 else None,
            },
            "counts": {
                "frames": counts.frames,
                "without_face": counts.faceless,
                "dropped": counts.dropped,
                "found": counts.found,
                "rejected": counts.rejected,
            },
            **{name: self._facts[name] for name in ("outputs", "model", "settings", "versions")},
        }
        write_json(self.path, row)


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


def _row_time(live: bool, started: datetime, counts: Counts) -> dict[str, object]:
    """Return the mapping from row times to the wall clock, or to the recording's own times."""
    first_ms = counts.first_ns / NS_PER_MS
    zero = started - timedelta(milliseconds=first_ms)
    return {
        "zero_wall_clock": zero.isoformat("T", "microseconds") if live else None,
        "zero_container_ms": None if live else 0.0,
        "first_frame_ms": round(first_ms, 3),
        "last_frame_ms": round(counts.last_ns / NS_PER_MS, 3),
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
