"""Files that are written whole or not at all."""

import io
import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from htnet.engine.errors import OutputError
from htnet.engine.types import F32


def require_folder(path: Path) -> None:
    """Make the folder and see that it can be written, before the work that is to go there.

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
    """``value`` for JSON: floats to 4 digits, and null for those that are no numbers."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file as `write_whole` does."""
    write_text(path, json.dumps(content, indent=1))


def write_text(path: Path, content: str) -> None:
    """Write a text file in UTF-8 as `write_whole` does."""
    write_whole(path, content.encode())


def write_array(path: Path, array: F32) -> None:
    """Write a NumPy file as `write_whole` does."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_whole(path, buffer.getvalue())


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, and the folder it lies in where there is none.

    Whoever reads meanwhile sees the old file or the new one. Raises `OutputError` where it cannot
    be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # In the same folder, since a file can be moved into place at once only within one disk.
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.chmod(part, 0o644)  # mkstemp makes it private
            os.replace(part, path)
        finally:
            Path(part).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"expected to write {path}; got {error.strerror or error}: choose a writable folder, "
            "or make room."
        ) from None
