"""The capture thread: latest frame wins for a camera, no frame lost for a file, drops counted."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from htnet.engine.types import Frame
from htnet.realtime.sources.base import Source

_SLICE_S = 0.25  # Windows does not deliver Ctrl-C inside a longer wait


class CaptureThread:
    """Reads a source, which it then owns, in a thread.

    A live source, or a recording under ``pace``, fills a slot that holds the latest frame; an
    overwritten frame counts as dropped. Otherwise every frame is kept, up to ``depth`` of them read
    ahead. Under ``pace`` a frame becomes available when its own time has passed on ``clock``
    since the first one did; its ``t_ns`` stays the recording's. The frames of a live source count
    from the first one, whose ``t_ns`` becomes 0. ``wait(seconds)`` returns True when it was woken
    to stop. ``wall_clock``: returns the time of day, with its zone.

    A context manager and an iterator over the frames. An error of the source, or any other of the
    thread, is raised by `get` after the frames before it.
    """

    def __init__(
        self,
        source: Source,
        *,
        pace: bool = False,
        clock: Callable[[], int] = time.monotonic_ns,
        depth: int = 4,
        wait: Callable[[float], bool] | None = None,
        wall_clock: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        self._source = source
        self._pace = pace and not source.live
        self._latest_wins = pace or source.live
        self._clock = clock
        self._depth = max(1, depth)
        self._stop = threading.Event()
        self._wait = wait or self._stop.wait
        self._wall_clock = wall_clock
        self._started: datetime | None = None
        self._zero_ns = 0
        self._changed = threading.Condition()
        self._frames: deque[tuple[Frame, int]] = deque()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self._done = False
        self._dropped = 0
        self._arrived_ns = 0
        self._began: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """The source's name."""
        return self._source.name

    @property
    def live(self) -> bool:
        """True if frames come in real time."""
        return self._source.live

    @property
    def status(self) -> str:
        """Sentence about a problem of the source; "" without one. Kept after the end."""
        return str(getattr(self._source, "status", ""))

    @property
    def dropped(self) -> int:
        """Number of frames overwritten before they were taken."""
        return self._dropped

    @property
    def arrived_ns(self) -> int:
        """Time on ``clock`` from which the latency of the frame last got is counted.

        For a live source that is its grab; under ``pace``, the time it became due; for a
        recording read without loss, the time it was taken.
        """
        return self._arrived_ns

    @property
    def started(self) -> datetime | None:
        """Wall clock at the grab of a live source's first frame, else when the first one was read;
        None before."""
        return self._started

    @property
    def waiting(self) -> bool:
        """True if `get` would return a frame at once."""
        return bool(self._frames)

    @property
    def ended(self) -> bool:
        """True once the source has ended and nothing it gave is left to get."""
        with self._changed:
            return self._done and not self._frames

    def start(self) -> None:
        """Start the thread; `get` does so too. Nothing on a second call or after `close`."""
        with self._changed:
            if self._thread is not None or self._stop.is_set():
                return
            self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
            self._thread.start()

    def get(self, timeout: float | None = None) -> Frame | None:
        """Return the next frame, waiting up to ``timeout`` seconds (None: without limit).

        None at the end and once closed. Raises `TimeoutError` when the time is up, and the source's
        error, again at every further call, when it failed.
        """
        self.start()
        until = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._frames:
                if self._error is not None:
                    raise self._error
                if self._done or self._stop.is_set():
                    return None
                left = _SLICE_S if until is None else min(_SLICE_S, until - time.monotonic())
                if left <= 0:
                    raise TimeoutError(f"no frame from {self.name} within {timeout} s")
                self._changed.wait(left)
            frame, arrived_ns = self._frames.popleft()
            self._arrived_ns = arrived_ns if self._latest_wins else self._clock()
            self._changed.notify_all()
            return frame

    def close(self) -> None:
        """Stop the thread and close the source; a second call does nothing.

        Returns within about a second even if the source's read blocks; the thread then closes the
        source when that read returns.
        """
        with self._changed:
            if self._stop.is_set():
                return
            self._stop.set()
            self._frames.clear()
            self._changed.notify_all()
            thread = self._thread
        if thread is None:
            self._source.close()
            return
        if thread is threading.current_thread():
            return
        thread.join(0.2)
        if thread.is_alive():
            self._source.close()  # wakes a source that waits to open its device again
            thread.join(0.8)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self.get()) is not None:
            yield frame

    def _run(self) -> None:
        error: Exception | None = None
        try:
            while not self._stop.is_set():
                frame = self._source.read()
                if frame is None:
                    break
                if self._started is None:
                    self._fix_start(frame)
                if not self._await_due(frame) or not self._put(frame):
                    break
        except Exception as caught:  # noqa: BLE001 - raised again by get, in the caller's thread
            error = caught
        try:
            self._source.close()
        except Exception as caught:  # noqa: BLE001 - likewise
            error = error or caught
        with self._changed:
            if not self._stop.is_set():
                self._error = error
            self._done = True
            self._changed.notify_all()

    def _fix_start(self, first: Frame) -> None:
        """Fix the start on the wall clock, and of a live source the zero of its times."""
        now = self._wall_clock()
        if self._source.live:
            self._zero_ns = first.t_ns
            now -= timedelta(microseconds=max(self._clock() - first.t_ns, 0) // 1000)
        self._started = now

    def _await_due(self, frame: Frame) -> bool:
        """Sleep until the frame is due; return False when woken to stop."""
        if not self._pace:
            return True
        if self._began is None:
            self._began = self._clock(), frame.t_ns
        due = self._began[0] + frame.t_ns - self._began[1]
        while (left := due - self._clock()) > 0:
            if self._wait(left / 1e9):
                return False
        return True

    def _put(self, frame: Frame) -> bool:
        """Hand the frame over; return False when stopped."""
        with self._changed:
            if self._latest_wins:
                self._dropped += len(self._frames)
                self._frames.clear()
            while len(self._frames) >= self._depth and not self._stop.is_set():
                self._changed.wait()
            if self._stop.is_set():
                return False
            if self._source.live:
                counted = replace(frame, t_ns=frame.t_ns - self._zero_ns)
                self._frames.append((counted, frame.t_ns))
            else:
                self._frames.append((frame, self._clock()))
            self._changed.notify_all()
            return True
