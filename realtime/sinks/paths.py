"""Checks of output paths, made before a run."""

from pathlib import Path

from htnet.engine.errors import UsageError


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
        with path.open("ab"):
            pass
        if new:
            path.unlink()
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"expected a file that can be written after {option}, but {str(path)!r} cannot be: "
            f"{reason}; choose another place"
        ) from error
    return path
