"""Ground truth of a simulated video, and its two tables.

``truth.csv`` has a row for every frame of the video, ``events.csv`` one for every event and
disturbance. Read the second for the events: one of 40 ms can fall between two frames and leave no
row in the first.
"""

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from htnet.engine.synth.face.time_course import TimeCourse
from htnet.engine.types import NS_PER_MS, Disturbance

MICRO_NS = 500 * NS_PER_MS
"""Longest micro-expression; a longer expression is a macro-expression."""

DISTURBANCES = ("blink", "gaze", "speech", "head turn", "approach", "lighting", "glint")
"""Names of the disturbances of a simulated video."""

FRAMES_FILE = "truth.csv"
EVENTS_FILE = "events.csv"

_EVENT = "event"
_WHAT = ["kind", "class", "onset_ms", "apex_ms", "offset_ms", "amplitude_px", "muscle"]
_FRAME_COLUMNS = ["index", "time_ms", *_WHAT, "disturbed"]
_EVENT_COLUMNS = ["what", *_WHAT]


@dataclass(frozen=True, slots=True)
class SimulatedEvent:
    """One expression as it was made. ``amplitude_px``: the peak displacement at the apex, in px of
    the 140 px crop."""

    label: str
    muscle: str
    onset_ns: int
    apex_ns: int
    offset_ns: int
    amplitude_px: float

    @property
    def kind(self) -> str:
        """ "micro" up to 500 ms, else "macro"."""
        return "micro" if self.offset_ns - self.onset_ns <= MICRO_NS else "macro"

    @property
    def pulse(self) -> TimeCourse:
        """Its time course; a macro-expression is held for half of its way back."""
        hold = 0.1 if self.kind == "micro" else 0.5
        return TimeCourse(self.onset_ns, self.apex_ns, self.offset_ns, hold)


@dataclass(frozen=True, slots=True)
class Truth:
    """Events and disturbances of a video, each in order of time."""

    events: tuple[SimulatedEvent, ...] = ()
    disturbances: tuple[Disturbance, ...] = ()

    def event_at(self, t_ns: int) -> SimulatedEvent | None:
        """Return the expression under way at a time, or None."""
        return next((e for e in self.events if e.onset_ns <= t_ns < e.offset_ns), None)

    def disturbed_at(self, t_ns: int) -> tuple[str, ...]:
        """Return the names of the disturbances at a time, in the order of `DISTURBANCES`."""
        names = {d.name for d in self.disturbances if d.onset_ns <= t_ns < d.offset_ns}
        return tuple(name for name in DISTURBANCES if name in names)


def write_truth(folder: Path, truth: Truth, frames: Iterable[tuple[int, int]]) -> None:
    """Write both tables.

    ``frames``: for each frame of the video its timestamp and the time of the picture in it, in ns.
    The two differ by jitter, and where a frame repeats an older picture. Times are written in ms
    with all their digits. Each file is written whole or not at all.
    """
    rows: list[Sequence[object]] = []
    for index, (t_ns, shown_ns) in enumerate(frames):
        event = truth.event_at(shown_ns)
        what = ("",) * len(_WHAT) if event is None else _event_cells(event)
        rows.append((index, _ms(t_ns), *what, "+".join(truth.disturbed_at(shown_ns))))
    _write(folder / FRAMES_FILE, _FRAME_COLUMNS, rows)
    spans: list[tuple[int, Sequence[object]]] = [
        (e.onset_ns, (_EVENT, *_event_cells(e))) for e in truth.events
    ]
    spans += [
        (d.onset_ns, (d.name, "", "", _ms(d.onset_ns), "", _ms(d.offset_ns), "", ""))
        for d in truth.disturbances
    ]
    spans.sort(key=lambda span: span[0])
    _write(folder / EVENTS_FILE, _EVENT_COLUMNS, [row for _, row in spans])


def _event_cells(event: SimulatedEvent) -> tuple[object, ...]:
    """Return the cells that both tables share."""
    return (
        event.kind,
        event.label,
        _ms(event.onset_ns),
        _ms(event.apex_ns),
        _ms(event.offset_ns),
        repr(event.amplitude_px),
        event.muscle,
    )


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    draft = path.with_name(f".{path.name}.part")
    try:
        with draft.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(columns)
            table.writerows(rows)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _ms(t_ns: int) -> str:
    """Return a time in ms with all its digits."""
    return f"{Decimal(t_ns).scaleb(-6):f}"
