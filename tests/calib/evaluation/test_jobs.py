"""Which videos are made of a plan, a composite and a dataset."""

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from htnet.calib.evaluation.jobs import (
    FACES_FILE,
    HALVES,
    PlanChanges,
    VideoConfig,
    changed,
    reanimated_jobs,
    recorded_jobs,
    simulated_jobs,
    video_jobs,
)
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

PLAN = Plan(seconds=4.0, events=EventPlan(count=1, micro_s=(0.2, 0.3)))


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


def test_a_plan_is_changed_where_asked_and_nowhere_else() -> None:
    plan = read_plan("standard")
    assert changed(plan, PlanChanges()) == plan
    asked = changed(plan, PlanChanges(seconds=20, amplitude_px=(1, 2), micro_s=(0.1, 0.5)))
    assert changed(plan, PlanChanges(macro_share=0.5)).events.macros(60) == 5
    assert (asked.seconds, asked.events.amplitude_px, asked.events.micro_s) == (
        20,
        (1, 2),
        (0.1, 0.5),
    )
    assert asked.events.muscles == plan.events.muscles
    assert (asked.head, asked.eyes, asked.camera) == (plan.head, plan.eyes, plan.camera)


def test_a_neutral_face_has_no_events_and_a_quiet_one_nothing_but_noise() -> None:
    plan = read_plan("standard")
    neutral = changed(plan, PlanChanges(neutral=True))
    assert neutral.events.number(neutral.seconds) == 0
    assert neutral.head == plan.head
    quiet = changed(plan, PlanChanges(neutral=True, quiet=True))
    assert quiet.head == HeadPlan() and quiet.eyes == EyePlan()
    assert quiet.camera == CameraPlan(noise=plan.camera.noise)
    assert (quiet.size, quiet.fps, quiet.seed) == (plan.size, plan.fps, plan.seed)


def test_videos_are_of_one_kind(composite: Path) -> None:
    with pytest.raises(UsageError, match="one of --data, --simulate and --reanimate"):
        VideoConfig()
    with pytest.raises(UsageError, match="one of --data, --simulate and --reanimate"):
        VideoConfig(simulate="standard", reanimate=composite)
    with pytest.raises(UsageError, match="expected --folds with --reanimate"):
        video_jobs(VideoConfig(reanimate=composite))
    asked = VideoConfig(simulate="standard", rates=(30.0, 60.0), changes=PlanChanges(seconds=20))
    assert [job.plan and (job.plan.fps, job.plan.seconds) for job in video_jobs(asked)] == [
        (30.0, 20),
        (60.0, 20),
    ]
