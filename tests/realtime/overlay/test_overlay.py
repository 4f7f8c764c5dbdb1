"""The overlay on the demo's portrait: what is drawn, where, and what is left alone."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htnet.engine.face import landmarks as lm
from htnet.engine.face.alignment import align_once, transform_points
from htnet.engine.face.regions import region_centres
from htnet.engine.face.tracker import open_tracker
from htnet.engine.models.weights import default_weights, load
from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.engine.motion.preprocess import PreprocessSpec
from htnet.engine.motion.region_motion import REGION_NAMES
from htnet.engine.recognition.recognizer import Recognizer
from htnet.engine.synth.demo import DemoConfig, render_demo
from htnet.engine.types import (
    CLASSES,
    NS_PER_MS,
    U8,
    Event,
    Face,
    Frame,
    Health,
    Motion,
    Prediction,
    State,
    Tick,
)
from htnet.realtime.overlay import card
from htnet.realtime.overlay.bars import ProbabilityBars
from htnet.realtime.overlay.boxes import MARKS, MotionMarks, RegionBoxes
from htnet.realtime.overlay.card import EventCard
from htnet.realtime.overlay.compose import Layout, Overlay
from htnet.realtime.overlay.curve import MotionCurve
from htnet.realtime.overlay.palette import DIM, MOTION, PANEL, WHITE, label_colour
from htnet.realtime.overlay.reasons import WORDS, in_words
from htnet.realtime.overlay.status import StatusLine
from htnet.realtime.overlay.text import fitted, width_of, write
from htnet.realtime.pipeline import Pipeline
from htnet.realtime.sources.base import SourceConfig, open_source
from htnet.realtime.spotting.artifacts import RULES

SIZES = [(640, 360), (1280, 720), (320, 240), (1920, 1080), (641, 359), (360, 640)]


def portrait(width: int = 640, height: int = 360, noise: float = 0.0) -> Tick:
    """A neutral tick of the demo's person."""
    clip = render_demo(DemoConfig(size=(width, height), still=True, seconds=1.0, noise=noise))
    frame = clip.frame(0)
    frame.bgr.flags.writeable = False
    face = Face(clip.landmarks(0), 0.3)
    motion = Motion(dict.fromkeys(REGION_NAMES, 0.05), 0.05, 0.25, blinking=False)
    aligned = replace(align_once(frame.bgr, face), t_ns=frame.t_ns)
    answer = Prediction("neutral", dict(zip(CLASSES, (0.2, 0.7, 0.1), strict=True)))
    health = Health(30.0, 12.0, 0, "demo")
    return Tick(frame, face, aligned, motion, State.NEUTRAL, None, answer, (), health)


def at(tick: Tick, ms: float, magnitude: float = 0.05, **changes: object) -> Tick:
    """``tick`` at another time, moving so much."""
    frame = replace(tick.frame, t_ns=round(ms * NS_PER_MS))
    regions = dict.fromkeys(REGION_NAMES, magnitude)
    return replace(tick, frame=frame, motion=Motion(regions, magnitude, 0.25, False), **changes)


def spotted(onset: float, apex: float, offset: float, **changes: object) -> Event:
    event = Event(
        1,
        "final",
        "micro",
        "positive",
        {"negative": 0.1, "positive": 0.8, "surprise": 0.1},
        *(round(ms * NS_PER_MS) for ms in (onset, apex, offset)),
        1.04,
    )
    return replace(event, **changes)


def count(scene: U8, colour: tuple[int, int, int], tolerance: int = 12) -> int:
    """Pixels of about a colour."""
    return int((np.abs(scene.astype(int) - colour).max(axis=2) <= tolerance).sum())


@pytest.fixture(scope="module")
def neutral() -> Tick:
    return portrait()


