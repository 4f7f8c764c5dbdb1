"""The protocol of a video's reader, and the functions that open one."""

import os
from pathlib import Path
from typing import Protocol

from htnet.engine.errors import SourceError
from htnet.engine.types import U8

_TIMEOUT_S = 5.0


class Reader(Protocol):
    """Pictures of one video in turn.

    ``fps``: nominal rate, 0 where the container tells none. ``frames``: number of frames that the
    container promises, 0 where it tells none. ``seconds``: its duration; None for a live stream.
    ``t_ns``: presentation time of the frame last grabbed, as the container has it; strictly
    increasing. ``broken``: number of packets so far that could not be decoded. ``missing_s``: time
    between the end of what was read and the end that the container promises, 0 where it is unknown.
    """

    fps: float
    frames: int
    seconds: float | None
    t_ns: int
    broken: int

    @property
    def missing_s(self) -> float: ...

    def grab(self) -> bool:
        """Decode the next frame; False at the end or when the source fails."""

    def retrieve(self) -> tuple[bool, U8 | None]:
        """Return True and the frame last grabbed, (H, W, 3) uint8 BGR; False where it is broken."""

    def release(self) -> None:
        """Close the container; more than once."""


def open_file(path: Path) -> Reader:
    """Open the video file at ``path``, of any name; raises `SourceError` where none can be read."""
    from htnet.engine.media.animated import AnimatedWebP, is_animated_webp
    from htnet.engine.media.video_reader import VideoReader, open_container

    name = printable(path)
    if not path.exists():
        raise SourceError(
            f"expected a video file or a folder of pictures at {name}, but there is nothing; "
            "check the path"
        )
    if not path.is_file():
        raise SourceError(
            f"expected a video file or a folder of pictures at {name}, but it is neither; "
            "for a camera use --camera N"
        )
    try:
        with path.open("rb") as file:
            head = file.read(32)
    except OSError as error:
        raise SourceError(
            f"expected to read the video {name}, but {error.strerror or error}; "
            "check its permissions"
        ) from error
    if not head:
        raise SourceError(f"expected a video at {name}, but the file is empty; record it again")
    if is_animated_webp(head):
        return AnimatedWebP(path)
    # An absolute path, because a colon in a relative one would read as a protocol.
    container = open_container(str(path.absolute()))
    if container is None:
        raise SourceError(
            f"expected a video at {name}, but no video can be read from it: it is another kind of "
            "file, or was cut off before its index was written; try whether a player opens it, "
            "and copy or record it again"
        )
    return VideoReader(container)


def open_address(url: str, name: str) -> Reader:
    """Open an address; raises `SourceError`, which calls it ``name``, when no video answers."""
    from htnet.engine.media.video_reader import VideoReader, open_container

    container = open_container(url, timeout_s=_TIMEOUT_S)
    if container is None:
        raise SourceError(
            f"expected a video stream at {name}, but none answered within "
            f"{_TIMEOUT_S:.0f} s; check the address, the password and the network, "
            "and whether a player opens it"
        )
    return VideoReader(container)


def printable(path: Path | str) -> str:
    """Return a path for display; bytes that are not UTF-8 become U+FFFD."""
    return os.fsencode(path).decode("utf-8", "replace")
