"""The first half of the path in a process of its own: a video is read, its face tracked.

Judging runs beside it in the process that asks. A decoder that crashes ends this process alone.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

import numpy as np

from htnet.calib.analysis.stretch import Stretch
from htnet.engine.errors import HTNetError, SourceError
from htnet.engine.face.tracker import open_tracker
from htnet.engine.types import Frame
from htnet.realtime.sources.base import SourceConfig, open_source
from htnet.realtime.tracking import TrackedFrame, Tracking

_EXIT_TIMEOUT_S = 2.0
_SLICE_S = 0.25  # Windows does not deliver Ctrl-C inside a longer wait
_AHEAD, _AHEAD_PICTURED = 32, 4  # frames: evens out slow ones, of 32 kB each without its picture


@dataclass(frozen=True, slots=True)
class TrackingConfig:
    """The stretch of a video to track; fields as in `Stretch`.

    ``pictures``: the tracked frames hold their pictures. Without them a frame's ``bgr`` has the
    picture's shape and is black, which spares copies.
    """

    video: Path
    start_s: float = 0.0
    end_s: float | None = None
    rotate: int = 0
    landmarker: Path | None = None
    pictures: bool = False


@dataclass(frozen=True, slots=True)
class _Opened:
    """First message of the process: fields as in `TrackingProcess`."""

    name: str
    fps: float
    seconds: float


@dataclass(frozen=True, slots=True)
class _Ended:
    """Last message of the process; ``status``: the source's, a sentence or ""."""

    status: str


class TrackingProcess:
    """The tracked frames of a video, in order, as an iterator; a context manager.

    ``fps``: the video's nominal rate, ``seconds``: the stretch's length by the container; 0 where
    unknown. ``status``: the source's, once the frames have ended. Raises the errors of the source
    and of the tracker, and `SourceError` where the process is lost.
    """

    def __init__(self, config: TrackingConfig) -> None:
        context = get_context("spawn")
        self._config = config
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, config), name="htnet-tracking", daemon=True
        )
        self._process.start()
        theirs.close()
        self._heard: Queue[Any] = Queue(_AHEAD_PICTURED if config.pictures else _AHEAD)
        self._closed = Event()
        self._listener = Thread(target=self._listen, name="tracked", daemon=True)
        self._listener.start()
        self.name, self.status = config.video.name, ""
        self.fps = self.seconds = 0.0

    def __enter__(self) -> Self:
        return self

    def open(self) -> None:
        """Wait until the video is opened; raises its error."""
        message = self._hear()
        assert isinstance(message, _Opened)
        self.name, self.fps, self.seconds = message.name, message.fps, message.seconds

    def __iter__(self) -> Iterator[TrackedFrame]:
        while not isinstance(message := self._hear(), _Ended):
            yield message
        self.status = message.status

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed.set()
        self._process.terminate()
        self._process.join(_EXIT_TIMEOUT_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._listener.join()
        self._pipe.close()

    def _listen(self) -> None:
        """Take messages from the pipe, so that the process need not wait for each to be judged."""
        message: Any = self
        while message is not None and not isinstance(message, _Ended | HTNetError):
            try:
                message = self._pipe.recv()
            except (EOFError, OSError):
                message = None  # the process is lost
            while not self._closed.is_set():
                with contextlib.suppress(Full):
                    self._heard.put(message, timeout=_SLICE_S)
                    break
            if self._closed.is_set():
                return

    def _hear(self) -> Any:
        while True:
            with contextlib.suppress(Empty):
                message = self._heard.get(timeout=_SLICE_S)
                break
        if isinstance(message, HTNetError):
            raise message
        if message is None:
            self._process.join(_EXIT_TIMEOUT_S)
            raise SourceError(
                f"expected to read {self._config.video} to its end; got an end of the process that "
                f"reads it (exit code {self._process.exitcode}): convert the video, or free memory."
            )
        return message


def _serve(pipe: Connection, config: TrackingConfig) -> None:
    """Send the tracked frames until the video ends or the pipe's other end is closed."""
    # Ctrl-C reaches the whole process group, but the parent ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    with contextlib.suppress(EOFError, ConnectionError):
        try:
            for message in _messages(config):
                pipe.send(message)
        except HTNetError as error:
            pipe.send(error)


def _messages(config: TrackingConfig) -> Iterator[_Opened | TrackedFrame | _Ended]:
    source = open_stretch(config)
    with contextlib.closing(source):
        yield _Opened(source.name, source.fps, source.seconds)
        tracking = Tracking(open_tracker(config.landmarker))
        with contextlib.closing(tracking):
            while (frame := source.read()) is not None:
                tracked = tracking.track(frame)
                yield tracked if config.pictures else replace(tracked, frame=_black(frame))
        yield _Ended(source.status)


def open_stretch(config: TrackingConfig) -> Stretch:
    """Open the stretch of a video; raises the errors of `open_source` and `Stretch`."""
    source = open_source(SourceConfig(source=str(config.video)))
    try:
        return Stretch(source, config.start_s, config.end_s, config.rotate)
    except BaseException:
        source.close()
        raise


class _Black(Frame):
    """A frame that is pickled without its picture."""

    __slots__ = ()

    def __reduce__(self) -> Any:
        return _black_frame, (self.index, self.t_ns, self.bgr.shape, self.fresh)


def _black(frame: Frame) -> Frame:
    return _Black(frame.index, frame.t_ns, frame.bgr, frame.fresh)


def _black_frame(index: int, t_ns: int, shape: tuple[int, ...], fresh: bool) -> Frame:
    return Frame(index, t_ns, np.broadcast_to(np.uint8(0), shape), fresh)
