"""The schedule of a clip follows its plan for any seed."""

import collections
import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.engine.anatomy.muscles import MUSCLES
from htnet.engine.errors import UsageError
from htnet.engine.synth.face.piecewise_motion import Move, PiecewiseMotion
from htnet.engine.synth.schedule.plan import (
    EventPlan,
    EyePlan,
    HeadPlan,
    LightPlan,
    Plan,
    SpeechPlan,
    read_plan,
)
from htnet.engine.synth.schedule.sampler import draw_schedule
from htnet.engine.types import CLASSES

S = 1_000_000_000
SEEDS = range(40)


@pytest.fixture(scope="module")
def standard():
    plan = read_plan("standard")
    return plan, [draw_schedule(plan, seed) for seed in SEEDS]


def spans(schedule, name):
    return [(d.onset_ns, d.offset_ns) for d in schedule.truth.disturbances if d.name == name]


def test_events_are_as_planned_and_apart(standard):
    plan, schedules = standard
    for schedule in schedules:
        events = schedule.truth.events
        assert len(events) == plan.events.per_minute
        for e in events:
            assert e.kind == "micro" and 0.0999 <= (e.offset_ns - e.onset_ns) / S <= 0.5
            assert 0.5 <= e.amplitude_px <= 2.0 and MUSCLES[e.muscle].label == e.label
        assert events[0].onset_ns >= plan.events.first_s * S
        assert events[-1].offset_ns <= (plan.seconds - plan.events.apart_s) * S + 1
        for one, other in pairwise(events):
            assert other.onset_ns - one.offset_ns >= plan.events.apart_s * S - 2
        counts = collections.Counter(e.label for e in events)
        assert set(counts) == set(CLASSES) and max(counts.values()) - min(counts.values()) <= 1
    seen = {e.muscle for schedule in schedules for e in schedule.truth.events}
    assert seen == set(MUSCLES)


def test_events_keep_clear_of_speech_and_of_nothing_else(standard):
    _, schedules = standard
    near = collections.Counter()
    for schedule in schedules:
        for e in schedule.truth.events:
            for d in schedule.truth.disturbances:
                gap = max(d.onset_ns - e.offset_ns, e.onset_ns - d.offset_ns)
                near[d.name] += gap < 0.69 * S
    assert near["speech"] == 0
    assert min(near[name] for name in ("blink", "gaze", "head turn", "lighting")) > 0


def test_disturbances_come_as_often_as_planned(standard):
    _, schedules = standard
    mean = {
        name: np.mean([len(spans(schedule, name)) for schedule in schedules])
        for name in ("blink", "gaze", "head turn", "lighting", "approach", "glint")
    }
    assert mean["blink"] == pytest.approx(15, abs=0.5)
    assert mean["gaze"] == pytest.approx(6, abs=0.5)
    assert mean["head turn"] == pytest.approx(3, abs=0.5)
    assert mean["lighting"] == pytest.approx(2, abs=0.5)
    assert mean["approach"] == mean["glint"] == 0
    for schedule in schedules:
        spoken = sum(end - start for start, end in spans(schedule, "speech"))
        assert spoken / (60 * S) == pytest.approx(0.1, abs=0.01)


