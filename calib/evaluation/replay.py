"""Replay of a video through the `Pipeline.step` of live recognition, for scoring.

The only clock is the frames' own: the result is that of a camera which never lost a frame, however
long the machine takes. `htnet.calib.bench.live` measures the speed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from htnet.engine.types import Event, Frame, Tick
from htnet.realtime.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Report:
    """An event, and the time of the frame at which it was reported.

    Provisional, final and rejected events are all reported; those of one event share its id.
    """

    event: Event
    told_ns: int


@dataclass(frozen=True, slots=True)
class Replay:
    """Reports of a video, in their order.

    ``frames``: number of frames. ``faceless``: number of those without a face. ``seconds``:
    duration by the frames' times, the last frame as long as the median of the others. ``fps``: by
    that median. Both are 0 for fewer than two frames.
    """

    reports: tuple[Report, ...]
    frames: int
    faceless: int
    seconds: float
    fps: float


def replay(
    frames: Iterable[Frame],
    pipeline: Pipeline,
    observe: Callable[[Tick], None] | None = None,
) -> Replay:
    """Return all reports of ``pipeline`` on ``frames``, which are one video.

    ``pipeline``: a new one for every video, without a history of the face; the caller closes it. A
    candidate that is open when the frames end is reported as rejected at the last frame.
    ``observe``: is called with every Tick.
    """
    reports: list[Report] = []
    times: list[int] = []
    faceless = 0
    for frame in frames:
        tick = pipeline.step(frame)
        times.append(frame.t_ns)
        faceless += tick.face is None
        reports += [Report(event, frame.t_ns) for event in tick.events]
        if observe is not None:
            observe(tick)
    reports += [Report(event, times[-1]) for event in pipeline.finish()]
    if len(times) < 2:
        return Replay(tuple(reports), len(times), faceless, 0.0, 0.0)
    each = float(np.median(np.diff(times)))
    seconds = (times[-1] - times[0] + each) / 1e9
    return Replay(tuple(reports), len(times), faceless, seconds, 1e9 / each if each > 0 else 0.0)
