"""Files that ship with the package: weights, portrait, head depth, plans, operating curve."""

from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent


def asset(name: str) -> Path:
    """Path of the shipped file or folder ``name``, such as ``plans/standard.toml``."""
    return _FOLDER / name
