"""The seam to OpenCV's VideoCapture: what is used of it, its noise, and what all sources share."""

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

import cv2
import numpy as np

from htnet.engine.errors import SourceError
from htnet.engine.types import U8, Frame

# Read by OpenCV when it first opens something; what the user has set stays. Without the first,
# a V4L2 camera that stalls holds its reader for ten seconds; without the second, the decoder
# writes a line to stderr for every broken packet, over whatever the terminal shows.
_ENVIRONMENT = {"OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": "2", "OPENCV_FFMPEG_LOGLEVEL": "-8"}

Size = tuple[int, int]


class Capture(Protocol):
    """The part of ``cv2.VideoCapture`` that is used. `retrieve` gives a fresh array each time."""

    def isOpened(self) -> bool: ...
    def grab(self) -> bool: ...
    def retrieve(self) -> tuple[bool, Any]: ...
    def get(self, propId: int, /) -> float: ...
    def set(self, propId: int, value: float, /) -> bool: ...
    def release(self) -> None: ...


CaptureFactory = Callable[..., Capture]


def new_capture(*arguments: Any) -> Capture:
    """A ``cv2.VideoCapture`` that keeps its warnings to itself and its stalls short."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.setLogLevel(0)
    return cv2.VideoCapture(*arguments)


def take(capture: Capture) -> U8 | None:
    """The picture last grabbed as (H, W, 3) uint8 BGR; None when it cannot be decoded."""
    try:
        ok, image = capture.retrieve()
        if not ok or image is None or image.size == 0:
            return None
        if image.ndim == 2 or image.shape[2] == 1:
            image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    except cv2.error:
        return None
    return np.asarray(image, dtype=np.uint8)


def size_of(bgr: U8) -> Size:
    """Width and height."""
    return bgr.shape[1], bgr.shape[0]


def require_size(name: str, wanted: Size | None, bgr: U8, which: str) -> Size:
    """The picture's size, which has to be ``wanted`` where that is known.

    Landmarks, crops and a recording all hold on to the first size, so a change ends the source
    with a `SourceError`; what was recorded until then is whole and stays.
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
    """For how long the picture has been the very same.

    Only every third pixel of every third row is compared: sensor noise never leaves all of
    those alone, and a whole frame would cost as much as a stage of the pipeline.
    """

    def __init__(self) -> None:
        self._sample: U8 | None = None
        self._since_ns = 0

    def seen(self, bgr: U8, t_ns: int) -> int:
        """Take the next picture; ns since the first of the identical ones, 0 for a new one."""
        sample = bgr[::3, ::3]
        if self._sample is None or not np.array_equal(sample, self._sample):
            self._sample = sample.copy()
            self._since_ns = t_ns
            return 0
        return t_ns - self._since_ns

    def restart(self, t_ns: int) -> None:
        """Count from ``t_ns`` on, still comparing with the last picture."""
        self._since_ns = t_ns


class Closable(ABC):
    """`read` in one thread, `close` from any.

    OpenCV must not release a capture while another thread is inside it, and a camera's read may
    block; so whichever of the two comes last lets the device go.
    """

    def __init__(self) -> None:
        self._closing = threading.Event()
        self._turn = threading.Lock()

    def read(self) -> Frame | None:
        """The next frame, blocking; None at the end and once closed."""
        try:
            with self._turn:
                return None if self._closing.is_set() else self._read()
        finally:
            if self._closing.is_set():
                self.close()

    def close(self) -> None:
        """Let go of the device or file, at once or as soon as a running `read` returns."""
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