@pytest.mark.slow
@pytest.mark.parametrize("width, height", SIZES)
def test_the_picture_stays_readable_and_the_frame_its_own(width: int, height: int) -> None:
    tick = portrait(width, height)
    before = tick.frame.bgr.copy()
    scene = Overlay().annotate(tick)
    assert np.array_equal(tick.frame.bgr, before)
    assert not np.shares_memory(scene, tick.frame.bgr)
    layout = Layout.around(width, height)
    assert scene.shape == (layout.height, layout.width, 3) and scene.shape[0] % 2 == 0
    x0, y0, x1, y1 = layout.picture
    shown = cv2.resize(before, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    changed = np.abs(shown.astype(int) - scene[y0:y1, x0:x1]).max(axis=2) > 8
    assert tick.face is not None
    points = tick.face.landmarks * ((x1 - x0) / width)
    left, top = points.min(axis=0).astype(int)
    right, low = points.max(axis=0).astype(int)
    assert 0 < changed[top:low, left:right].mean() < 0.08
    for side in (slice(0, 5), slice(-5, None)):
        assert not changed[side].any() and not changed[:, side].any()


@given(st.integers(80, 4000), st.integers(60, 3000))
def test_every_layout_holds_together(width: int, height: int) -> None:
    layout = Layout.around(width, height)
    picture = layout.picture
    assert picture[2] == layout.width and layout.width % width == 0
    assert picture[3] * width == height * picture[2]
    assert layout.status[1] == picture[3]
    columns = [layout.curve, layout.bars, layout.card]
    for x0, y0, x1, y1 in [*columns, layout.status]:
        assert 0 <= x0 < x1 <= layout.width and 0 <= y0 < y1 <= layout.height
    for left, right in pairwise(columns):
        assert left[2] < right[0]
    for x0, _, x1, y1 in columns:
        assert x1 - x0 > 0.9 * (y1 - layout.status[3])


def test_region_boxes_lie_round_the_regions(neutral: Tick) -> None:
    assert neutral.aligned is not None and neutral.face is not None
    spec = PreprocessSpec(size=28, region=8)
    boxes = RegionBoxes(spec).boxes(neutral.aligned)
    back = cv2.invertAffineTransform(neutral.aligned.to_crop)
    wanted = transform_points(region_centres(neutral.aligned.landmarks), back)
    for box, centre, landmark in zip(
        boxes, wanted, region_centres(neutral.face.landmarks), strict=True
    ):
        assert np.abs(box.mean(axis=0) - landmark).max() < 1e-2
        assert np.abs(centre - landmark).max() < 1e-2
    scale = np.hypot(*back[:, 0])
    assert np.linalg.norm(boxes[0][1] - boxes[0][0]) == pytest.approx(40 * scale, rel=1e-3)


def test_the_boxes_are_the_networks_own_regions(neutral: Tick) -> None:
    assert neutral.aligned is not None
    boxes = RegionBoxes().boxes(neutral.aligned)
    in_crop = [transform_points(box, neutral.aligned.to_crop) for box in boxes]
    middles = np.stack([box.mean(axis=0) for box in in_crop])
    assert np.abs(middles - region_centres(neutral.aligned.landmarks)).max() < 0.01
    for box in in_crop:  # half the map's width and height, wherever the crop's border is
        assert np.abs(np.ptp(box, axis=0) - (70, 85)).max() < 0.01
    assert len(RegionBoxes(PreprocessSpec(regions="whole")).boxes(neutral.aligned)) == 1
    published = RegionBoxes(PreprocessSpec(regions="published")).boxes(neutral.aligned)
    first = transform_points(published[0], neutral.aligned.to_crop)
    assert np.abs(first[0] - (4 * 5, 2 * 170 / 28)).max() < 0.01


@pytest.mark.parametrize("size", [(640, 360), (1280, 720)])
def test_brackets_are_drawn_at_the_boxes_corners(size: tuple[int, int]) -> None:
    tick = portrait()
    assert tick.aligned is not None
    dark = np.zeros((size[1], size[0], 3), np.uint8)
    drawn = RegionBoxes().annotate(dark.copy(), tick).max(axis=2)
    scale = size[0] / 640
    for box in RegionBoxes().boxes(tick.aligned):
        middle = box.mean(axis=0)
        for corner in (middle + (box - middle) * 0.97) * scale:
            x, y = np.rint(corner).astype(int)
            assert drawn[y - 2 : y + 3, x - 2 : x + 3].max() > 90
    assert (drawn > 0).mean() < 0.02


def pulling(tick: Tick, leading: str, **activations: float) -> Tick:
    """``tick`` with muscles that pull (their names with _ for spaces), one of them leading."""
    known = {name.replace("_", " "): px for name, px in activations.items()}
    motion = Motion({}, known[leading], 0.25, False, known, leading)
    return replace(tick, motion=motion)


@pytest.mark.parametrize("muscle", MUSCLE_NAMES)
def test_marks_light_up_where_a_muscle_pulls(neutral: Tick, muscle: str) -> None:
    tick = pulling(neutral, muscle, **dict.fromkeys(MUSCLE_NAMES, 0.02) | {muscle: 0.6})
    assert tick.face is not None
    scene = MotionMarks().annotate(np.zeros_like(tick.frame.bgr), tick)
    lit = 0
    for place, muscles in MARKS:
        x, y = np.rint(tick.face.landmarks[list(place)].mean(0)).astype(int)
        patch = scene[y - 1 : y + 2, x - 1 : x + 2]
        assert (count(patch, MOTION) > 0) == (muscle in muscles)
        assert patch.max() > 100
        lit += muscle in muscles
    assert lit > 0


def test_no_mark_lights_up_before_the_leading_muscles(neutral: Tick) -> None:
    # The nose moves further, but further is nothing unusual for it: the brows lead, and are calm.
    tick = pulling(neutral, "brow raise", brow_raise=0.2, nose_wrinkle=0.5)
    assert count(MotionMarks().annotate(np.zeros_like(tick.frame.bgr), tick), MOTION) == 0
    # Skin that goes the other way is no pull.
    tick = pulling(neutral, "brow raise", brow_raise=0.6, lip_corner_pull=-0.6)
    assert tick.face is not None
    scene = MotionMarks().annotate(np.zeros_like(tick.frame.bgr), tick)
    x, y = np.rint(tick.face.landmarks[lm.LEFT_LIP_CORNER]).astype(int)
    assert count(scene[y - 2 : y + 3, x - 2 : x + 3], MOTION) == 0 < count(scene, MOTION)


def test_no_face_is_said(neutral: Tick) -> None:
    tick = replace(
        neutral, face=None, aligned=None, motion=None, prediction=None, state=State.NO_FACE
    )
    scene = Overlay().annotate(tick)
    top = np.abs(scene[:60].astype(int) - tick.frame.bgr[:60]).max(axis=2) > 8
    assert count(scene[:60], WHITE, 40) > 20
    assert top.sum() > 500
    assert np.array_equal(scene[60:360], tick.frame.bgr[60:])


def test_bars_are_as_long_as_the_probabilities(neutral: Tick) -> None:
    def lengths(**answer: float) -> list[int]:
        label = max(answer, key=answer.__getitem__)
        tick = replace(neutral, prediction=Prediction(label, answer))
        scene = ProbabilityBars().annotate(np.empty((72, 170, 3), np.uint8), tick)
        return [count(scene, label_colour(name), 0) for name in CLASSES]

    even = lengths(negative=0.333, positive=0.334, surprise=0.333)
    skewed = lengths(negative=0.1, positive=0.8, surprise=0.1)
    assert skewed[0] < even[0] and skewed[1] > 2 * even[0]
    neutral_scene = ProbabilityBars().annotate(np.empty((72, 170, 3), np.uint8), neutral)
    assert all(count(neutral_scene, label_colour(name), 30) == 0 for name in CLASSES)


def test_the_curve_follows_the_motion_and_marks_the_event(neutral: Tick) -> None:
    curve = MotionCurve(seconds=4)
    for i in range(100):
        height = 1.0 * max(0.0, 1 - abs(i - 70) / 5)
        events = (spotted(2167, 2333, 2500),) if i == 80 else ()
        state = State.RISING if 66 < i < 75 else State.NEUTRAL
        tick = at(neutral, i * 100 / 3, 0.05 + height, events=events, state=state)
        curve.see(tick)
        curve.see(tick)
    scene = curve.annotate(np.empty((72, 401, 3), np.uint8), tick)
    plot = scene[17:67]

    def x(ms: float) -> int:
        return round(400 - (3300 - ms) / 4000 * 400)

    accent = np.array(label_colour("positive"))
    assert (plot[30, x(2167)] == accent).all() and (plot[30, x(2500)] == accent).all()
    assert not (plot[30, x(2000)] == accent).all()
    # The apex's diamond sits on the peak.
    _, columns = np.nonzero(np.abs(plot.astype(int) - accent).max(axis=2) < 5)
    middle = columns[(abs(columns - x(2333)) < 3)]
    assert len(middle) >= 8
    assert count(plot, MOTION) > 100  # the threshold


def test_a_rejected_event_is_hollow(neutral: Tick) -> None:
    def inside(rejected: str | None) -> U8:
        curve = MotionCurve(seconds=4)
        for i in range(60):
            curve.see(at(neutral, i * 50))
        event = spotted(1500, 1600, 1800, rejected=rejected)
        scene = curve.annotate(np.empty((72, 401, 3), np.uint8), at(neutral, 3000, events=(event,)))
        return scene[20:40, 265:275]

    assert not np.array_equal(inside(None), inside("blink"))
    assert count(inside("blink"), label_colour("positive"), 60) == 0


def test_the_reason_is_written_over_what_was_rejected(neutral: Tick) -> None:
    def heading(rejected: str | None, onset: float = 1500) -> U8:
        curve = MotionCurve(seconds=4)
        for i in range(60):
            curve.see(at(neutral, i * 50))
        event = spotted(onset, onset + 100, onset + 300, rejected=rejected)
        scene = curve.annotate(np.empty((72, 401, 3), np.uint8), at(neutral, 3000, events=(event,)))
        return scene[:16]

    written = heading("head turn")[:, 200:340]
    assert count(written, DIM, 40) > 20
    assert not np.array_equal(written, heading("speech")[:, 200:340])
    assert count(heading("speech"), label_colour("positive"), 30) == 0
    assert count(heading(None), label_colour("positive"), 30) > 20


def test_the_muscle_that_pulls_is_named_while_it_does(neutral: Tick) -> None:
    def title(muscle: str, px: float) -> U8:
        scene = np.empty((72, 401, 3), np.uint8)
        tick = pulling(neutral, muscle, **{muscle: px})
        return MotionCurve().annotate(scene, tick)[:16, :120]

    assert np.array_equal(title("lip press", 0.1), title("brow raise", 0.1))  # at rest
    assert not np.array_equal(title("lip press", 0.6), title("brow raise", 0.6))
    assert (
        count(title("lip press", 0.1), MOTION, 40) == 0 < count(title("lip press", 0.6), MOTION, 40)
    )


def test_the_card_says_which_muscle(neutral: Tick) -> None:
    def card(**changes: object) -> U8:
        event = spotted(100, 200, 300, **changes)
        return EventCard().annotate(
            np.empty((72, 150, 3), np.uint8), at(neutral, 400, events=(event,))
        )

    for rejected in (None, "blink"):
        one, other = (
            card(muscle=m, rejected=rejected) for m in ("brow raise", "lip corner depress")
        )
        rows = np.flatnonzero((one != other).any(axis=(1, 2)))
        assert rows.size and rows.min() > 36 and rows.max() < 56
    assert not np.array_equal(card(rejected="blink"), card(rejected="weak"))


def test_the_curve_forgets_at_a_seam_and_breaks_where_there_was_no_face(neutral: Tick) -> None:
    def drawn(times: list[float]) -> U8:
        curve = MotionCurve(seconds=4)
        for ms in times:
            curve.see(at(neutral, ms, 0.1))
        return curve.annotate(np.empty((72, 401, 3), np.uint8), at(neutral, times[-1] + 10, 0.1))

    straight = [float(t) for t in range(0, 1000, 33)]
    assert np.array_equal(drawn([5000.0, 5033.0, *straight]), drawn(straight))
    gap = drawn([*straight, *(t + 2000 for t in straight)])
    assert count(gap[55:66, 210:290], DIM, 40) == 0 < count(gap[55:66, 320:390], DIM, 40)


def test_the_card_shows_the_last_event_and_fades_by_the_ticks_time(neutral: Tick) -> None:
    def shown(card: EventCard, tick: Tick) -> U8:
        return card.annotate(np.empty((72, 150, 3), np.uint8), tick)

    card = EventCard()
    empty = shown(card, neutral)
    fresh = shown(card, at(neutral, 1000, events=(spotted(100, 200, 300),)))
    later = shown(card, at(neutral, 3000))
    old = shown(card, at(neutral, 9000))
    assert not np.array_equal(empty, fresh)
    assert np.array_equal(fresh, later)
    contrast = [np.abs(s.astype(int) - PANEL).max() for s in (fresh, old)]
    assert 0.3 * contrast[0] < contrast[1] < 0.7 * contrast[0]
    rejected = shown(
        card, at(neutral, 9100, events=(spotted(8800, 8900, 9000, rejected="face lost"),))
    )
    assert (
        count(rejected, label_colour("positive"), 20)
        == 0
        < count(fresh, label_colour("positive"), 20)
    )
    before = shown(card, at(neutral, 9200))
    after = shown(card, at(neutral, 9200, events=(spotted(1, 2, 3, stage="provisional"),)))
    assert np.array_equal(before, after)


def test_drops_are_conspicuous(neutral: Tick) -> None:
    def line(dropped: int, source: str = "x") -> U8:
        health = Health(30.0, 12.0, dropped, source)
        tick = replace(neutral, health=health)
        return StatusLine().annotate(np.empty((20, 640, 3), np.uint8), tick)

    assert not np.array_equal(line(0)[:, 540:], line(3)[:, 540:])
    # However long its name, the source leaves the numbers alone.
    assert np.array_equal(line(0)[:, 480:], line(0, "видео [red] " * 40)[:, 480:])


def test_a_tick_is_drawn_once_for_all_and_handed_out_to_read(neutral: Tick) -> None:
    overlay = Overlay()
    scene = overlay.annotate(neutral)
    assert overlay.annotate(neutral) is scene
    with pytest.raises(ValueError):
        scene[0, 0] = 0
    assert overlay.annotate(at(neutral, 33)) is not scene


def test_ticks_only_seen_are_remembered(neutral: Tick) -> None:
    drawn, seen = Overlay(), Overlay()
    for i in range(40):
        tick = at(neutral, i * 33, 0.3 if i == 20 else 0.05)
        drawn.annotate(tick)
        seen.see(tick)
    last = at(neutral, 1400)
    assert np.array_equal(drawn.annotate(last), seen.annotate(last))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30), st.floats(6, 40), st.integers(-50, 120), st.integers(-20, 60))
