"""The interface to OpenCV's VideoCapture, for local cameras, and what all sources share."""

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

import cv2
import numpy as np

from htnet.engine.errors import SourceError
from htnet.engine.types import U8, Frame

# OpenCV reads it when it first opens a camera; a value that the user has set stays. Without it, a
# V4L2 camera that stalls blocks its reader for ten seconds.
_ENVIRONMENT = {"OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": "2"}

Size = tuple[int, int]


class Grabber(Protocol):
    """Reader of a camera, stream or file. `retrieve` returns a new array each time."""

    def grab(self) -> bool: ...
    def retrieve(self) -> tuple[bool, Any]: ...
    def release(self) -> None: ...


class Capture(Grabber, Protocol):
    """The used part of ``cv2.VideoCapture``."""

    def isOpened(self) -> bool: ...
    def get(self, propId: int, /) -> float: ...
    def set(self, propId: int, value: float, /) -> bool: ...


CaptureFactory = Callable[..., Capture]


def new_capture(*arguments: Any) -> Capture:
    """Return a ``cv2.VideoCapture`` without warnings on stderr and with short time-outs."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.setLogLevel(0)
    return cv2.VideoCapture(*arguments)


def take(grabber: Grabber) -> U8 | None:
    """Return the picture last grabbed as (H, W, 3) uint8 BGR; None if it cannot be decoded."""
    try:
        ok, image = grabber.retrieve()
        if not ok or image is None or image.size == 0:
            return None
        if image.ndim == 2 or image.shape[2] == 1:
            image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    except cv2.error:
        return None
    return np.asarray(image, dtype=np.uint8)


def size_of(bgr: U8) -> Size:
    """Return width and height."""
    return bgr.shape[1], bgr.shape[0]


def require_size(name: str, wanted: Size | None, bgr: U8, which: str) -> Size:
    """Return the picture's size; raise `SourceError` unless it is ``wanted``, where that is known.

    Landmarks, crops and recordings all rely on the first size, so a change ends the source.
    """
    size = size_of(bgr)
    if wanted is not None and size != wanted:
        raise SourceError(
            f"expected every picture of {name} to be {wanted[0]} x {wanted[1]} like the first, "
            f"but {which} is {size[0]} x {size[1]}; bring them to one size, "
            "or run each part by itself"
        )
    return size


class Stillness:
    """Detector of a frozen picture.

    It compares every third pixel of every third row: sensor noise always changes some of those, and
    a whole frame would take as long as a stage of the pipeline.
    """

    def __init__(self) -> None:
        self._sample: U8 | None = None
        self._since_ns = 0

    def seen(self, bgr: U8, t_ns: int) -> int:
        """Take in a picture; return ns since the first of the identical ones, 0 for a new one."""
        sample = bgr[::3, ::3]
        if self._sample is None or not np.array_equal(sample, self._sample):
            self._sample = sample.copy()
            self._since_ns = t_ns
            return 0
        return t_ns - self._since_ns

    def restart(self, t_ns: int) -> None:
        """Count from ``t_ns`` on; the last picture is still compared with."""
        self._since_ns = t_ns


class Closable(ABC):
    """A source with `read` in one thread and `close` from any.

    OpenCV must not release a capture while another thread is inside it, and a camera's read may
    block. The later of the two calls releases the device.
    """

    def __init__(self) -> None:
        self._closing = threading.Event()
        self._turn = threading.Lock()

    def read(self) -> Frame | None:
        """Return the next frame, blocking; None at the end and once closed."""
        try:
            with self._turn:
                return None if self._closing.is_set() else self._read()
        finally:
            if self._closing.is_set():
                self.close()

    def close(self) -> None:
        """Release the device or file, at once or as soon as a running `read` returns."""
        self._closing.set()
        if self._turn.acquire(blocking=False):
            try:
                self._release()
            finally:
                self._turn.release()

    @abstractmethod
    def _read(self) -> Frame | None: ...

    @abstractmethod
    def _release(self) -> None: ...
