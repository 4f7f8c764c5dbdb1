"""The tracker in its own process says what one in this process would."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from htnet.engine.errors import FaceError
from htnet.engine.face.tracker import MeshTracker
from htnet.realtime.sources.base import SourceConfig, open_source
from htnet.realtime.tracker_process import TrackerProcess


@pytest.mark.slow
def test_it_finds_what_the_tracker_finds(data: Path) -> None:
    here, there = MeshTracker(), TrackerProcess()
    source = open_source(SourceConfig(source=str(data / "media" / "single_face.mp4")))
    for i in range(12):
        frame = source.read()
        assert frame is not None
        if i == 6:
            here.reset()
            there.reset()
        near, far = here.find(frame.bgr, frame.t_ns), there.find(frame.bgr, frame.t_ns)
        assert near is not None and far is not None
        np.testing.assert_array_equal(near.landmarks, far.landmarks)
        assert (near.openness, near.another) == (far.openness, far.another)
    larger = np.zeros((720, 1280, 3), np.uint8)  # more than the memory that was shared so far
    assert there.find(larger, 0) is None
    source.close()
    here.close()
    there.close()


def test_what_keeps_it_from_starting_is_told_here(tmp_path: Path) -> None:
    tracker = TrackerProcess(tmp_path / "none.task")
    with pytest.raises(FaceError, match=r"none\.task"):
        tracker.wait()
    tracker.close()


def test_a_process_that_dies_is_a_sentence() -> None:
    tracker = TrackerProcess()
    tracker.wait()
    [child] = [int(pid) for pid in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
               .read_text().split() if _is_tracker(int(pid))]  # fmt: skip
    os.kill(child, signal.SIGKILL)
    with pytest.raises(FaceError, match=r"has ended \(exit code -9\)"):
        tracker.find(np.zeros((8, 8, 3), np.uint8), 0)
    tracker.close()


def _is_tracker(pid: int) -> bool:
    # multiprocessing's resource tracker is a child too
    return "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()


def test_closing_twice_does_no_harm() -> None:
    tracker = TrackerProcess()
    tracker.close()
    tracker.close()
