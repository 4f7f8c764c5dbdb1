"""The motion curve of the last seconds with its events."""

from collections import deque
from itertools import groupby, pairwise
from typing import NamedTuple

import cv2
import numpy as np

from htnet.engine.types import F64, NS_PER_MS, U8, Event, State, Tick
from htnet.realtime.overlay.palette import (
    BLACK,
    DIM,
    MOTION,
    PANEL,
    PLOT,
    RULE,
    TEXT,
    Colour,
    blend,
    label_colour,
)
from htnet.realtime.overlay.text import width_of, write

_NOMINAL = 72
_SHIFT = 4
_GAP_NS = 250 * NS_PER_MS
_TOPS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
_QUIET = (State.NEUTRAL, State.NO_FACE)


class _Sample(NamedTuple):
    t_ns: int
    magnitude: float
    threshold: float
    active: bool
    blinking: bool


class _Plot:
    """Coordinates of time and motion in a scene."""

    def __init__(self, scene: U8, now_ns: int, span_ns: int, top: float) -> None:
        self.unit = scene.shape[0] / _NOMINAL
        self.x0, self.x1 = 0, scene.shape[1] - 1
        self.y0, self.y1 = round(17 * self.unit), round(66 * self.unit)
        self._now_ns, self._span_ns, self._top = now_ns, span_ns, top

    def x(self, t_ns: int) -> float:
        return self.x1 - (self._now_ns - t_ns) / self._span_ns * (self.x1 - self.x0)

    def y(self, magnitude: float) -> float:
        return self.y1 - min(magnitude / self._top, 1.0) * (self.y1 - self.y0)


