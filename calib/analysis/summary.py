"""summary.csv over the videos of a folder, and the table that is printed."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from htnet.calib.analysis.config import VideoResult
from htnet.engine.files import write_text
from htnet.engine.types import CLASSES, UNCERTAIN

if TYPE_CHECKING:
    from rich.table import Table

_LABELS = (*CLASSES, UNCERTAIN)


def summary_csv(results: Sequence[VideoResult]) -> str:
    """Return the rows of summary.csv, one a video."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    head = ["name", "video", "duration_s", "frames", "frames_without_face", "width", "height"]
    head += ["micro", "macro", *_LABELS, "events_a_minute", "rejected", "notes", "failure"]
    rows.writerow(head)
    for own in results:
        kinds = Counter(event["kind"] for event in own.believed)
        labels = Counter(event["label"] for event in own.believed)
        if own.failure:
            rows.writerow([own.name, own.video, *[""] * (len(head) - 3), own.failure])
            continue
        rows.writerow(
            [
                *(own.name, own.video, round(own.seconds, 3), own.frames, own.faceless),
                *(own.width, own.height, kinds["micro"], kinds["macro"]),
                *(labels[label] for label in _LABELS),
                round(60 * len(own.believed) / own.seconds, 2) if own.seconds else "",
                *(len(own.events) - len(own.believed), " ".join(own.notes), ""),
            ]
        )
    return text.getvalue()


def write_summary(path: Path, results: Sequence[VideoResult]) -> None:
    """Write summary.csv; raises `OutputError`."""
    write_text(path, summary_csv(results))


def result_line(result: VideoResult) -> str:
    """Return what was found in a video, in one line."""
    if result.failure:
        return f"{result.name}: {result.failure}"
    found, rejected = len(result.believed), len(result.events) - len(result.believed)
    rate = f"{result.frames / result.took_s:.0f} frames a second" if result.took_s else ""
    lines = [
        f"{result.name}: {found} found, {rejected} rejected; {result.frames} frames, {rate}",
        *result.notes,
    ]
    if result.faceless:
        lines.insert(1, f"no face in {result.faceless} of {result.frames} frames")
    return "\n  ".join(lines)


def results_table(results: Sequence[VideoResult]) -> "Table":
    """Return the table of several videos."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("video", overflow="fold")
    for name in ("length", "frames", "no face", "micro", "macro", "rejected"):
        table.add_column(name, justify="right")
    for own in results:
        if own.failure:
            table.add_row(own.name, "failed", *[""] * 5)
            continue
        kinds = Counter(event["kind"] for event in own.believed)
        table.add_row(
            own.name,
            f"{own.seconds:.1f} s",
            *map(str, (own.frames, own.faceless, kinds["micro"], kinds["macro"])),
            str(len(own.events) - len(own.believed)),
        )
    return table
