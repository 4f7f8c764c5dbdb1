"""Runs over sources with an injected clock; the pipeline's halves are stood in for by a tick."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from htnet.engine.types import Frame, Health, State, Tick
from htnet.realtime.capture_thread import CaptureThread
from htnet.realtime.session import ticks
from htnet.realtime.sources.looped import LoopedSource
from htnet.realtime.tracking import TrackedFrame

PICTURE = np.zeros((4, 4, 3), np.uint8)


class Recording:
    """``count`` frames at 25 fps."""

    name = "recording"
    live = False

    def __init__(self, count: int) -> None:
        self._count = count
        self._next = 0
        self.closed = False

    def read(self) -> Frame | None:
        if self._next == self._count:
            return None
        self._next += 1
        return Frame(self._next - 1, (self._next - 1) * 40_000_000, PICTURE)

    def close(self) -> None:
        self.closed = True


class Path:
    """A pipeline that takes no time and finds no face."""

    def track(self, frame: Frame) -> TrackedFrame:
        return TrackedFrame(frame, None, None, {})

    def judge(self, tracked: TrackedFrame) -> Tick:
        return Tick(tracked.frame, None, None, None, State.NO_FACE, None, None, (), Health())


def run(source: object, **options: object) -> list[Tick]:
    with CaptureThread(source) as reader:  # type: ignore[arg-type]
        return list(ticks(reader, Path(), **options))  # type: ignore[arg-type]


def test_a_recording_is_told_without_loss() -> None:
    told = run(Recording(50))
    assert [tick.frame.index for tick in told] == list(range(50))
    assert {tick.health.dropped for tick in told} == {0}
    assert {tick.health.source for tick in told} == {"recording"}


def test_latency_and_rate_are_of_the_frame_itself() -> None:
    now = iter(range(0, 10**12, 5_000_000))

    def clock() -> int:
        return next(now)

    with CaptureThread(Recording(8), clock=clock) as reader:
        told = list(ticks(reader, Path(), clock=clock))  # type: ignore[arg-type]
    assert all(0 < tick.health.latency_ms < 500 for tick in told)
    assert told[-1].health.fps > 0


def test_it_stops_after_so_much_of_the_sources_own_time() -> None:
    assert len(run(Recording(100), max_seconds=1.0)) == 25


def test_it_stops_when_told_to() -> None:
    seen: list[int] = []

    def until() -> bool:
        seen.append(1)
        return len(seen) > 5

    assert len(run(Recording(100), until=until)) == 5


class Slow(Recording):
    """Its second frame comes when the run has been idle for a while."""

    def __init__(self, idle: Callable[[], bool]) -> None:
        super().__init__(2)
        self._idle = idle

    def read(self) -> Frame | None:
        while self._next == 1 and not self._idle():
            pass
        return super().read()


def test_while_nothing_comes_it_says_so() -> None:
    idle: list[int] = []
    told = run(Slow(lambda: len(idle) >= 2), idle=lambda: idle.append(1))
    assert len(told) == 2
    assert len(idle) >= 2


@pytest.mark.parametrize("length", [1, 7, 30])
def test_a_loop_runs_on_and_marks_its_seams(length: int) -> None:
    opened: list[Recording] = []

    def again() -> Recording:
        opened.append(Recording(length))
        return opened[-1]

    told = run(LoopedSource(again, 60))
    assert [tick.frame.index for tick in told] == list(range(60))
    times = [tick.frame.t_ns for tick in told]
    assert all(later > earlier for earlier, later in itertools.pairwise(times))
    fresh = [tick.frame.index for tick in told if tick.frame.fresh]
    assert fresh == list(range(length, 60, length))
    assert all(recording.closed for recording in opened)


def test_an_empty_loop_ends() -> None:
    assert run(LoopedSource(lambda: Recording(0), 10)) == []
