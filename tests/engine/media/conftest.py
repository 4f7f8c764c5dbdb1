"""Small videos made by ffmpeg, and their times by ffprobe."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Clip = Callable[..., Path]


@pytest.fixture
def ffmpeg() -> Callable[..., None]:
    """Runs ffmpeg with the arguments."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")

    def run(*arguments: object) -> None:
        command = ["ffmpeg", "-v", "error", "-y", *map(str, arguments)]
        subprocess.run(command, check=True, timeout=60)

    return run


@pytest.fixture
def clip(tmp_path: Path, ffmpeg: Callable[..., None]) -> Clip:
    """Makes a moving test picture, 160 x 120 at 30 fps, by a name and ffmpeg's options."""

    def make(name: str, *options: object, before: tuple[object, ...] = (), seconds: float = 1):
        source = f"testsrc=size=160x120:rate=30:duration={seconds}"
        ffmpeg(*before, "-f", "lavfi", "-i", source, *options, tmp_path / name)
        return tmp_path / name

    return make


@pytest.fixture
def probed() -> Callable[[Path], list[float]]:
    """Gives the presentation times of a file's frames in s, by ffprobe; NaN where it has none."""

    def probe(path: Path) -> list[float]:
        command = ["ffprobe", "-v", "quiet", "-select_streams", "v:0", "-show_entries"]
        command += ["frame=best_effort_timestamp_time", "-of", "csv=p=0", str(path)]
        told = subprocess.run(command, capture_output=True, check=True, text=True, timeout=60)
        lines = told.stdout.replace("N/A", "nan").split()
        return [float(line.strip(",")) for line in lines]

    return probe
