"""How judged videos are summed up."""

from dataclasses import replace

import pytest

from htnet.calib.evaluation.judging import Judged
from htnet.calib.evaluation.summary import summarize
from htnet.training.spotting.records import FoundEvent, TrueEvent, Video

MS = 1_000_000


def judged(name: str = "portrait", score: float = 3.0, given: str = "surprise") -> Judged:
    """A minute with one true event, found with ``score``, and a false alarm of 1.5."""
    span = (2000 * MS, 2120 * MS, 2300 * MS)
    true = TrueEvent("micro", "surprise", *span, amplitude_px=1.0)
    found = tuple(
        FoundEvent("micro", "surprise", *(t + late * MS for t in span), told, told + 400 * MS, s)
        for late, told, s in ((0, 2200 * MS, score), (20_000, 22_200 * MS, 1.5))
    )
    video = Video(name, name, 60.0, (true,), found, (), 30.0)
    return Judged(video, (("surprise", given),), frames=1800, faceless=3, spot_ms=1.25)


def test_the_operating_point_is_asked_for_in_false_alarms_a_minute() -> None:
    videos = [judged("a"), judged("b", score=2.0, given="negative")]
    every = summarize(videos, score=1.0)
    assert every.evaluation.scores["either"].false_alarms_a_minute == pytest.approx(1.0)
    assert every.evaluation.scores["either"].recall == 1.0
    none = summarize(videos, false_alarms_per_minute=0.5)
    assert 1.5 < none.evaluation.cut <= 2.0
    assert none.evaluation.scores["either"].false_alarms_a_minute == 0
    assert none.evaluation.scores["either"].f1 == 1.0
    assert summarize(videos, score=2.5).evaluation.scores["either"].recall == 0.5


def test_what_the_network_says_of_the_truth_is_summed_apart() -> None:
    summary = summarize([judged("a"), judged("b", given="negative")])
    assert summary.given_events == 2
    assert 0 < summary.given[0] < 1
    row = summary.row()
    candidates = row.pop("candidates")
    assert isinstance(candidates, list) and len(candidates) == 2 * len(summary.videos)
    assert {"video", "onset_ms", "rejected", "decisions"} <= set(candidates[0])
    assert row["frames"] == 3600 and row["faceless"] == 6 and row["spot_ms"] == 1.25
    silent = replace(judged("a"), given=())
    assert summarize([silent]).given_events == 0
