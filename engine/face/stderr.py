"""Keeping C++ libraries off the terminal."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Quiet:
    """MediaPipe's C++ greets on stderr whatever its log level: silence the descriptor.

    It is the whole process's, so the first of several threads to come in silences it and the last
    one to leave gives it back; each on its own would take the other's silence for what to restore.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._saved: int | None = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if self._inside == 0:
                self._silence()
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0 and self._saved is not None:
                    os.dup2(self._saved, 2)
                    os.close(self._saved)

    def _silence(self) -> None:
        try:
            self._saved = os.dup(2)
        except OSError:  # there is no stderr to be kept clean
            self._saved = None
            return
        void = os.open(os.devnull, os.O_WRONLY)
        os.dup2(void, 2)
        os.close(void)


quiet = Quiet()
