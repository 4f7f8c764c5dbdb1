"""Recognition of two still pictures: detect, align, measure, classify."""

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from htnet.engine.errors import FaceError, UsageError
from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH, align_once, as_crop
from htnet.engine.face.regions import REGIONS, region_centres
from htnet.engine.face.tracker import find_face
from htnet.engine.media.pictures import read_picture
from htnet.engine.motion.preprocess import flow_map
from htnet.engine.recognition.recognizer import Recognizer
from htnet.engine.types import F32, NEUTRAL, U8, AlignedFace, Face, Pair, Prediction

_MAP_SIDE = 28
_SAME_PLACE_PX = 6.0
# On a still crop with noise of up to 4 grey levels the mean of every region stays under 0.04 px.
_FLOOR_PX = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Recognition:
    """Result of `recognize`.

    ``map``: (28, 28, 3) float32, u, v and strain in 0..255. ``as_crops``: the pictures were used as
    canonical crops. ``crop_shaped``: they have the size of canonical crops, but a face was found in
    them and aligned.
    """

    prediction: Prediction
    map: F32
    as_crops: bool
    crop_shaped: bool


def recognize(
    onset: Path, apex: Path, recognizer: Recognizer, *, aligned: bool = False
) -> Recognition:
    """Classify the movement between two pictures.

    ``aligned``: the pictures are canonical crops (140 x 170), registered as a dataset's are, so
    neither a face nor head motion is sought. The same holds where no face is found in pictures of
    that size. Otherwise both are cropped by the onset's face, and the head's motion is measured and
    removed. The label is "neutral" if no region moves by more than 0.1 px, which is above sensor
    noise. Raises `UsageError` for a picture that cannot be read and `FaceError` without a face.
    """
    pictures = [read_picture(path, error=UsageError) for path in (onset, apex)]
    crop_shaped = all(picture.shape[:2] == (CROP_HEIGHT, CROP_WIDTH) for picture in pictures)
    faces = [] if aligned else [find_face(picture) for picture in pictures]
    found = [face for face in faces if face is not None]
    if aligned or (crop_shaped and not found):
        pair = Pair(*(as_crop(_gray(picture)) for picture in pictures))
        registered = True
    elif len(found) < 2:
        lacking = apex if faces[0] is not None else onset
        raise FaceError(
            f"expected a face in {lacking}; none was found: use a picture in which the face is "
            f"seen from the front, or --aligned for crops of {CROP_WIDTH} x {CROP_HEIGHT} px."
        )
    else:
        first = align_once(pictures[0], found[0])
        pair = Pair(first, _align_like(pictures[1], found[1], first))
        registered = False
    measured = recognizer.measure(pair, registered=registered)
    prediction = recognizer.predict(measured, pair.apex.landmarks)
    if measured.magnitude < _FLOOR_PX:
        # The network was not trained on still faces and is confident on them too.
        prediction = replace(prediction, label=NEUTRAL)
    return Recognition(
        prediction=prediction,
        map=flow_map(measured.flow, _MAP_SIDE),
        as_crops=registered,
        crop_shaped=crop_shaped and not registered,
    )


def save_map(map_: F32, path: Path) -> None:
    """Write a map (28, 28, 3) as a picture, RGB = u, v, strain, as the published maps."""
    picture = np.rint(map_[..., ::-1]).clip(0, 255).astype(np.uint8)
    try:
        written = cv2.imwrite(str(path), picture)
    except cv2.error:  # no encoder for this suffix
        written = False
    if not written:
        raise UsageError(
            f"expected a path to write a picture to; {path} cannot be written: use an existing "
            "folder and a name that ends in .png."
        )


def _gray(picture: U8) -> U8:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)


def _align_like(picture: U8, face: Face, reference: AlignedFace) -> AlignedFace:
    """Align ``face`` by the reference's transform, or by its own if the head moved over 6 px.

    A common transform keeps landmark jitter out of the flow. A head that moved further than the
    flow can follow needs its own.
    """
    there = align_once(picture, face, reference.to_crop)
    eyes = [REGIONS.index("left_eye"), REGIONS.index("right_eye")]  # a smile moves the lips
    moved = (region_centres(there.landmarks) - region_centres(reference.landmarks))[eyes]
    near = float(np.linalg.norm(moved, axis=1).max()) <= _SAME_PLACE_PX
    return there if near else align_once(picture, face)
