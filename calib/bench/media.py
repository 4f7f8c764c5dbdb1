"""Bench of reading a video: PyAV beside OpenCV in the same run."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np

from htnet.calib.bench.timing import cores, host_ms, in_turn, machine, percentiles
from htnet.engine.media.reader import open_file
from htnet.engine.synth.face.portrait import load_portrait
from htnet.engine.types import U8

if TYPE_CHECKING:
    from rich.table import Table

_FRAMES = 120
_STEP_PX = 2
_NOISE = 3.0
_ONE_THREAD = [cv2.CAP_PROP_N_THREADS, 1]


def bench_media(
    video: Path | None = None,
    size: tuple[int, int] = (1280, 720),
    rounds: int = 10,
    *,
    seconds: float = 30.0,
) -> dict[str, Any]:
    """Time the reading of ``video``; return the row of ``htnet bench media --json``.

    None: an H.264 clip of ``size`` (width, height), made for it: the portrait that ships, moving
    under noise. Both read the whole clip in turn, with one decoding thread, each frame to BGR with
    its time; every time is that of one frame, in ms. Raises `SourceError` for a file that cannot be
    read.
    """
    with TemporaryDirectory() as folder:
        path = video or _clip(Path(folder) / "clip.mp4", size)
        shapes = {name: read(path) for name, read in _READERS.items()}
        frames = {name: shape[0] for name, shape in shapes.items() if shape[0]}
        timed = {name: _per_frame(_READERS[name], path, frames[name]) for name in frames}
        times = in_turn(timed, rounds, seconds=seconds, warmup=1)
    medians = {name: float(np.median(each)) for name, each in times.items()}
    slower = medians["pyav"] - medians["opencv"] if "opencv" in medians else None
    return {
        "v": 1,
        "bench": "media",
        "video": "made" if video is None else video.name,
        "size": [shapes["pyav"][2], shapes["pyav"][1]],
        "cores": cores(),
        "rows": [
            {"reader": name, "frames": frames[name], "ms": percentiles(each)}
            for name, each in times.items()
        ],
        "slower_ms": None if slower is None else round(slower, 3),
        "machine": machine(),
    }


def media_table(row: dict[str, Any]) -> "Table":
    """Return the row as a table."""
    from rich.table import Table

    width, height = row["size"]
    table = Table(title=f"Reading {width} x {height}, ms a frame")
    for heading in ("reader", "frames", "p50", "p95"):
        table.add_column(heading, justify="left" if heading == "reader" else "right")
    for each in row["rows"]:
        ms = each["ms"]
        table.add_row(each["reader"], str(each["frames"]), f"{ms['p50']:.2f}", f"{ms['p95']:.2f}")
    if row["slower_ms"] is None:
        table.caption = "OpenCV cannot read it"
    else:
        table.caption = f"PyAV takes {row['slower_ms']:+.2f} ms a frame against OpenCV"
    return table


def _per_frame(
    read: Callable[[Path], tuple[int, int, int]], path: Path, frames: int
) -> Callable[[], float]:
    return lambda: host_ms(lambda: read(path)) / frames


def _by_pyav(path: Path) -> tuple[int, int, int]:
    """Read a file whole; return the number, height and width of its frames."""
    reader = open_file(path)
    frames = height = width = 0
    while reader.grab():
        _, bgr = reader.retrieve()
        if bgr is not None:
            frames, (height, width) = frames + 1, bgr.shape[:2]
    reader.release()
    return frames, height, width


def _by_opencv(path: Path) -> tuple[int, int, int]:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, _ONE_THREAD)
    frames = height = width = 0
    while capture.grab():
        capture.get(cv2.CAP_PROP_POS_MSEC)
        done, bgr = capture.retrieve()
        if done:
            frames, (height, width) = frames + 1, bgr.shape[:2]
    capture.release()
    return frames, height, width


_READERS = {"pyav": _by_pyav, "opencv": _by_opencv}


def _clip(path: Path, size: tuple[int, int]) -> Path:
    """Write an H.264 clip of `_FRAMES` frames of ``size``."""
    width, height = size[0] // 2 * 2, size[1] // 2 * 2
    random = np.random.default_rng(0)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        face = cv2.resize(load_portrait().bgr, (width, height))
        for index in range(_FRAMES):
            moved = np.roll(face, _STEP_PX * index, axis=1)
            noisy: U8 = (
                (moved + random.normal(0, _NOISE, moved.shape)).clip(0, 255).astype(np.uint8)
            )
            out.mux(stream.encode(av.VideoFrame.from_ndarray(noisy, "bgr24")))
        out.mux(stream.encode())
    return path
