"""Opening of an address: RTSP, HTTP MJPEG, or a recording served over HTTP."""

import cv2

from htnet.engine.errors import SourceError
from htnet.realtime.sources.capture import Capture, CaptureFactory, new_capture

_TIMEOUT_MS = 5_000

# One decoding thread: with several, the decoder holds back as many frames as it has threads.
_PARAMETERS = [
    cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
    _TIMEOUT_MS,
    cv2.CAP_PROP_READ_TIMEOUT_MSEC,
    _TIMEOUT_MS,
    cv2.CAP_PROP_N_THREADS,
    1,
]


def open_stream(url: str, name: str, factory: CaptureFactory = new_capture) -> Capture:
    """Open an address; raises `SourceError`, which calls it ``name``, when no video answers."""
    capture = factory(url, cv2.CAP_FFMPEG, _PARAMETERS)
    if not capture.isOpened():
        capture.release()
        raise SourceError(
            f"expected a video stream at {name}, but none answered within "
            f"{_TIMEOUT_MS // 1000} s; check the address, the password and the network, "
            "and whether a player opens it"
        )
    return capture


def frame_count(capture: Capture) -> int:
    """Return the number of frames of a recording; 0 for a stream, whose count is invalid."""
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return int(count) if 0 < count < 1e8 else 0
