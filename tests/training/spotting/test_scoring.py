"""Spotting scores of cases worked out by hand, and what must hold of any case."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htnet.engine.errors import DataError, UsageError
from htnet.engine.types import Disturbance
from htnet.training.spotting.curve import Point, curve, cut_for, cuts
from htnet.training.spotting.matching import DOUBLE, MISPLACED, NONE, outcomes
from htnet.training.spotting.records import (
    FoundEvent,
    TrueEvent,
    Video,
)
from htnet.training.spotting.scoring import evaluate

MS = 1_000_000


def true(onset: float, offset: float, label: str | None = "surprise", px: float = 1.0) -> TrueEvent:
    kind = "micro" if offset - onset <= 500 else "macro"
    apex = int((onset + offset) / 2 * MS)
    return TrueEvent(kind, label, int(onset * MS), apex, int(offset * MS), px)


def found(
    onset: float,
    offset: float,
    label: str = "surprise",
    *,
    told: float = 100,
    score: float = 1.0,
    rejected: str | None = None,
    kind: str | None = None,
) -> FoundEvent:
    """``told``: ms after its apex, which lies half way."""
    kind = kind or ("micro" if offset - onset <= 500 else "macro")
    apex, last = int((onset + offset) / 2 * MS), int(offset * MS)
    told_ns = apex + int(told * MS)
    return FoundEvent(
        kind, label, int(onset * MS), apex, last, told_ns, max(told_ns, last), score, rejected
    )


def video(
    truth: list[TrueEvent],
    events: list[FoundEvent],
    disturbances: tuple[Disturbance, ...] = (),
    name: str = "v",
    fps: float = 30.0,
) -> Video:
    return Video(name, f"of {name}", 60.0, tuple(truth), tuple(events), disturbances, fps)


def test_all_found_and_named() -> None:
    own = evaluate([video([true(0, 400), true(2000, 2300)], [found(0, 400), found(2000, 2300)])])
    either = own.scores["either"]
    assert (either.precision, either.recall, either.f1) == (1, 1, 1)
    assert (either.uf1, either.uar, either.f1_label, either.strs) == (1, 1, 1, 1)
    assert either.false_alarms_a_minute == 0
    assert (own.delay.count, own.delay.median, own.delay.p95) == (2, 100, 100)
    assert own.onset.absolute == own.apex.absolute == 0


def test_one_of_two_missed() -> None:
    either = evaluate([video([true(0, 400), true(2000, 2300)], [found(0, 400)])]).scores["either"]
    assert (either.events, either.found, either.hits) == (2, 1, 1)
    assert (either.precision, either.recall, either.f1) == (1, 0.5, pytest.approx(2 / 3))


def test_an_event_that_is_found_twice_is_one_hit_and_one_false_alarm() -> None:
    own = evaluate([video([true(0, 400)], [found(0, 390), found(20, 400)])])
    assert (own.scores["either"].hits, own.scores["either"].found) == (1, 2)
    assert own.scores["either"].f1 == pytest.approx(2 / 3)
    assert own.causes == {DOUBLE: 1}
    [hit] = [o for o in own.outcomes if o.true is not None]
    assert hit.iou == pytest.approx(390 / 400)  # the better of the two


@pytest.mark.parametrize(("offset", "hits"), [(200, 1), (199, 0), (800, 1), (801, 0)])
def test_half_of_the_union_is_enough(offset: float, hits: int) -> None:
    own = video([true(0, 400)], [found(0, offset)])
    assert evaluate([own]).scores["either"].hits == hits
    missed = [o for o in outcomes(own) if o.found is not None and o.true is None]
    assert [o.cause for o in missed] == [MISPLACED] * (1 - hits)


def test_an_empty_video_has_no_scores_and_no_false_alarms() -> None:
    own = evaluate([video([], [])])
    assert own.scores["either"].f1 == own.scores["both"].strs == 0
    assert own.scores["either"].false_alarms_a_minute == 0
    assert own.delay.count == 0 and math.isnan(own.delay.median)
    assert own.outcomes == own.parts == ()


def test_a_kind_taken_for_the_other_counts_only_where_kinds_do_not() -> None:
    own = evaluate([video([true(0, 480), true(2000, 3000)], [found(0, 520), found(2000, 3000)])])
    scores = own.scores
    assert scores["either"].f1 == 1
    assert (scores["micro"].events, scores["micro"].found, scores["micro"].hits) == (1, 0, 0)
    assert (scores["macro"].events, scores["macro"].found, scores["macro"].hits) == (1, 2, 1)
    assert (scores["both"].events, scores["both"].found, scores["both"].hits) == (2, 2, 1)
    assert scores["both"].f1 == 0.5


def test_counts_are_summed_over_videos_before_f1_is_taken() -> None:
    first = video([true(0, 400)], [found(0, 400)], name="a")
    second = video([true(0, 400)] * 3, [], name="b")
    assert evaluate([first, second]).scores["either"].f1 == pytest.approx(2 / 5)


def test_recognition_is_scored_on_hits_and_strs_is_the_product() -> None:
    truth = [
        true(0, 400, "negative"),
        true(1000, 1400, "negative"),
        true(2000, 2400, "positive"),
        true(3000, 3400, "surprise"),
        true(4000, 4400, None),
    ]
    events = [
        found(0, 400, "negative"),
        found(1000, 1400, "positive"),
        found(2000, 2400, "positive"),
        found(4000, 4400, "surprise"),
    ]
    own = evaluate([video(truth, events)]).scores["either"]
    # negative 1 of 2, answered once; positive 1 of 1, answered twice; no hit shows surprise
    assert own.uf1 == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert own.uar == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert own.f1_label == pytest.approx(0.5)  # of mean precision and mean recall, both 1/2
    assert own.f1 == pytest.approx(8 / 9)
    assert own.strs == pytest.approx(8 / 9 * 0.5)


def test_an_abstention_is_a_miss_of_its_class_and_an_answer_for_none() -> None:
    truth = [true(0, 400, "negative"), true(1000, 1400, "negative")]
    events = [found(0, 400, "negative"), found(1000, 1400, "uncertain")]
    own = evaluate([video(truth, events)]).scores["either"]
    assert own.uar == 0.5
    assert own.uf1 == pytest.approx(2 / 3)


def test_false_alarms_by_cause() -> None:
    disturbances = (
        Disturbance("blink", 1000 * MS, 1200 * MS),
        Disturbance("head turn", 1150 * MS, 2000 * MS),
        Disturbance("speech", 9000 * MS, 9500 * MS),
    )
    events = [
        found(1100, 1300),  # 100 ms of the blink, 150 of the turn
        found(8700, 8950),  # just before the speech
        found(20000, 20200),
    ]
    own = evaluate([video([], events, disturbances)])
    assert own.causes == {"head turn": 1, "speech": 1, NONE: 1}
    assert own.scores["either"].false_alarms_a_minute == 3


def test_rejected_candidates_are_not_found_and_those_that_were_true_are_counted() -> None:
    events = [
        found(0, 400, rejected="blink"),
        found(5000, 5200, rejected="blink", told=300),
        found(2000, 2300, rejected="speech"),
        found(2000, 2300),
    ]
    own = evaluate([video([true(0, 400), true(2000, 2300)], events)])
    assert (own.scores["either"].found, own.scores["either"].hits) == (1, 1)
    assert (own.rejected["blink"].count, own.rejected["blink"].wrongly) == (2, 1)
    assert (own.rejected["speech"].count, own.rejected["speech"].wrongly) == (1, 0)
    assert [o.cause for o in own.outcomes if o.found is None] == ["blink"]
    assert own.taken_back == 2  # the late one was told only when it ended


def test_errors_and_delays() -> None:
    truth = [true(0, 400), true(1000, 1400), true(2000, 2400)]
    events = [
        found(-20, 380, told=50),
        found(1040, 1440, told=60),
        found(2010, 2410, told=190),
    ]
    own = evaluate([video(truth, events)])
    assert (own.onset.median, own.onset.absolute) == (10, 20)
    assert (own.apex.median, own.apex.absolute) == (10, 20)
    assert own.delay.median == 100  # 30, 100 and 200 after the true apex
    assert own.delay.p95 == pytest.approx(190)


def test_parts() -> None:
    truth = [true(0, 400, px=0.6), true(1000, 1400, px=1.5), true(2000, 2060), true(3000, 4000)]
    events = [found(1000, 1400), found(2000, 2060), found(2000, 2060), found(50000, 50400)]
    fast = video([true(0, 300)], [found(0, 300)], name="fast", fps=200.3)
    blink = (Disturbance("blink", 1390 * MS, 1500 * MS),)
    own = evaluate([video(truth, events, blink), fast])
    parts = {(part.occasion, part.name): part for part in own.parts}
    assert parts["amplitude", "0.5 to 0.75 px"].recall == 0
    large = parts["amplitude", "1 px and above"]
    assert (large.events, large.hits) == (2, 2)
    # of the alarm that is beside nothing it has the share of 2 in 5; the double one is not its own
    assert large.false_alarms == pytest.approx(0.4)
    assert large.f1 == pytest.approx(4 / 4.4)
    short = parts["duration", "under 100 ms"]
    assert (short.events, short.hits, short.false_alarms) == (1, 1, pytest.approx(1.2))
    assert parts["duration", "500 ms and above"].recall == 0
    assert parts["moment", "disturbed"].events == 1
    assert parts["moment", "quiet"].events == 4
    assert parts["frame rate", "200 fps"].f1 == 1
    assert parts["frame rate", "30 fps"].false_alarms == 2


def test_intervals_are_over_people() -> None:
    good = [video([true(0, 400)], [found(0, 400)], name=f"g{n}") for n in range(8)]
    bad = [video([true(0, 400)], [found(9000, 9400)], name=f"b{n}") for n in range(8)]
    low, high = evaluate(good + bad).intervals["f1"]
    assert 0.2 < low < 0.5 < high < 0.8
    assert evaluate(good).intervals["f1"] == (1, 1)
    assert evaluate(good[:1]).intervals == {}


def test_the_curve_and_the_operating_point() -> None:
    truth = [true(0, 400), true(2000, 2400)]
    events = [
        found(0, 400, score=3),
        found(2000, 2400, score=1),
        found(9000, 9400, score=2),
        found(19000, 19400, score=0.5),
    ]
    own = [video(truth, events)]
    points = curve(own, cuts(own))
    assert [point.cut for point in points[:4]] == [0.5, 1, 2, 3]
    assert [point.false_alarms_a_minute for point in points] == [2, 1, 1, 0, 0]
    assert [point.recall for point in points] == [1, 1, 0.5, 0.5, 0]
    assert points[1].f1 == pytest.approx(4 / 5)
    assert cut_for(points, 1) == 1
    assert cut_for(points, 0.9) == 3
    assert cut_for(points, 5) == 0.5
    for point in points:
        assert evaluate(own, point.cut).scores["either"].f1 == pytest.approx(point.f1)


def test_no_operating_point_is_quiet_enough() -> None:
    points = [Point(1.0, 0.5, 0.5, 0.5, 4.0), Point(2.0, 0.5, 0.5, 0.5, 2.5)]
    with pytest.raises(UsageError, match=r"at most 1 false alarms .* best measured has 2\.50"):
        cut_for(points, 1)


def test_nothing_to_score() -> None:
    with pytest.raises(DataError, match="got none"):
        evaluate([])
    with pytest.raises(DataError, match="got still of no length"):
        curve([Video("still", "s", 0.0, (), ())], [0])


SPANS = st.tuples(st.integers(0, 60), st.integers(1, 20))
TRUTH = st.lists(SPANS.map(lambda s: true(100 * s[0], 100 * sum(s))), max_size=8)
FOUND = st.lists(
    st.tuples(
        SPANS, st.sampled_from(["negative", "surprise"]), st.integers(0, 9), st.booleans()
    ).map(
        lambda f: found(
            100 * f[0][0], 100 * sum(f[0]), f[1], score=f[2], rejected="blink" if f[3] else None
        )
    ),
    max_size=8,
)


@given(TRUTH, FOUND, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=150)
def test_scores_are_shares_and_do_not_depend_on_the_order(truth, events, random) -> None:
    own = evaluate([video(truth, events)])
    mixed, others = list(truth), list(events)
    random.shuffle(mixed)
    random.shuffle(others)
    again = evaluate([video(mixed, others)])
    for name, scores in own.scores.items():
        for key in ("precision", "recall", "f1", "uf1", "uar", "f1_label", "strs"):
            assert 0 <= getattr(scores, key) <= 1 + 1e-9
        assert scores.hits <= min(scores.events, scores.found)
        assert (scores.hits, scores.f1) == (again.scores[name].hits, again.scores[name].f1)
    either = own.scores["either"]
    assert sum(own.causes.values()) == either.found - either.hits
    assert sum(o.true is not None for o in own.outcomes) == len(truth)


@given(TRUTH, FOUND)
@settings(deadline=None, max_examples=100)
def test_a_higher_cut_never_adds_events(truth, events) -> None:
    own = [video(truth, events)]
    points = curve(own, range(11))
    counts = [evaluate(own, point.cut).scores["either"].found for point in points]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 0
    recall = [point.recall for point in points]
    assert recall == sorted(recall, reverse=True)
