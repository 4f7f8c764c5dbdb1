"""Cameras and streams: timestamped after the grab, and reopened when they stall or freeze."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2

from htnet.engine.errors import SourceError
from htnet.engine.types import U8, Frame
from htnet.realtime.sources.capture import Closable, Grabber, Size, Stillness, require_size, take

_BROKEN_PICTURES = 5


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Waiting times of a live source, in seconds.

    ``first_wait``, ``longest_wait``: wait before reopening; it doubles from one to the other.
    ``give_up``: time without a picture after which the source ends with an error.
    ``frozen``, ``longest_frozen``: time of identical pictures after which the device is reopened;
    it doubles while reopening does not help, as with a covered lens.
    """

    first_wait: float = 0.25
    longest_wait: float = 4.0
    give_up: float = 30.0
    frozen: float = 2.0
    longest_frozen: float = 60.0


class ReconnectingSource(Closable):
    """Frames of a camera or stream, reopened by ``reopen``.

    ``t_ns`` is ``clock`` right after the grab, strictly increasing. `status` is a sentence about a
    problem, "" without one. ``wait(seconds)`` returns True when it was woken to stop.
    """

    live = True

    def __init__(
        self,
        name: str,
        reopen: Callable[[], Grabber],
        *,
        capture: Grabber | None = None,
        retry: RetryPolicy | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.status = ""
        self._retry = retry or RetryPolicy()
        self._reopen = reopen
        self._clock = clock
        self._wait = wait or self._closing.wait
        self._capture: Grabber | None = reopen() if capture is None else capture
        self._stillness = Stillness()
        self._frozen_s = self._retry.frozen
        self._size: Size | None = None
        self._index = 0
        self._tries = 0
        self._t_ns = -1
        self._good_ns = clock()

    def _read(self) -> Frame | None:
        while not self._closing.is_set():
            bgr = self._picture()
            if bgr is None:
                self._recover("gives no pictures")
            elif self._frozen(bgr):
                self._recover("shows the very same picture")
            else:
                which = f"frame {self._index}"
                self._size = require_size(self.name, self._size, bgr, which)
                frame = Frame(self._index, self._t_ns, bgr)
                self._index += 1
                return frame
        return None

    def _picture(self) -> U8 | None:
        capture = self._capture
        if capture is None:
            return None
        for _ in range(_BROKEN_PICTURES):
            # After a failed grab a retrieve may return old memory or crash.
            if self._closing.is_set() or not capture.grab():
                return None
            # A coarse clock may give two frames one time; t_ns has to increase.
            self._t_ns = max(self._clock(), self._t_ns + 1)
            bgr = take(capture)
            if bgr is not None:
                self._good_ns = self._t_ns
                self._tries = 0
                return bgr
        return None

    def _frozen(self, bgr: U8) -> bool:
        still_ns = self._stillness.seen(bgr, self._t_ns)
        if still_ns == 0:
            self._frozen_s = self._retry.frozen
            self.status = ""
        elif still_ns >= self._frozen_s * 1e9:
            self._frozen_s = min(2 * self._frozen_s, self._retry.longest_frozen)
            self._stillness.restart(self._t_ns)
            return True
        elif self.status:
            self.status = f"{self.name} shows the very same picture: is its lens covered?"
        return False

    def _recover(self, trouble: str) -> None:
        """Reopen the device after a growing wait.

        Raises `SourceError` when `RetryPolicy.give_up` is over.
        """
        self._release()
        retry = self._retry
        if (self._clock() - self._good_ns) >= retry.give_up * 1e9:
            raise SourceError(
                f"expected pictures from {self.name}, but after frame {self._index} none came "
                f"for {retry.give_up:.0f} s and {self._tries} tries to open it again; "
                "check that it is plugged in or reachable, then start again"
            )
        self._tries += 1
        self.status = f"{self.name} {trouble}: opening it again, try {self._tries}"
        pause = retry.first_wait * 2.0 ** min(self._tries - 1, 30)
        if self._wait(min(pause, retry.longest_wait)):
            return
        try:
            self._capture = self._reopen()
        except (SourceError, cv2.error):
            self._capture = None

    def _release(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None
