"""Libraries that only some parts need, and live recognition does not."""

import importlib
from types import ModuleType

from htnet.engine.errors import DependencyError


def need(module: str, extra: str = "train") -> ModuleType:
    """Import ``module``; raises `DependencyError` that says how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DependencyError(
            f"expected the library {module.partition('.')[0]} for this; it cannot be loaded "
            f"({error}): pip install 'htnet[{extra}]'."
        ) from None
