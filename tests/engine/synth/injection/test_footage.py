"""Footage: kept as filmed, played to and fro, refused where unusable."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from htnet.engine.anatomy.muscles import MUSCLES, field
from htnet.engine.errors import FaceError, UsageError
from htnet.engine.synth.face.portrait import Portrait, load_portrait
from htnet.engine.synth.face.time_course import TimeCourse
from htnet.engine.synth.injection.footage import Footage, Pass, PassConfig, footage_of
from htnet.engine.synth.injection.footage_motion import require_neutral, still, turn_speed, turns
from htnet.engine.synth.injection.movement import Injected, movement
from htnet.engine.types import F32, U8, Face, Frame

MS = 1_000_000
NOSE, LOWER_LIP, INNER_LOWER_LIP = 1, 17, 14


class Known:
    """A tracker that knows where the face is: given landmarks by time, None where there is none."""

    def __init__(self, faces: Sequence[F32 | None], fps: float, scale: float = 1.0) -> None:
        self._faces, self._fps, self._scale = faces, fps, scale

    def find(self, bgr: U8, t_ns: int) -> Face | None:
        points = self._faces[round(t_ns * self._fps / 1e9)]
        return None if points is None else Face(points * np.float32(self._scale), 0.3)

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return load_portrait()


def filmed(portrait: Portrait, count: int, fps: float, noise: float = 0.0) -> Iterator[Frame]:
    rng = np.random.default_rng(0)
    for i in range(count):
        bgr = portrait.bgr
        if noise:
            rough = bgr + rng.normal(0, noise, (*bgr.shape[:2], 1))
            bgr = np.clip(np.rint(rough), 0, 255).astype(np.uint8)
        yield Frame(i, round(i * 1e9 / fps), bgr)


def resting(portrait: Portrait, count: int = 60, fps: float = 30.0, noise: float = 0.0) -> Footage:
    tracker = Known([portrait.landmarks] * count, fps)
    return footage_of("rest.mp4", filmed(portrait, count, fps, noise), tracker)


def moved(portrait: Portrait, points: Sequence[int], by: Sequence[F32]) -> list[F32]:
    """The portrait's landmarks, those of ``points`` displaced by (2,) each frame."""
    made = []
    for each in by:
        own = portrait.landmarks.copy()
        own[list(points)] += each
        made.append(own)
    return made


def test_footage_keeps_times_rate_and_noise(portrait: Portrait) -> None:
    footage = resting(portrait, noise=3.0)
    assert footage.fps == pytest.approx(30, rel=1e-3) and len(footage.pictures) == 60
    assert footage.noise == pytest.approx(3.0, rel=0.25)
    assert resting(portrait).noise == 0.0


def test_landmarks_lie_where_they_lay_in_the_picture(portrait: Portrait) -> None:
    large = np.repeat(np.repeat(portrait.bgr, 4, axis=0), 4, axis=1)
    count = 20
    frames = (Frame(i, i * 100 * MS, large) for i in range(count))
    tracker = Known([portrait.landmarks + np.float32(0.375)] * count, 10.0, 4.0)
    footage = footage_of("large.mp4", frames, tracker)
    picture, points = footage.pictures[0], footage.landmarks[0]
    assert max(picture.shape) <= 720 < max(large.shape)
    gain = np.ptp(points, axis=0) / np.ptp(portrait.landmarks, axis=0)
    assert gain[0] == pytest.approx(gain[1], rel=0.01)
    for index in (33, 263, 1, 152, 61):
        x, y = points[index].round().astype(int)
        u, v = portrait.landmarks[index].round().astype(int)
        seen = picture[y - 2 : y + 3, x - 2 : x + 3].mean(axis=(0, 1))
        there = portrait.bgr[v - 2 : v + 3, u - 2 : u + 3].mean(axis=(0, 1))
        assert np.abs(seen - there).max() < 30


def test_the_longest_stretch_with_a_face_is_taken(portrait: Portrait) -> None:
    faces: list[F32 | None] = [portrait.landmarks] * 120
    faces[30] = None
    footage = footage_of("gap.mp4", filmed(portrait, 120, 30), Known(faces, 30))
    assert len(footage.pictures) == 89 and footage.t_ns[0] == pytest.approx(31 * 1e9 / 30, abs=1)


@pytest.mark.parametrize(
    ("count", "fps", "dark", "face", "error", "told"),
    [
        (30, 30.0, 1.0, False, FaceError, "a face in bad.mp4; found none"),
        (20, 5.0, 1.0, True, UsageError, "10 frames a second in bad.mp4.*got 5.0"),
        (30, 30.0, 1.0, True, UsageError, "1.5 s of one face in bad.mp4; got 1.0 s"),
        (60, 30.0, 0.08, True, UsageError, "20 of 255 grey levels in bad.mp4.*turn on a light"),
    ],
)
def test_what_cannot_be_used_is_a_sentence(
    portrait: Portrait,
    count: int,
    fps: float,
    dark: float,
    face: bool,
    error: type[Exception],
    told: str,
) -> None:
    frames = (replace(f, bgr=(f.bgr * dark).astype(np.uint8)) for f in filmed(portrait, count, fps))
    with pytest.raises(error, match=told):
        footage_of("bad.mp4", frames, Known([portrait.landmarks if face else None] * count, fps))


