"""Which videos are made, that none is made twice, and how they are summed up."""

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from htnet.calib.evaluation import live
from htnet.calib.evaluation.live import (
    FACES_FILE,
    HALVES,
    Changes,
    Judged,
    VideoJob,
    changed,
    judge,
    judge_all,
    reanimated_jobs,
    recorded_jobs,
    simulated_jobs,
    summed,
)
from htnet.calib.evaluation.run import code_digest
from htnet.engine.errors import DataError, UsageError
from htnet.engine.synth.schedule.plan import (
    OWN,
    CameraPlan,
    EventPlan,
    EyePlan,
    HeadPlan,
    Plan,
    read_plan,
)
from htnet.engine.types import CLASSES
from htnet.training.datasets.composite import read_clips
from htnet.training.spotting.records import FoundEvent, TrueEvent, Video

MS = 1_000_000
PLAN = Plan(seconds=4.0, events=EventPlan(count=1, micro_s=(0.2, 0.3)))


def judged(name: str = "portrait", score: float = 3.0, given: str = "surprise") -> Judged:
    """A minute with one true event, found with ``score``, and a false alarm of 1.5."""
    span = (2000 * MS, 2120 * MS, 2300 * MS)
    true = TrueEvent("micro", "surprise", *span, amplitude_px=1.0)
    found = tuple(
        FoundEvent("micro", "surprise", *(t + late * MS for t in span), told, told + 400 * MS, s)
        for late, told, s in ((0, 2200 * MS, score), (20_000, 22_200 * MS, 1.5))
    )
    video = Video(name, name, 60.0, (true,), found, (), 30.0)
    return Judged(video, (("surprise", given),), frames=1800, faceless=3, spot_ms=1.25)


@pytest.fixture
def composite(tmp_path: Path) -> Path:
    """The labels of a made-up composite; its pictures are not looked at."""
    root = tmp_path / "composite"
    root.mkdir()
    with (root / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["dataset", "subject", "clip", "label", "class", "flow", "apex"])
        for n in range(12):
            label = n % 3
            files = f"flow/{n}.png", f"apex/{n}.jpg"
            table.writerow(["smic", f"s{n % 4}", f"c{n}", label, CLASSES[label], *files])
    return root


