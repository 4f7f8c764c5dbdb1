"""Libraries that only some parts need, and live recognition does not."""

import importlib
from types import ModuleType

from htnet.engine.errors import DependencyError


def need(module: str, extra: str | None = "train") -> ModuleType:
    """Import ``module``; raises `DependencyError` that says how to install it.

    ``extra``: the one of htnet's that it belongs to; None where htnet itself asks for it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        line = f"pip install {name}" if extra is None else f"pip install 'htnet[{extra}]'"
        raise DependencyError(
            f"expected the library {name} for this; it cannot be loaded ({error}): {line}."
        ) from None
