"""Checks of output paths, made before a run; no output is lost unasked."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path

from htnet.engine.errors import UsageError


class Existing(StrEnum):
    """Treatment of an output that exists: refuse it, append to it or overwrite it."""

    REFUSE = "refuse"
    APPEND = "append"
    OVERWRITE = "overwrite"


def existing_by(*, append: bool, overwrite: bool) -> Existing:
    """Return the treatment that ``--append`` and ``--overwrite`` ask for; raises `UsageError`."""
    if append and overwrite:
        raise UsageError("expected --append or --overwrite; got both: leave one out.")
    if append:
        return Existing.APPEND
    return Existing.OVERWRITE if overwrite else Existing.REFUSE


def holds_results(path: Path) -> bool:
    """Return True for a file, or a folder with something in it; a device or pipe holds nothing."""
    try:
        return path.is_file() or (path.is_dir() and any(path.iterdir()))
    except OSError:
        return False  # `writable` says why


def require_free(
    outputs: Mapping[str, Path],
    existing: Existing = Existing.REFUSE,
    *,
    taken: Iterable[Path] = (),
    appended: Iterable[str] = (),
) -> None:
    """Raise `UsageError` unless every output is a file of its own that may be written.

    ``outputs``: by the option that names each. ``taken``: files that the run reads.
    ``appended``: options whose files can be appended to.
    """
    used = {path.expanduser().resolve() for path in taken}
    for option, output in outputs.items():
        output = output.expanduser()
        if output.resolve() in used:
            raise UsageError(
                f"expected a file of its own after {option}; got {output}, which this run reads or "
                "writes already: choose another name"
            )
        used.add(output.resolve())
        if existing is Existing.OVERWRITE or not holds_results(output):
            continue
        if existing is Existing.REFUSE:
            ways = "add to it with --append, " if option in appended else ""
            raise UsageError(
                f"expected a new name after {option}; got {output}, which exists: choose another, "
                f"{ways}or replace it with --overwrite"
            )
        if option not in appended:
            raise UsageError(
                f"expected a new name after {option}, since only .jsonl and .csv can be appended "
                f"to; got {output}, which exists: choose another, or replace it with --overwrite"
            )


def writable(path: str | Path, option: str) -> Path:
    """Return the path of a file that can be written; ``option``: the option that names it.

    An existing file keeps its contents. Raises `UsageError` where it cannot be written.
    """
    try:
        path = Path(path).expanduser()
        if path.is_dir():
            raise UsageError(
                f"expected a file's name after {option}, but {str(path)!r} is a folder; "
                "add a name to it"
            )
        if not path.parent.is_dir():
            raise UsageError(
                f"expected a folder that exists for {option}, but got {str(path)!r}; "
                f"make {str(path.parent)!r} first"
            )
        new = not path.exists()
        if new or path.is_file():  # to open a pipe would wait for its reader
            with path.open("ab"):
                pass
        if new:
            path.resolve().unlink()  # of a link, the file it names
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"expected a file that can be written after {option}, but {str(path)!r} cannot be: "
            f"{reason}; choose another place"
        ) from error
    return path
