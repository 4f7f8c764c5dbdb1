"""Cameras and their modes, found by setting a mode and reading it back."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2

from htnet.engine.errors import SourceError
from htnet.realtime.sources.capture import Capture, CaptureFactory, Size, new_capture

# One backend per system, and named: asked for "any", OpenCV tries several, slowly, and numbers
# the cameras in each one's own order. DirectShow takes MJPG and rates, and opens at once.
_BACKENDS = {"win32": cv2.CAP_DSHOW, "darwin": cv2.CAP_AVFOUNDATION, "linux": cv2.CAP_V4L2}
_BACKEND = _BACKENDS.get(sys.platform, cv2.CAP_ANY)

MJPG = cv2.VideoWriter.fourcc(*"MJPG")
SIZES: tuple[Size, ...] = (
    (320, 240),
    (640, 360),
    (640, 480),
    (800, 600),
    (960, 540),
    (1280, 720),
    (1920, 1080),
)
_RATES = (240.0, 120.0, 60.0, 30.0)
_FIRST_GRABS = 3


@dataclass(frozen=True, slots=True)
class Camera:
    """A connected camera; ``index`` is the value of ``--camera``."""

    index: int
    name: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Mode:
    """A mode that a camera reports: pixels, frames a second and format ("MJPG", "YUYV")."""

    width: int
    height: int
    fps: float
    fourcc: str

    def __str__(self) -> str:
        rate = f" at {self.fps:g} fps" if self.fps > 0 else ""
        return f"{self.width} x {self.height}{rate} {self.fourcc}".rstrip()


def list_cameras() -> list[Camera]:
    """Return the cameras by index, with their names; empty where none can be listed."""
    try:
        from cv2_enumerate_cameras import enumerate_cameras

        found = enumerate_cameras(_BACKEND)
    except (ImportError, NotImplementedError, OSError, RuntimeError):
        # Without names, opening by number still works.
        return []
    cameras = [Camera(int(i.index), str(i.name or ""), str(i.path or "")) for i in found]
    return sorted(cameras, key=lambda camera: camera.index)


def _set_mode(capture: Capture, size: Size, fps: float | None = None) -> Mode:
    """Set MJPG at ``size`` and the highest rate (or ``fps``); return the mode that is reported.

    The format is set first: raw pictures do not fit through USB at high rates, and the camera would
    offer less. The buffer holds one frame, since an old one is of no use.
    """
    capture.set(cv2.CAP_PROP_FOURCC, MJPG)
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
    for rate in _RATES if fps is None else (fps,):
        # Drivers answer with the nearest rate they have, so the first accepted is the highest.
        if capture.set(cv2.CAP_PROP_FPS, rate) and capture.get(cv2.CAP_PROP_FPS) >= 1:
            break
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return read_mode(capture)


def read_mode(capture: Capture) -> Mode:
    """Return the mode that the camera reports."""
    code = int(capture.get(cv2.CAP_PROP_FOURCC))
    letters = bytes((code >> shift) & 0xFF for shift in (0, 8, 16, 24)) if code > 0 else b""
    return Mode(
        round(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
        round(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        max(0.0, capture.get(cv2.CAP_PROP_FPS)),
        letters.decode("ascii", "replace").strip("\0 ") if letters.isascii() else "",
    )


def open_camera(
    index: int,
    size: Size,
    fps: float | None = None,
    *,
    factory: CaptureFactory = new_capture,
    cameras: Callable[[], list[Camera]] = list_cameras,
) -> Capture:
    """Open camera ``index``, set its mode and grab a picture.

    Raises `SourceError`, which says if it is absent, busy or not permitted.
    """
    capture = factory(index, _BACKEND)
    if not capture.isOpened():
        capture.release()
        raise SourceError(_why_not(index, cameras()))
    _set_mode(capture, size, fps)
    # A camera that another program holds may well open, and only then give nothing; one that
    # has just been plugged in may need a moment.
    if not any(capture.grab() for _ in range(_FIRST_GRABS)):
        capture.release()
        raise SourceError(
            f"expected pictures from camera {index}, which opens but gives none; "
            "close other programs that may be using it, or plug it in again"
        )
    return capture


def find_modes(
    index: int,
    *,
    sizes: Sequence[Size] = SIZES,
    factory: CaptureFactory = new_capture,
    cameras: Callable[[], list[Camera]] = list_cameras,
) -> list[Mode]:
    """Return the highest rate for each of ``sizes`` that the camera takes.

    The rates are those of the driver; in low light fewer frames may arrive. Raises `SourceError` as
    `open_camera` does.
    """
    capture = factory(index, _BACKEND)
    try:
        if not capture.isOpened():
            raise SourceError(_why_not(index, cameras()))
        return list(dict.fromkeys(_set_mode(capture, size) for size in sizes))
    finally:
        capture.release()


def _why_not(index: int, cameras: list[Camera]) -> str:
    if any(camera.index == index for camera in cameras):
        permit = {
            "darwin": "allow this terminal under Privacy & Security, Camera",
            "linux": "join the group video",
        }.get(sys.platform, "allow desktop apps to use the camera")
        return (
            f"expected to open camera {index}, which is there but refuses: another program is "
            f"probably using it; close that one, or {permit}"
        )
    if cameras:
        there = ", ".join(f"{camera.index} ({camera.name})" for camera in cameras)
        return (
            f"expected a camera {index}, but there is none of that number; "
            f"choose one of these with --camera: {there}"
        )
    return (
        f"expected a camera {index}, but no camera is to be found; plug one in, "
        "or use --source with a video file, a folder of pictures or an address"
    )
