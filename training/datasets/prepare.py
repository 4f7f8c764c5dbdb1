"""Preparation of raw releases in the composite's layout: maps, apex crops, landmarks, labels.

Each clip is processed as by `htnet.engine.recognition.stills` and the live path, so that training
and inference see the same maps: the face is found, the onset's transform cuts both onset and apex,
the flow is computed by the first solver of the spec, the head's motion is removed from it, and
`flow_map` makes the map. The published maps of the composite were made otherwise: by TV-L1 on each
dataset's own registered crops.

Files are never half written: each is written beside its place and moved there, a clip's note is
written after its other files, and ``labels.csv`` last of all. A stopped run continues where it was.
"""

import csv
import hashlib
import io
import json
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from platformdirs import user_cache_dir

from htnet.engine.errors import DataError, OutputError
from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH, LEFT_EYE, RIGHT_EYE, Aligner, cut
from htnet.engine.face.tracker import find_face
from htnet.engine.files import require_folder, write_array, write_atomic, write_json
from htnet.engine.flow import solver_named
from htnet.engine.motion.preprocess import PreprocessSpec, flow_map
from htnet.engine.motion.region_motion import measure_motion
from htnet.engine.types import CLASSES, U8, AlignedFace, Frame, Pair
from htnet.training.datasets.apex import find_apex
from htnet.training.datasets.landmarks import landmarks_of
from htnet.training.datasets.pictures import read_picture
from htnet.training.datasets.raw_clip import RawClip
from htnet.training.datasets.releases import read_raw

Progress = Callable[[int, int], None]

