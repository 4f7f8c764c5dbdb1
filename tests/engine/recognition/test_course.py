"""Recognition of movements: rendered muscles, posed expressions of real people, and the rules."""

import csv
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from htnet.engine.anatomy.measures import LandmarkMeasures
from htnet.engine.face.alignment import Aligner, align_once, as_crop
from htnet.engine.face.tracker import MeshTracker
from htnet.engine.motion.region_motion import REGION_NAMES, PairMotion
from htnet.engine.recognition.course import (
    JAW_SHARE,
    UNCERTAIN_BELOW,
    CourseTimes,
    course_times,
    jaw_alone,
    mean_probabilities,
    mean_regions,
    recognize_course,
    without_brows,
)
from htnet.engine.recognition.recognizer import Recognizer, open_recognizer
from htnet.engine.synth.camera.sensor_noise import SensorNoise
from htnet.engine.synth.face.animator import Animator
from htnet.engine.synth.face.portrait import load_portrait
from htnet.engine.types import (
    CLASSES,
    NS_PER_MS,
    UNCERTAIN,
    AlignedFace,
    Face,
    Frame,
    Pair,
    Prediction,
)

ONSET, APEX = 500 * NS_PER_MS, 700 * NS_PER_MS


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return open_recognizer(runtime="torch")


@pytest.fixture(scope="module")
def animator() -> Animator:
    return Animator(load_portrait(), (640, 360), quick=True)


