"""Summary of judged videos: scores, operating curve, recognition at true onset and apex."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from htnet.calib.evaluation.judging import Judged
from htnet.engine.files import write_json
from htnet.engine.types import CLASSES, NS_PER_MS
from htnet.realtime.spotting.config import SpotterConfig
from htnet.training.evaluation.metrics import scores
from htnet.training.spotting.curve import Point, curve, cut_for, cuts
from htnet.training.spotting.records import FoundEvent, Video
from htnet.training.spotting.scoring import Evaluation, evaluate

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """Summary of judged videos.

    ``evaluation``: scores at the operating point. ``points``: the curve over all operating points.
    ``given``: UF1 and UAR of the network at the true onsets and apexes, whatever was spotted.
    ``given_events``: number of those events. ``frames``, ``faceless``: all frames, those without a
    face. ``spot_ms``: median time of spotting a frame. ``videos``: true and found events.
    """

    evaluation: Evaluation
    points: tuple[Point, ...]
    given: tuple[float, float]
    given_events: int
    frames: int
    faceless: int
    spot_ms: float
    videos: tuple[Video, ...] = ()

    def row(self) -> dict[str, object]:
        """Return the columns that the spotting row lacks."""
        return {
            "truth_given": {
                "events": self.given_events,
                "uf1": round(self.given[0], 4),
                "uar": round(self.given[1], 4),
            },
            "frames": self.frames,
            "faceless": self.faceless,
            "spot_ms": round(self.spot_ms, 3),
            "candidates": [_candidate(video, own) for video in self.videos for own in video.found],
        }


def summarize(
    judged: Sequence[Judged],
    *,
    score: float | None = None,
    false_alarms_per_minute: float | None = None,
) -> Summary:
    """Return the summary at ``score``, or at the operating point with at most
    ``false_alarms_per_minute``, or at that of `live`."""
    videos = [each.video for each in judged]
    points = tuple(curve(videos, cuts(videos)))
    if false_alarms_per_minute is not None:
        score = cut_for(points, false_alarms_per_minute)
    evaluation = evaluate(videos, SpotterConfig().score if score is None else score)
    pairs = [pair for each in judged for pair in each.given]
    given = (float("nan"), float("nan"))
    if pairs:
        there, said = ([CLASSES.index(pair[i]) for pair in pairs] for i in (0, 1))
        known = scores(there, said)
        given = known.uf1, known.uar
    return Summary(
        evaluation,
        points,
        given,
        len(pairs),
        sum(each.frames for each in judged),
        sum(each.faceless for each in judged),
        float(np.median([each.spot_ms for each in judged])),
        tuple(videos),
    )


def _candidate(video: Video, own: FoundEvent) -> dict[str, object]:
    """Return a candidate with the decision of every rule, as ``live --explain`` writes it."""
    return {
        "video": video.name,
        "kind": own.kind,
        "label": own.label,
        "onset_ms": round(own.onset_ns / NS_PER_MS, 3),
        "apex_ms": round(own.apex_ns / NS_PER_MS, 3),
        "offset_ms": round(own.offset_ns / NS_PER_MS, 3),
        "score": round(own.score, 3),
        "rejected": own.rejected,
        "decisions": [decision.row() for decision in own.decisions],
    }


def write_operating(path: Path, summary: Summary, command: str) -> None:
    """Write the operating curve that `htnet.realtime.spotting.operating_point` reads.

    Meaningful for neutral faces alone, on which every believed event is a false alarm.
    """
    rates = {
        round(point.cut + 5e-4, 3): round(point.false_alarms_a_minute, 3)  # never rounded down
        for point in summary.points
        if SpotterConfig().score <= point.cut < float("inf")
    }
    minutes = round(summary.evaluation.minutes, 1)
    write_json(
        path, {"v": 1, "command": command, "minutes": minutes, "points": list(rates.items())}
    )


def given_table(summary: Summary) -> "Table":
    """Return the table of recognition at the true onset and apex, which shows the loss by
    spotting."""
    from rich.table import Table

    table = Table("truth's onset and apex given", "events", "UF1", "UAR")
    uf1, uar = summary.given
    table.add_row("network alone", str(summary.given_events), f"{uf1:.3f}", f"{uar:.3f}")
    table.caption = (
        f"{summary.frames} frames, no face in {summary.faceless}; spotting took "
        f"{summary.spot_ms:.2f} ms of one (median)"
    )
    return table
