"""The window: shows the overlay and handles keys."""

import os
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from htnet.engine.errors import HTNetError, UsageError
from htnet.engine.types import U8, Tick
from htnet.realtime.overlay.compose import Overlay
from htnet.realtime.overlay.palette import ALERT, WHITE
from htnet.realtime.overlay.text import badge, fitted, width_of
from htnet.realtime.sinks.display import no_display, window_environment
from htnet.realtime.sinks.video import OverlayVideo

_LONGEST_NOTE_S = 2.5
_WIDEST = 1280


class Window:
    """Shows Ticks and handles keys: q or Esc quit, space pause, r record, s snapshot.

    ``closed`` turns True by q, Esc or the mouse. While ``paused`` the picture stands still; the
    reader of a file may stop reading and `pump`. Recordings and snapshots go to ``folder``. At most
    ``max_fps`` pictures a second are drawn. ``saved``: recordings and snapshots begun so far. For
    the main thread only.
    """

    def __init__(
        self,
        title: str = "htnet",
        overlay: Overlay | None = None,
        *,
        folder: str | Path = ".",
        record_fps: float = 30.0,
        max_fps: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.closed = False
        self.paused = False
        self.saved: list[Path] = []
        self._title = title
        self._overlay = overlay or Overlay()
        self._folder = Path(folder)
        self._record_fps = record_fps
        self._interval_s = 0.9 / max_fps
        self._clock = clock
        self._scene: U8 | None = None
        self._recording: OverlayVideo | None = None
        self._status = ""
        self._note, self._note_until = "", 0.0
        self._drawn_at = float("-inf")
        self._open = False

    @property
    def recording(self) -> bool:
        """True while a recording is under way."""
        return self._recording is not None

    def __enter__(self) -> Self:
        trouble = no_display()
        if trouble:
            raise UsageError(f"expected a display for a window, but {trouble}; use --headless")
        os.environ.update(window_environment(os.environ))
        return self

    def write(self, tick: Tick) -> None:
        """Record ``tick`` if asked to, show it unless paused, and handle keys."""
        self._record(tick)
        now = self._clock()
        if self.paused or now - self._drawn_at < self._interval_s:
            self._overlay.see(tick)
        else:
            self._drawn_at = now
            self._scene = self._overlay.annotate(tick)
            self._show()
        self.pump()

    def pump(self, wait_s: float = 0.001) -> None:
        """Process the window's events for a moment without a new Tick, and handle keys."""
        if not self._open or self.closed:
            return
        key = cv2.waitKey(max(round(wait_s * 1000), 1))
        if not self._visible():
            self.closed = True
        elif key >= 0:
            self.press(chr(key & 0xFF))
        elif self._note and self._clock() > self._note_until:
            self._note = ""
            self._show()

    def press(self, key: str) -> None:
        """Handle a key; unknown keys do nothing."""
        match key.lower():
            case "q" | "\x1b":
                self.closed = True
            case " ":
                self.paused = not self.paused
                self._show()
            case "r":
                self._toggle_recording()
                self._show()
            case "s":
                self._snapshot()
                self._show()

    def say(self, status: str) -> None:
        """Show a sentence about the source on the last picture; "" removes it."""
        if status != self._status:
            self._status = status
            self._show()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._recording is not None:
            self._recording.close()
            self._recording = None
        if self._open:
            self._open = False
            try:
                cv2.destroyWindow(self._title)
                cv2.waitKey(1)
            except cv2.error:  # already closed by the mouse
                pass

    def _visible(self) -> bool:
        try:
            return cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:  # some backends raise for a closed window
            return False

    def _show(self) -> None:
        if self._scene is None or self.closed:
            return
        scene = self._scene
        if not self._open:
            flags = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
            cv2.namedWindow(self._title, flags)
            scale = min(1.0, _WIDEST / scene.shape[1])
            cv2.resizeWindow(
                self._title, round(scene.shape[1] * scale), round(scene.shape[0] * scale)
            )
            self._open = True
        cv2.imshow(self._title, self._marked(scene))

    def _marked(self, scene: U8) -> U8:
        """Return a copy of ``scene`` with the notes of the window, which no recording has."""
        if not (self.paused or self._recording or self._status or self._note):
            return scene
        marked: U8 = scene.copy()
        height, width = marked.shape[:2]
        px = max(12.0, 13 * min(width / 640, height / 458))
        if self._recording is not None:
            badge(marked, "REC", (width - 3 * px, 2 * px), px, WHITE, ALERT)
        # Stacked in a corner, where a face is least likely.
        paused = "paused · space goes on" if self.paused else ""
        notes = [note for note in (paused, self._status, self._note) if note]
        for row, note in enumerate(notes):
            note = fitted(note, px, width - 8 * px)
            middle = 1.7 * px + width_of(note, px) / 2, (2 + 2.2 * row) * px
            badge(marked, note, middle, px, WHITE)
        return marked

    def _snapshot(self) -> None:
        if self._scene is None:
            return
        path = self._name(".png")
        try:
            done, encoded = cv2.imencode(".png", self._scene)
            if done:
                path.write_bytes(np.asarray(encoded, np.uint8).tobytes())
                self.saved.append(path)
            self._tell(f"saved {path.name}" if done else "no snapshot: the picture is broken")
        except OSError as error:
            self._tell(f"no snapshot: {error.strerror or error}")

    def _tell(self, note: str) -> None:
        """Show a sentence for `_LONGEST_NOTE_S`."""
        self._note, self._note_until = note, self._clock() + _LONGEST_NOTE_S

    def _record(self, tick: Tick) -> None:
        if self._recording is None:
            return
        try:
            self._recording.write(tick)
        except HTNetError as error:
            self._recording.close()
            self._recording = None
            self._tell(f"no recording: {error}")

    def _toggle_recording(self) -> None:
        if self._recording is not None:
            name = self._recording.path.name
            self._recording.close()
            self._recording = None
            self._tell(f"saved {name}")
            return
        try:
            self._recording = OverlayVideo(
                self._name(".mp4"), self._record_fps, self._overlay, option="a recording"
            )
            self.saved.append(self._recording.path)
        except HTNetError as error:
            self._tell(f"no recording: {error}")

    def _name(self, suffix: str) -> Path:
        """Return an unused file name by the time of day."""
        stem = f"htnet-{datetime.now():%Y%m%d-%H%M%S}"
        path, again = self._folder / f"{stem}{suffix}", 1
        while path.exists():
            again += 1
            path = self._folder / f"{stem}-{again}{suffix}"
        return path
