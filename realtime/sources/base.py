"""Where frames come from: the protocol every source keeps, and the one function that opens them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from htnet.engine.errors import DependencyError, SourceError, UsageError
from htnet.engine.types import Frame

_STREAM_SCHEMES = ("http", "https", "rtmp", "rtmps", "rtp", "rtsp", "rtsps", "srt", "tcp", "udp")
_FOLDER_FPS = 30.0


class Source(Protocol):
    """Anything that gives frames, one by one.

    ``name`` is what a person is shown. ``live`` means that frames come by themselves and the
    latest one wins; then ``t_ns`` is the monotonic clock right after the grab, else the
    recording's own time. Either way ``t_ns`` strictly increases and ``index`` counts from 0.

    Each frame's array is its own: a source never writes to it again, so it may be kept as long
    as one likes. It is shared by all who hold the frame, so draw on a copy.

    A source may also have ``status: str``, a sentence about what is the matter, "" if nothing.
    """

    @property
    def name(self) -> str: ...

    @property
    def live(self) -> bool: ...

    def read(self) -> Frame | None:
        """The next frame, blocking until there is one; None at the end. `SourceError` on loss."""

    def close(self) -> None:
        """Let go; may be called from another thread, during a read, and more than once."""


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """Which source, and how it is asked: one of ``camera`` and ``source``; neither is camera 0.

    ``source`` is a video file, a folder of pictures or an address (RTSP, HTTP MJPEG). ``size``
    is the width and height wanted of a camera, which may give another. ``fps`` is the rate asked
    of a camera (None: the highest it has) or at which a folder's pictures were taken (None: 30);
    a video file keeps its own. A live source without pictures for ``give_up_s`` seconds ends.
    """

    camera: int | None = None
    source: str | None = None
    size: tuple[int, int] = (640, 360)
    fps: float | None = None
    give_up_s: float = 30.0

    def __post_init__(self) -> None:
        if self.camera is not None and self.source is not None:
            raise UsageError(
                f"expected a camera or a source, but got both --camera {self.camera} and "
                f"--source {shown(self.source)}; leave one out"
            )
        if self.camera is not None and self.camera < 0:
            raise UsageError(
                f"expected a camera number from 0 up, but got {self.camera}; "
                "htnet cameras lists them"
            )
        if self.source is not None and not self.source.strip():
            raise UsageError("expected a file, folder or address after --source, but got nothing")
        if min(self.size) < 1:
            raise UsageError(
                f"expected a width and height in pixels, but got {self.size[0]} x {self.size[1]}; "
                "use for example 640 x 360"
            )
        if self.fps is not None and not 1 <= self.fps <= 1000:
            raise UsageError(
                f"expected 1 to 1000 frames a second, but got {self.fps:g}; "
                "leave it out for the highest a camera has"
            )
        if not self.give_up_s > 0:
            raise UsageError(
                f"expected more than 0 s of patience, but got {self.give_up_s:g}; use for example "
                "30"
            )


def open_source(config: SourceConfig, clock: Callable[[], int] = time.monotonic_ns) -> Source:
    """Open the source that ``config`` names.

    `SourceError` when it gives no pictures, `UsageError` when it cannot be meant,
    `DependencyError` where OpenCV cannot be loaded.
    """
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        raise DependencyError(
            f"expected OpenCV to read pictures with, but it cannot be loaded ({error}); "
            "install opencv-contrib-python, and on a minimal Linux also libgl1 and libglib2.0-0"
        ) from error
    if config.source is None:
        return _camera(config, clock)
    if "://" in config.source:
        return _stream(config, config.source, clock)
    return _files(config, config.source)


def shown(source: str) -> str:
    """The source as a person may see it: addresses without their password and query."""
    if "://" not in source:
        return source
    try:
        parts = urlsplit(source)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return source.split("://", 1)[0] + "://..."
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return f"{parts.scheme}://{host}{port}{parts.path}"


def _camera(config: SourceConfig, clock: Callable[[], int]) -> Source:
    from htnet.realtime.sources.camera_modes import open_camera
    from htnet.realtime.sources.reconnecting import ReconnectingSource, RetryPolicy

    index = config.camera or 0
    return ReconnectingSource(
        f"camera {index}",
        lambda: open_camera(index, config.size, config.fps),
        retry=RetryPolicy(give_up=config.give_up_s),
        clock=clock,
    )


def _stream(config: SourceConfig, url: str, clock: Callable[[], int]) -> Source:
    from htnet.realtime.sources.files import VideoFile
    from htnet.realtime.sources.reconnecting import ReconnectingSource, RetryPolicy
    from htnet.realtime.sources.streams import frame_count, open_stream

    scheme, name = url.split("://", 1)[0].lower(), shown(url)
    if scheme not in _STREAM_SCHEMES:
        raise UsageError(
            f"expected an address that begins with one of {', '.join(_STREAM_SCHEMES)}, "
            f"but got {name}; give a file by its path alone"
        )
    capture = open_stream(url, name)
    if scheme in ("http", "https") and frame_count(capture) > 0:
        return VideoFile(name, capture)  # a recording behind an address is still a recording
    return ReconnectingSource(
        name,
        lambda: open_stream(url, name),
        capture=capture,
        retry=RetryPolicy(give_up=config.give_up_s),
        clock=clock,
    )


def _files(config: SourceConfig, source: str) -> Source:
    from htnet.realtime.sources.files import ImageFolder, open_video

    path = Path(source).expanduser()
    try:
        if path.is_dir():
            return ImageFolder(path, config.fps or _FOLDER_FPS)
        if source.isdecimal() and not path.exists():
            raise UsageError(
                f"expected a file, folder or address after --source, but got the number {source}; "
                f"for a camera use --camera {source}"
            )
        return open_video(path)
    except (OSError, ValueError) as error:
        raise SourceError(
            f"expected a video file or a folder of pictures at {source!r}, "
            f"but that path cannot be used: {error}; check it"
        ) from error
