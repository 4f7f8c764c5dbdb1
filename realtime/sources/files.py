"""Sources that end: a video file and a folder of pictures. No frame is lost."""

import re
from pathlib import Path

import cv2
import numpy as np

from htnet.engine.errors import SourceError
from htnet.engine.types import Frame
from htnet.realtime.sources.capture import (
    Capture,
    CaptureFactory,
    Closable,
    Size,
    Stillness,
    new_capture,
    require_size,
    take,
)
from htnet.realtime.sources.timestamps import Timestamps

PICTURES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_STILL_NS = 2_000_000_000


def open_video(path: Path, factory: CaptureFactory = new_capture) -> "VideoFile":
    """Open the video file at ``path``; raises `SourceError` where none can be read."""
    if not path.exists():
        raise SourceError(
            f"expected a video file or a folder of pictures at {path}, but there is nothing; "
            "check the path"
        )
    if not path.is_file():
        raise SourceError(
            f"expected a video file or a folder of pictures at {path}, but it is neither; "
            "for a camera use --camera N"
        )
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise SourceError(
            f"expected to read the video {path}, but {error.strerror or error}; "
            "check its permissions"
        ) from error
    if empty:
        raise SourceError(f"expected a video at {path}, but the file is empty; record it again")
    # An absolute path, because a colon in a relative one would read as a protocol. One decoding
    # thread is fast enough (0.5 ms a frame at 640 x 360) and leaves the cores to the pipeline.
    parameters = [cv2.CAP_PROP_N_THREADS, 1]
    capture = factory(str(path.absolute()), cv2.CAP_FFMPEG, parameters)
    if not capture.isOpened():
        capture.release()
        raise SourceError(
            f"expected a video at {path}, but no video can be read from it: it is another kind of "
            "file, or was cut off before its index was written; try whether a player opens it, "
            "and copy or record it again"
        )
    return VideoFile(path.name, capture)


class VideoFile(Closable):
    """Every decodable frame of an opened video, with its own timestamps in ns.

    A file that is cut short gives its frames; `status` then says so in one sentence. Changes of
    size that OpenCV reports raise `SourceError`. Where it hides them, its decoder repeats the last
    picture, and `status` reports a picture that does not change.
    """

    live = False

    def __init__(self, name: str, capture: Capture) -> None:
        super().__init__()
        self.name = name
        self.status = ""
        self.fps = capture.get(cv2.CAP_PROP_FPS)
        self._capture: Capture | None = capture
        self._expected = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self._stamps = Timestamps(self.fps)
        self._stillness = Stillness()
        self._size: Size | None = None
        self._grabbed = 0
        self._count = 0
        self._t_ns = 0

    def _read(self) -> Frame | None:
        capture = self._capture
        while capture is not None and capture.grab():
            # After the grab this is the time of the grabbed frame, before it that of the last one.
            self._t_ns = self._stamps.next(capture.get(cv2.CAP_PROP_POS_MSEC))
            self._grabbed += 1
            bgr = take(capture)
            if bgr is None:
                continue
            self._size = require_size(self.name, self._size, bgr, f"frame {self._count}")
            still_ns = self._stillness.seen(bgr, self._t_ns)
            self.status = (
                f"the picture of {self.name} has not changed for {still_ns / 1e9:.0f} s"
                if still_ns >= _STILL_NS
                else ""
            )
            frame = Frame(self._count, self._t_ns, bgr)
            self._count += 1
            return frame
        if self._capture is not None:
            self._finish()
        return None

    def _finish(self) -> None:
        self._release()
        if self._count == 0:
            raise SourceError(
                f"expected a video in {self.name}, but not one picture can be decoded; "
                "try whether a player shows it, and copy or record it again"
            )
        if note := self._shortfall():
            self.status = note

    def _shortfall(self) -> str:
        """Return a sentence if much less came than the header promises.

        Headers are often wrong: edit lists hide frames, and some containers hold only a duration,
        which is converted to a count by the nominal rate. So both the count and the time covered
        have to fall short, by more than a few frames.
        """
        expected, fps = self._expected, self.fps
        if not (0 < expected < 1e8 and 1 <= fps <= 1000):
            return ""
        slack = max(4.0, expected * 0.05)
        reached_s = self._t_ns / 1e9 + 1 / fps
        missing_s = expected / fps - reached_s
        if expected - self._grabbed <= slack or missing_s * fps <= slack:
            return ""
        return (
            f"{self.name} ends early, after {self._grabbed} of about {expected:.0f} frames "
            f"({reached_s:.1f} of {expected / fps:.1f} s): it is cut short or damaged, "
            "and all that can be decoded was used"
        )

    def _release(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None


class ImageFolder:
    """The pictures of a folder in natural order (img2 before img10), at ``fps``.

    Hidden files and other kinds of files are skipped. A picture that cannot be read or is of
    another size than the first raises `SourceError` when it is read.
    """

    live = False

    def __init__(self, folder: Path, fps: float = 30.0) -> None:
        self.name = folder.name or str(folder)
        self.fps = fps
        self.status = ""
        self._size: Size | None = None
        self._next = 0
        try:
            found = [
                path
                for path in folder.iterdir()
                if path.suffix.lower() in PICTURES and not path.name.startswith(".")
            ]
        except OSError as error:
            raise SourceError(
                f"expected to list the pictures in {folder}, but {error.strerror or error}; "
                "check its permissions"
            ) from error
        if not found:
            raise SourceError(
                f"expected a folder of pictures, but {folder} holds none "
                f"({', '.join(sorted(PICTURES))}); name the folder that holds the frames"
            )
        self._paths = sorted(found, key=lambda path: natural_key(path.name))

    def __len__(self) -> int:
        return len(self._paths)

    def read(self) -> Frame | None:
        """Return the next picture; None after the last and once closed."""
        index = self._next
        if index >= len(self._paths):
            return None
        path = self._paths[index]
        try:
            # imread cannot open every path on Windows, and gives no reason.
            data = np.fromfile(path, np.uint8)
            bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
        except (OSError, cv2.error):
            bgr = None
        if bgr is None:
            raise SourceError(
                f"expected a picture in {path}, number {index + 1} of {len(self._paths)} in its "
                "folder, but it cannot be read; replace it or take it out"
            )
        image = np.asarray(bgr, dtype=np.uint8)
        self._size = require_size(self.name, self._size, image, f"picture {path.name}")
        self._next += 1
        return Frame(index, round(index * 1e9 / self.fps), image)

    def close(self) -> None:
        """End the source: no more pictures."""
        self._next = len(self._paths)


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Return a sort key that orders numbers inside names by value."""
    parts = re.split(r"([0-9]+)", name.casefold())
    # The bare name last, so that a1 and a01 keep one order everywhere.
    key = [(1, int(part), "") if part.isdecimal() else (2, 0, part) for part in parts if part]
    return [*key, (0, 0, name)]
