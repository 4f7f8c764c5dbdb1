"""Files that ship with the package: weights, the portrait, the head's depth, plans, the operating curve."""

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent


def asset(name: str) -> Path:
    """The shipped file or folder called ``name``, such as ``plans/standard.toml``."""
    return FOLDER / name
