"""Every face of a source through a pipeline of its own."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from htnet.calib.analysis.people import PeoplePipeline
from htnet.engine.recognition.recognizer import open_recognizer
from htnet.engine.types import Frame, State
from htnet.realtime.pipeline import Pipeline


@pytest.mark.slow
def test_two_people_have_ticks_of_their_own(data: Path) -> None:
    recognizer = open_recognizer(say=lambda sentence: None)
    people = PeoplePipeline(lambda tracker: Pipeline(tracker, recognizer))
    capture = cv2.VideoCapture(str(data / "faces" / "two_people.gif"))
    ticks = []
    for index in range(40):
        bgr = np.asarray(capture.read()[1], np.uint8)
        ticks.append(people.step(Frame(index, index * 66_666_667, bgr)))
    assert set(people.finish()) == {1, 2}
    people.close()
    assert ticks[0] == {}  # nobody is named in the first 0.3 s
    assert all(set(each) == {1, 2} for each in ticks[10:])
    for each in ticks[10:]:
        first, second = each[1], each[2]
        assert first.face is not None and second.face is not None
        apart = first.face.landmarks.mean(axis=0) - second.face.landmarks.mean(axis=0)
        assert np.hypot(*apart) > 100
        assert first.state is not State.NO_FACE and first.prediction is not None
