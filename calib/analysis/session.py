"""The session record of an analysed video, and the facts that its event files keep."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from htnet.calib.analysis.config import VideoJob
from htnet.engine.models.weights import default_weights
from htnet.engine.recognition.recognizer import Recognizer
from htnet.realtime.formats.observation import Observation
from htnet.realtime.session_record import SessionRecord, SourceFacts, Tally, observation
from htnet.realtime.sinks.outputs import OutputConfig

RECORD = "session.json"


@dataclass(frozen=True, slots=True)
class _Begun:
    """The clock of an analysis: nothing is dropped."""

    started: datetime
    dropped: int = 0


def write_session(
    job: VideoJob,
    folder: Path,
    files: Iterable[str],
    counts: Tally,
    recognizer: Recognizer,
    started: datetime,
    fps: float,
) -> None:
    """Write session.json into ``folder``; ``files``: outputs by their names in the job's folder.

    Raises `OutputError`.
    """
    record = SessionRecord(
        job.config.session,
        _source(job.video, fps),
        OutputConfig(),
        model=(recognizer.model, job.config.model or default_weights()),
        settings=asdict(job.config) | {"recognizer": str(recognizer)},
        path=folder / RECORD,
    )
    for name in files:
        record.add("analyze", job.folder / name)
    failure = record.end(_Begun(started), counts, None)
    if failure is not None:
        raise failure


def video_observation(job: VideoJob, labels: tuple[str, ...], fps: float) -> Observation:
    """Return the facts of a video that annotation programs keep."""
    return observation(job.config.session, _source(job.video, fps), labels)


def _source(video: Path, fps: float) -> SourceFacts:
    file = video.resolve() if video.is_file() else None
    return SourceFacts(name=video.name, live=False, file=file, fps=fps)
