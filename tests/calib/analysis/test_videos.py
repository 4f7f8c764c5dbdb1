from pathlib import Path

import pytest

from htnet.calib.analysis.videos import find_videos
from htnet.engine.errors import UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.mp4", "a.MKV", "deep/er/c.mov", "notes.txt", ".hidden.mp4"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def names(found: list[Path], folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in found]


def test_videos_of_a_folder_and_below_are_found(folder: Path) -> None:
    found = find_videos([str(folder)], folder / "out")
    assert names(found, folder) == ["a.MKV", "b.mp4", "deep/er/c.mov"]


def test_a_video_named_twice_is_found_once(folder: Path) -> None:
    found = find_videos([str(folder / "b.mp4"), str(folder / "*.m*"), str(folder)], folder / "out")
    assert names(found, folder) == ["b.mp4", "a.MKV", "deep/er/c.mov"]


def test_a_pattern_reaches_below(folder: Path) -> None:
    found = find_videos([str(folder / "**" / "*.mov")], folder / "out")
    assert names(found, folder) == ["deep/er/c.mov"]


def test_own_results_are_no_input(folder: Path) -> None:
    own = folder / "out" / "b" / "overlay.mp4"
    own.parent.mkdir(parents=True)
    own.touch()
    assert own not in find_videos([str(folder)], folder / "out")
    assert own in find_videos([str(folder)], folder / "elsewhere")


def test_a_folder_of_pictures_is_one_video(tmp_path: Path) -> None:
    (tmp_path / "img1.png").touch()
    assert find_videos([str(tmp_path)], tmp_path / "out") == [tmp_path]


def test_a_missing_file_is_kept_for_its_failure_to_be_told(tmp_path: Path) -> None:
    missing = tmp_path / "none.mp4"
    assert find_videos([str(missing)], tmp_path / "out") == [missing]


def test_brackets_in_a_name_are_no_pattern(tmp_path: Path) -> None:
    path = tmp_path / "clip[1].mp4"
    path.touch()
    assert find_videos([str(path)], tmp_path / "out") == [path]


def test_an_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="download it first"):
        find_videos(["https://example.org/a.mp4"], tmp_path)
