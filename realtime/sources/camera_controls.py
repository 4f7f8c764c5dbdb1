"""Camera controls: locked exposure and white balance, and the mains filter.

A camera that brightens the picture changes every pixel's value, which flow partly takes for motion.
Cameras may refuse each of these; a refusal is reported and never ends a run.
"""

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import cv2

from htnet.realtime.sources.base import Source, SourceConfig, open_source
from htnet.realtime.sources.camera_modes import open_camera
from htnet.realtime.sources.capture import Capture
from htnet.realtime.sources.reconnecting import ReconnectingSource, RetryPolicy

# Drivers number their modes differently: in Video4Linux 1 is manual and 3 is automatic exposure
# time; the others have 0 for manual and 1 for automatic.
_MANUAL, _AUTO = (1.0, 3.0) if sys.platform == "linux" else (0.0, 1.0)
_MENU: Final = {50: "1", 60: "2"}
_TOOL: Final = "v4l2-ctl"
_TOOL_S: Final = 3.0
_SETTLE_S: Final = 1.0


def lock(capture: Capture) -> list[str]:
    """Lock exposure and white balance at their present values; return a sentence on each."""
    return [
        _lock(capture, "exposure", cv2.CAP_PROP_AUTO_EXPOSURE, cv2.CAP_PROP_EXPOSURE, _MANUAL),
        _lock(capture, "white balance", cv2.CAP_PROP_AUTO_WB, cv2.CAP_PROP_WB_TEMPERATURE, 0.0),
    ]


def unlock(capture: Capture) -> None:
    """Let exposure and white balance adapt again.

    A camera remembers its settings, and the next program would find it locked.
    """
    _set(capture, cv2.CAP_PROP_AUTO_EXPOSURE, _AUTO)
    _set(capture, cv2.CAP_PROP_AUTO_WB, 1.0)


def set_mains(index: int, mains_hz: int, run: Callable[..., Any] = subprocess.run) -> str:
    """Let camera ``index`` filter the flicker of lamps on 50 or 60 Hz; return the result.

    Uses v4l2-ctl, which is a Linux tool; OpenCV has no such property.
    """
    tool = shutil.which(_TOOL) if sys.platform == "linux" else None
    if tool is None:
        return f"mains filter not set: there is no {_TOOL} here"
    setting = f"power_line_frequency={_MENU[mains_hz]}"
    try:
        done = run(
            [tool, "-d", f"/dev/video{index}", "--set-ctrl", setting],
            capture_output=True,
            text=True,
            timeout=_TOOL_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"mains filter not set: {_TOOL} cannot be run ({type(error).__name__})"
    if done.returncode != 0:
        return "mains filter not set: the camera does not take it"
    return f"mains filter set to {mains_hz} Hz"


class SteadyCapture:
    """A capture that locks itself once its automatic controls have settled.

    It wraps a `Capture`, since a camera's properties are best set by the thread that reads it.
    ``tell`` is given the result of `lock`, once. `release` lets the camera adapt again.
    """

    def __init__(
        self,
        capture: Capture,
        tell: Callable[[list[str]], None],
        *,
        settle_s: float = _SETTLE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._capture = capture
        self._tell = tell
        self._settle_s = settle_s
        self._clock = clock
        self._began: float | None = None
        self._locked = False

    def isOpened(self) -> bool:
        """As in OpenCV; so are the other methods."""
        return self._capture.isOpened()

    def grab(self) -> bool:
        """Grab the next picture."""
        grabbed = self._capture.grab()
        if grabbed and not self._locked:
            now = self._clock()
            self._began = now if self._began is None else self._began
            if now - self._began >= self._settle_s:
                self._locked = True
                self._tell(lock(self._capture))
        return grabbed

    def retrieve(self) -> tuple[bool, Any]:
        """Decode the grabbed picture."""
        return self._capture.retrieve()

    def get(self, prop: int, /) -> float:
        """Return a property."""
        return self._capture.get(prop)

    def set(self, prop: int, value: float, /) -> bool:
        """Set a property."""
        return self._capture.set(prop, value)

    def release(self) -> None:
        """Let the camera adapt again and release it."""
        if self._locked:
            unlock(self._capture)
        self._capture.release()


def open_steady(
    config: SourceConfig,
    tell: Callable[[list[str]], None],
    *,
    mains_hz: int | None = None,
    clock: Callable[[], int] = time.monotonic_ns,
    open_one: Callable[..., Capture] = open_camera,
) -> Source:
    """Open the source that ``config`` names; a camera is locked, and ``tell`` is told the result.

    ``tell`` is called from the capture thread, again whenever the camera was reopened. Raises as
    `open_source` does.
    """
    if config.source is not None:
        return open_source(config, clock)
    index = config.camera or 0

    def reopen() -> Capture:
        capture = open_one(index, config.size, config.fps)
        if mains_hz is not None:
            tell([set_mains(index, mains_hz)])
        return SteadyCapture(capture, tell)

    retry = RetryPolicy(give_up=config.give_up_s)
    return ReconnectingSource(f"camera {index}", reopen, retry=retry, clock=clock)


def _lock(capture: Capture, what: str, automatic: int, value: int, manual: float) -> str:
    try:
        now = capture.get(value)
    except cv2.error:
        now = 0.0
    if not _set(capture, automatic, manual):
        return f"{what} not locked: the camera does not let it be"
    # Some cameras fall back to the value they last had by hand. Exposures in powers of two are
    # negative, so only 0 (OpenCV's answer for what a camera does not have) is no value.
    if now not in (0.0, -1.0):
        _set(capture, value, now)
    return f"{what} locked"


def _set(capture: Capture, prop: int, value: float) -> bool:
    """Set a property; return True if it reads back as set."""
    with contextlib.suppress(cv2.error):
        return capture.set(prop, value) and abs(capture.get(prop) - value) < 1e-3
    return False