def drawn(animator: Animator, t_ns: int, activations: dict[str, float]) -> AlignedFace:
    """Face at a time: at rest before the onset, full activation at the apex."""
    share = min(max((t_ns - ONSET) / (APEX - ONSET), 0.0), 1.0)
    now = {name: px * share for name, px in activations.items()}
    bgr = SensorNoise(3).add(animator.render(activations=now), t_ns // NS_PER_MS)
    aligned = align_once(bgr, Face(animator.landmarks(activations=now), 0.3))
    return AlignedFace(0, t_ns, aligned.gray, aligned.landmarks, aligned.to_crop, aligned.openness)


@pytest.mark.parametrize(
    ("activations", "expected"),
    [
        ({"lip corner pull": 2.0}, "positive"),
        ({"brow lower": 2.0}, "negative"),
        ({"lip corner depress": 2.0}, "negative"),
        ({"brow raise": 2.0}, "surprise"),
        ({"jaw drop": 1.5}, UNCERTAIN),
        ({"jaw drop": 4.0}, UNCERTAIN),
        ({"jaw drop": 3.0, "brow raise": 2.0}, "surprise"),
    ],
)
def test_drawn_movements(
    recognizer: Recognizer, animator: Animator, activations: dict[str, float], expected: str
) -> None:
    times = course_times(ONSET, APEX)
    rest = [drawn(animator, t, activations) for t in times.rest_ns]
    risen = [drawn(animator, t, activations) for t in times.risen_ns]
    answer = recognize_course(rest, risen, recognizer)
    assert answer.label == expected
    assert tuple(answer.probabilities) == CLASSES
    assert sum(answer.probabilities.values()) == pytest.approx(1)


def test_faces_are_taken_before_the_onset_and_up_to_the_apex() -> None:
    times = course_times(ONSET, APEX)
    assert times == CourseTimes(
        (300 * NS_PER_MS, 434 * NS_PER_MS), (660 * NS_PER_MS, 700 * NS_PER_MS)
    )


class Counting:
    """Recognizer with given answers that records the pairs it is given."""

    def __init__(self, *answers: tuple[float, float, float], regions: np.ndarray) -> None:
        self._answers, self._regions = list(answers), regions
        self.pairs: list[Pair] = []

    def measure(self, pair: Pair) -> PairMotion:
        self.pairs.append(pair)
        regions = dict(zip(REGION_NAMES, self._regions, strict=True))
        return PairMotion(np.zeros((170, 140, 2), np.float32), np.zeros(4), regions)

    def predict(self, measured: PairMotion, landmarks: np.ndarray) -> Prediction:
        return self.answer(dict(zip(CLASSES, self._answers.pop(0), strict=True)))

    def answer(self, probabilities: dict[str, float]) -> Prediction:
        return Prediction(max(probabilities, key=probabilities.__getitem__), probabilities)


def at(*milliseconds: int) -> list[AlignedFace]:
    plain = as_crop(np.full((170, 140), 128, np.uint8))
    return [
        AlignedFace(0, t * NS_PER_MS, plain.gray, plain.landmarks, plain.to_crop, 0.3)
        for t in milliseconds
    ]


def moving(**vectors: tuple[float, float]) -> np.ndarray:
    return np.array([vectors.get(n.replace(" ", "_"), (0, 0)) for n in REGION_NAMES], np.float32)


BROWS = moving(inner_brows=(0, -2), outer_brows=(0, -2))


def times_of(pairs: Sequence[Pair]) -> set[tuple[int, int]]:
    return {(p.onset.t_ns // NS_PER_MS, p.apex.t_ns // NS_PER_MS) for p in pairs}


def test_each_pair_is_measured_once() -> None:
    counting = Counting(*[(0.1, 0.1, 0.8)] * 4, regions=BROWS)
    recognize_course(at(300, 360), at(500, 540), counting)
    assert times_of(counting.pairs) == {(300, 500), (300, 540), (360, 500), (360, 540)}
    counting = Counting(*[(0.1, 0.1, 0.8)] * 4, regions=BROWS)
    recognize_course(at(300, 300), at(500, 500), counting)
    assert len(counting.pairs) == 1


def test_no_face_is_paired_with_an_earlier_one() -> None:
    counting = Counting(*[(0.1, 0.1, 0.8)] * 4, regions=BROWS)
    recognize_course(at(300, 520), at(500, 540), counting)
    assert times_of(counting.pairs) == {(300, 500), (300, 540), (520, 540)}
    counting = Counting((0.1, 0.1, 0.8), regions=BROWS)
    recognize_course(at(600, 700), at(500, 540), counting)
    assert times_of(counting.pairs) == {(600, 540)}


def test_pairs_agree_by_the_mean_of_their_logarithms() -> None:
    mean = mean_probabilities([{"a": 0.8, "b": 0.2}, {"a": 0.2, "b": 0.8}])
    assert mean == pytest.approx({"a": 0.5, "b": 0.5})
    mean = mean_probabilities([{"a": 1.0, "b": 0.0}, {"a": 0.3, "b": 0.7}])
    assert 0 < mean["b"] < 0.01


def test_regions_are_averaged() -> None:
    one, other = (
        PairMotion(np.zeros((1, 1, 2), np.float32), np.zeros(4), {"eyes": np.float32(v)})
        for v in ([1, 2], [3, 0])
    )
    assert mean_regions([one, other])["eyes"].tolist() == [2, 1]


@pytest.mark.parametrize(
    ("answer", "regions", "expected"),
    [
        ((0.1, 0.1, 0.8), BROWS, "surprise"),
        ((0.1, 0.1, 0.8), moving(lip_corners=(2, 0)), UNCERTAIN),
        ((0.1, 0.8, 0.1), moving(lip_corners=(2, 0)), "positive"),
        ((0.8, 0.1, 0.1), moving(lower_lip=(0, 2)), UNCERTAIN),
        ((UNCERTAIN_BELOW - 0.01, 0.3, 0.26), BROWS, UNCERTAIN),
        ((UNCERTAIN_BELOW + 0.01, 0.3, 0.24), BROWS, "negative"),
    ],
)
def test_what_is_told(
    answer: tuple[float, float, float], regions: np.ndarray, expected: str
) -> None:
    told = recognize_course(at(0), at(100), Counting(answer, regions=regions))
    assert told.label == expected
    assert max(told.probabilities.values()) == pytest.approx(max(answer), abs=0.02)


def named(regions: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip(REGION_NAMES, regions, strict=True))


def test_a_jaw_falls_alone_where_the_rest_of_the_face_stays() -> None:
    assert jaw_alone(named(moving(lower_lip=(0, 2), lip_corners=(0, 0.3), eyes=(0, 5))))
    assert not jaw_alone(named(moving(lower_lip=(0, -2))))
    corners = moving(lower_lip=(0, 2), lip_corners=(0, 2 * JAW_SHARE + 0.01))
    assert not jaw_alone(named(corners))
    assert not jaw_alone(named(moving(lower_lip=(0, 2), inner_brows=(0, -1))))


def test_brows_that_rise_with_the_jaw_count() -> None:
    assert without_brows(named(moving(lower_lip=(0, 3), outer_brows=(0, -0.5))))
    assert not without_brows(named(moving(lower_lip=(0, 3), **BROW_RAISE)))
    assert without_brows(named(moving(inner_brows=(0, 1), outer_brows=(0, 1))))


BROW_RAISE = {"inner_brows": (0.0, -1.0), "outer_brows": (0.0, -1.0)}

SIGNS = {
    "smile": {"positive"},
    "one-sided smile": {"positive", "negative"},
    "wince": {"negative"},
    "frown": {"negative"},
    "lip corners down": {"negative"},
}


def followed(path: Path) -> list[AlignedFace]:
    """Faces of a clip, aligned as in the live path."""
    capture, tracker, aligner = cv2.VideoCapture(str(path)), MeshTracker(), Aligner()
    fps, faces = capture.get(cv2.CAP_PROP_FPS), []
    while True:
        read, bgr = capture.read()
        if not read:
            break
        frame = Frame(len(faces), round(len(faces) / fps * 1e9), np.asarray(bgr, np.uint8))
        face = tracker.find(frame.bgr, frame.t_ns)
        assert face is not None
        faces.append(aligner.align(frame, face))
    tracker.close()
    return faces


@pytest.mark.slow
def test_visible_expressions_of_real_people_have_the_right_sign(
    data: Path, recognizer: Recognizer
) -> None:
    with (data / "faces" / "expressions.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["what"] in SIGNS]
    clips = {name: followed(data / "faces" / name) for name in {row["clip"] for row in rows}}
    right = []
    for row in rows:
        faces = clips[row["clip"]]
        start, end = (round(float(row[key]) * 1e9) for key in ("onset_s", "offset_s"))
        measure = LandmarkMeasures(faces[0].landmarks)
        rest = measure(nearest(faces, start).landmarks)
        apex_ns = max(
            (face for face in faces if start < face.t_ns < end),
            key=lambda face: float(np.linalg.norm(measure(face.landmarks) - rest)),
        ).t_ns
        for late_ms in (-80, 0, 80):
            onset_ns = start + late_ms * NS_PER_MS
            times = course_times(onset_ns, max(apex_ns, onset_ns + 80 * NS_PER_MS))
            answer = recognize_course(
                [nearest(faces, t) for t in times.rest_ns],
                [nearest(faces, t) for t in times.risen_ns],
                recognizer,
            )
            right.append(answer.label in SIGNS[row["what"]])
    assert len(right) == 30
    assert np.mean(right) >= 0.9


def nearest(faces: Sequence[AlignedFace], t_ns: int) -> AlignedFace:
    return min(faces, key=lambda face: abs(face.t_ns - t_ns))
