"""The state machine, fed with what known movements would pull."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htnet.engine.face import landmarks as lm
from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH
from htnet.engine.motion.muscle_fit import MUSCLE_NAMES, MuscleActivations
from htnet.engine.motion.region_motion import REGION_NAMES, PairMotion
from htnet.engine.types import AlignedFace, Motion, Pair, State
from htnet.realtime.spotting.config import SpotterConfig
from htnet.realtime.spotting.spot import Spot
from htnet.realtime.spotting.spotter import Spotter

MS = 1_000_000
FLOW = np.zeros((CROP_HEIGHT, CROP_WIDTH, 2), np.float32)
STILL = PairMotion(FLOW, np.zeros(4), {name: np.zeros(2, np.float32) for name in REGION_NAMES})
Course = Callable[[float], float]
"""Time in ms to a value."""


def bump(t: float, onset: float, apex: float, offset: float) -> float:
    if not onset < t < offset:
        return 0.0
    share = (t - onset) / (apex - onset) if t <= apex else (offset - t) / (offset - apex)
    return float((1 - np.cos(np.pi * share)) / 2)


def movement(px: float, onset: float, apex: float, offset: float) -> Course:
    return lambda t: px * bump(t, onset, apex, offset)


def together(courses: Sequence[Course]) -> Course:
    return lambda t: sum(course(t) for course in courses)


def syllables(px: float, since: float, until: float, each: float = 220.0) -> Course:
    """A mouth that goes to and fro, a time for every ``each`` ms."""
    return lambda t: (
        px * (1 - np.cos(2 * np.pi * (t - since) / each)) / 2 if since < t < until else 0.0
    )


def blink_at(start: float) -> Course:
    return lambda t: 0.31 - 0.27 * bump(t, start, start + 90, start + 240)


class Run:
    """A face at ``fps`` with activations ``muscles`` in px of the crop and ``noise`` px on each.

    ``openness`` of the eyes; ``yaw`` in radians; ``light``: mean grey; ``gaze``: the irises to the
    side, px of the crop; ``unexplained`` as in `MuscleActivations`; ``outside``: a part of the face
    is out of the frame.
    """

    def __init__(
        self,
        muscles: Mapping[str, Course] | None = None,
        *,
        seconds: float = 5.0,
        fps: float = 30.0,
        noise: float = 0.02,
        openness: Course = lambda _: 0.31,
        yaw: Course = lambda _: 0.0,
        light: Course = lambda _: 100.0,
        gaze: Course = lambda _: 0.0,
        unexplained: Course = lambda _: 0.2,
        outside: Callable[[float], bool] = lambda _: False,
        config: SpotterConfig | None = None,
    ) -> None:
        muscles = muscles or {}
        draw = np.random.default_rng(3)
        self.spotter = Spotter(config)
        self.told: list[tuple[float, Spot]] = []
        self.states: list[State] = []
        self.motions: list[Motion] = []
        self.onsets: list[float] = []
        count = int(seconds * fps)
        # Each face has its own noise, and a pair the difference of two.
        noises = draw.normal(0, noise / np.sqrt(2), (count, len(MUSCLE_NAMES)))

        def look(i: int, ms: float) -> np.ndarray:
            activations = [muscles[name](ms) if name in muscles else 0.0 for name in MUSCLE_NAMES]
            return np.array(activations) + noises[i]

        for i in range(count):
            ms = i * 1000 / fps
            t_ns = round(ms * MS)
            points = np.zeros((lm.POINTS, 2), np.float32)
            points[list(lm.IRISES), 0] = gaze(ms)
            gray = np.full((CROP_HEIGHT, CROP_WIDTH), round(light(ms)), np.uint8)
            face = AlignedFace(i, t_ns, gray, points, np.eye(2, 3), openness(ms))
            pair, blinking = self.spotter.pair(face)
            onset, then = pair.onset, pair.onset.t_ns / MS
            pulled = MuscleActivations(
                (look(i, ms) - look(onset.frame_index, then)).astype(np.float32),
                np.array([yaw(ms) - yaw(then), 0], np.float32),
                unexplained(ms),
            )
            motion, state, spots = self.spotter.step(
                pair, STILL, pulled, blinking, outside=outside(ms)
            )
            self.motions.append(motion)
            self.states.append(state)
            self.onsets.append(then)
            self.told += [(ms, spot) for spot in spots]

    @property
    def spots(self) -> list[Spot]:
        return [spot for _, spot in self.told]

    @property
    def finals(self) -> list[Spot]:
        return [spot for spot in self.spots if spot.stage == "final"]

    @property
    def believed(self) -> list[Spot]:
        return [spot for spot in self.finals if spot.rejected is None]

    @property
    def reasons(self) -> list[str | None]:
        return [spot.rejected for spot in self.finals]


@pytest.mark.parametrize("fps", [24, 30, 60, 100, 200])
@pytest.mark.parametrize("duration", [120, 250, 400])
def test_a_micro_movement_is_found_at_every_frame_rate(fps: float, duration: float) -> None:
    truth = (3000.0, 3000 + 0.42 * duration, 3000.0 + duration)
    run = Run({"lip corner pull": movement(0.7, *truth)}, fps=fps)
    [spot] = run.finals
    assert spot.kind == "micro"
    assert spot.rejected is None
    assert spot.muscle == "lip corner pull"
    assert spot.onset_ns / MS == pytest.approx(truth[0], abs=50)
    assert spot.apex_ns / MS == pytest.approx(truth[1], abs=30)
    assert spot.offset_ns / MS == pytest.approx(truth[2], abs=70)
    assert 0.4 < spot.magnitude_px < 0.9


@pytest.mark.parametrize("muscle", MUSCLE_NAMES)
def test_whatever_muscle_pulls_is_found_and_named(muscle: str) -> None:
    run = Run({muscle: movement(0.6, 3000, 3130, 3300)}, fps=60)
    [spot] = run.believed
    assert spot.muscle == muscle
    moving = [m.leading for m in run.motions if m.magnitude >= m.threshold]
    assert set(moving) == {muscle}
    assert max(run.motions, key=lambda m: m.magnitude).activations[muscle] == pytest.approx(
        0.6, abs=0.1
    )


def test_a_long_movement_is_macro() -> None:
    run = Run({"lip corner pull": movement(2.0, 2000, 2600, 3200)})
    [spot] = run.finals
    assert (spot.kind, spot.rejected) == ("macro", None)
    assert spot.onset_ns / MS == pytest.approx(2000, abs=200)


def test_what_lasts_has_to_go_further_than_what_is_over_soon() -> None:
    [short] = Run({"brow raise": movement(0.2, 3000, 3120, 3300)}, fps=60).finals
    [long] = Run({"brow raise": movement(0.2, 3000, 3500, 4000)}, fps=60).finals
    assert (short.kind, short.rejected) == ("micro", None)
    assert (long.kind, long.rejected) == ("macro", "weak")
    assert long.score < 1 < short.score
    [plain] = Run({"brow raise": movement(0.4, 3000, 3500, 4000)}, fps=60).finals
    assert (plain.kind, plain.rejected) == ("macro", None)


@pytest.mark.parametrize("fps", [30, 100])
def test_a_muscle_that_stays_behind_does_not_prolong_a_movement(fps: float) -> None:
    # The lid is back after a third of a second, and the corner of the mouth has another rest.
    run = Run(
        {
            "lid tighten": movement(1.2, 3000, 3130, 3330),
            "lip corner pull": lambda t: 0.5 * min(max((t - 3050) / 150, 0.0), 1.0),
        },
        seconds=8,
        fps=fps,
    )
    [spot] = run.believed
    assert (spot.muscle, spot.kind) == ("lid tighten", "micro")
    assert spot.offset_ns / MS == pytest.approx(3330, abs=70)


def test_states_go_round_in_order() -> None:
    run = Run({"brow raise": movement(1.0, 3000, 3200, 3400)})
    assert [state for state, _ in groupby(run.states)] in (
        [State.NEUTRAL, State.RISING, State.APEX, State.FALLING, State.NEUTRAL],
        [State.NEUTRAL, State.RISING, State.FALLING, State.NEUTRAL],
    )


@pytest.mark.parametrize("fps", [30, 60, 200])
def test_a_provisional_spot_comes_soon_after_the_apex_and_the_final_one_waits(fps: float) -> None:
    run = Run({"brow raise": movement(1.0, 3000, 3100, 3250)}, fps=fps)
    [(first_ms, first), (last_ms, last)] = run.told
    assert (first.stage, last.stage) == ("provisional", "final")
    assert first.id == last.id
    assert first_ms - 3100 < 150
    # When it is over it waits for what may turn out to be speech.
    over = 3250 - 2000 / fps  # a closing frame may see it nearly down
    assert last_ms >= over + SpotterConfig().answer_delay_ms - 66
    assert last_ms < 3250 + SpotterConfig().answer_delay_ms + 150


def test_one_too_quick_for_its_apex_is_told_when_it_closes_and_before_its_final_answer() -> None:
    # At 24 frames a second a peak and its end may lie in one frame's time.
    run = Run({"brow raise": movement(0.8, 3000, 3050, 3120)}, fps=24)
    assert [spot.stage for spot in run.spots] == ["provisional", "final"]
    assert run.told[0][0] < run.told[1][0]


def test_the_onset_is_frozen_while_the_face_moves_and_runs_on_at_rest() -> None:
    run = Run({"brow raise": movement(1.0, 3000, 3200, 3400)}, fps=50)
    busy = {o for o, s in zip(run.onsets, run.states, strict=True) if s is not State.NEUTRAL}
    assert len(busy) == 1
    assert max(busy) < 3100
    assert run.onsets[-1] == pytest.approx(4980 - 300, abs=21)


def test_noise_is_no_event() -> None:
    for noise in (0.02, 0.08):
        assert Run(seconds=60, noise=noise).spots == []


def test_slow_drift_is_no_event() -> None:
    # 2 px in 20 s: far above the threshold if it added up against a fixed onset
    assert Run({"jaw drop": lambda t: t / 10_000}, seconds=20).spots == []


def test_a_blink_that_drags_the_brows_is_no_event() -> None:
    run = Run(
        {
            "brow lower": movement(0.6, 3000, 3090, 3240),
            "lid tighten": movement(1.5, 3000, 3090, 3240),
        },
        openness=blink_at(3000),
    )
    assert run.reasons == ["blink"]


def test_what_the_lids_drag_along_after_a_blink_is_the_blinks_last_part() -> None:
    # The lid still settles when openness says that the eye is open.
    run = Run({"lid tighten": movement(0.7, 3150, 3250, 3600)}, openness=blink_at(3000), fps=60)
    assert run.believed == []
    assert "blink" in run.reasons


@pytest.mark.parametrize("fps", [30, 200])
def test_a_mouth_that_moves_during_a_blink_is_found(fps: float) -> None:
    run = Run(
        {
            "brow lower": movement(0.6, 3000, 3090, 3240),
            "lip corner pull": movement(0.8, 2950, 3100, 3300),
        },
        openness=blink_at(3000),
        fps=fps,
    )
    [spot] = run.finals
    assert spot.rejected is None
    assert spot.apex_ns / MS == pytest.approx(3100, abs=40)


@pytest.mark.parametrize("fps", [30, 60, 200])
@pytest.mark.parametrize("blink", [2900, 3100, 3200])
def test_brows_that_a_blink_falls_on_are_read_through_it(fps: float, blink: float) -> None:
    run = Run(
        {"brow raise": movement(1.0, 3000, 3150, 3400)},
        openness=blink_at(blink),
        fps=fps,
    )
    [spot] = run.believed
    assert spot.muscle == "brow raise"
    assert spot.onset_ns / MS == pytest.approx(3000, abs=50)
    assert spot.apex_ns / MS == pytest.approx(3150, abs=30)
    assert spot.offset_ns / MS == pytest.approx(3400, abs=70)


def test_the_running_onset_is_never_taken_from_a_blink() -> None:
    run = Run(openness=blink_at(2000), fps=60)
    assert not [onset for onset in run.onsets if 2000 <= onset <= 2240]


def test_two_movements_are_two_events() -> None:
    run = Run(
        {
            "brow raise": movement(0.8, 2000, 2120, 2300),
            "lip corner pull": movement(0.8, 3300, 3420, 3600),
        }
    )
    assert [round(spot.apex_ns / MS, -2) for spot in run.finals] == [2100, 3400]
    assert [spot.id for spot in run.finals] == [1, 2]


@pytest.mark.parametrize("fps", [30, 100])
@pytest.mark.parametrize("second", ["brow raise", "nose wrinkle"])
def test_two_that_follow_close_are_both_found_against_the_same_onset(
    fps: float, second: str
) -> None:
    courses = {"brow raise": movement(0.8, 3000, 3100, 3240)}
    late = movement(0.8, 3400, 3500, 3640)
    first = courses.get(second, lambda _: 0.0)
    courses[second] = lambda t: first(t) + late(t)
    run = Run(courses, fps=fps)
    assert [spot.muscle for spot in run.believed] == ["brow raise", second]
    for spot, begin in zip(run.believed, (3000, 3400), strict=True):
        assert spot.onset_ns / MS == pytest.approx(begin, abs=50)
        assert spot.apex_ns / MS == pytest.approx(begin + 100, abs=40)
        assert spot.offset_ns / MS == pytest.approx(begin + 240, abs=70)
    busy = {o for o, s in zip(run.onsets, run.states, strict=True) if s is not State.NEUTRAL}
    assert len(busy) == 1


def test_what_is_cut_off_says_so_and_is_rejected() -> None:
    run = Run({"lip corner pull": movement(1.0, 2700, 3100, 3500)}, seconds=3.1)
    [spot] = run.spotter.cut_off("face lost")
    assert (spot.stage, spot.rejected) == ("final", "face lost")
    assert run.spotter.cut_off("face lost") == ()


def test_a_final_answer_that_only_waits_is_not_cut_off() -> None:
    run = Run({"lip corner pull": movement(1.0, 2600, 2700, 2850)}, seconds=2.95)
    assert [spot.stage for spot in run.spots] == ["provisional"]
    [spot] = run.spotter.cut_off("face lost")
    assert (spot.id, spot.stage, spot.rejected) == (1, "final", None)


@pytest.mark.parametrize("fps", [30, 100])
@pytest.mark.parametrize("apart", [200, 250, 300, 350])
def test_one_that_waits_is_told_though_another_closes_meanwhile(fps: float, apart: float) -> None:
    quick = 3000 + apart
    run = Run(
        {
            "brow raise": movement(0.8, 3000, 3050, 3120),
            "lip corner pull": movement(0.8, quick, quick + 50, quick + 120),
        },
        fps=fps,
    )
    assert [(spot.id, spot.muscle) for spot in run.believed] == [
        (1, "brow raise"),
        (2, "lip corner pull"),
    ]


def test_what_is_believed_only_at_its_second_height_is_told_there_first() -> None:
    def stairs(t: float) -> float:
        first, second = bump(min(t, 3080), 3000, 3080, 3160), bump(min(t, 3340), 3260, 3340, 3420)
        return (0.3 * first + 0.6 * second) * (1 - bump(min(t, 3600), 3450, 3600, 3700))

    run = Run({"brow raise": stairs}, fps=100, config=SpotterConfig(score=3.5))
    [(first_ms, first), (_, last)] = run.told
    assert (first.stage, last.stage, last.rejected) == ("provisional", "final", None)
    assert first_ms < 3600


def test_a_candidate_that_was_told_and_proves_too_short_is_taken_back() -> None:
    config = SpotterConfig(shortest_ms=200.0)
    run = Run({"brow raise": movement(0.8, 3000, 3080, 3160)}, fps=100, config=config)
    assert [(spot.stage, spot.rejected) for spot in run.spots] == [
        ("provisional", None),
        ("final", "too short"),
    ]


def test_a_new_face_that_stays_is_the_new_rest() -> None:
    # An expression put on for good is told as one that never went back, and then the face is quiet.
    run = Run({"lip corner pull": lambda t: min(max(t - 2000, 0) / 200, 1.0)}, seconds=9)
    assert [(spot.kind, spot.rejected) for spot in run.finals] == [("macro", "no return")]
    assert run.states[-1] is State.NEUTRAL
    assert run.motions[-1].magnitude < run.motions[-1].threshold


def held(t: float, until: float, back_ms: float = 300.0) -> float:
    """Raised by 1 px from 3000 to 3200 ms, and lowered within ``back_ms`` after ``until``."""
    if t < until:
        return bump(min(t, 3200), 3000, 3200, 3400)
    return bump(t, until - 1, until, until + back_ms)


@pytest.mark.parametrize("fps", [30.0, 60.0, 200.0])
@pytest.mark.parametrize(("length_ms", "back_ms"), [(900, 300), (2000, 900), (3300, 300)])
def test_a_held_expression_ends_when_the_face_goes_back(
    length_ms: float, back_ms: float, fps: float
) -> None:
    run = Run({"brow raise": lambda t: held(t, 3000 + length_ms, back_ms)}, seconds=9, fps=fps)
    [spot] = run.finals
    assert (spot.kind, spot.rejected, spot.muscle) == ("macro", None, "brow raise")
    assert spot.onset_ns / MS == pytest.approx(3000, abs=40)
    assert spot.offset_ns / MS == pytest.approx(3000 + length_ms + back_ms / 2, abs=130)


def test_a_return_that_was_taken_for_a_pull_is_taken_back() -> None:
    # Brows that were raised stop half way down: against the held face they are lowered.
    def course(t: float) -> float:
        return held(t, 5000) if t < 5000 else max(held(t, 5000), 0.5 * (t < 5500))

    run = Run({"brow raise": course, "brow lower": lambda t: -course(t)}, seconds=9)
    assert [(s.id, s.stage, s.rejected) for s in run.spots] == [
        (1, "provisional", None),
        (2, "provisional", None),
        (2, "final", "return"),
        (1, "final", None),
    ]
    [spot] = run.believed
    assert (spot.kind, spot.muscle) == ("macro", "brow raise")
    assert spot.offset_ns / MS == pytest.approx(5550, abs=100)


def test_eyes_that_are_closed_are_no_face_to_hold_against() -> None:
    # The face is at rest with the eyes closed; what it does is told against open ones.
    run = Run({"brow raise": lambda t: held(t, 5500)}, seconds=8, openness=blink_at(3480))
    [spot] = run.believed
    assert (spot.kind, spot.muscle) == ("macro", "brow raise")
    blinked = [on for on in run.onsets if 3480 < on < 3720]
    assert blinked == []


def test_a_micro_expression_on_top_of_a_held_one_is_spotted() -> None:
    muscles = {
        "brow raise": lambda t: held(t, 6000),
        "lip press": movement(0.8, 4600, 4750, 4900),
    }
    run = Run(muscles, seconds=9)
    spots = sorted((s.kind, s.muscle, s.apex_ns / MS) for s in run.believed)
    assert [spot[:2] for spot in spots] == [("macro", "brow raise"), ("micro", "lip press")]
    assert spots[1][2] == pytest.approx(4750, abs=40)


def test_the_end_of_a_movement_that_was_under_way_at_the_onset_is_no_expression() -> None:
    # The brows were raised when the face came, and go down for good: against that they are lowered.
    def course(t: float) -> float:
        return 1 - min(max(t - 3000, 0) / 100, 1.0)

    run = Run({"brow raise": course, "brow lower": lambda t: -course(t)}, seconds=9)
    assert run.believed == []
    assert {spot.rejected for spot in run.finals} == {"no return"}


def test_what_is_held_when_the_face_leaves_is_told_with_the_reason() -> None:
    run = Run({"brow raise": lambda t: held(t, 9000)}, seconds=5)
    assert run.finals == []
    [spot] = run.spotter.cut_off("face lost")
    assert (spot.stage, spot.kind, spot.rejected) == ("final", "macro", "face lost")


@pytest.mark.slow
@pytest.mark.parametrize("start", [6900.0, 6933.0, 6966.0, 7000.0, 7033.0])
def test_a_movement_may_begin_in_the_very_frame_in_which_a_held_one_is_given_up(
    start: float,
) -> None:
    muscles = {
        "brow raise": lambda t: held(t, 9000),
        "lip corner pull": movement(1.0, start, start + 130, start + 300),
    }
    for frames in range(206, 220):
        run = Run(muscles, seconds=frames / 30)
        run.spotter.cut_off("face lost")  # whatever the state is
    run = Run(muscles, seconds=9)
    assert [spot.muscle for spot in run.believed] == ["lip corner pull"]
    assert "no return" in run.reasons


def test_one_that_rises_until_it_is_held_is_told_when_it_is() -> None:
    # It creeps: never at an apex, where a provisional answer would have been due.
    creep = movement(2.0, 3000, 4500, 6000)
    rest = movement(2.0, 5200, 5500, 5800)
    run = Run(
        {"brow raise": lambda t: creep(t) if t < 4500 else 2.0 if t < 5500 else rest(t)},
        seconds=8,
        fps=30,
        noise=0.005,
    )
    assert [spot.stage for spot in run.spots] == ["provisional", "final"]
    assert run.believed[0].kind == "macro"
    assert run.told[0][0] < 5200


def test_after_the_longest_a_return_to_the_old_rest_is_no_pull() -> None:
    def course(t: float) -> float:
        return bump(min(t, 2200), 2000, 2200, 2400) * (t < 8000)

    run = Run({"lip corner pull": course}, seconds=10)
    assert [spot.rejected for spot in run.finals] == ["no return"]


@pytest.mark.parametrize("offset", [3300.0, 4200.0])
def test_the_operating_point_is_a_cut_of_the_score(offset: float) -> None:
    course = {"brow raise": movement(0.5, 3000, 3000 + 0.4 * (offset - 3000), offset)}
    [open_] = Run(course, config=SpotterConfig(score=0.0)).finals
    assert open_.score > 1
    for score, reason in ((open_.score * 0.9, None), (open_.score * 1.1, "weak")):
        [spot] = Run(course, config=SpotterConfig(score=score)).finals
        assert (spot.rejected, spot.score) == (reason, open_.score)
        assert (spot.onset_ns, spot.apex_ns, spot.offset_ns) == (
            open_.onset_ns,
            open_.apex_ns,
            open_.offset_ns,
        )


def test_the_same_frames_give_the_same_spots() -> None:
    def told() -> list[tuple[object, ...]]:
        run = Run({"lip press": movement(0.7, 3000, 3100, 3300)})
        return [(ms, spot.stage, spot.onset_ns, spot.apex_ns, spot.score) for ms, spot in run.told]

    assert told() == told()


def test_after_a_reset_nothing_is_left_of_the_other_face() -> None:
    run = Run({"lip corner pull": movement(1.0, 2700, 3100, 3500)}, seconds=3.1)
    run.spotter.reset()
    assert run.spotter.cut_off("another face") == ()
    face = AlignedFace(
        0, 0, np.zeros((170, 140), np.uint8), np.zeros((478, 2), np.float32), np.eye(2, 3), 0.3
    )
    pair, blinking = run.spotter.pair(face)
    assert pair.onset.t_ns == 0
    nothing = MuscleActivations(np.zeros(8, np.float32), np.zeros(2, np.float32))
    motion, state, spots = run.spotter.step(pair, STILL, nothing, blinking)
    assert (state, spots, motion.magnitude) == (State.NEUTRAL, (), 0.0)


class TestSpeech:
    def test_a_mouth_that_goes_to_and_fro_is_no_expression(self) -> None:
        run = Run({"jaw drop": syllables(1.5, 3000, 5000)}, seconds=7, fps=60)
        assert run.believed == []
        assert set(run.reasons) == {"speech"}

    @pytest.mark.parametrize("duration", [200, 400, 900])
    def test_a_single_expression_of_the_mouth_is_not_speech(self, duration: float) -> None:
        course = movement(1.5, 3000, 3000 + 0.4 * duration, 3000 + duration)
        assert Run({"lip corner pull": course}, fps=60).reasons == [None]

    def test_two_expressions_of_a_mouth_are_not_speech(self) -> None:
        one, two = movement(1.0, 3000, 3100, 3300), movement(1.0, 4200, 4300, 4500)
        run = Run({"lip press": lambda t: one(t) + two(t)}, seconds=6)
        assert run.reasons == [None, None]

    def test_the_first_syllable_is_taken_back_when_others_follow(self) -> None:
        # The mouth opens once, is seen as an event at its apex, and goes on talking.
        one, rest = movement(1.2, 3000, 3080, 3200), syllables(1.5, 3240, 4400, 200)
        run = Run({"jaw drop": lambda t: one(t) + rest(t)}, seconds=6, fps=60)
        assert run.spots[0].stage == "provisional"
        assert run.finals[0].id == run.spots[0].id
        assert set(run.reasons) == {"speech"}

    def test_a_first_syllable_waits_until_the_second_is_over(self) -> None:
        # Open, shut, open, shut: the fourth turn comes 0.4 s after the first one is over.
        one, two = movement(1.2, 3000, 3080, 3200), movement(1.2, 3350, 3500, 3650)
        run = Run({"jaw drop": lambda t: one(t) + two(t)}, seconds=6, fps=60)
        assert run.finals[0].apex_ns / MS == pytest.approx(3080, abs=30)
        assert set(run.reasons) == {"speech"}

    def test_what_waits_when_the_face_leaves_has_been_heard_too(self) -> None:
        one, rest = movement(1.2, 3000, 3080, 3200), syllables(1.5, 3230, 4400, 160)
        run = Run({"jaw drop": lambda t: one(t) + rest(t)}, seconds=3.6, fps=60)
        assert run.finals == []
        first, *_ = run.spotter.cut_off("face lost")
        assert first.apex_ns / MS == pytest.approx(3080, abs=30)
        assert first.rejected == "speech"

    def test_after_a_cut_the_mouth_has_not_turned(self) -> None:
        # Its last face was half way into a pull; the next one is its own onset.
        run = Run({"jaw drop": movement(1.5, 3000, 3150, 3300)}, seconds=3.15, fps=60)
        run.spotter.cut_off("face lost")
        turns = len(run.spotter._speech._turns)
        none = MuscleActivations(np.zeros(len(MUSCLE_NAMES), np.float32), np.zeros(2, np.float32))
        for i in range(30):
            gray = np.full((CROP_HEIGHT, CROP_WIDTH), 100, np.uint8)
            points = np.zeros((lm.POINTS, 2), np.float32)
            face = AlignedFace(300 + i, (3300 + 16 * i) * MS, gray, points, np.eye(2, 3), 0.31)
            run.spotter.step(Pair(face, face), STILL, none, False)
        assert len(run.spotter._speech._turns) == turns

    def test_after_speech_an_expression_is_no_return_to_a_syllable(self) -> None:
        # The mouth speaks from open to shut, and is pressed afterwards; then it opens once.
        talk, drop = syllables(0.6, 3000, 3900), movement(0.9, 4800, 4930, 5150)
        run = Run(
            {
                "jaw drop": lambda t: 0.8 if t < 3000 else drop(t),
                "lip press": lambda t: 0.5 + talk(t) if t > 3000 else 0.0,
            },
            seconds=8,
            fps=60,
        )
        assert "speech" in run.reasons
        [spot] = run.believed
        assert spot.muscle == "jaw drop"
        assert spot.apex_ns / MS == pytest.approx(4930, abs=40)

    def test_brows_that_stress_a_word_are_speech_too(self) -> None:
        run = Run(
            {
                "jaw drop": syllables(1.0, 2500, 4500),
                "brow raise": movement(1.5, 3300, 3450, 3650),
            },
            seconds=7,
            fps=60,
        )
        assert run.believed == []
        assert "speech" in run.reasons

    def test_brows_long_after_the_last_word_are_believed(self) -> None:
        run = Run(
            {
                "jaw drop": syllables(1.0, 2500, 3500),
                "brow raise": movement(1.5, 6000, 6150, 6350),
            },
            seconds=8,
            fps=60,
        )
        [spot] = run.believed
        assert spot.muscle == "brow raise"


class TestGaze:
    LOOK = staticmethod(lambda t: 2.5 * min(max((t - 3000) / 60, 0.0), 1.0))

    def test_lids_that_follow_a_look_are_no_expression(self) -> None:
        run = Run({"lid tighten": movement(0.6, 3000, 3120, 3400)}, gaze=self.LOOK, fps=60)
        assert run.reasons == ["gaze"]

    def test_lids_that_tighten_under_a_steady_look_are(self) -> None:
        assert Run({"lid tighten": movement(0.6, 3000, 3120, 3400)}, fps=60).reasons == [None]

    @pytest.mark.parametrize("muscle", [n for n in MUSCLE_NAMES if n != "lid tighten"])
    def test_no_other_muscle_is_taken_for_a_look(self, muscle: str) -> None:
        run = Run({muscle: movement(0.6, 3000, 3120, 3400)}, gaze=self.LOOK, fps=60)
        assert run.reasons == [None]


class TestLight:
    DIMMED = staticmethod(lambda t: 100.0 - 15.0 * min(max((t - 3000) / 100, 0.0), 1.0))

    def test_a_weak_pull_while_the_light_changes_is_no_expression(self) -> None:
        [steady] = Run({"brow lower": movement(0.2, 3000, 3120, 3300)}, fps=60).finals
        assert 1 < steady.score < 2 and steady.rejected is None
        run = Run({"brow lower": movement(0.2, 3000, 3120, 3300)}, fps=60, light=self.DIMMED)
        assert run.reasons == ["lighting"]

    def test_a_strong_one_is(self) -> None:
        run = Run({"brow lower": movement(1.2, 3000, 3120, 3300)}, fps=60, light=self.DIMMED)
        assert run.reasons == [None]


def test_too_few_frames_a_second_are_said() -> None:
    run = Run({"brow raise": movement(1.5, 3000, 3300, 3900)}, fps=8, seconds=6)
    assert run.reasons == ["low frame rate"]


def test_twelve_frames_a_second_are_enough() -> None:
    run = Run({"brow raise": movement(1.5, 3000, 3200, 3480)}, fps=12, seconds=6)
    assert run.reasons == [None]


def test_a_hand_on_the_face_is_no_expression() -> None:
    course = {"jaw drop": movement(1.0, 3000, 3150, 3350)}
    run = Run(course, unexplained=lambda t: 0.9 if 3050 < t < 3300 else 0.2)
    assert run.reasons == ["occlusion"]


def test_a_face_that_is_partly_out_of_the_frame_is_not_believed() -> None:
    course = {"jaw drop": movement(1.0, 3000, 3150, 3350)}
    assert Run(course, outside=lambda t: 3100 < t < 3200).reasons == ["out of frame"]
    assert Run(course, outside=lambda t: t < 2500).reasons == [None]


class TestTurnedHead:
    def test_a_turn_raises_the_thresholds_as_far_as_it_goes(self) -> None:
        still, turned = (Run(yaw=lambda t, a=angle: a * (t > 2000)) for angle in (0.0, 0.1))
        during = [i for i in range(150) if 2000 < i * 1000 / 30 < 2250]
        for i in during:
            assert turned.motions[i].threshold == pytest.approx(still.motions[i].threshold + 0.25)
        assert turned.motions[-1].threshold == still.motions[-1].threshold

    def test_what_a_still_head_would_be_believed_is_not_with_a_turning_one(self) -> None:
        course = {"jaw drop": movement(0.4, 3000, 3150, 3350)}
        assert Run(course).reasons == [None]
        turning = Run(course, yaw=movement(0.3, 2900, 3150, 3450), fps=60)
        assert turning.believed == []
        assert "head turn" in turning.reasons
        assert "provisional" not in {spot.stage for spot in turning.spots}
        [spot] = [spot for spot in turning.finals if spot.rejected == "head turn"][:1]
        assert spot.muscle == "jaw drop" and spot.score < 1

    def test_a_turn_in_which_nothing_pulls_is_not_even_a_candidate(self) -> None:
        assert Run(yaw=movement(0.3, 2900, 3150, 3450), fps=60).spots == []


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    muscle=st.sampled_from(MUSCLE_NAMES),
    px=st.floats(0.6, 3.0),
    duration=st.floats(120, 500),
    share=st.floats(0.35, 0.6),
    fps=st.sampled_from([30, 60, 120]),
    phase=st.floats(0, 40),
)
def test_one_plain_movement_is_one_event_over_most_of_itself(
    muscle: str, px: float, duration: float, share: float, fps: float, phase: float
) -> None:
    onset = 2500 + phase
    offset = onset + duration
    course = movement(px, onset, onset + share * duration, offset)
    [spot] = Run({muscle: course}, seconds=3.8, fps=fps).believed
    first, last = spot.onset_ns / MS, spot.offset_ns / MS
    union = max(last, offset) - min(first, onset)
    assert (min(last, offset) - max(first, onset)) / union >= 0.5


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([30, 60]))
@pytest.mark.slow
def test_whatever_a_face_does_each_candidate_is_told_whole(seed: int, fps: float) -> None:
    draw = np.random.default_rng(seed)
    movements: dict[str, list[Course]] = {name: [] for name in MUSCLE_NAMES}
    t = 2000.0
    while t < 6000:
        t += draw.uniform(100, 700)
        length, share = draw.uniform(60, 500), draw.uniform(0.3, 0.6)
        course = movement(draw.uniform(0.2, 2), t, t + share * length, t + length)
        movements[draw.choice(MUSCLE_NAMES)].append(course)
        t += length
    courses = {name: together(own) for name, own in movements.items()}
    run = Run(courses, seconds=7, fps=fps)
    spots = [*run.spots, *run.spotter.cut_off("source ended")]
    first = [spot.id for spot in spots if spot.stage == "provisional"]
    final = [spot.id for spot in spots if spot.stage == "final"]
    assert final == sorted(set(final)) and len(first) == len(set(first))
    assert set(first) <= set(final)
    for spot in spots:
        assert spot.onset_ns <= spot.apex_ns <= spot.offset_ns
        if spot.stage == "final" and spot.rejected is None:
            assert spot.id in first


def test_an_eventful_minute_is_told_in_order() -> None:
    courses = {
        "jaw drop": syllables(1.2, 6000, 7500),
        "brow raise": movement(0.8, 3000, 3100, 3250),
        "lid tighten": movement(0.6, 9000, 9100, 9300),
        "lip corner pull": movement(2.0, 11000, 11500, 12500),
    }
    run = Run(courses, seconds=15, openness=blink_at(9000), fps=60)
    finals = [spot.id for spot in run.finals]
    assert finals == sorted(set(finals))
    assert all(s.onset_ns <= s.apex_ns <= s.offset_ns for s in run.spots)
    for _, spot in run.told:
        assert spot.stage in ("provisional", "final")
    provisional = {spot.id for spot in run.spots if spot.stage == "provisional"}
    assert provisional <= set(finals)
    believed = [(spot.muscle, spot.kind) for spot in run.believed]
    assert believed == [("brow raise", "micro"), ("lip corner pull", "macro")]