# To be raised when the processing from pictures to maps changes: every clip is made anew.
_VERSION = 1
# Slack of the aligner: head motion up to which the onset's transform is kept. The flow could not
# follow a larger one.
_HELD_PX = 6.0
_FOLDERS = ("flow", "apex", "landmarks", "notes")
_COLUMNS = (
    "dataset",
    "subject",
    "clip",
    "label",
    "class",
    "flow",
    "apex",
    "apex_crop",
    "onset_frame",
    "apex_frame",
    "apex_from",
)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A labelled clip without a map, and the reason."""

    dataset: str
    subject: str
    clip: str
    reason: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """Result of `prepare`. ``folder``: laid out as the composite. ``clips``: their number."""

    folder: Path
    clips: int
    skipped: tuple[Skipped, ...]


_SKIPPED = [field.name for field in fields(Skipped)]


def open_data(
    root: Path,
    progress: Progress | None = None,
    workers: int | None = None,
    spec: PreprocessSpec | None = None,
) -> Path:
    """Return a folder with ``labels.csv``: ``root`` itself, or its raw releases prepared.

    ``root``: a composite, one release, or a folder of several. Prepared data are kept in the user's
    cache; `read_skipped` lists the clips that they lack. ``progress``: called with the number of
    finished clips and of all. Raises `DataError` where nothing is recognised.
    """
    if (root / "labels.csv").is_file():
        return root
    spec = spec or PreprocessSpec()
    key = hashlib.sha256(f"{root.resolve()} {_form(spec)}".encode()).hexdigest()[:16]
    out = Path(user_cache_dir("htnet")) / f"prepared-{key}"
    return prepare(root, out, workers=workers, progress=progress, spec=spec).folder


def prepare(
    root: Path,
    out: Path,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    spec: PreprocessSpec | None = None,
) -> Prepared:
    """Make the maps of the raw releases under ``root`` and lay them out in ``out``.

    ``workers``: number of processes, by default one for each core; 1 works in this process. ``out``
    receives ``labels.csv``, ``flow/*.npy`` (28, 28, 3) float32, ``apex/*.png`` (170, 140) gray,
    ``landmarks/*.npy`` (478, 2) as fractions of the apex crop of the same name, and
    ``skipped.csv``. Existing files of the same pictures and the same spec are kept. Raises
    `DataError` where no clip is left, `OutputError` where ``out`` cannot be written.
    """
    spec = spec or PreprocessSpec()
    clips = [clip for clip in read_raw(root) if clip.label is not None]
    jobs = [_Job(clip, out, _stem(clip, root, spec), spec) for clip in clips if not clip.missing]
    if jobs:
        require_folder(out)
    _work([job for job in jobs if _note(job) is None], len(jobs), workers, progress)
    notes = [
        (job, _note(job) or {"skipped": "its files vanished while it was made"}) for job in jobs
    ]
    made = [(job, note) for job, note in notes if "skipped" not in note]
    skipped = [
        *(_skip(clip, f"{clip.missing[0]} is missing") for clip in clips if clip.missing),
        *(_skip(job.clip, note["skipped"]) for job, note in notes if "skipped" in note),
    ]
    if not made:
        first = f", the first because {skipped[0].reason}" if skipped else ""
        raise DataError(
            f"expected clips of which a map can be made in {root}; got none and {len(skipped)} "
            f"that cannot be used{first}: see 'htnet data check {root}'."
        )
    _lay_out(out, made, skipped)
    return Prepared(out, len(made), tuple(skipped))


def read_skipped(folder: Path) -> list[Skipped]:
    """Read the clips that a prepared folder lacks; none for a folder that was not prepared.

    Raises `DataError` for a ``skipped.csv`` that `prepare` did not write.
    """
    table = folder / "skipped.csv"
    try:
        with table.open(newline="", encoding="utf-8") as file:
            header, *rows = [row for row in csv.reader(file) if row] or [[]]
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(table, str(error)) from None
    if header != _SKIPPED:
        raise _unreadable(table, f"the columns {', '.join(header) or '(none)'}")
    if short := [row for row in rows if len(row) != len(_SKIPPED)]:
        raise _unreadable(table, f"a line {','.join(short[0])!r}")
    return [Skipped(*row) for row in rows]


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    clip: RawClip
    out: Path
    stem: str
    spec: PreprocessSpec

    def path(self, folder: str) -> Path:
        if folder == "landmarks":
            return landmarks_of(self.path("apex"))
        ending = {"flow": "npy", "apex": "png", "notes": "json"}[folder]
        return self.out / folder / f"{self.stem}.{ending}"


def _form(spec: PreprocessSpec) -> str:
    """Return everything that a map depends on besides its pictures, as text."""
    crop = (CROP_WIDTH, CROP_HEIGHT, LEFT_EYE, RIGHT_EYE)
    return f"{_VERSION} {spec.size} {spec.flows[0]} {crop}"


def _stem(clip: RawClip, root: Path, spec: PreprocessSpec) -> str:
    """Return a name for the clip's files that depends on its pictures, its frames and the spec."""
    digest = hashlib.sha256(f"{_form(spec)} {clip.onset} {clip.apex}".encode())
    for path in _needed(clip):
        state = path.stat()
        place = path.relative_to(root).as_posix()
        digest.update(f"{place} {state.st_size} {state.st_mtime_ns}\n".encode())
    name = "".join(c if c.isalnum() or c in "-_" else "-" for c in f"{clip.subject}_{clip.name}")
    return f"{name}_{digest.hexdigest()[:12]}"


def _needed(clip: RawClip) -> list[Path]:
    """Return the pictures that the map is made of: onset and apex, or all without an apex."""
    if clip.apex is None:
        return list(clip.frames.values())
    return [clip.frames[clip.onset], clip.frames[clip.apex]]


def _note(job: _Job) -> dict[str, Any] | None:
    """Return the note of a finished clip whose files all exist, else None."""
    try:
        note = json.loads(job.path("notes").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = "skipped" in note or all(job.path(folder).is_file() for folder in _FOLDERS)
    return note if whole else None


def _work(jobs: Sequence[_Job], total: int, workers: int | None, progress: Progress | None) -> None:
    done = total - len(jobs)

    def report() -> None:
        if progress is not None:
            progress(done, total)

    report()
    count = min(workers or os.cpu_count() or 1, len(jobs))
    if count <= 1:
        for job in jobs:
            _make(job)
            done += 1
            report()
        return
    # Spawned, since a process forked from one with threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        futures = [pool.submit(_make, job) for job in jobs]
        try:
            for future in as_completed(futures):
                future.result()
                done += 1
                report()
        except BrokenProcessPool:
            raise OutputError(
                "expected every process to finish its clips; one was ended from outside, perhaps "
                "for lack of memory: run it again with fewer workers, what is done is kept."
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _make(job: _Job) -> None:
    """Make one clip's files, its note last; an unusable clip has a note of the reason alone."""
    try:
        number, pair = _pair(job.clip)
    except DataError as error:
        write_json(job.path("notes"), {"skipped": str(error)})
        return
    flow = measure_motion(pair, solver_named(job.spec.flows[0])).flow
    write_array(job.path("flow"), flow_map(flow, job.spec.size))
    write_atomic(job.path("apex"), cv2.imencode(".png", pair.apex.gray)[1].tobytes())
    points = pair.apex.landmarks / np.array([CROP_WIDTH, CROP_HEIGHT], np.float32)
    write_array(job.path("landmarks"), points)
    source = "annotation" if job.clip.apex is not None else "D&C-RoIs"
    write_json(job.path("notes"), {"apex": number, "from": source})


def _pair(clip: RawClip) -> tuple[int, Pair]:
    """Return the apex's frame number, and onset and apex aligned as in the live path.

    Raises `DataError` where a picture is unreadable or no face is found.
    """
    aligner = Aligner(slack_px=_HELD_PX)
    onset_path = clip.frames[clip.onset]
    picture = read_picture(onset_path)
    onset = _aligned(aligner, picture, onset_path)
    number = clip.apex if clip.apex is not None else _spotted(clip, onset)
    apex_path = clip.frames[number]
    apex_picture = read_picture(apex_path)
    if apex_picture.shape != picture.shape:
        raise DataError(
            f"expected {apex_path} to be of the onset's size {picture.shape[1]} x "
            f"{picture.shape[0]}; got {apex_picture.shape[1]} x {apex_picture.shape[0]}: restore "
            "it from the release."
        )
    return number, Pair(onset, _aligned(aligner, apex_picture, apex_path))


def _aligned(aligner: Aligner, picture: U8, path: Path) -> AlignedFace:
    face = find_face(picture)
    if face is None:
        raise DataError(f"expected a face in {path}; found none: look at the picture.")
    return aligner.align(Frame(0, 0, picture), face)


def _spotted(clip: RawClip, onset: AlignedFace) -> int:
    """Return the frame number of the apex, spotted in crops under the onset's transform."""
    numbers = list(clip.frames)
    crops = [cut(read_picture(clip.frames[n]), onset.to_crop) for n in numbers]
    # The onset is never the apex, even where nothing moves.
    return numbers[max(find_apex(crops, onset.landmarks), 1)]


def _lay_out(
    out: Path, made: Sequence[tuple[_Job, dict[str, Any]]], skipped: Sequence[Skipped]
) -> None:
    # Removed first: without labels.csv the folder counts as unfinished while the two tables differ.
    (out / "labels.csv").unlink(missing_ok=True)
    write_atomic(out / "skipped.csv", _csv(_SKIPPED, [astuple(skip) for skip in skipped]))
    rows = []
    for job, note in made:
        clip = job.clip
        assert clip.label is not None
        files = [job.path(folder).relative_to(out).as_posix() for folder in ("flow", "apex")]
        named = [clip.dataset, clip.subject, clip.name, clip.label, CLASSES[clip.label], *files]
        rows.append([*named, "map", clip.onset, note["apex"], note["from"]])
    write_atomic(out / "labels.csv", _csv(_COLUMNS, rows))


def _skip(clip: RawClip, reason: str) -> Skipped:
    return Skipped(clip.dataset, clip.subject, clip.name, reason)


def _csv(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def _unreadable(table: Path, got: str) -> DataError:
    return DataError(
        f"expected the columns {', '.join(_SKIPPED)} in {table}; got {got}: delete the file, or "
        "prepare the data again."
    )
