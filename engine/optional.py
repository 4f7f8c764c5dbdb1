"""Import of optional libraries, which live recognition does not need."""

import importlib
from types import ModuleType

from htnet.engine.errors import DependencyError


def need(module: str, extra: str | None = "train") -> ModuleType:
    """Import ``module``; raises `DependencyError` with the install line.

    ``extra``: extra of htnet that the library belongs to; None for a dependency of htnet itself.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        line = f"pip install {name}" if extra is None else f"pip install 'htnet[{extra}]'"
        raise DependencyError(
            f"expected the library {name} for this; it cannot be loaded ({error}): {line}."
        ) from None
