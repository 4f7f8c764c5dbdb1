"""Atomic writing of files: a reader sees the old file or the new one, never a part of either."""

import io
import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from htnet.engine.errors import OutputError
from htnet.engine.types import F32


def require_folder(path: Path) -> None:
    """Make a folder and check that it can be written, before the work whose results go there.

    Raises `OutputError` where it cannot.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise OutputError(
            f"expected a folder that can be written at {path}, but {error.strerror or error}: "
            "choose another."
        ) from None


def plain(value: Any) -> Any:
    """Return ``value`` for JSON: floats rounded to 4 digits, NaN and infinities as null."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file as `write_atomic` does."""
    write_text(path, json.dumps(content, indent=1))


def write_text(path: Path, content: str) -> None:
    """Write a text file in UTF-8 as `write_atomic` does."""
    write_atomic(path, content.encode())


def write_array(path: Path, array: F32) -> None:
    """Write a NumPy file as `write_atomic` does."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_atomic(path, buffer.getvalue())


_REMEDY = "choose a writable folder, or make room"


def write_atomic(path: Path, data: bytes, *, private: bool = False, remedy: str = _REMEDY) -> None:
    """Write a file as `atomic_file` does.

    Raises `OutputError` where it cannot be written; ``remedy`` is the advice in its sentence.
    """
    try:
        with atomic_file(path, private=private) as part:
            part.write_bytes(data)
    except OSError as error:
        raise OutputError(
            f"expected to write {path}; got {error.strerror or error}: {remedy}."
        ) from None


@contextmanager
def atomic_file(path: Path, *, private: bool = False) -> Iterator[Path]:
    """Temporary file that replaces ``path`` when the block succeeds and is deleted when it fails.

    Makes the folder of ``path`` where there is none. ``private``: mode 0600 instead of 0644.
    Raises `OSError`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder: a file is moved in one step only within one file system.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    part = Path(name)
    try:
        yield part
        if not private:
            part.chmod(0o644)  # mkstemp makes it 0600
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
