"""Files that are written whole or not at all."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from htnet.engine.errors import DataError


def require_folder(path: Path) -> None:
    """Make the folder and see that it can be written, before the work that is to go there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise DataError(
            f"expected a folder that can be written at {path}, but {error.strerror or error}: "
            "choose another."
        ) from None


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file whole or not at all."""
    write_text(path, json.dumps(content, indent=1))


def write_text(path: Path, content: str) -> None:
    """Write a text file whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, delete=False
        ) as file:
            try:
                file.write(content)
                file.close()
                os.chmod(file.name, 0o644)  # it was made private
                os.replace(file.name, path)
            finally:
                Path(file.name).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"expected to write {path}; got {error}: choose a writable folder, or make room."
        ) from None
