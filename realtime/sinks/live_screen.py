"""Base of screens that rich draws in a terminal while a command runs."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live


class LiveScreen(ABC):
    """A screen drawn at most ``per_second`` times a second, and wiped at the end.

    ``_live`` is None where the console is no terminal: nothing is drawn, and the subclass prints
    lines instead.
    """

    def __init__(
        self,
        console: Console,
        *,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._interval_s = 1 / per_second
        self._clock = clock
        self._live: Live | None = None
        self._drawn_at = float("-inf")

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    @abstractmethod
    def render(self) -> RenderableType:
        """Return the screen in its present state."""

    def _is_due(self) -> bool:
        """Return True if the last picture is old enough."""
        return self._clock() - self._drawn_at >= self._interval_s

    def _draw(self) -> None:
        self._drawn_at = self._clock()
        if self._live is not None:
            self._live.update(self.render(), refresh=True)