def test_the_head_stays_within_the_plan(standard):
    plan, schedules = standard
    reaches = []
    for schedule in schedules:
        poses = [schedule.pose(t) for t in range(0, 60 * S, S // 10)]
        assert max(abs(p.yaw) for p in poses) <= np.radians(plan.head.yaw_degrees) + 1e-9
        assert max(abs(p.pitch) for p in poses) <= np.radians(plan.head.nod_degrees) + 1e-9
        reaches.append(max(abs(p.x) for p in poses))
        assert max(abs(p.y) for p in poses) <= reaches[-1]
    assert 2.8 <= min(reaches) < 4.5 and 8.5 < max(reaches) <= 10.05


def test_turning_one_disturbance_on_leaves_the_others_where_they_were(standard):
    plan, schedules = standard
    quiet = dataclasses.replace(plan, eyes=EyePlan(), light=LightPlan(), head=HeadPlan())
    some = draw_schedule(quiet, 0)
    assert spans(some, "speech") == spans(schedules[0], "speech")
    assert some.truth.events == schedules[0].truth.events
    assert not spans(some, "blink") and not spans(some, "head turn")


def test_a_seed_and_a_plan_say_everything_and_the_frame_rate_nothing(standard):
    plan, schedules = standard
    again = draw_schedule(dataclasses.replace(plan, fps=200.0), 3)
    assert again.truth == schedules[3].truth != schedules[4].truth
    for t in range(0, 60 * S, S):
        assert again.pose(t) == schedules[3].pose(t)
        assert again.activations(t) == schedules[3].activations(t)
        assert again.gaze(t) == schedules[3].gaze(t)


def test_state_follows_the_truth(standard):
    _, schedules = standard
    schedule = schedules[0]
    for e in schedule.truth.events:
        assert schedule.activations(e.apex_ns)[e.muscle] == pytest.approx(e.amplitude_px)
        assert schedule.activations(e.onset_ns) == schedule.activations(e.offset_ns) == {}
    for t in range(0, 60 * S, S // 97):
        names = schedule.truth.disturbed_at(t)
        assert (schedule.closure(t) > 0) <= ("blink" in names)
        event = schedule.truth.event_at(t)
        assert bool(schedule.activations(t)) <= (event is not None or "speech" in names)
    moving = [
        schedule.activations(t) for a, b in spans(schedule, "speech") for t in range(a, b, S // 50)
    ]
    assert np.mean([bool(activations) for activations in moving]) > 0.6
    assert max(activations.get("jaw drop", 0.0) for activations in moving) > 2.0


def test_brightness_and_size_go_there_and_back():
    plan = Plan(
        seconds=300,
        head=HeadPlan(approaches_per_minute=3, approach=0.3),
        light=LightPlan(exposures_per_minute=4, exposure_percent=20, glints_per_minute=3),
    )
    schedule = draw_schedule(plan, 0)
    ends = [end for _, end in spans(schedule, "lighting")]
    for i, end in enumerate(ends):
        change = abs(schedule.brightness(end) - 1.0)
        assert change == 0.0 if i % 2 else 0.1 <= change <= 0.2
    sizes = [schedule.pose(end).scale for _, end in spans(schedule, "approach")]
    assert len(sizes) > 10 and set(sizes) == {1.3, 1.0}
    for start, end in spans(schedule, "glint"):
        assert len(schedule.glints((start + end) // 2)) == 1 and not schedule.glints(start - 1)


def test_macro_expressions_are_a_share_and_keep_their_own_sizes():
    events = EventPlan(count=20, macro_share=0.25, macro_px=(3, 4), amplitude_px=(1, 1))
    for seed in SEEDS:
        truth = draw_schedule(Plan(seconds=120, events=events), seed).truth
        macro = [e for e in truth.events if e.kind == "macro"]
        assert len(truth.events) == 20 and len(macro) == 5
        assert all(3 <= e.amplitude_px <= 4 for e in macro)
        assert all(e.amplitude_px == 1 for e in truth.events if e.kind == "micro")


def test_events_that_find_no_room_are_refused():
    plan = Plan(seconds=30, events=EventPlan(count=10, apart_s=0.8), speech=SpeechPlan(0.6))
    with pytest.raises(UsageError, match="expected room for 10 events"):
        draw_schedule(plan, 0)


@given(
    st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**9), st.floats(-9, 9)), max_size=6)
)
def test_a_glide_rests_between_its_moves(steps):
    t, moves = 0, []
    for gap, length, to in steps:
        moves.append(Move(t + gap, t + gap + length, (to,)))
        t += gap + length
    glide = PiecewiseMotion((0.0,), moves)
    before = 0.0
    assert glide.at(0) == (0.0,)
    for move in moves:
        assert glide.at(move.start_ns) == pytest.approx((before,))
        (way,) = glide.at((move.start_ns + move.end_ns) // 2)
        assert min(before, move.to[0]) - 1e-9 <= way <= max(before, move.to[0]) + 1e-9
        assert glide.at(move.end_ns) == move.to
        before = move.to[0]
    assert glide.at(t + S) == (before,)
