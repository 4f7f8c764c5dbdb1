"""Observation: the facts of a run that annotation programs keep beside its events."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htnet.engine.types import CLASSES

Row = Mapping[str, Any]
"""`Event.row` or `Event.explained`; times in ms."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Facts of a run.

    ``name``: the session's. ``participant``: the person's, "" where not told.
    ``media``: the video that the rows' times belong to; None for a camera, a stream or the demo.
    ``fps``: its frame rate, 0 where unknown. ``labels``: class names of the network.
    ``started``: wall clock at the first frame, ISO 8601, "" where unknown.
    """

    name: str = "htnet"
    participant: str = ""
    media: Path | None = None
    fps: float = 0.0
    labels: tuple[str, ...] = CLASSES
    started: str = ""