class MotionCurve:
    """The leading muscle's activation against time, with its threshold.

    Blinks are shaded. Final events are spans with a marked apex, rejected ones hollow with the
    reason over them. The muscle is named while it is above its threshold. ``seconds``: the time
    shown.
    """

    def __init__(self, seconds: float = 6.0, *, background: Colour = PANEL) -> None:
        self._span_ns = round(seconds * 1000) * NS_PER_MS
        self._background = background
        self._title = f"motion · {seconds:.0f} s"
        self._samples: deque[_Sample] = deque(maxlen=8192)
        self._events: deque[Event] = deque(maxlen=64)
        self._seen: Tick | None = None

    def see(self, tick: Tick) -> None:
        """Take in a Tick without drawing it; the same one twice is taken in once."""
        if tick is self._seen:
            return
        self._seen = tick
        now = tick.frame.t_ns
        if self._samples and now <= self._samples[-1].t_ns:  # a loop's seam
            self._samples.clear()
            self._events.clear()
        motion = tick.motion
        self._samples.append(
            _Sample(
                now,
                motion.magnitude if motion else float("nan"),
                motion.threshold if motion else float("nan"),
                tick.state not in _QUIET,
                bool(motion and motion.blinking),
            )
        )
        self._events.extend(e for e in tick.events if e.stage == "final")
        while now - self._samples[0].t_ns > self._span_ns + _GAP_NS:
            self._samples.popleft()
        while self._events and now - self._events[0].offset_ns > self._span_ns:
            self._events.popleft()

    def annotate(self, scene: U8, tick: Tick) -> U8:
        """Fill ``scene``."""
        self.see(tick)
        scene[:] = self._background
        plot = _Plot(scene, tick.frame.t_ns, self._span_ns, self._top())
        scene[plot.y0 : plot.y1 + 1] = PLOT
        self._draw_seconds(scene, plot, tick.frame.t_ns)
        self._draw_blinks(scene, plot)
        self._draw_spans(scene, plot)
        self._draw_threshold(scene, plot)
        self._draw_course(scene, plot)
        self._draw_apexes(scene, plot)
        self._draw_labels(scene, plot, tick)
        return scene

    def _top(self) -> float:
        known = [s.magnitude for s in self._samples if s.magnitude == s.magnitude]
        known += [1.6 * s.threshold for s in self._samples if s.threshold == s.threshold]
        highest = max(known, default=0.0)
        return next((top for top in _TOPS if top >= highest), highest)

    def _draw_seconds(self, scene: U8, plot: _Plot, now_ns: int) -> None:
        second = 1000 * NS_PER_MS
        for t in range(now_ns - now_ns % second, now_ns - self._span_ns, -second):
            x = round(plot.x(t))
            cv2.line(scene, (x, plot.y0), (x, plot.y1), blend(PLOT, RULE, 0.45), 1)

    def _draw_blinks(self, scene: U8, plot: _Plot) -> None:
        for blinking, run in groupby(self._samples, key=lambda s: s.blinking):
            if not blinking:
                continue
            course = list(run)
            x0, x1 = (max(round(plot.x(s.t_ns)), 0) for s in (course[0], course[-1]))
            patch = scene[plot.y0 : plot.y1 + 1, x0 : x1 + 1]
            patch[:] = blend(PLOT, DIM, 0.22)
            px = 9 * plot.unit
            if x0 > 0.6 * width_of("blink", px):
                at = ((x0 + x1) / 2, plot.y0 + 9.5 * plot.unit)
                write(scene, "blink", at, px, DIM, "centre")

    def _draw_spans(self, scene: U8, plot: _Plot) -> None:
        for event in self._events:
            x0, x1 = round(plot.x(event.onset_ns)), round(plot.x(event.offset_ns))
            colour = label_colour(event.label)
            if event.rejected is not None:
                cv2.rectangle(scene, (x0, plot.y0), (max(x1, x0), plot.y1), DIM, 1)
                continue
            patch = scene[plot.y0 : plot.y1 + 1, max(x0, 0) : max(x1 + 1, 0)]
            patch[:] = patch * np.float32(0.62) + np.array(colour, np.float32) * np.float32(0.38)
            for x in (x0, x1):
                cv2.line(scene, (x, plot.y0), (x, plot.y1), colour, 1)

    def _draw_threshold(self, scene: U8, plot: _Plot) -> None:
        course = [s for s in self._samples if s.threshold == s.threshold]
        if not course:
            return
        self._name_threshold(scene, plot, course[0])
        dash = max(round(4 * plot.unit), 2)
        for a, b in pairwise(course):
            if b.t_ns - a.t_ns > _GAP_NS:
                continue
            y = round(plot.y(b.threshold))
            # Dashes are fixed to the plot's columns, so they stand still while time runs.
            x0, x1 = round(plot.x(a.t_ns)), round(plot.x(b.t_ns))
            for x in range(max(x0, 0), x1):
                if x // dash % 2 == 0:
                    scene[y : y + max(round(plot.unit), 1), x] = MOTION

    def _name_threshold(self, scene: U8, plot: _Plot, first: _Sample) -> None:
        """Write "threshold" over the oldest part of the line that no event covers."""
        px, gap = 9 * plot.unit, 3 * plot.unit
        x, width = max(plot.x(first.t_ns), 0.0) + gap, width_of("threshold", px)
        for event in self._events:
            if plot.x(event.onset_ns) < x + width + gap and x < plot.x(event.offset_ns) + gap:
                x = plot.x(event.offset_ns) + gap
        if x + width < plot.x1:
            at = x, plot.y(first.threshold) - gap
            write(scene, "threshold", at, px, blend(MOTION, PLOT, 0.25))

    def _draw_course(self, scene: U8, plot: _Plot) -> None:
        thickness = max(1, round(1.4 * plot.unit))
        for quiet_pass in (True, False):
            for course in self._courses(active_only=not quiet_pass):
                points = np.array(
                    [(plot.x(s.t_ns), plot.y(s.magnitude)) for s in course], np.float64
                )
                line = np.rint(points * 2**_SHIFT).astype(np.int32)
                colour = DIM if quiet_pass else TEXT
                cv2.polylines(scene, [line], False, colour, thickness, cv2.LINE_AA, _SHIFT)

    def _courses(self, *, active_only: bool) -> list[list[_Sample]]:
        """Return the runs of samples without a gap."""
        runs: list[list[_Sample]] = [[]]
        for sample in self._samples:
            known = sample.magnitude == sample.magnitude and (sample.active or not active_only)
            late = bool(runs[-1]) and sample.t_ns - runs[-1][-1].t_ns > _GAP_NS
            if (not known or late) and runs[-1]:
                runs.append([])
            if known:
                runs[-1].append(sample)
        return [run for run in runs if len(run) > 1]

    def _draw_apexes(self, scene: U8, plot: _Plot) -> None:
        for event in self._events:
            if event.rejected is not None:
                continue
            x, y = plot.x(event.apex_ns), plot.y(self._at(event.apex_ns))
            r = 3.6 * plot.unit
            diamond = np.array([(x, y - r), (x + r, y), (x, y + r), (x - r, y)])
            shape = np.rint(diamond * 2**_SHIFT).astype(np.int32)
            cv2.fillPoly(scene, [shape], label_colour(event.label), cv2.LINE_AA, _SHIFT)
            cv2.polylines(scene, [shape], True, BLACK, 1, cv2.LINE_AA, _SHIFT)

    def _at(self, t_ns: int) -> float:
        """Return the magnitude at a time; 0 where it is unknown."""
        known = [s for s in self._samples if s.magnitude == s.magnitude]
        times: F64 = np.array([s.t_ns for s in known], np.float64)
        if not known:
            return 0.0
        return float(np.interp(t_ns, times, [s.magnitude for s in known]))

    def _draw_labels(self, scene: U8, plot: _Plot, tick: Tick) -> None:
        unit, px = plot.unit, 11 * plot.unit
        baseline = 12.5 * unit
        right = float(scene.shape[1])
        motion, title = tick.motion, self._title
        if motion is not None:
            above = motion.magnitude >= motion.threshold
            shade = MOTION if above else DIM
            write(scene, f"{motion.magnitude:.2f} px", (right, baseline), px, shade, "right")
            title = motion.leading if above and motion.leading else title
        shade = DIM if title is self._title else MOTION
        left = write(scene, title, (0, baseline), px, shade) + 10 * unit
        right -= width_of("00.00 px", px) + 6 * unit
        for event in reversed(self._events):
            text = event.label if event.rejected is None else event.rejected
            shade = label_colour(event.label) if event.rejected is None else DIM
            half = width_of(text, px) / 2
            middle = plot.x((event.onset_ns + event.offset_ns) // 2)
            middle = min(middle, right - half)
            if middle - half < left:
                break
            write(scene, text, (middle, baseline), px, shade, "centre")
            right = middle - half - 6 * unit
