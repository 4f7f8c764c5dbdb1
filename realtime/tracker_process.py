"""The face tracker in a process of its own.

MediaPipe's Python glue holds the interpreter for about a millisecond a frame, in which flow and
network would stand still. Its own process has its own interpreter, and its own stderr.
"""

import contextlib
import os
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import numpy as np

from htnet.engine.errors import FaceError, HTNetError
from htnet.engine.face.tracker import open_tracker
from htnet.engine.types import U8, Face
from htnet.realtime.signals import ignore_signals, outlive_signals, signals_restored

_EXIT_TIMEOUT_S = 2.0


class TrackerProcess:
    """A `FaceTracker` in another process; pictures pass through shared memory.

    The constructor returns at once; the process is ready when first asked. Raises the tracker's own
    errors, and `FaceError` when its process has ended.
    """

    def __init__(self, landmarker: Path | None = None) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, landmarker), name="htnet-tracker", daemon=True
        )
        with signals_restored():
            ignore_signals()  # inherited, by multiprocessing's own helper too
            self._process.start()
        theirs.close()
        self._memory: SharedMemory | None = None
        self._ready = False

    def find(self, bgr: U8, t_ns: int) -> Face | None:
        """Return the chosen face in ``bgr`` (H, W, 3) uint8, or None."""
        if self._memory is None or self._memory.size < bgr.nbytes:
            self._free()
            self._memory = SharedMemory(create=True, size=bgr.nbytes)
        np.ndarray(bgr.shape, np.uint8, self._memory.buf)[:] = bgr
        answer = self._ask((self._memory.name, bgr.shape, t_ns))
        assert answer is None or isinstance(answer, Face)
        return answer

    def wait(self) -> None:
        """Return once the tracker is ready; raises its error if it cannot start."""
        if not self._ready:
            self._hear()
            self._ready = True

    def reset(self) -> None:
        """Forget the chosen face."""
        self._ask("reset")

    def close(self) -> None:
        """End the process; a second call does nothing."""
        with contextlib.suppress(OSError):
            self._pipe.close()  # the process ends when its pipe does
        self._process.join(_EXIT_TIMEOUT_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._free()

    def _ask(self, message: object) -> object:
        self.wait()
        try:
            self._pipe.send(message)
        except (BrokenPipeError, ConnectionError):
            raise self._gone() from None
        return self._hear()

    def _hear(self) -> object:
        try:
            answer = self._pipe.recv()
        except (EOFError, ConnectionError):
            raise self._gone() from None
        if isinstance(answer, HTNetError):
            raise answer
        return answer

    def _gone(self) -> FaceError:
        self._process.join(_EXIT_TIMEOUT_S)
        return FaceError(
            "expected the face tracker's process to run, but it has ended (exit code "
            f"{self._process.exitcode}); start htnet again, and if it happens again say which "
            "source it was"
        )

    def _free(self) -> None:
        memory, self._memory = self._memory, None
        if memory is not None:
            memory.close()
            memory.unlink()


def _serve(pipe: Connection, landmarker: Path | None) -> None:
    """Answer requests until the pipe's other end is closed."""
    outlive_signals()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    memory: SharedMemory | None = None
    with contextlib.suppress(EOFError, ConnectionError):
        try:
            tracker = open_tracker(landmarker)
        except HTNetError as error:
            pipe.send(error)
            return
        pipe.send(None)
        while True:
            message: Any = pipe.recv()
            try:
                if message == "reset":
                    tracker.reset()
                    pipe.send(None)
                    continue
                name, shape, t_ns = message
                if memory is None or memory.name != name:
                    if memory is not None:
                        memory.close()
                    memory = SharedMemory(name)
                pipe.send(tracker.find(np.ndarray(shape, np.uint8, memory.buf), t_ns))
            except HTNetError as error:
                pipe.send(error)