def test_a_pass_goes_to_and_fro_from_where_it_starts(portrait: Portrait) -> None:
    footage = resting(portrait)
    there = list(Pass(footage, PassConfig(5.0, start=0.5)).order())
    places = [place for place, _ in there]
    assert places[:3] == [30, 31, 32] and places[29:32] == [59, 58, 57]
    assert places[88:91] == [0, 1, 2]
    assert all(abs(a - b) == 1 for a, b in itertools.pairwise(places))
    assert there[0][1] == 0 and there[-1][1] < 5e9 <= there[-1][1] + 34e6
    back = [place for place, _ in Pass(footage, PassConfig(2.0, start=0.5, backwards=True)).order()]
    assert back[:3] == [30, 29, 28]


@pytest.mark.parametrize("tempo", [0.8, 1.25])
def test_tempo_makes_the_frames_come_sooner(portrait: Portrait, tempo: float) -> None:
    times = [t for _, t in Pass(resting(portrait), PassConfig(3.0, tempo=tempo)).order()]
    assert np.diff(times) == pytest.approx(np.full(len(times) - 1, 1e9 / 30 / tempo), rel=1e-3)


def test_a_pass_shows_its_movements_and_blinks_and_no_more(portrait: Portrait) -> None:
    footage = resting(portrait)
    brows = field(MUSCLES["brow raise"], portrait.landmarks, (140, 170)) * 0
    brows[60:90, 40:100, 1] = -1
    pulse = TimeCourse(200 * MS, 400 * MS, 600 * MS)
    played = Pass(
        footage,
        PassConfig(1.2),
        (Injected(movement("brows", "", None, brows), pulse, 2.0),),
        (TimeCourse(800 * MS, 880 * MS, 1000 * MS),),
    )
    frames = list(played.frames())
    assert [frame.index for frame in frames] == list(range(len(frames)))
    changed = [
        frame.t_ns / MS
        for (place, _), frame in zip(played.order(), frames, strict=True)
        if not np.array_equal(frame.bgr, footage.pictures[place])
    ]
    assert changed and all(200 < t < 600 or 800 < t < 1000 for t in changed)
    assert any(t < 600 for t in changed) and any(t > 800 for t in changed)
    again = list(played.frames())
    assert all(np.array_equal(a.bgr, b.bgr) for a, b in zip(frames, again, strict=True))


def test_noise_is_of_the_asked_size_and_by_seed(portrait: Portrait) -> None:
    footage = resting(portrait)
    first, second = (
        next(Pass(footage, PassConfig(1.0, noise=4.0, seed=seed)).frames()).bgr for seed in (1, 2)
    )
    rough = first.astype(np.float32) - footage.pictures[0]
    assert float(np.median(np.abs(rough))) == pytest.approx(4.0 * 0.6745, rel=0.25)
    assert not np.array_equal(first, second)


def test_a_mouth_that_never_rests_is_refused_and_one_that_does_is_not(portrait: Portrait) -> None:
    eyes = float(np.ptp(portrait.landmarks[[33, 263], 0]))
    fps, count = 30.0, 120
    speech = [np.array([0, 0.2 * eyes * (i // 6 % 2)], np.float32) for i in range(count)]
    lips = (INNER_LOWER_LIP, LOWER_LIP)
    own = Known(moved(portrait, lips, speech), fps)
    with pytest.raises(UsageError, match=r"neutral face in talk.mp4.*--speaking"):
        require_neutral(footage_of("talk.mp4", filmed(portrait, count, fps), own))
    pause = [each * (i < 40) for i, each in enumerate(speech)]
    own = Known(moved(portrait, lips, pause), fps)
    footage = footage_of("pause.mp4", filmed(portrait, count, fps), own)
    assert 0.5 < require_neutral(footage) < 0.75
    assert not still(footage)[:30].any() and still(footage)[-45:].all()
    assert require_neutral(resting(portrait)) == 1.0


def test_a_turning_head_is_told_by_its_nose(portrait: Portrait) -> None:
    eyes = float(np.ptp(portrait.landmarks[[33, 263], 0]))
    fps, count = 30.0, 120
    way = np.clip((np.arange(count) - 45) / 30, 0, 1) * 0.3 * eyes  # over the second second
    nose = moved(portrait, (NOSE,), [np.array([x, 0], np.float32) for x in way])
    footage = footage_of("turn.mp4", filmed(portrait, count, fps), Known(nose, fps))
    speed = turn_speed(footage)
    assert speed[60] == pytest.approx(0.4, rel=0.3) and speed[:40].max() < 1e-6
    [(start, end)] = turns(Pass(footage, PassConfig(4.0)))
    assert start == pytest.approx(1.5e9, abs=150 * MS) and end == pytest.approx(2.5e9, abs=150 * MS)
    assert turns(Pass(resting(portrait), PassConfig(4.0))) == ()
    assert require_neutral(footage) == 1.0
