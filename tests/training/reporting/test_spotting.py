"""Reports of spotted videos: rows, tables that fit, pictures on which nothing is cut off."""

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rich.console import Console

from htnet.engine.errors import OutputError
from htnet.engine.types import Disturbance
from htnet.training.reporting.spotting import (
    curve_plot,
    delay_plot,
    spotting_csv,
    spotting_row,
    spotting_tables,
    write_spotting,
)
from htnet.training.spotting.curve import curve, cuts
from htnet.training.spotting.records import FoundEvent, TrueEvent, Video
from htnet.training.spotting.scoring import Evaluation, evaluate

MS = 1_000_000
CLASSES = ("negative", "positive", "surprise")


def videos(seed: int = 0, count: int = 12) -> list[Video]:
    """A minute each, 10 events, most of them found, some false ones."""
    draw = np.random.default_rng(seed)
    made = []
    for n in range(count):
        truth, found = [], []
        for k in range(10):
            onset = int((3000 + 5500 * k) * MS)
            length = int(draw.uniform(60, 520) * MS)
            amplitude, label = float(draw.uniform(0.4, 2)), CLASSES[k % 3]
            apex = onset + length // 2
            kind = "micro" if length <= 500 * MS else "macro"
            truth.append(TrueEvent(kind, label, onset, apex, onset + length, amplitude))
            if draw.uniform() < 0.4 + 0.4 * amplitude:
                slip = int(draw.normal(0, 15) * MS)
                told = apex + int(draw.gamma(6, 15) * MS)
                end = onset + length + slip
                score = amplitude + float(draw.normal(0, 0.2))
                rejected = "blink" if draw.uniform() < 0.05 else None
                said = label if draw.uniform() < 0.8 else "uncertain"
                found.append(
                    FoundEvent(
                        kind, said, onset + slip, apex, end, told, told + MS, score, rejected
                    )
                )
        for _ in range(int(draw.poisson(2))):
            onset = int(draw.uniform(0, 58000) * MS)
            score = float(draw.gamma(2, 0.25))
            told = onset + 300 * MS
            found.append(
                FoundEvent(
                    "micro", "negative", onset, told - 150 * MS, told, told, told, score, None
                )
            )
        blinks = tuple(
            Disturbance("blink", t * 4000 * MS, (t * 4000 + 250) * MS) for t in range(15)
        )
        fps = (30.0, 60.0, 200.0)[n % 3]
        made.append(Video(f"clip {n}", f"p{n // 2}", 60.0, tuple(truth), tuple(found), blinks, fps))
    return made


@pytest.fixture(scope="module")
def own() -> Evaluation:
    return evaluate(videos())


def test_the_row_is_json_of_plain_numbers(own: Evaluation) -> None:
    points = curve(videos(), cuts(videos(), 10))
    row: Any = json.loads(json.dumps(spotting_row(own, points), allow_nan=False))
    assert row["v"] == 1
    assert row["cut"] is None  # nothing was passed over
    assert row["scores"]["either"]["f1"] == pytest.approx(own.scores["either"].f1, abs=1e-4)
    assert set(row["scores"]) == {"micro", "macro", "both", "either"}
    assert row["interval"]["f1"][0] < row["scores"]["either"]["f1"] < row["interval"]["f1"][1]
    assert sum(row["false_alarms"].values()) == sum(own.causes.values())
    assert len(row["curve"]) == len(points)
    assert {part["occasion"] for part in row["parts"]} == {
        "amplitude",
        "duration",
        "moment",
        "frame rate",
    }


def test_the_row_of_a_video_in_which_nothing_happens_has_no_times() -> None:
    row: Any = spotting_row(evaluate([Video("v", "s", 60.0, (), ())], 0.5))
    assert row["delay_ms"] == {"count": 0, "median": None, "p95": None, "absolute": None}
    assert row["interval"] is None
    assert row["scores"]["either"]["f1"] is None
    assert row["scores"]["either"]["false_alarms_a_minute"] == 0
    assert row["cut"] == 0.5


def test_the_csv_has_a_line_for_every_outcome(own: Evaluation) -> None:
    lines = list(csv.DictReader(io.StringIO(spotting_csv(own))))
    scores = own.scores["either"]
    kinds = [line["outcome"] for line in lines]
    assert kinds.count("hit") == scores.hits
    assert kinds.count("miss") == scores.events - scores.hits
    assert kinds.count("false alarm") == scores.found - scores.hits
    for line in lines:
        assert bool(line["onset_ms"]) == (line["outcome"] != "false alarm")
        assert bool(line["found_onset_ms"]) == bool(line["told_ms"]) == (line["outcome"] != "miss")
        assert bool(line["iou"]) == (line["outcome"] == "hit")
    first = next(line for line in lines if line["outcome"] == "hit")
    assert float(first["iou"]) >= 0.5
    assert first["fps"] == "30"


def test_the_tables_fit_80_columns_and_show_everything(own: Evaluation) -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    for table in spotting_tables(own):
        console.print(table)
    told = console.export_text()
    assert "…" not in told
    assert max(map(len, told.splitlines())) <= 80
    for word in ("either", "STRS", "apex to first report", "blink", "wrongly", "1 px and above"):
        assert word in told
    assert f"{own.scores['either'].f1:.3f}" in told


def test_the_tables_of_next_to_nothing() -> None:
    tables = spotting_tables(evaluate([Video("v", "s", 60.0, (), ())]))
    assert len(tables) == 2


def inside(figure: Any) -> bool:
    """Whether all that is drawn lies within the picture."""
    figure.canvas.draw()
    drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    return bool(drawn.x0 >= 0 and drawn.y0 >= 0 and drawn.x1 <= width and drawn.y1 <= height)


def test_the_curve(own: Evaluation) -> None:
    pytest.importorskip("matplotlib")
    points = curve(videos(), cuts(videos(), 30))
    figure: Any = curve_plot(points, 0.6)
    above, below = figure.axes
    f1 = next(line for line in above.lines if line.get_label() == "F1")
    assert list(f1.get_ydata()) == [point.f1 for point in points]
    assert below.get_ylim()[1] > max(point.false_alarms_a_minute for point in points)
    assert inside(figure)


def test_the_delays(own: Evaluation) -> None:
    pytest.importorskip("matplotlib")
    figure: Any = delay_plot(own)
    [axes] = figure.axes
    assert sum(bar.get_height() for bar in axes.patches) == own.delay.count
    assert inside(figure)
    empty: Any = delay_plot(evaluate([Video("v", "s", 60.0, (), ())]))
    assert not empty.axes[0].patches


def test_all_is_written_beside_the_row(own: Evaluation, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "new" / "live.json"
    written = write_spotting(path, own, curve(videos(), cuts(videos(), 8)))
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "live-curve.png",
        "live-delay.png",
        "live-events.csv",
        "live.json",
    ]
    assert set(written) == set(path.parent.iterdir())
    assert json.loads(path.read_text())["videos"] == 12
    for picture in path.parent.glob("*.png"):
        assert cv2.imread(str(picture)) is not None


def test_a_place_that_cannot_be_written(own: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        write_spotting(tmp_path / "file" / "live.json", own)


def test_no_delays_are_told_of_an_unknown_apex() -> None:
    true = TrueEvent("micro", None, 0, None, 400 * MS)
    found = FoundEvent("micro", "negative", 0, 1, 400 * MS, 5, 6, 1.0)
    own = evaluate([Video("v", "s", 60.0, (true,), (found,))])
    assert own.scores["either"].hits == 1
    assert own.delay.count == 0 and math.isnan(own.delay.median)