def test_any_text_may_leave_the_scene(text: str, px: float, x: int, y: int) -> None:
    scene = np.zeros((40, 100, 3), np.uint8)
    write(scene, text, (x, y), px, WHITE)
    assert width_of(fitted(text, px, 60), px) <= max(60, width_of("…", px))


def test_a_frame_of_any_content_may_be_drawn(neutral: Tick) -> None:
    bgr = np.full((360, 640, 3), 255, np.uint8)
    assert neutral.face is not None
    face = Face(np.asarray(neutral.face.landmarks - 300, np.float32), 0.3)
    tick = replace(neutral, frame=Frame(0, 0, bgr), face=face, aligned=align_once(bgr, face))
    assert Overlay().annotate(tick).shape[1] == 640


@pytest.mark.slow
@pytest.mark.parametrize("name, there", [("single_face.mp4", True), ("no_face.mp4", False)])
def test_people_and_empty_rooms(data: Path, name: str, there: bool) -> None:
    path = data / "media" / name
    if not path.exists():
        pytest.skip(f"{name} is not among the data")
    source = open_source(SourceConfig(source=str(path)))
    pipeline = Pipeline(open_tracker(), Recognizer(load(default_weights())))
    overlay = Overlay()
    for _ in range(15):
        frame = source.read()
        assert frame is not None
        tick = pipeline.step(frame)
        scene = overlay.annotate(tick)
    source.close()
    pipeline.close()
    height, width = frame.bgr.shape[:2]
    changed = np.abs(scene[:height].astype(int) - frame.bgr).max(axis=2) > 8
    assert (tick.face is not None) == there
    badge = changed[: height // 8, width // 2 - width // 12 : width // 2 + width // 12]
    assert (badge.mean() > 0.4) != there
    if tick.aligned is not None:
        for box in RegionBoxes().boxes(tick.aligned):
            x, y = np.rint(box.mean(axis=0) + (box[0] - box.mean(axis=0)) * 0.97).astype(int)
            assert changed[y - 2 : y + 3, x - 2 : x + 3].any()


@pytest.mark.parametrize("px", range(9, 30))
def test_no_word_is_left_out_whatever_letter_it_begins_with(px: int) -> None:
    for letter in "abcdefghijklmnopqrstuvwxyz":
        scene = np.zeros((60, 200, 3), np.uint8)
        width = write(scene, f"{letter}ace", (10, 40), px, WHITE)
        assert scene[:, 10 : 10 + width // 3].any()


def test_a_reason_is_read_to_its_end_beside_a_picture_of_640_px(
    neutral: Tick, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr(card, "write", lambda scene, text, *rest: written.append(text))
    for reason in WORDS:
        event = spotted(1500, 1600, 1800, rejected=reason)
        Overlay().annotate(replace(neutral, events=(event,)))
    assert set(WORDS.values()) <= set(written)


def test_reasons_are_shown_in_words_that_need_no_manual() -> None:
    assert in_words("speech") == "mouth moved like speech"
    assert in_words("a reason of tomorrow") == "a reason of tomorrow"
    rules = {rule.__name__.replace("_", " ") for rule in RULES}
    assert rules <= set(WORDS)
