"""The folder of results: one folder a video, each whole or not there.

A video is analysed into a hidden folder that takes its place when all is written. Its state file
holds the key of what determined the results, so that a finished video is not analysed again.
"""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final

from htnet.calib.analysis.config import AnalysisConfig, VideoJob, VideoResult
from htnet.calib.evaluation.run import CODE, code_digest, file_digest
from htnet.engine.errors import OutputError, UsageError
from htnet.engine.files import write_json
from htnet.engine.models.weights import default_weights

STATE: Final = "analysis.json"
_VERSION: Final = 1
_CODE: Final = (*CODE, "calib/analysis", "calib/calibration")


def make_jobs(videos: Sequence[Path], config: AnalysisConfig, out: Path) -> list[VideoJob]:
    """Return the job of each video, its folder in ``out`` named after it.

    Videos of one name get a number after the first: clip, clip-2. A video that has results in
    ``out`` keeps their folder.
    """
    shared = repr(
        (
            _VERSION,
            code_digest(folders=_CODE),
            file_digest(config.model or default_weights()),
            file_digest(config.landmarker),
            sorted(dataclasses.asdict(config).items(), key=lambda item: item[0]),
        )
    )
    taken: set[str] = set()
    jobs = []
    for video in videos:
        folder = _folder(video, out, taken)
        taken.add(folder.name.lower())
        jobs.append(VideoJob(video, folder, config, _digest(f"{shared} {_identity(video)}")))
    return jobs


def finished(job: VideoJob) -> VideoResult | None:
    """Return the stored result of a job, or None where there is none of its key."""
    state = _read(job.folder)
    return _result(state) if state is not None and state["key"] == job.key else None


def require_own_folders(jobs: Sequence[VideoJob]) -> None:
    """Raise `UsageError` where results of other settings would be replaced."""
    for job in jobs:
        state = _read(job.folder)
        if state is not None and state["key"] != job.key:
            raise UsageError(
                f"expected no results of {job.video.name} yet, or those of these settings; got "
                f"others in {job.folder}, of other settings, another state of the file or another "
                "version of htnet: choose another --out, or replace them with --overwrite."
            )


def begin(job: VideoJob) -> Path:
    """Return the empty folder into which a job's results are written.

    Raises `OutputError` where it cannot be made.
    """
    part = job.folder.with_name(f".{job.folder.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
    except OSError as error:
        raise OutputError(
            f"expected a folder that can be written at {job.folder}; got "
            f"{error.strerror or error}: choose another --out."
        ) from None
    return part


def commit(job: VideoJob, part: Path, result: VideoResult) -> None:
    """Put a job's finished folder in its place. Raises `OSError`."""
    write_json(
        part / STATE,
        {"v": _VERSION, "key": job.key, "path": str(job.video.resolve())}
        | {"result": dataclasses.asdict(result)},
    )
    old = job.folder.with_name(f".{job.folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if job.folder.exists():
        job.folder.rename(old)
    part.rename(job.folder)
    shutil.rmtree(old, ignore_errors=True)


def abandon(part: Path) -> None:
    """Delete the folder of a job that failed."""
    shutil.rmtree(part, ignore_errors=True)


def stored_results(out: Path) -> list[VideoResult]:
    """Return all results in ``out``, by name."""
    states = (_read(each) for each in sorted(out.iterdir()) if not each.name.startswith("."))
    return [_result(state) for state in states if state is not None]


def _folder(video: Path, out: Path, taken: set[str]) -> Path:
    stem = (video.name if video.is_dir() else video.stem).strip(". ") or "video"
    for number in count(1):
        folder = out / (stem if number == 1 else f"{stem}-{number}")
        if folder.name.lower() in taken:
            continue
        state = _read(folder)
        if not folder.exists() or (state is not None and state["path"] == str(video.resolve())):
            return folder
    raise AssertionError


def _read(folder: Path) -> dict[str, Any] | None:
    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(state, dict) and state.get("v") == _VERSION
    return state if whole and {"key", "path", "result"} <= state.keys() else None


def _result(state: dict[str, Any]) -> VideoResult:
    told = state["result"]
    return VideoResult(**told | {"events": tuple(told["events"]), "notes": tuple(told["notes"])})


def _identity(video: Path) -> tuple[object, ...]:
    """Return path, size and time of change of a video, or of all files of a folder."""
    files = sorted(video.iterdir()) if video.is_dir() else [video]
    stats = [(each.name, each.stat()) for each in files if each.exists()]
    return str(video.resolve()), [(name, own.st_size, own.st_mtime_ns) for name, own in stats]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
