"""Scalars by step for TensorBoard: ``tensorboard --logdir RUN``."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from htnet.engine.errors import OutputError
from htnet.engine.optional import need


class Scalars:
    """Context manager that writes an event file into ``folder``.

    Raises `DependencyError` without TensorBoard, `OutputError` where the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        need("tensorboard")
        try:
            self._writer: Any = need("torch.utils.tensorboard").SummaryWriter(str(folder))
        except OSError as error:
            raise OutputError(
                f"expected a folder that can be written at {folder}; got "
                f"{error.strerror or error}: choose another."
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()

    def add(self, name: str, value: float, step: int) -> None:
        """Write ``value`` under ``name`` at ``step``; slashes in names make groups."""
        self._writer.add_scalar(name, value, step)
