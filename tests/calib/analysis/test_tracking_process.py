import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from htnet.calib.analysis.tracking_process import TrackingConfig, TrackingProcess, open_stretch
from htnet.engine.errors import SourceError, UsageError
from htnet.engine.face.tracker import open_tracker
from htnet.realtime.tracking import Tracking

pytestmark = pytest.mark.slow
END_S = 0.4


@pytest.fixture
def clip(data: Path) -> Path:
    return data / "media" / "single_face.mp4"


@pytest.mark.parametrize("pictures", [True, False])
def test_frames_are_tracked_as_in_one_process(clip: Path, pictures: bool) -> None:
    config = TrackingConfig(clip, end_s=END_S, pictures=pictures)
    source, tracking = open_stretch(config), Tracking(open_tracker())
    with TrackingProcess(config) as process:
        process.open()
        assert (process.name, process.fps) == ("single_face.mp4", 30.0)
        assert process.seconds == pytest.approx(END_S)
        count = 0
        for there in process:
            frame = source.read()
            assert frame is not None and there.aligned is not None and there.face is not None
            here = tracking.track(frame)
            assert here.face is not None and here.aligned is not None
            assert (there.frame.index, there.frame.t_ns) == (frame.index, frame.t_ns)
            assert np.array_equal(there.face.landmarks, here.face.landmarks)
            assert np.array_equal(there.aligned.gray, here.aligned.gray)
            assert there.frame.bgr.shape == frame.bgr.shape
            assert np.array_equal(there.frame.bgr, frame.bgr if pictures else frame.bgr * 0)
            count += 1
    assert count == 12 and source.read() is None
    source.close()
    tracking.close()


def test_errors_of_the_video_and_the_stretch_are_raised(clip: Path) -> None:
    missing = TrackingProcess(TrackingConfig(clip.with_name("none.mp4")))
    with missing, pytest.raises(SourceError, match="there is nothing"):
        missing.open()
    with TrackingProcess(TrackingConfig(clip, start_s=9)) as process:
        process.open()
        with pytest.raises(UsageError, match="give an earlier start"):
            list(process)


def test_a_lost_process_is_told(clip: Path) -> None:
    with TrackingProcess(TrackingConfig(clip)) as process:
        process.open()
        next(iter(process))
        [child] = multiprocessing.active_children()
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(SourceError, match="exit code -9"):
            list(process)


def test_it_can_be_left_before_the_end(clip: Path) -> None:
    with TrackingProcess(TrackingConfig(clip)) as process:
        process.open()
        next(iter(process))
    assert multiprocessing.active_children() == []
