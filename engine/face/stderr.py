"""Suppression of what C++ libraries write to stderr."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _StderrSuppressor:
    """Context manager that redirects the process's stderr (descriptor 2) to the null device.

    MediaPipe's C++ writes there at any log level. The descriptor is shared by all threads, so the
    first thread to enter redirects it and the last one to leave restores it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._saved: int | None = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if self._inside == 0:
                self._redirect()
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0 and self._saved is not None:
                    os.dup2(self._saved, 2)
                    os.close(self._saved)

    def _redirect(self) -> None:
        try:
            self._saved = os.dup(2)
        except OSError:  # the process has no stderr
            self._saved = None
            return
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)


suppress_stderr = _StderrSuppressor()
