"""A run: frames of a capture thread through the pipeline, with `Health` in every Tick."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

from htnet.engine.types import NS_PER_MS, Frame, Health, Tick
from htnet.realtime.capture_thread import CaptureThread
from htnet.realtime.pipeline import Pipeline, overlapped

_RATE_OVER = 60
_IDLE_S = 0.1


def ticks(
    reader: CaptureThread,
    pipeline: Pipeline,
    *,
    clock: Callable[[], int] = time.monotonic_ns,
    max_seconds: float | None = None,
    until: Callable[[], bool] = lambda: False,
    idle: Callable[[], None] = lambda: None,
    ahead: bool = True,
) -> Iterator[Tick]:
    """Yield the Ticks of ``reader``'s frames.

    They end with the reader, after ``max_seconds`` of the source's own time, or once ``until``
    returns True. While no frame comes, ``idle`` is called ten times a second.
    ``ahead``: waiting frames are tracked while others are judged. For a recording that is played in
    its own time that would only add latency.
    `Health` belongs to the Tick's own frame: ``latency_ms`` is the time from when the frame became
    available to when its Tick was ready. ``clock`` is the reader's.
    """
    arrived: dict[int, int] = {}  # frame index -> ns, of the frames under way
    finished: deque[int] = deque(maxlen=_RATE_OVER)

    def frames() -> Iterator[Frame]:
        began = clock()
        first_ns: int | None = None
        while not until():
            try:
                frame = reader.get(_IDLE_S)
            except TimeoutError:
                idle()
                if reader.live and max_seconds is not None and clock() - began >= max_seconds * 1e9:
                    return
                continue
            if frame is None:
                return
            first_ns = frame.t_ns if first_ns is None else first_ns
            if max_seconds is not None and frame.t_ns - first_ns >= max_seconds * 1e9:
                return
            arrived[frame.index] = reader.arrived_ns
            yield frame

    for tick in overlapped(pipeline, frames(), lambda: ahead and reader.waiting):
        now = clock()
        finished.append(now)
        span = (finished[-1] - finished[0]) / 1e9
        health = Health(
            fps=(len(finished) - 1) / span if span > 0 else 0.0,
            latency_ms=(now - arrived.pop(tick.frame.index)) / NS_PER_MS,
            dropped=reader.dropped,
            source=reader.name,
        )
        yield replace(tick, health=health)
