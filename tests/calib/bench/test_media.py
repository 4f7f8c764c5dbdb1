import io
from pathlib import Path

import pytest
from rich.console import Console

from htnet.calib.bench.media import bench_media, media_table
from htnet.engine.errors import SourceError


def test_both_read_every_frame_of_the_made_clip() -> None:
    row = bench_media(size=(160, 90), rounds=1, seconds=0)
    assert row["size"] == [160, 90]
    assert {each["reader"]: each["frames"] for each in row["rows"]} == {"pyav": 120, "opencv": 120}
    assert all(each["ms"]["p50"] > 0 for each in row["rows"])
    told = io.StringIO()
    Console(file=told, width=100).print(media_table(row))
    assert "pyav" in told.getvalue() and "against OpenCV" in told.getvalue()


def test_a_file_that_opencv_cannot_read_is_timed_alone(data: Path) -> None:
    row = bench_media(data / "media" / "av1.mp4", rounds=1, seconds=0)
    assert [each["reader"] for each in row["rows"]] == ["pyav"] and row["slower_ms"] is None


def test_no_video_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        bench_media(tmp_path / "absent.mp4")
