"""Several videos at once: the same results, and lost workers are replaced."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from htnet.calib.analysis import fleet
from htnet.calib.analysis.config import AnalysisConfig, VideoJob, VideoResult
from htnet.calib.analysis.fleet import analyze_here, analyze_on_ray, analyze_parallel
from htnet.calib.analysis.store import make_jobs
from htnet.calib.analysis.tables import FrameCsv
from htnet.training.evaluation.ray_backend import RayConfig

CONFIG = AnalysisConfig(end_s=0.5, report=False)
ONE = RayConfig(cpus=1)


def jobs_of(data: Path, out: Path) -> list[VideoJob]:
    videos = [data / "media" / name for name in ("single_face.mp4", "none.mp4", "no_face.mp4")]
    return make_jobs(videos, CONFIG, out)


def alike(result: VideoResult) -> VideoResult:
    return replace(result, took_s=0.0, facts=None)


def tables(out: Path) -> dict[str, bytes]:
    names = ("frames.csv", "events.csv", "events.jsonl")
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.name in names}


@pytest.fixture(scope="module")
def here(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[VideoResult]]:
    out = tmp_path_factory.mktemp("here")
    got: dict[int, VideoResult] = {}
    shares: list[tuple[int, float]] = []
    analyze_here(jobs_of(data, out), got.__setitem__, lambda *own: shares.append(own))
    assert shares[0][0] == 0 and 0 < shares[0][1] <= 1
    assert "there is nothing" in got[1].failure
    assert [got[place].frames for place in range(3)] == [15, 0, 12]
    return out, [got[place] for place in range(3)]


@pytest.mark.slow
def test_lost_processes_are_replaced_and_results_are_the_same(
    here: tuple[Path, list[VideoResult]], data: Path, tmp_path: Path
) -> None:
    """The pool's processes are killed as soon as a video is under way."""
    killed: list[int] = []

    def kill(place: int, share: float) -> None:
        if not killed:
            for process in multiprocessing.active_children():
                assert process.pid is not None
                killed.append(process.pid)
                os.kill(process.pid, signal.SIGKILL)

    got: dict[int, VideoResult] = {}
    analyze_parallel(jobs_of(data, tmp_path), got.__setitem__, kill, 2)
    assert killed
    assert [alike(got[place]) for place in range(3)] == [alike(each) for each in here[1]]
    assert tables(tmp_path) == tables(here[0])


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """A local Ray with two workers; what is connected already is used as it is."""
    ray = pytest.importorskip("ray")
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


@pytest.mark.slow
def test_ray_gives_the_same_and_runs_a_lost_workers_video_again(
    here: tuple[Path, list[VideoResult]],
    ray: Any,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lost = tmp_path / "lost"

    def loses_one_worker(job: VideoJob) -> VideoResult:
        from htnet.calib.analysis.fleet import analyze_job

        def die(share: float) -> None:
            if not lost.exists():
                lost.touch()
                os._exit(1)

        return analyze_job(job, die)

    monkeypatch.setattr(fleet, "analyze_job", loses_one_worker)
    got: dict[int, VideoResult] = {}
    out = tmp_path / "out"
    analyze_on_ray(jobs_of(data, out), got.__setitem__, ONE)
    assert lost.exists()
    assert [alike(got[place]) for place in range(3)] == [alike(each) for each in here[1]]
    assert tables(out) == tables(here[0])


@pytest.mark.slow
def test_a_fault_in_one_video_is_told(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*given: object) -> VideoResult:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(fleet, "analyze_video", fails)
    [job, *_] = jobs_of(data, tmp_path)
    result = fleet.analyze_job(job)
    assert "a fault of htnet's own (ZeroDivisionError: oh)" in result.failure
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_full_disk_gets_a_sentence(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """frames.csv is a device that is always full."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")

    class Full(FrameCsv):
        def __init__(self, path: Path, classes: Any, dialect: Any) -> None:
            super().__init__(Path("/dev/full"), classes, dialect)

    monkeypatch.setattr("htnet.calib.analysis.results.FrameCsv", Full)
    [job, *_] = jobs_of(data, tmp_path)
    result = fleet.analyze_job(job)
    assert "No space left on device: make room" in result.failure
    assert not list(tmp_path.iterdir())
