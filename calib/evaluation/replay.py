"""Whole videos through the very `Pipeline.step` that live recognition uses, for scoring.

There is no clock here but the frames' own: a recording at 30 frames a second and one at 200 are
told as they would have been in front of a camera that never lost a frame, however long the machine
takes. What a machine is too slow for is the business of `htnet.calib.bench.live`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from htnet.engine.types import Event, Frame, Tick
from htnet.realtime.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Report:
    """An event and the time of the frame at which it was told. Provisional, final and rejected
    ones are all told; those of one event share its id."""

    event: Event
    told_ns: int


@dataclass(frozen=True, slots=True)
class Replay:
    """What was told of a video, in the order it was told.

    ``frames``: how many there were, ``faceless`` of them without a face. ``seconds``: how long
    they lasted by their own times, the last one as long as the median of the others. ``fps``: by
    that median; both are 0 where there are fewer than two frames.
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
    """Everything that ``pipeline`` tells of ``frames``, which are one video.

    ``pipeline``: a new one for every video, so that nothing is known of the face beforehand; it
    is left to the caller to close. What is still open when the frames end is told, rejected, at
    the last one. ``observe`` sees every Tick.
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
