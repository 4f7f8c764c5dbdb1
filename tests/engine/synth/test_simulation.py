"""Whole videos: reproducible, true to their plan, and read back as written."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from htnet.engine.errors import OutputError, UsageError
from htnet.engine.synth.camera.codec import write_video
from htnet.engine.synth.face.portrait import load_portrait
from htnet.engine.synth.schedule.plan import CameraPlan, EventPlan, Plan, TimingPlan, read_plan
from htnet.engine.synth.simulation import Simulation
from htnet.engine.synth.write import PLAN_FILE, simulate
from htnet.realtime.sources.files import open_video

PORTRAIT = load_portrait()
SMALL = Plan(
    size=(320, 180),
    seconds=6,
    events=EventPlan(count=1, first_s=0.5, amplitude_px=(2, 2)),
    camera=CameraPlan(noise=(2, 6), codec="mjpeg", quality=(40, 80)),
    timing=TimingPlan(dropped_percent=10, duplicated_percent=10, jitter_ms=3),
)
BRIEF = dataclasses.replace(SMALL, seconds=1.0, events=EventPlan())


def test_the_same_seed_gives_the_same_bytes():
    one, same = Simulation(BRIEF, PORTRAIT, 5), Simulation(BRIEF, PORTRAIT, 5)
    for a, b in zip(one.frames(), same.frames(), strict=True):
        assert (a.index, a.t_ns) == (b.index, b.t_ns) and (a.bgr == b.bgr).all()
    other = next(Simulation(BRIEF, PORTRAIT, 6).frames())
    assert (next(one.frames()).bgr != other.bgr).any()


def test_frames_are_counted_in_turn_and_repeated_ones_are_the_same():
    simulation = Simulation(dataclasses.replace(BRIEF, seconds=2), PORTRAIT, 1)
    frames, shots = list(simulation.frames()), list(simulation.timing)
    assert [f.index for f in frames] == list(range(len(simulation)))
    assert [f.t_ns for f in frames] == [s.t_ns for s in shots]
    assert any(s.again for s in shots)
    for i, shot in enumerate(shots[1:], 1):
        assert (frames[i].bgr == frames[i - 1].bgr).all() == shot.again
        assert frames[i].bgr.shape == (180, 320, 3)


@pytest.mark.parametrize("fps", [60.0, 200.0])
def test_another_frame_rate_shows_the_same_happenings(fps):
    slow = Simulation(SMALL, PORTRAIT, 2)
    fast = Simulation(dataclasses.replace(SMALL, fps=fps), PORTRAIT, 2)
    assert slow.truth == fast.truth and slow.noise == fast.noise and slow.codec == fast.codec
    apex = slow.truth.events[0].apex_ns
    assert (slow.clean(apex) == fast.clean(apex)).all()


def test_an_event_moves_the_face_by_its_amplitude():
    simulation = Simulation(SMALL, PORTRAIT, 3)
    event = simulation.truth.events[0]
    rest, apex = simulation.landmarks(event.onset_ns), simulation.landmarks(event.apex_ns)
    moved = np.hypot(*(apex - rest).T).max() / simulation.animator.face.crop_px
    assert 1.2 < moved < 2.1
    assert (simulation.clean(event.onset_ns) == simulation.clean(event.offset_ns)).all()
    assert (simulation.clean(event.onset_ns) != simulation.clean(event.apex_ns)).any()


def test_a_plan_without_disturbances_is_a_still_picture():
    simulation = Simulation(Plan(size=(320, 180), seconds=1), PORTRAIT)
    first, *_, last = simulation.frames()
    assert (first.bgr == last.bgr).all() and (first.bgr == simulation.clean(0)).all()
    assert len(simulation) == 30 and not simulation.truth.disturbances


@pytest.mark.parametrize("codec", ["none", "mjpeg", pytest.param("h264", marks=pytest.mark.slow)])
def test_what_is_written_is_read_back_with_its_times(tmp_path, read_truth, codec):
    camera = dataclasses.replace(SMALL.camera, codec=codec)
    plan = dataclasses.replace(SMALL, seconds=3.5, camera=camera)
    told = []
    simulation = simulate(plan, PORTRAIT, tmp_path / "out", lambda *done: told.append(done))
    assert told[-1] == (len(simulation), len(simulation))
    assert read_truth(tmp_path / "out") == simulation.truth and simulation.truth.events
    assert read_plan(tmp_path / "out" / PLAN_FILE) == plan
    (path,) = (tmp_path / "out").glob("video.*")
    video = open_video(path)
    for frame in simulation.frames():
        read = video.read()
        assert read.t_ns == frame.t_ns
        difference = np.abs(read.bgr.astype(int) - frame.bgr)
        assert difference.max() == 0 if codec == "none" else difference.mean() < 1
    assert video.read() is None and not video.status
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_compression_loses_more_at_lower_quality():
    def lost(quality):
        camera = CameraPlan(codec="mjpeg", quality=(quality, quality))
        simulation = Simulation(dataclasses.replace(BRIEF, camera=camera), PORTRAIT)
        clean = simulation.clean(0).astype(int)
        return np.abs(next(simulation.frames()).bgr - clean).mean()

    assert 0 < lost(95) < lost(40)


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="new or empty folder"):
        simulate(BRIEF, PORTRAIT, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_what_breaks_off_leaves_nothing(tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(BRIEF, PORTRAIT, tmp_path / "out", stop)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="expected to write the simulation"):
        simulate(BRIEF, PORTRAIT, tmp_path / "file" / "out")


def test_h264_loses_less_at_a_lower_factor_and_keeps_order():
    clean = list(Simulation(BRIEF, PORTRAIT, 4).sensed())
    lost = []
    for crf in (12, 40):
        camera = dataclasses.replace(BRIEF.camera, codec="h264", crf=crf)
        made = list(Simulation(dataclasses.replace(BRIEF, camera=camera), PORTRAIT, 4).frames())
        assert [(f.index, f.t_ns) for f in made] == [(f.index, f.t_ns) for f in clean]
        apart = [np.abs(a.bgr.astype(int) - b.bgr).mean() for a, b in zip(made, clean, strict=True)]
        lost.append(max(apart))
    assert 0 < lost[0] < lost[1] < 12


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("name", ["h264", "mjpeg"])
def test_a_full_disk_is_a_sentence(name):
    simulation = Simulation(BRIEF, PORTRAIT, 5)
    codec = dataclasses.replace(simulation.codec, name=name)
    with pytest.raises(OutputError, match="No space left"):
        write_video(Path("/dev/full"), simulation.sensed(), codec, simulation.format)
