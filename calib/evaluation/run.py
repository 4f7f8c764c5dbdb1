"""Runner of independent jobs in several processes; results are stored, so a stopped run goes on."""

import hashlib
import multiprocessing
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TypeVar

from htnet.engine.errors import DataError
from htnet.engine.files import write_atomic

Job = TypeVar("Job")
Result = TypeVar("Result")
_ROOT = Path(__file__).resolve().parents[2]
CODE = (
    "engine",
    "realtime",
    "training/datasets",
    "training/augmentation",
    "training/spotting",
    "calib/evaluation",
)
"""Folders whose code determines a result."""


def nothing(done: int, total: int) -> None:
    """Show no progress."""


def run_all(
    jobs: Sequence[Job],
    keys: Sequence[str],
    do: Callable[[Job], Result],
    store: Path,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] = nothing,
) -> list[Result]:
    """Return the results in the order of ``jobs``; those in ``store`` are not computed again.

    ``keys``: names of the results in ``store``. ``do``: a function of a module, since other
    processes find it by name; with one worker it runs in this process. ``progress``: function of
    (done, total).
    """
    paths = [store / f"{key}.pickle" for key in keys]
    made = {n: pickle.loads(path.read_bytes()) for n, path in enumerate(paths) if path.is_file()}
    left = [number for number in range(len(jobs)) if number not in made]

    def keep(number: int, result: Result) -> None:
        made[number] = result
        write_atomic(paths[number], pickle.dumps(result))
        progress(len(made), len(jobs))

    progress(len(made), len(jobs))
    if workers == 1 or len(left) < 2:
        for number in left:
            keep(number, do(jobs[number]))
        return [made[number] for number in range(len(jobs))]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(left)), mp_context=context) as pool:
        pending = {pool.submit(do, jobs[number]): number for number in left}
        try:
            for future in as_completed(pending):
                keep(pending[future], future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [made[number] for number in range(len(jobs))]


def code_digest(root: Path = _ROOT, folders: Sequence[str] = CODE) -> str:
    """Return the digest of all code and shipped files that determine a result, sub-folders too."""
    total = hashlib.sha256()
    for name in folders:
        path = root / name
        for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if each.is_file() and each.suffix != ".pyc":
                total.update(str(each.relative_to(root)).encode() + b"\0" + each.read_bytes())
    return total.hexdigest()


def file_digest(path: Path | None) -> str:
    """Return the digest of a file's bytes, or of all files in a folder; "" for None.

    Raises `DataError` where it cannot be read.
    """
    if path is None:
        return ""
    total = hashlib.sha256()
    try:
        for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if each.is_file() or not path.is_dir():
                total.update(each.name.encode() + b"\0" + each.read_bytes())
    except OSError as error:
        raise DataError(
            f"expected a file that can be read at {path}; got {error.strerror or error}: check it."
        ) from None
    return total.hexdigest()
