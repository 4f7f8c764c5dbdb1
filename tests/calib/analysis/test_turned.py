from pathlib import Path

import cv2
import numpy as np
import pytest

from htnet.calib.analysis.tracking_process import TrackingConfig
from htnet.calib.analysis.turned import lies, turn_advice
from htnet.engine.face.tracker import find_face
from htnet.engine.types import U8

CODES = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}
"""Turn that mends -> turn that was done."""


@pytest.fixture(scope="module")
def picture(data: Path) -> U8:
    capture = cv2.VideoCapture(str(data / "media" / "single_face.mp4"))
    return np.asarray(capture.read()[1], np.uint8)


def folder(path: Path, picture: U8) -> TrackingConfig:
    path.mkdir()
    for number in range(31):
        cv2.imwrite(str(path / f"{number}.png"), picture)
    return TrackingConfig(path)


@pytest.mark.slow
@pytest.mark.parametrize("turn", [90, 180, 270])
def test_the_turn_that_sets_a_face_upright_is_told(picture: U8, turn: int, tmp_path: Path) -> None:
    lying = np.asarray(cv2.rotate(picture, CODES[turn]), np.uint8)
    assert f"--rotate {turn} " in turn_advice(folder(tmp_path / "a", lying))


@pytest.mark.slow
def test_an_upright_face_and_an_empty_picture_get_no_advice(picture: U8, tmp_path: Path) -> None:
    assert turn_advice(folder(tmp_path / "a", picture)) == ""
    assert turn_advice(folder(tmp_path / "b", np.zeros_like(picture))) == ""
    assert turn_advice(TrackingConfig(tmp_path / "none.mp4")) == ""


@pytest.mark.slow
def test_a_lying_face_is_seen_as_such(picture: U8) -> None:
    face = find_face(picture)
    turned = find_face(np.asarray(cv2.rotate(picture, CODES[90]), np.uint8))
    assert face is not None and turned is not None
    assert not lies(face) and lies(turned)
