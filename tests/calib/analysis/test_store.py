from pathlib import Path
from typing import Any

import pytest

from htnet.calib.analysis.config import AnalysisConfig, VideoJob, VideoResult
from htnet.calib.analysis.store import (
    abandon,
    begin,
    commit,
    finished,
    make_jobs,
    require_own_folders,
    stored_results,
)
from htnet.engine.errors import OutputError, UsageError

RESULT = VideoResult("clip", "clip.mp4", frames=3, events=({"rejected": None},), notes=("a", "b"))


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "clip.mp4"
    path.parent.mkdir()
    path.write_bytes(b"video")
    return path


def job_of(video: Path, out: Path, **settings: Any) -> VideoJob:
    [job] = make_jobs([video], AnalysisConfig(**settings), out)
    return job


def finish(job: VideoJob) -> None:
    part = begin(job)
    (part / "frames.csv").write_text("rows")
    commit(job, part, RESULT)


def test_a_finished_video_is_found_again(video: Path, tmp_path: Path) -> None:
    job = job_of(video, tmp_path / "out")
    assert finished(job) is None
    finish(job)
    assert finished(job_of(video, tmp_path / "out")) == RESULT
    assert (job.folder / "frames.csv").read_text() == "rows"
    assert stored_results(tmp_path / "out") == [RESULT]
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["clip"]


def test_other_settings_or_another_video_are_not_finished(video: Path, tmp_path: Path) -> None:
    finish(job_of(video, tmp_path / "out"))
    for settings in ({"rotate": 90}, {"start_s": 1.0}, {"neutral": (0.0, 4.0)}, {"overlay": True}):
        other = job_of(video, tmp_path / "out", **settings)
        assert finished(other) is None
        with pytest.raises(UsageError, match="--overwrite"):
            require_own_folders([other])
    video.write_bytes(b"another")
    assert finished(job_of(video, tmp_path / "out")) is None


def test_a_cut_off_video_is_done_again(video: Path, tmp_path: Path) -> None:
    job = job_of(video, tmp_path / "out")
    (begin(job) / "frames.csv").write_text("half")
    again = job_of(video, tmp_path / "out")
    assert finished(again) is None
    require_own_folders([again])
    assert not list(begin(again).iterdir())


def test_what_was_there_stays_until_the_new_is_whole(video: Path, tmp_path: Path) -> None:
    finish(job_of(video, tmp_path / "out"))
    other = job_of(video, tmp_path / "out", rotate=90)
    part = begin(other)
    assert (other.folder / "frames.csv").read_text() == "rows"
    abandon(part)
    assert (other.folder / "frames.csv").read_text() == "rows"
    (begin(other) / "frames.csv").write_text("new")
    commit(other, part, RESULT)
    assert (other.folder / "frames.csv").read_text() == "new"
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["clip"]


def test_videos_of_one_name_do_not_clash(video: Path, tmp_path: Path) -> None:
    twin = tmp_path / "other" / "CLIP.avi"
    twin.parent.mkdir()
    twin.write_bytes(b"another")
    out = tmp_path / "out"
    jobs = make_jobs([video, twin], AnalysisConfig(), out)
    assert [job.name for job in jobs] == ["clip", "CLIP-2"]
    for job in jobs:
        finish(job)
    alone = make_jobs([twin], AnalysisConfig(), out)  # keeps its folder
    assert [job.name for job in alone] == ["CLIP-2"] or alone[0].name == "CLIP"
    assert finished(make_jobs([video], AnalysisConfig(), out)[0]) is not None


def test_a_folder_of_somebody_else_is_left_alone(video: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "clip").mkdir(parents=True)
    assert job_of(video, tmp_path / "out").name == "clip-2"


def test_a_damaged_state_is_no_result(video: Path, tmp_path: Path) -> None:
    job = job_of(video, tmp_path / "out")
    finish(job)
    (job.folder / "analysis.json").write_text("{")
    assert stored_results(tmp_path / "out") == []


def test_a_folder_that_cannot_be_made_gets_a_sentence(video: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="choose another --out"):
        begin(job_of(video, tmp_path / "out"))
