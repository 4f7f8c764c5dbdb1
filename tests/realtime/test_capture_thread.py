"""The capture thread: what is kept, what is dropped, how it ends."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htnet.engine.errors import SourceError
from htnet.engine.types import Frame
from htnet.realtime.capture_thread import CaptureThread

PICTURE = np.zeros((2, 2, 3), np.uint8)


class Listed:
    """A source of given times; ``gate(index)`` runs before each frame."""

    name = "listed"

    def __init__(
        self,
        times: list[int],
        *,
        live: bool = False,
        gate: Callable[[int], None] = lambda index: None,
        error: Exception | None = None,
    ) -> None:
        self.live = live
        self.times = times
        self.gate = gate
        self.error = error
        self.given = 0
        self.closed = 0

    def read(self) -> Frame | None:
        self.gate(self.given)
        if self.given == len(self.times):
            if self.error is not None:
                raise self.error
            return None
        self.given += 1
        return Frame(self.given - 1, self.times[self.given - 1], PICTURE)

    def close(self) -> None:
        self.closed += 1


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


class SteppedClock:
    """Time passes only by waiting, and only in the thread that waits."""

    def __init__(self) -> None:
        self.now = 7_000

    def __call__(self) -> int:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now += max(1, round(seconds * 1e9))
        return False


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 40), st.integers(1, 6))
def test_a_file_is_read_whole_and_in_order(count: int, depth: int) -> None:
    with CaptureThread(Listed(list(range(count))), depth=depth) as reader:
        assert [frame.index for frame in reader] == list(range(count))
        assert reader.ended and reader.dropped == 0
        assert reader.get() is None


def test_a_file_is_read_ahead_by_no_more_than_the_depth() -> None:
    source = Listed(list(range(100)))
    with CaptureThread(source, depth=4) as reader:
        until(lambda: source.given == 5)  # four kept and one in hand
        time.sleep(0.05)
        assert source.given == 5
        assert reader.get().index == 0
        until(lambda: source.given == 6)


def test_a_camera_keeps_the_latest_and_counts_the_rest() -> None:
    source = Listed([10, 20, 30, 40], live=True)
    with CaptureThread(source) as reader:
        until(lambda: source.closed > 0)
        assert reader.get().t_ns == 30  # after the first one
        assert reader.dropped == 3
        assert reader.arrived_ns == 40
        assert reader.get() is None and reader.ended


def test_nothing_is_dropped_by_whoever_keeps_up() -> None:
    turn = threading.Semaphore(1)

    def gate(index: int) -> None:
        assert turn.acquire(timeout=10)

    with CaptureThread(Listed([1, 2, 3], live=True, gate=gate)) as reader:
        for expected in (0, 1, 2):
            assert reader.get(timeout=10).t_ns == expected
            turn.release()
        assert reader.get(timeout=10) is None
        assert reader.dropped == 0


def test_a_timeout_is_told_from_the_end() -> None:
    blocked = threading.Event()
    with CaptureThread(Listed([1], live=True, gate=lambda i: blocked.wait(10) and None)) as reader:
        with pytest.raises(TimeoutError):
            reader.get(timeout=0.01)
        assert not reader.ended
        blocked.set()
        assert reader.get(timeout=10).index == 0
        assert reader.get(timeout=10) is None


def test_a_live_source_counts_from_its_first_frame() -> None:
    uptime, noon = 9_000_000_000_000, datetime(2026, 7, 1, 12, tzinfo=UTC)
    turn = threading.Semaphore(1)
    source = Listed(
        [uptime + at for at in (0, 33_000_000, 70_000_000)],
        live=True,
        gate=lambda index: turn.acquire(timeout=10) and None,
    )
    clock = uptime + 5_000_000  # the first frame was grabbed 5 ms ago
    with CaptureThread(source, clock=lambda: clock, wall_clock=lambda: noon) as reader:
        for expected in (0, 33_000_000, 70_000_000):
            assert reader.get(timeout=10).t_ns == expected
            assert reader.arrived_ns == uptime + expected  # latency stays on the clock
            turn.release()
        assert reader.started == noon - timedelta(milliseconds=5)


def test_a_recording_keeps_its_own_times() -> None:
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    with CaptureThread(Listed([700, 800]), wall_clock=lambda: noon) as reader:
        assert [frame.t_ns for frame in reader] == [700, 800]
        assert reader.started == noon
    never = CaptureThread(Listed([]))
    assert never.started is None
    never.close()


def test_the_error_comes_after_the_frames_before_it_and_stays() -> None:
    error = SourceError("expected pictures")
    with CaptureThread(Listed([1, 2], error=error)) as reader:
        assert reader.get().index == 0 and reader.get().index == 1
        for _ in range(2):
            with pytest.raises(SourceError) as caught:
                reader.get()
            assert caught.value is error


@pytest.mark.slow
def test_close_ends_at_once_even_if_the_read_blocks() -> None:
    release = threading.Event()
    source = Listed([1, 2], live=True, gate=lambda i: release.wait(30) and None)
    reader = CaptureThread(source)
    reader.start()
    reader.start()
    began = time.monotonic()
    reader.close()
    reader.close()
    assert time.monotonic() - began < 10
    assert reader.get() is None
    release.set()


def test_close_wakes_a_reader_whose_shelf_is_full() -> None:
    source = Listed(list(range(100)))
    with CaptureThread(source, depth=2):
        until(lambda: source.given == 3)
    assert source.closed and source.given == 3


@pytest.mark.slow
def test_close_wakes_whoever_waits_for_a_frame() -> None:
    blocked, got = threading.Event(), []
    reader = CaptureThread(Listed([1], live=True, gate=lambda i: blocked.wait(30) and None))
    thread = threading.Thread(target=lambda: got.append(reader.get()), daemon=True)
    thread.start()
    reader.close()
    thread.join(10)
    blocked.set()
    assert got == [None]


def test_a_reader_never_started_closes_its_source() -> None:
    source = Listed([1])
    reader = CaptureThread(source)
    reader.close()
    assert source.closed == 1
    reader.start()
    assert reader.get() is None and source.given == 0


def test_get_starts_the_reader() -> None:
    reader = CaptureThread(Listed([5]))
    assert reader.get().t_ns == 5
    assert reader.get() is None
    reader.close()


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 10**9), max_size=20), st.integers(0, 10**12))
def test_pace_puts_each_frame_up_when_its_time_has_come(steps: list[int], first: int) -> None:
    times = np.cumsum([first, *steps]).tolist()
    clock = SteppedClock()
    taken = threading.Semaphore(1)
    source = Listed(times, gate=lambda i: taken.acquire(timeout=10) and None)
    with CaptureThread(source, pace=True, clock=clock, wait=clock.wait) as reader:
        for t in times:
            frame = reader.get(timeout=10)
            assert frame.t_ns == t
            assert reader.arrived_ns == 7_000 + t - first
            taken.release()
        assert reader.get(timeout=10) is None
        assert reader.dropped == 0


def test_pace_drops_what_is_not_taken_in_time_and_counts_it() -> None:
    clock = SteppedClock()
    source = Listed([k * 33_000_000 for k in range(10)])
    with CaptureThread(source, pace=True, clock=clock, wait=clock.wait) as reader:
        until(lambda: source.closed > 0)
        got = list(reader)
    assert [f.index for f in got] == [9]
    assert reader.dropped == 9


def test_pace_on_the_real_clock_takes_at_least_as_long_as_the_file() -> None:
    began = time.monotonic()
    with CaptureThread(Listed([k * 10_000_000 for k in range(11)]), pace=True) as reader:
        count = sum(1 for _ in reader)
    assert time.monotonic() - began >= 0.1
    assert count + reader.dropped == 11


def test_pace_is_stopped_in_the_middle_of_a_long_gap() -> None:
    source = Listed([0, 3_600_000_000_000])
    began = time.monotonic()
    with CaptureThread(source, pace=True) as reader:
        assert reader.get(timeout=10).index == 0
        until(lambda: source.given == 2)
    assert time.monotonic() - began < 10


def test_status_is_the_sources_and_empty_without_one() -> None:
    source = Listed([1])
    assert CaptureThread(source).status == ""
    source.status = "lens covered"
    reader = CaptureThread(source)
    assert reader.status == "lens covered"
    assert reader.name == "listed" and not reader.live
