"""Test for a usable display, in a helper process that may crash."""

import os
import subprocess
import sys
from collections.abc import Mapping
from functools import lru_cache

_TRY = """
import cv2, os
cv2.namedWindow("htnet", cv2.WINDOW_NORMAL)
os._exit(0)
"""


def no_display(environment: Mapping[str, str] | None = None, timeout_s: float = 20.0) -> str | None:
    """Return a phrase that says why no window can be opened; None where one can.

    OpenCV's Qt ends the whole process when it cannot reach a display, so a helper process tries
    first. It exits before a window would be seen.
    """
    environment = os.environ if environment is None else environment
    if sys.platform.startswith("linux"):
        if not environment.get("DISPLAY"):
            if environment.get("WAYLAND_DISPLAY"):
                return "this Wayland session has no X display (DISPLAY is not set)"
            return "DISPLAY is not set"
    elif sys.platform == "win32":
        return None
    return _tried(tuple(sorted(window_environment(environment).items())), timeout_s)


@lru_cache(maxsize=4)
def _tried(environment: tuple[tuple[str, str], ...], timeout_s: float) -> str | None:
    """Try to open a window in a helper process; cached for each environment."""
    name = dict(environment).get("DISPLAY", "")
    try:
        tried = subprocess.run(
            [sys.executable, "-c", _TRY],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        return f"the display {name} does not answer"
    except OSError as error:
        return f"a window could not be tried ({error})"
    if tried.returncode == 0:
        return None
    if b"not implemented" in tried.stderr:
        return "this OpenCV is built without windows"
    return f"the display {name} cannot be opened".replace("  ", " ")


def window_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return ``environment`` as OpenCV's Qt needs it.

    The wheels contain only its X plugin and no fonts, and it prints warnings about both.
    """
    changed = dict(environment)
    if sys.platform.startswith("linux") and changed.get("DISPLAY"):
        changed["QT_QPA_PLATFORM"] = "xcb"
        changed.setdefault("QT_LOGGING_RULES", "*.warning=false")
    return changed
