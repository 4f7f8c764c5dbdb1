"""No video is judged twice, and one is judged through the whole live path."""

from dataclasses import replace
from pathlib import Path

import pytest

from htnet.calib.evaluation import judging
from htnet.calib.evaluation.jobs import VideoJob, simulated_jobs
from htnet.calib.evaluation.judging import Judged, judge, judge_all
from htnet.calib.evaluation.run import code_digest
from htnet.engine.errors import DataError
from htnet.engine.synth.schedule.plan import CameraPlan, EventPlan, Plan
from htnet.training.spotting.records import Video

MS = 1_000_000
PLAN = Plan(seconds=4.0, events=EventPlan(count=1, micro_s=(0.2, 0.3)))


def judged(name: str) -> Judged:
    """A minute with nothing in it."""
    video = Video(name, name, 60.0, (), (), (), 30.0)
    return Judged(video, (), frames=1800, faceless=3, spot_ms=1.25)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the videos that were made, instead of their making."""
    names: list[str] = []

    def make(job: VideoJob) -> Judged:
        if job.name == "broken":
            raise DataError("expected a face; got none: choose another clip.")
        names.append(job.name)
        return judged(job.name)

    monkeypatch.setattr(judging, "judge", make)
    return names


def test_answers_come_in_the_order_of_the_jobs(made: list[str], tmp_path: Path) -> None:
    jobs = [VideoJob(name, name, PLAN) for name in ("b", "c", "a")]
    told: list[tuple[int, int]] = []
    found = judge_all(jobs, tmp_path, progress=lambda *share: told.append(share))
    assert [each.video.name for each in found] == ["b", "c", "a"]
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert len(list(tmp_path.glob("*.pickle"))) == 3


def test_a_run_that_was_stopped_goes_on_where_it_was(made: list[str], tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    jobs = [VideoJob(name, name, PLAN) for name in ("a", "b", "c", "d")]
    with pytest.raises(KeyboardInterrupt):
        judge_all(jobs, tmp_path, progress=stop)
    made.clear()
    told: list[tuple[int, int]] = []
    found = judge_all(jobs, tmp_path, progress=lambda *share: told.append(share))
    assert [each.video.name for each in found] == ["a", "b", "c", "d"]
    assert told[0] == (2, 4) and len(made) == 2
    made.clear()
    assert [each.video for each in judge_all(jobs, tmp_path)] == [each.video for each in found]
    assert made == []


def test_what_goes_wrong_in_one_is_told(made: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="choose another clip"):
        judge_all([VideoJob("a", "a", PLAN), VideoJob("broken", "broken", PLAN)], tmp_path)


def test_another_recipe_is_another_video(made: list[str], tmp_path: Path) -> None:
    job = VideoJob("a", "a", PLAN)
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(b"weights")
    others = [
        job,
        replace(job, seed=1),
        replace(job, plan=replace(PLAN, fps=60)),
        replace(job, own=True),
        replace(job, model=weights),
        replace(job, flow="farneback"),
    ]
    judge_all(others, tmp_path)
    judge_all(others, tmp_path)
    assert made == ["a"] * len(others)


@pytest.mark.parametrize("place", ["realtime/one.py", "realtime/spotting/one.py"])
def test_what_another_spotter_found_is_not_taken(
    made: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    root = tmp_path / "package"
    (root / "engine").mkdir(parents=True)
    (root / place).parent.mkdir(parents=True)
    monkeypatch.setattr(judging, "code_digest", lambda: code_digest(root))
    jobs, store = [VideoJob("a", "a", PLAN)], tmp_path / "store"
    for content, count in (("ONE = 1\n", 1), ("ONE = 1\n", 1), ("ONE = 2\n", 2), ("ONE = 1\n", 2)):
        (root / place).write_text(content)
        judge_all(jobs, store)
        assert len(made) == count


@pytest.mark.slow
def test_a_made_video_goes_the_whole_way_in_a_process_of_its_own(tmp_path: Path) -> None:
    events = EventPlan(
        count=1,
        amplitude_px=(2.0, 2.0),
        micro_s=(0.3, 0.3),
        muscles={"lip corner pull": "positive"},
    )
    plan = Plan(seconds=5.0, events=events, camera=CameraPlan(noise=(2.0, 2.0)))
    jobs = simulated_jobs(plan, (30,), None, None, None)
    found, _ = judge_all([jobs[0], replace(jobs[0], seed=1)], tmp_path, workers=2)
    assert (found.frames, found.faceless) == (150, 0)
    [true], [hit] = found.video.truth, found.video.found
    assert hit.rejected is None and hit.score > 1
    assert abs(hit.apex_ns - (true.apex_ns or 0)) < 60 * MS
    assert hit.told_ns - (true.apex_ns or 0) < 150 * MS
    assert len(found.given) == 1 and found.spot_ms > 0
    [again] = judge(jobs[0]).video.found
    # Another process may sum with another number of threads.
    assert abs(again.onset_ns - hit.onset_ns) < 1000 and abs(again.apex_ns - hit.apex_ns) < 1000
    assert again.score == pytest.approx(hit.score, rel=1e-4)
    assert (again.label, again.told_ns, again.final_ns) == (hit.label, hit.told_ns, hit.final_ns)
