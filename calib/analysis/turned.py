"""Advice for a video whose picture lies on its side without saying so."""

import contextlib
from collections import Counter
from itertools import islice
from typing import Final

import cv2
import numpy as np

from htnet.calib.analysis.stretch import TURNS
from htnet.calib.analysis.tracking_process import TrackingConfig, open_stretch
from htnet.engine.errors import HTNetError
from htnet.engine.face import landmarks as lm
from htnet.engine.face.tracker import find_face
from htnet.engine.types import U8, Face

_SEEN: Final = 150  # first frames of the stretch of which
_EVERY: Final = 30  # each so many is tried
_CLEAR: Final = 1.5  # votes for a turn, as a multiple of those for the next best


def lies(face: Face) -> bool:
    """Return True if a face lies on its side: its eyes are above each other."""
    return _quarters(face) % 2 == 1


def turn_advice(config: TrackingConfig) -> str:
    """Return a sentence that says how to turn the video; "" where it stands upright or none is
    found.

    A few of the first frames are tried in all four turns, since the tracker finds many faces that
    lie on their side, and takes some that stand on their head for upright. Each face found votes
    for the turn that would set it upright.
    """
    votes: Counter[int] = Counter()
    for picture in _pictures(config):
        for turn in (0, *TURNS):
            turned = cv2.rotate(picture, TURNS[turn]) if turn else picture
            face = find_face(np.asarray(turned, np.uint8))
            if face is not None:
                votes[(turn - 90 * _quarters(face)) % 360] += 1
    (best, most), (_, next_best) = (*votes.most_common(2), (0, 0), (0, 0))[:2]
    if best == 0 or most < _CLEAR * next_best:
        return ""
    turn = (config.rotate + best) % 360
    return (
        f"The picture seems to lie on its side: analyse it again with "
        f"{f'--rotate {turn}' if turn else 'no --rotate'} and --overwrite."
    )


def _pictures(config: TrackingConfig) -> list[U8]:
    try:
        source = open_stretch(config)
    except HTNetError:
        return []
    with contextlib.closing(source):
        frames = (frame for frame in iter(source.read, None) if frame is not None)
        return [frame.bgr for frame in islice(frames, 0, _SEEN, _EVERY)]


def _quarters(face: Face) -> int:
    """Return by how many quarter turns clockwise a face's eyes are turned, 0 to 3."""
    left, right = (
        face.landmarks[list(corners)].mean(axis=0)
        for corners in (lm.LEFT_EYE_CORNERS, lm.RIGHT_EYE_CORNERS)
    )
    across, down = (right - left).tolist()
    return round(float(np.arctan2(down, across)) / (np.pi / 2)) % 4
