"""The probe as a whole: passes judged in processes of their own, in time, or a sentence."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest

from htnet.calib.probe.keeper import FaceKeeper
from htnet.calib.probe.probe import ProbeConfig, probe
from htnet.engine.errors import EngineError, HTNetError, UsageError
from htnet.engine.synth.face.portrait import load_portrait
from htnet.engine.synth.injection.footage import Footage
from htnet.engine.synth.injection.schedule import InjectionPlan
from htnet.engine.types import Tick
from htnet.realtime.profiles.profile import Profile

Filmed = Callable[..., Iterator[Tick]]
SHORT = InjectionPlan(seconds=8.0, amplitudes_px=(3.0,), per_minute=(8.0, 8.0))


@pytest.mark.slow
def test_a_face_at_rest_is_probed(profile: Profile, footage: Footage) -> None:
    pytest.importorskip("mediapipe")
    told: list[tuple[int, int]] = []
    config = ProbeConfig(SHORT, passes=2, workers=1)
    made = probe(profile, footage, config, lambda *share: told.append(share))
    [size] = made.probe.sizes
    assert (size.px, size.of) == (3.0, 2) and made.judged == made.drawn == 2
    assert size.found >= 1
    assert made.probe.minutes == pytest.approx(16 / 60, abs=0.03)
    assert made.sentence().startswith("2 of 2 movements judged in ")
    shares = [share for share, _ in told]
    assert shares == sorted(shares) and shares[-1] <= 100 and len(set(shares)) > 3
    assert active_children() == []


@pytest.mark.slow
def test_when_time_is_over_what_was_judged_counts(profile: Profile, footage: Footage) -> None:
    pytest.importorskip("mediapipe")
    plan = InjectionPlan(seconds=600.0, amplitudes_px=(2.0,), per_minute=(14.0, 14.0))
    began = time.monotonic()
    try:
        made = probe(profile, footage, ProbeConfig(plan, passes=1, most_s=14.0, workers=1))
    except EngineError as error:  # a machine so busy that nothing was judged
        assert "within 14 s; got none so far" in str(error)
    else:
        assert 0 < made.judged < made.drawn == 140
        assert made.probe.sizes[0].of == made.judged
        assert made.sentence().endswith("close other programs for more.")
    assert time.monotonic() - began < 16
    assert active_children() == []


@pytest.mark.slow
def test_too_little_time_is_a_sentence(profile: Profile, footage: Footage) -> None:
    told = r"expected movements to be judged within 0\.3 s; got none so far: close other programs"
    with pytest.raises(EngineError, match=told):
        probe(profile, footage, ProbeConfig(SHORT, most_s=0.3, workers=1))
    assert active_children() == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no signals to send there")
def test_processes_that_are_killed_are_a_sentence(profile: Profile, footage: Footage) -> None:
    def kill(done: int, total: int) -> None:
        for process in active_children():
            if process.name == "htnet-probe" and process.pid is not None:
                os.kill(process.pid, signal.SIGKILL)

    with pytest.raises(EngineError, match=r"got one that ended \(exit code -9\): close other"):
        probe(profile, footage, ProbeConfig(SHORT, passes=2, workers=2), kill)
    assert active_children() == []


@pytest.mark.slow
def test_weights_that_are_missing_are_told(
    profile: Profile, footage: Footage, tmp_path: Path
) -> None:
    with pytest.raises(HTNetError, match=r"none\.safetensors"):
        probe(profile, footage, ProbeConfig(SHORT, model=tmp_path / "none.safetensors", workers=1))
    assert active_children() == []


def test_a_mouth_that_moves_throughout_is_refused(profile: Profile, filmed: Filmed) -> None:
    face = load_portrait().landmarks
    faces = []
    for index in range(63):
        points = face.copy()
        opened = np.ptp(face[[61, 291], 0]) * 0.3 * (index % 20) / 20
        points[[14, 17, 152], 1] += np.float32(opened)
        faces.append(points)
    keeper = FaceKeeper()
    for index, tick in enumerate(filmed(63, faces=faces)):
        keeper.take(tick, index > 1)
    with pytest.raises(UsageError, match=r"expected 1\.5 s of a neutral face from camera 0; got"):
        probe(profile, keeper.footage("camera 0"))
