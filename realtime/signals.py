"""Signals that end a run: Ctrl-C, a service manager's stop, a terminal that closes."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

STOPS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_LAST_S = 5  # that a helper process may outlive its parent's order to end


def stop_on_signals() -> None:
    """Raise `KeyboardInterrupt` in the main thread for each of `STOPS` that is not ignored.

    Under nohup, and in a shell's background, some are ignored, and stay so.
    """
    for number in STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def ignore_signals() -> None:
    """Ignore `STOPS`, so that a second one does not cut off what the first one began."""
    _set({number: signal.SIG_IGN for number in STOPS})


@contextlib.contextmanager
def signals_restored() -> Iterator[None]:
    """Give `STOPS` their handlers back on leaving."""
    before = {number: signal.getsignal(number) for number in STOPS}
    try:
        yield
    finally:
        _set(before)


def outlive_signals() -> None:
    """Let the parent end this helper process: a signal to the whole group reaches both.

    SIGTERM, which the parent may send alone, ends it a few seconds later.
    """
    ignore_signals()
    if hasattr(signal, "alarm"):
        signal.signal(signal.SIGTERM, _end_later)


def mute_lost_terminal() -> None:
    """Send what is printed nowhere if the terminal is gone; writing to it would raise `OSError`."""
    for stream in (1, 2):
        try:
            os.write(stream, b"")
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)


def _set(handlers: Mapping[signal.Signals, Any]) -> None:
    """Set handlers; nothing outside the main thread, which no signal reaches."""
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            if handler is not None:  # one that was not set from Python
                signal.signal(number, handler)


def _end_later(number: int, frame: FrameType | None) -> None:
    signal.alarm(_LAST_S)


def _stop(number: int, frame: FrameType | None) -> None:
    mute_lost_terminal()
    raise KeyboardInterrupt
