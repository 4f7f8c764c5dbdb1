"""Pictures of an event: onset, apex, flow and strain as heat maps on the apex face."""

import base64
from collections import deque
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.engine.motion.strain import optical_strain
from htnet.engine.recognition.recognizer import Recognizer
from htnet.engine.types import F32, U8, AlignedFace, Event, Motion, Pair, Tick

MOST: Final = 100
"""Events of one video that are pictured; a report of more would be slow to open."""

_KEPT_NS = 6_000_000_000  # the longest movement and the delay of its answer
_SCALE = 2
_GRID = 10  # px between arrows
_LEAST_PX, _LEAST_STRAIN = 0.5, 0.05  # full colour, so that noise stays dark
_CLEAR = 0.15  # of the brightest: below it the face is seen, above twice as much the colour
_BORDER = 10  # px; flow solvers report false motion there


@dataclass(frozen=True, slots=True)
class MuscleBar:
    """Activation of a muscle at the apex in px; ``left``, ``right``: None where unknown."""

    muscle: str
    both: float
    left: float | None
    right: float | None
    threshold: float | None


@dataclass(frozen=True, slots=True)
class EventPictures:
    """Pictures of an event as data URIs.

    ``flow_px``, ``strain_percent``: values of the brightest colour. ``muscles``: the most active
    first.
    """

    onset: str
    apex: str
    flow: str
    strain: str
    flow_px: float
    strain_percent: float
    muscles: tuple[MuscleBar, ...]


class Album:
    """Takes the pictures of believed events from the Ticks of a video, up to `MOST`.

    Faces of the last seconds are kept, since an event is known only after its apex.
    """

    def __init__(self, recognizer: Recognizer) -> None:
        self.pictures: dict[int, EventPictures] = {}
        self._recognizer = recognizer
        self._kept: deque[tuple[AlignedFace, Motion]] = deque()

    def take(self, tick: Tick) -> None:
        """Keep the face of ``tick`` and picture its events."""
        if tick.aligned is not None and tick.motion is not None:
            self._kept.append((tick.aligned, tick.motion))
        for event in tick.events:
            self.add(event)
        while self._kept and tick.frame.t_ns - self._kept[0][0].t_ns > _KEPT_NS:
            self._kept.popleft()

    def add(self, event: Event) -> None:
        """Picture a final event that no rule rejects."""
        wanted = event.stage == "final" and event.rejected is None
        if not wanted or not self._kept or len(self.pictures) == MOST:
            return
        onset, _ = self._nearest(event.onset_ns)
        apex, motion = self._nearest(event.apex_ns)
        measured = self._recognizer.measure(Pair(onset, apex))
        flow, strain = _inside(measured.flow), _inside(optical_strain(measured.flow))
        length: F32 = np.hypot(flow[..., 0], flow[..., 1])
        flow_px = max(float(np.percentile(length, 99.5)), _LEAST_PX)
        most_strain = max(float(np.percentile(strain, 99.5)), _LEAST_STRAIN)
        face = _enlarged(apex.gray)
        self.pictures[event.id] = EventPictures(
            _uri(_enlarged(onset.gray)),
            _uri(face),
            _uri(_arrows(_heat(face, length / flow_px), flow, flow_px)),
            _uri(_heat(face, strain / most_strain)),
            flow_px,
            100 * most_strain,
            muscle_bars(motion),
        )

    def _nearest(self, t_ns: int) -> tuple[AlignedFace, Motion]:
        return min(self._kept, key=lambda each: abs(each[0].t_ns - t_ns))


def muscle_bars(motion: Motion) -> tuple[MuscleBar, ...]:
    """Return the activation of every muscle, the largest in its own thresholds first."""
    left, right, limits = motion.left, motion.right, motion.thresholds
    bars = [
        MuscleBar(
            muscle,
            motion.activations[muscle],
            left.get(muscle),
            right.get(muscle),
            limits.get(muscle),
        )
        for muscle in MUSCLE_NAMES
    ]
    return tuple(sorted(bars, key=_strength, reverse=True))


def _strength(bar: MuscleBar) -> float:
    most = max(px for px in (bar.left, bar.right, bar.both) if px is not None)
    return most / bar.threshold if bar.threshold else most


def _inside(picture: F32) -> F32:
    """Return a map (170, 140, ...) that fades to 0 at its border."""
    kept = np.zeros(picture.shape[:2], np.float32)
    kept[_BORDER:-_BORDER, _BORDER:-_BORDER] = 1
    faded = cv2.GaussianBlur(kept, (0, 0), _BORDER / 4)
    result: F32 = picture * (faded if picture.ndim == 2 else faded[..., None])
    return result


def _enlarged(gray: U8) -> U8:
    size = gray.shape[1] * _SCALE, gray.shape[0] * _SCALE
    large = cv2.resize(gray, size, interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.cvtColor(large, cv2.COLOR_GRAY2BGR), np.uint8)


def _heat(face: U8, level: F32) -> U8:
    """Return the face with a heat map of ``level`` (170, 140), 0..1, the more opaque the higher."""
    size = face.shape[1], face.shape[0]
    high = cv2.resize(np.clip(level, 0, 1), size)
    colours = cv2.applyColorMap((255 * high).astype(np.uint8), cv2.COLORMAP_INFERNO)
    opacity = 0.85 * np.clip((high - _CLEAR) / _CLEAR, 0, 1)[..., None]
    return np.asarray(face * (1 - opacity) + colours * opacity, np.uint8)


def _arrows(scene: U8, flow: F32, most_px: float) -> U8:
    """Draw the flow as arrows, the longest as long as the grid is wide."""
    for y in range(_GRID, flow.shape[0] - _GRID, _GRID):
        for x in range(_GRID, flow.shape[1] - _GRID, _GRID):
            vector = flow[y, x] / most_px
            if np.hypot(*vector) < 0.3:
                continue
            tip = np.array([x, y]) + vector * _GRID
            start = x * _SCALE, y * _SCALE
            end = round(float(tip[0]) * _SCALE), round(float(tip[1]) * _SCALE)
            cv2.arrowedLine(scene, start, end, (255, 255, 255), 1, cv2.LINE_AA, 0, 0.35)
    return scene


def _uri(picture: U8) -> str:
    _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()
