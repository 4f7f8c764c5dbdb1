"""Sources that end: a video file and a folder of pictures. No frame is lost."""

import fnmatch
import re
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

from htnet.engine.errors import SourceError
from htnet.engine.media.animated import is_animated_webp
from htnet.engine.media.pictures import PICTURES, depth_of, read_picture
from htnet.engine.media.reader import Reader, open_file, printable
from htnet.engine.types import Frame
from htnet.realtime.sources.capture import (
    Closable,
    Size,
    Stillness,
    require_size,
    take,
)

_STILL_NS = 2_000_000_000
_DEPTH_SAMPLES = 5
_NUMBER = re.compile(r"%0?([0-9]*)d")


def open_video(path: Path) -> "VideoFile":
    """Open the video file at ``path``; raises `SourceError` where none can be read."""
    return VideoFile(printable(path.name), open_file(path))


class VideoFile(Closable):
    """Every decodable frame of an opened video, with its own presentation time in ns.

    A file that is cut short or damaged gives its frames; `status` then says so in one sentence. A
    change of size raises `SourceError`. A picture that does not change is reported in `status`.
    """

    live = False

    def __init__(self, name: str, reader: Reader) -> None:
        super().__init__()
        self.name = name
        self.status = ""
        self.fps = reader.fps
        self.seconds = reader.seconds or 0.0
        self._reader: Reader | None = reader
        self._stillness = Stillness()
        self._size: Size | None = None
        self._grabbed = 0
        self._count = 0

    def _read(self) -> Frame | None:
        reader = self._reader
        while reader is not None and reader.grab():
            self._grabbed += 1
            bgr = take(reader)
            if bgr is None:
                continue
            self._size = require_size(self.name, self._size, bgr, f"frame {self._count}")
            still_ns = self._stillness.seen(bgr, reader.t_ns)
            self.status = (
                f"the picture of {self.name} has not changed for {still_ns / 1e9:.0f} s"
                if still_ns >= _STILL_NS
                else ""
            )
            frame = Frame(self._count, reader.t_ns, bgr)
            self._count += 1
            return frame
        if reader is not None:
            self._finish(reader)
        return None

    def _finish(self, reader: Reader) -> None:
        self._release()
        if self._count == 0:
            raise SourceError(
                f"expected a video in {self.name}, but not one picture can be decoded; "
                "try whether a player shows it, and copy or record it again"
            )
        if note := self._damage(reader):
            self.status = note

    def _damage(self, reader: Reader) -> str:
        """Return a sentence if much less came than the container promises, or parts are broken.

        Headers are often wrong: edit lists hide frames, and some containers hold only a duration,
        which is converted to a count by the nominal rate. So both the count and the time covered
        have to fall short, by more than a few frames.
        """
        slack = max(4.0, reader.frames * 0.05)
        short = reader.frames - self._grabbed > slack and reader.missing_s * reader.fps > slack
        if short:
            reached_s = reader.t_ns / 1e9 + 1 / reader.fps
            promised_s = reached_s + reader.missing_s
            return (
                f"{self.name} ends early, after {self._grabbed} of about {reader.frames} frames "
                f"({reached_s:.1f} of {promised_s:.1f} s): it is cut short or damaged, "
                "and all that can be decoded was used"
            )
        if reader.broken:
            return (
                f"{self.name} is damaged: {reader.broken} of its packets cannot be decoded, "
                "and all that can was used"
            )
        return ""

    def _release(self) -> None:
        if self._reader is not None:
            self._reader.release()
            self._reader = None


class ImageFolder:
    """Pictures in turn, at ``fps``; of a whole folder by `folder_pictures`.

    All 16-bit pictures are reduced by the depth that the brightest of a few of them needs, so that
    the brightness does not jump. A picture that cannot be read or is of another size than the first
    raises `SourceError` when it is read.
    """

    live = False

    def __init__(self, name: str, paths: Sequence[Path], fps: float = 30.0) -> None:
        self.name = name
        self.fps = fps
        self.seconds = len(paths) / fps
        self.status = ""
        self._size: Size | None = None
        self._next = 0
        self._depth: int | None = None
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def read(self) -> Frame | None:
        """Return the next picture; None after the last and once closed."""
        index = self._next
        if index >= len(self._paths):
            return None
        path = self._paths[index]
        if self._depth is None:
            self._depth = self._needed_depth()
        bgr = read_picture(
            path,
            f"a picture, number {index + 1} of {len(self._paths)},",
            remedy="replace it or take it out",
            depth=self._depth,
        )
        which = f"picture {printable(path.name)}"
        self._size = require_size(self.name, self._size, bgr, which)
        self._next += 1
        return Frame(index, round(index * 1e9 / self.fps), bgr)

    def close(self) -> None:
        """End the source: no more pictures."""
        self._next = len(self._paths)

    def _needed_depth(self) -> int:
        first = depth_of(self._paths[0])
        if first == 0:
            return 0
        step = max(1, len(self._paths) // _DEPTH_SAMPLES)
        return max(first, *(depth_of(path) for path in self._paths[::step]))


def folder_pictures(folder: Path) -> list[Path]:
    """Return the pictures of a folder in natural order (img2 before img10).

    Hidden files and other kinds of files are skipped. Raises `SourceError` where there are none.
    """
    found = [path for path in _listed(folder) if path.suffix.lower() in PICTURES]
    if not found:
        raise SourceError(
            f"expected a folder of pictures, but {printable(folder)} holds none "
            f"({', '.join(sorted(PICTURES))}); name the folder that holds the frames"
        )
    return _ordered(found)


def is_picture(path: Path) -> bool:
    """Return True for the file of a still picture; an animated WebP is none."""
    if path.suffix.lower() not in PICTURES or not path.is_file():
        return False
    with path.open("rb") as file:
        return not is_animated_webp(file.read(32))


def is_pattern(path: Path) -> bool:
    """Return True where a name stands for many, as img%04d.png or img*.png."""
    return _NUMBER.search(path.name) is not None or any(sign in path.name for sign in "*?[")


def pattern_pictures(pattern: Path) -> list[Path]:
    """Return the pictures of a pattern such as img%04d.png or img*.png, in natural order.

    ``%d`` stands for any number, ``%04d`` for one of four digits or more. Raises `SourceError`
    where there are none.
    """
    parts = _NUMBER.split(pattern.name)
    # The split yields literal, width, literal, ...; a literal may hold the signs of a shell.
    expression = "".join(
        rf"[0-9]{{{int(part or 1)},}}" if odd else _shell(part)
        for part, odd in zip(parts, cycle((False, True)), strict=False)
    )
    matches = re.compile(expression, re.DOTALL).fullmatch
    found = [path for path in _listed(pattern.parent) if matches(path.name)]
    if not found:
        raise SourceError(
            f"expected pictures named as {printable(pattern)}, but there are none; "
            "check the pattern and its folder"
        )
    return _ordered(found)


def _shell(text: str) -> str:
    return fnmatch.translate(text).removeprefix("(?s:").removesuffix(")\\Z")


def _listed(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise SourceError(
            f"expected to list the pictures in {printable(folder)}, but "
            f"{error.strerror or error}; check its name and permissions"
        ) from error


def _ordered(paths: list[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: natural_key(path.name))


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Return a sort key that orders numbers inside names by value."""
    parts = re.split(r"([0-9]+)", name.casefold())
    # The bare name last, so that a1 and a01 keep one order everywhere.
    key = [(1, int(part), "") if part.isdecimal() else (2, 0, part) for part in parts if part]
    return [*key, (0, 0, name)]