@pytest.fixture
def published(data: Path) -> Path:
    """The real composite; skips where there is none."""
    if not (data / "composite").is_dir():
        pytest.skip("HTNET_DATA holds no composite")
    return data / "composite"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the videos that were made, instead of their making."""
    names: list[str] = []

    def make(job: VideoJob) -> Judged:
        if job.name == "broken":
            raise DataError("expected a face; got none: choose another clip.")
        names.append(job.name)
        return judged(job.name)

    monkeypatch.setattr(live, "judge", make)
    return names


def test_without_a_composite_the_portrait_acts_at_every_rate() -> None:
    jobs = simulated_jobs(replace(PLAN, seed=5), (30, 200), None, None, None)
    assert [(job.name, job.plan and job.plan.fps, job.seed) for job in jobs] == [
        ("portrait at 30", 30, 5),
        ("portrait at 200", 200, 5),
    ]
    assert all(job.face is None and not job.own for job in jobs)


def test_the_listed_faces_are_halves_apart_by_subject(published: Path) -> None:
    halves = {
        half: simulated_jobs(PLAN, (30,), published, half, Path("w.safetensors")) for half in HALVES
    }
    subjects = {half: {job.subject for job in jobs} for half, jobs in halves.items()}
    assert not subjects["tuned"] & subjects["untouched"]
    assert all(len(names) >= 10 for names in subjects.values())
    everyone = simulated_jobs(PLAN, (30, 60), published, None, None)
    assert len(everyone) == 2 * sum(len(jobs) for jobs in halves.values())
    assert len({job.seed for job in everyone}) == len(everyone) // 2
    assert {job.model for job in halves["tuned"]} == {Path("w.safetensors")}
    assert {job.subject.split("-")[0] for job in everyone} == {"casme2", "smic", "samm"}


def test_each_rate_shows_the_same_face_with_the_same_seed(published: Path) -> None:
    jobs = simulated_jobs(PLAN, (30, 60, 200), published, "tuned", None)
    seeds = {(job.subject, job.seed) for job in jobs}
    assert Counter(job.subject for job in jobs) == {subject: 3 for subject, _ in seeds}


def test_a_half_of_another_name_is_refused(composite: Path) -> None:
    with pytest.raises(UsageError, match="half among tuned, untouched; got 'both'"):
        simulated_jobs(PLAN, (30,), composite, "both", None)


def test_a_composite_without_a_listed_clip_is_refused(composite: Path) -> None:
    assert FACES_FILE.is_file()
    with pytest.raises(DataError, match="found none: give the whole composite"):
        simulated_jobs(PLAN, (30,), composite, None, None)


def test_each_clip_is_judged_by_who_never_saw_it(composite: Path, tmp_path: Path) -> None:
    clips = read_clips(composite)
    for clip in clips:
        (tmp_path / f"{clip.subject}.safetensors").touch()
    jobs = reanimated_jobs(composite, (30, 100), tmp_path)
    assert len(jobs) == 2 * len(clips) and len({job.name for job in jobs}) == len(jobs)
    for job in jobs:
        assert job.own and job.face is not None and job.plan is not None
        assert job.model == tmp_path / f"{job.face.subject}.safetensors"
        events = job.plan.events
        assert events.muscles == {OWN: CLASSES[job.face.label]} and events.count == 1
        assert job.plan.seconds > events.first_s + events.micro_s[1] + events.apart_s
    assert len(reanimated_jobs(composite, (30,), tmp_path, every=5)) == -(-len(clips) // 5)


def test_weights_of_a_fold_that_are_missing_are_a_sentence(composite: Path, tmp_path: Path) -> None:
    first = read_clips(composite)[0].subject
    with pytest.raises(DataError) as told:
        reanimated_jobs(composite, (30,), tmp_path)
    assert f"without {first}" in str(told.value)
    assert str(tmp_path / f"{first}.safetensors") in str(told.value)
    assert "htnet evaluate loso" in str(told.value)


def test_a_folder_without_long_videos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        recorded_jobs(tmp_path, None)


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
    monkeypatch.setattr(live, "code_digest", lambda: code_digest(root))
    jobs, store = [VideoJob("a", "a", PLAN)], tmp_path / "store"
    for content, count in (("ONE = 1\n", 1), ("ONE = 1\n", 1), ("ONE = 2\n", 2), ("ONE = 1\n", 2)):
        (root / place).write_text(content)
        judge_all(jobs, store)
        assert len(made) == count


def test_a_plan_is_changed_where_asked_and_nowhere_else() -> None:
    plan = read_plan("standard")
    assert changed(plan, Changes()) == plan
    asked = changed(plan, Changes(seconds=20, amplitude_px=(1, 2), micro_s=(0.1, 0.5)))
    assert changed(plan, Changes(macro_share=0.5)).events.macros(60) == 5
    assert (asked.seconds, asked.events.amplitude_px, asked.events.micro_s) == (
        20,
        (1, 2),
        (0.1, 0.5),
    )
    assert asked.events.muscles == plan.events.muscles
    assert (asked.head, asked.eyes, asked.camera) == (plan.head, plan.eyes, plan.camera)


def test_a_neutral_face_has_no_events_and_a_quiet_one_nothing_but_noise() -> None:
    plan = read_plan("standard")
    neutral = changed(plan, Changes(neutral=True))
    assert neutral.events.number(neutral.seconds) == 0
    assert neutral.head == plan.head
    quiet = changed(plan, Changes(neutral=True, quiet=True))
    assert quiet.head == HeadPlan() and quiet.eyes == EyePlan()
    assert quiet.camera == CameraPlan(noise=plan.camera.noise)
    assert (quiet.size, quiet.fps, quiet.seed) == (plan.size, plan.fps, plan.seed)


def test_the_operating_point_is_asked_for_in_false_alarms_a_minute() -> None:
    videos = [judged("a"), judged("b", score=2.0, given="negative")]
    every = summed(videos, score=1.0)
    assert every.evaluation.scores["either"].false_alarms_a_minute == pytest.approx(1.0)
    assert every.evaluation.scores["either"].recall == 1.0
    none = summed(videos, false_alarms_per_minute=0.5)
    assert 1.5 < none.evaluation.cut <= 2.0
    assert none.evaluation.scores["either"].false_alarms_a_minute == 0
    assert none.evaluation.scores["either"].f1 == 1.0
    assert summed(videos, score=2.5).evaluation.scores["either"].recall == 0.5


def test_what_the_network_says_of_the_truth_is_summed_apart() -> None:
    summary = summed([judged("a"), judged("b", given="negative")])
    assert summary.given_events == 2
    assert 0 < summary.given[0] < 1
    row = summary.row()
    candidates = row.pop("candidates")
    assert isinstance(candidates, list) and len(candidates) == 2 * len(summary.videos)
    assert {"video", "onset_ms", "rejected", "decisions"} <= set(candidates[0])
    assert row["frames"] == 3600 and row["faceless"] == 6 and row["spot_ms"] == 1.25
    silent = replace(judged("a"), given=())
    assert summed([silent]).given_events == 0


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
