"""Injected movements against what was told: shares, alarms, reasons, and what was there by it."""

import io
import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from htnet.calib.evaluation.injected import (
    BLINK,
    TURN,
    ClipProperties,
    InjectConfig,
    Injection,
    JudgedPass,
)
from htnet.calib.evaluation.injected_report import injected_row, injected_tables, write_injected
from htnet.calib.evaluation.injected_scores import SPEAKING, score_injected
from htnet.engine.types import Decision, Disturbance
from htnet.training.spotting.records import FoundEvent, TrueEvent, Video

MS = 1_000_000


def true(at_ms: int, px: float = 2.0, kind: str = "micro", lasts_ms: int = 400) -> TrueEvent:
    times = (at_ms, at_ms + lasts_ms // 2, at_ms + lasts_ms)
    onset, apex, offset = (each * MS for each in times)
    return TrueEvent(kind, "positive", onset, apex, offset, px)


def told(
    at_ms: int, lasts_ms: int = 400, kind: str = "micro", rejected: str | None = None
) -> FoundEvent:
    onset, apex, offset = (each * MS for each in (at_ms, at_ms + lasts_ms // 2, at_ms + lasts_ms))
    first = apex + 90 * MS
    rules = (Decision(rejected, 0.7, 0.5, "of the contrast", True),) if rejected else ()
    return FoundEvent(kind, "positive", onset, apex, offset, first, offset, 2.0, rejected, rules)


def judged(
    clip: str,
    truth: Sequence[TrueEvent] = (),
    found: Sequence[FoundEvent] = (),
    others: Sequence[Disturbance] = (),
    speaking: bool = False,
) -> JudgedPass:
    video = Video(clip, clip, 60.0, tuple(truth), tuple(found), tuple(others), 30.0)
    return JudgedPass(clip, speaking, 0, video, tuple("brow raise" for _ in truth), 1800)


def blink(at_ms: int, name: str = BLINK) -> Disturbance:
    return Disturbance(name, at_ms * MS, (at_ms + 200) * MS)


PASSES = (
    judged(
        "stare.mp4",
        [true(3000), true(8000, 1.0), true(13000), true(18000, 1.0), true(23000)],
        [
            told(3020),  # a hit
            told(8000, rejected="occlusion"),  # a miss, rejected
            told(13000, kind="macro"),  # of the wrong kind
            told(18300),  # covers a quarter
            told(30000),  # a false alarm
            told(35000, rejected="blink"),
            told(40000, kind="macro", lasts_ms=900),  # a false macro
        ],
        [blink(35050), blink(50000), blink(30100, TURN)],
    ),
    judged("out.mp4", [true(3000, lasts_ms=1500, kind="macro")], [told(3000, 1400, "macro")]),
    judged(
        "talk.mp4", found=[told(1000, rejected="speech"), told(5000), told(9000)], speaking=True
    ),
)
CONFIG = InjectConfig((Path("stare.mp4"), Path("out.mp4")), (Path("talk.mp4"),), seeds=1)
LOOKS = (
    ClipProperties("stare.mp4", False, 30.0, 10.0, 1.0, 0.5),
    ClipProperties("out.mp4", False, 25.0, 10.0, 0.3, 0.5),
    ClipProperties("talk.mp4", True, 25.0, 10.0, 0.0, 0.5),
)
INJECTION = Injection(CONFIG, LOOKS, PASSES)


def test_recall_is_of_micro_told_as_micro_by_size_and_clip() -> None:
    scores = score_injected(PASSES)
    stare, out, talk = scores.clips
    assert {px: (s.found, s.count) for px, s in stare.recall.items()} == {1.0: (0, 2), 2.0: (1, 3)}
    assert stare.macro_recall.count == 0 and math.isnan(stare.macro_recall.rate)
    assert (out.macro_recall.found, out.macro_recall.count) == (1, 1) and out.recall == {}
    assert talk.speaking and talk.recall == {}
    assert scores.neutral.recall[2.0].rate == pytest.approx(1 / 3)
    assert scores.neutral.minutes == pytest.approx((120 - 2.0 - 1.5) / 60)


def test_alarms_are_those_between_the_movements() -> None:
    stare, _, talk = score_injected(PASSES).clips
    minutes = (60 - 2.0) / 60
    assert stare.alarms_a_minute == pytest.approx({"micro": 1 / minutes, "macro": 1 / minutes})
    assert stare.beside == 2
    assert talk.alarms_a_minute == {"micro": 2.0, "macro": 0.0}


def test_errors_and_delays_are_of_what_was_found() -> None:
    scores = score_injected(PASSES)
    assert (scores.onset.count, scores.onset.median, scores.apex.median) == (1, 20, 20)
    assert scores.delay.median == pytest.approx(110) == scores.delay.p95
    nothing = score_injected([judged("stare.mp4")])
    assert nothing.onset.count == 0 and math.isnan(nothing.delay.median)


def test_rejections_are_counted_and_those_on_movements_too() -> None:
    rejected = score_injected(PASSES).rejected
    assert {reason: (s.found, s.count) for reason, s in rejected.items()} == {
        "occlusion": (1, 1),
        "blink": (0, 1),
    }


def test_what_was_there_by_what_was_told() -> None:
    told_of = score_injected(PASSES).told
    filled = {there: {k: n for k, n in row.items() if n} for there, row in told_of.items()}
    assert filled == {
        "injected micro": {"micro": 1, "macro": 1, "beside": 1, "other": 1, "nothing": 1},
        "injected macro": {"macro": 1},
        BLINK: {"blink": 1, "nothing": 1},
        SPEAKING: {"micro": 2, "speech": 1},
        TURN: {"micro": 1},
    }


def test_the_tables_fit_a_terminal() -> None:
    written = io.StringIO()
    console = Console(file=written, width=80, highlight=False)
    for table in injected_tables(INJECTION, score_injected(PASSES)):
        console.print(table)
    text = written.getvalue()
    assert "…" not in text and max(map(len, text.splitlines())) <= 80
    for each in ("1/3 0.33", "all neutral", "speaks", "occlusion", "first report", "head turn"):
        assert each in text
    assert "out.mp4" in text.split("mostly not at rest")[1]


def test_eight_sizes_fit_a_terminal_too() -> None:
    sizes = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 10.0)
    truth = [true(3000 + 3000 * n, px) for n, px in enumerate(sizes)]
    passes = (judged("a-rather-long-name-of-a-clip.mp4", truth, [told(3000)]),)
    properties = (ClipProperties("a-rather-long-name-of-a-clip.mp4", False, 30.0, 10.0, 1.0, 0.5),)
    written = io.StringIO()
    made = Injection(InjectConfig((Path("a.mp4"),)), properties, passes)
    for table in injected_tables(made, score_injected(passes)):
        Console(file=written, width=80, highlight=False).print(table)
    text = written.getvalue()
    assert "…" not in text and max(map(len, text.splitlines())) <= 80
    assert "1.75" in text and "1.00" in text and "1/1" not in text


def test_the_row_holds_everything_and_is_json(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    write_injected(path, INJECTION, score_injected(PASSES))
    row = json.loads(path.read_text())
    assert row == injected_row(INJECTION, score_injected(PASSES))
    assert row["movements"] == "muscles" and row["plan"]["seconds"] == 60
    assert [clip["name"] for clip in row["clips"]] == ["stare.mp4", "out.mp4", "talk.mp4"]
    assert row["clips"][1]["macro_recall"] == {"found": 1, "count": 1, "rate": 1.0}
    assert row["clips"][2]["macro_recall"]["rate"] is None
    first = row["passes"][0]
    assert [each["found"] for each in first["movements"]] == [True, False, False, False, False]
    assert first["movements"][0]["name"] == "brow raise"
    assert len(first["told"]) == 7 and first["told"][1]["rejected"] == "occlusion"
    assert first["told"][1]["decisions"][0]["rule"] == "occlusion"
    assert first["others"][0]["name"] == BLINK
