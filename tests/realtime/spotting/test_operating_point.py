"""False alarms a minute to a score, and back to what was measured."""

import json
from pathlib import Path

import pytest

from htnet.engine.errors import UsageError
from htnet.realtime.spotting import operating_point as operating
from htnet.realtime.spotting.config import SpotterConfig
from htnet.realtime.spotting.operating_point import measured, score_for


@pytest.fixture
def curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "operating.json"
    path.write_text(json.dumps({"v": 1, "points": [[2.0, 0.1], [1.0, 0.8], [1.5, 0.4]]}))
    monkeypatch.setattr(operating, "FILE", path)


@pytest.mark.parametrize(("asked", "score"), [(5, 1.0), (0.8, 1.0), (0.7, 1.5), (0.1, 2.0)])
def test_the_least_score_that_is_quiet_enough(curve, asked, score) -> None:
    assert score_for(asked) == score


def test_fewer_than_were_ever_measured_is_a_sentence(curve) -> None:
    with pytest.raises(UsageError, match=r"at least 0\.1 false alarms a minute.*got 0\.01"):
        score_for(0.01)


def test_what_ships_begins_at_the_operating_point_that_was_tuned() -> None:
    points = measured()
    assert points[0][0] >= SpotterConfig().score
    rates = [rate for _, rate in points]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] <= 1.0  # the goal: at most one a minute on disturbed faces
    assert score_for(1.0) == points[0][0]
