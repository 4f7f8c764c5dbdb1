"""The protocol of a frame source, and the function that opens one."""

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
    """A source of frames, read one by one.

    ``name`` is shown to the user. ``live``: frames come in real time and the latest one wins; then
    ``t_ns`` is the monotonic clock right after the grab, which `CaptureThread` counts from the
    first frame, else the recording's own time. ``t_ns`` strictly increases and ``index`` counts
    from 0.

    A source never writes to a frame's array again, so it may be kept. All holders of the frame
    share it, so draw on a copy.

    A source may also have ``status: str``, a sentence about a problem, "" without one.
    """

    @property
    def name(self) -> str: ...

    @property
    def live(self) -> bool: ...

    def read(self) -> Frame | None:
        """Return the next frame, blocking; None at the end. Raises `SourceError` on loss."""

    def close(self) -> None:
        """Release the device or file; from any thread, during a read, and more than once."""


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """The source and its settings. One of ``camera`` and ``source``; neither is camera 0.

    ``source``: a video file, a folder of pictures, a pattern of their names (img%04d.png,
    img*.png) or an address (RTSP, HTTP MJPEG).
    ``size``: width and height asked of a camera, which may give another.
    ``fps``: rate asked of a camera (None: its highest), or of a folder's pictures (None: 30). A
    video file keeps its own.
    ``give_up_s``: time without pictures after which a live source ends.
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

    Raises `SourceError` when it gives no pictures, `UsageError` when it names none, and
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
    """Return the source for display: an address without its password and query."""
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
    from htnet.engine.media.reader import open_address
    from htnet.realtime.sources.files import VideoFile
    from htnet.realtime.sources.reconnecting import ReconnectingSource, RetryPolicy

    scheme, name = url.split("://", 1)[0].lower(), shown(url)
    if scheme not in _STREAM_SCHEMES:
        raise UsageError(
            f"expected an address that begins with one of {', '.join(_STREAM_SCHEMES)}, "
            f"but got {name}; give a file by its path alone"
        )
    reader = open_address(url, name)
    if scheme in ("http", "https") and reader.seconds:
        return VideoFile(name, reader)  # a recording behind an address is still a recording
    return ReconnectingSource(
        name,
        lambda: open_address(url, name),
        capture=reader,
        retry=RetryPolicy(give_up=config.give_up_s),
        clock=clock,
    )


def _files(config: SourceConfig, source: str) -> Source:
    from htnet.engine.media.reader import printable
    from htnet.realtime.sources import files

    path = Path(source).expanduser()
    fps = config.fps or _FOLDER_FPS
    try:
        if path.is_dir():
            name = printable(path.name or path)
            return files.ImageFolder(name, files.folder_pictures(path), fps)
        if files.is_pattern(path) and not path.exists():
            return files.ImageFolder(printable(path.name), files.pattern_pictures(path), fps)
        if source.isdecimal() and not path.exists():
            raise UsageError(
                f"expected a file, folder or address after --source, but got the number {source}; "
                f"for a camera use --camera {source}"
            )
        if files.is_picture(path):
            return files.ImageFolder(printable(path.name), [path], fps)
        return files.open_video(path)
    except (OSError, ValueError) as error:
        raise SourceError(
            f"expected a video file or a folder of pictures at {printable(source)!r}, "
            f"but that path cannot be used: {error}; check it"
        ) from error
