"""`htnet calibrate`, `htnet profiles` and `live --profile`, on demo clips."""

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from htnet.calib.probe.keeper import FaceKeeper
from htnet.calib.probe.probe import ProbeConfig
from htnet.engine.errors import SourceError, UsageError
from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.engine.synth.demo import DemoConfig
from htnet.engine.synth.injection.schedule import InjectionPlan
from htnet.engine.types import Frame
from htnet.realtime.profiles.profile import Profile, Rest
from htnet.realtime.profiles.store import FOLDER_VARIABLE, read_profile, write_profile
from htnet.realtime.sources.demo import DemoSource
from htnet.realtime.sources.profiled import open_profiled

Said = tuple[int, str, str]
Htnet = Callable[..., Said]
DEMO = ("--source", "demo")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "profiles"))
    return tmp_path / "profiles"


@pytest.fixture
def profile() -> Profile:
    return Profile(
        name="desk",
        made="2026-01-02T03:04:05+00:00",
        camera="demo, seed 0",
        size=(640, 360),
        fps=30.0,
        jitter_ms=0.0,
        noise=2.5,
        mains_hz=None,
        baseline={name: Rest(0.1, 0.2) for name in MUSCLE_NAMES},
        p=1.5,
        floor_px=0.12,
    )


def refused(said: Said, *parts: str, code: int = 1) -> None:
    assert said[0] == code, said
    sentence = said[2].strip().splitlines()[-1]
    assert sentence.startswith("htnet: ")
    for part in parts:
        assert part in sentence, said[2]


@pytest.mark.slow
def test_a_quiet_face_becomes_a_profile(htnet: Htnet, folder: Path) -> None:
    code, out, err = htnet("calibrate", "--name", "desk", *DEMO, "--still", "--seconds", 3)
    assert (code, err) == (0, "")
    assert "htnet live --profile desk" in out
    stored = read_profile("desk")
    assert (stored.camera, stored.size) == ("demo, seed 0", (640, 360))
    assert stored.fps == pytest.approx(30, abs=0.5)
    assert [each.name for each in folder.iterdir()] == ["desk.toml"]
    code, out, err = htnet("profiles")
    assert (code, err) == (0, "")
    assert "desk" in out and "demo, seed 0" in out


@pytest.mark.slow
def test_a_moving_face_is_never_stored(htnet: Htnet, folder: Path) -> None:
    said = htnet("calibrate", "--name", "desk", *DEMO, "--tries", 1)
    refused(said, "at rest", "Nothing is stored")
    assert not folder.exists()


@pytest.mark.slow
def test_a_clip_that_is_too_short(htnet: Htnet, data: Path, folder: Path) -> None:
    clip = data / "media" / "no_face.mp4"
    refused(htnet("calibrate", "--name", "desk", "--source", clip), "no_face.mp4")
    assert not folder.exists()


def test_calibrations_that_cannot_be(htnet: Htnet) -> None:
    refused(htnet("calibrate", "--name", "../desk", *DEMO), "'../desk'", code=2)
    refused(htnet("calibrate", "--name", "d", *DEMO, "--camera", 0), "both", code=2)
    refused(htnet("calibrate", "--name", "d", "--still"), "--source demo", code=2)
    refused(htnet("calibrate", "--name", "d", *DEMO, "--mains", 55), "50 or 60", code=2)


@pytest.fixture
def small_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """One pass of eight seconds."""
    plan = InjectionPlan(seconds=8.0, amplitudes_px=(3.0,), per_minute=(8.0, 8.0))
    monkeypatch.setattr(
        "htnet.calib.probe.probe.ProbeConfig", partial(ProbeConfig, plan, passes=1, workers=1)
    )


@pytest.mark.slow
def test_a_probe_is_told_kept_and_told_again(htnet: Htnet, small_probe: None) -> None:
    asked = ("calibrate", "--name", "desk", *DEMO, "--still", "--seconds", 3, "--probe")
    code, out, err = htnet(*asked)
    assert (code, err.strip()) == (0, "")
    probe = read_profile("desk").probe
    assert probe is not None and probe.sizes[0].px == 3.0
    said = " ".join(out.split())
    assert probe.sentence() in said and "1 of 1 movements judged in " in said
    assert all(len(line) <= 80 for line in out.splitlines() if "Stored in" not in line)
    code, out, err = htnet("live", *DEMO, "--headless", "--max-seconds", 1, "--profile", "desk")
    assert (code, err) == (0, "")
    assert probe.sentence() in " ".join(out.split())
    assert all(len(line) <= 80 for line in out.splitlines())


@pytest.mark.slow
def test_a_real_face_is_probed(htnet: Htnet, data: Path, small_probe: None) -> None:
    clip = data / "faces" / "neutral_stare.mp4"
    if not clip.is_file():
        pytest.skip("HTNET_DATA holds no faces")
    code, out, err = htnet(
        "calibrate", "--name", "real", "--source", clip, "--seconds", 3, "--probe"
    )
    assert (code, err.strip()) == (0, "")
    assert "On your face, camera and light: 3 px found" in out
    assert read_profile("real").probe is not None


@pytest.mark.parametrize(
    ("failure", "code", "told"),
    [
        (None, 1, "htnet: expected a face in demo, seed 0; found none"),
        (UsageError("expected much; got little: do more."), 2, "htnet: expected much; got little"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_a_probe_that_fails_leaves_the_profile(
    htnet: Htnet,
    profile: Profile,
    monkeypatch: pytest.MonkeyPatch,
    failure: BaseException | None,
    code: int,
    told: str,
) -> None:
    def calibrate(*_: object) -> Profile:
        write_profile(profile)
        return profile

    def fail(*_: object) -> None:
        assert failure is not None
        raise failure

    monkeypatch.setattr("htnet.calib.calibration.calibrate.calibrate", calibrate)
    if failure is not None:
        monkeypatch.setattr("htnet.calib.probe.probe.probe", fail)
        monkeypatch.setattr(FaceKeeper, "footage", lambda *_: None)
    got, out, err = htnet("calibrate", "--name", "desk", *DEMO, "--still", "--probe")
    assert got == code and err.strip().startswith(told)
    assert read_profile("desk") == profile
    assert "htnet live --profile desk" in out
    assert ("Stopped: the profile is stored without a probe." in out) == (code == 130)


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to send there")
@pytest.mark.slow
def test_ctrl_c_stores_nothing(folder: Path) -> None:
    asked = ("calibrate", "--name", "desk", *DEMO, "--still", "--seconds", "120")
    running = subprocess.Popen(
        [sys.executable, "-m", "htnet.cli", *asked],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    while "Get ready" not in (line := running.stdout.readline()):
        assert line, "it ended before it began"
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (130, "")
    assert out.splitlines()[-1] == "Stopped: nothing is stored."
    assert not folder.exists()


def test_no_profile_and_none_that_can_be_read(htnet: Htnet, folder: Path) -> None:
    code, out, _ = htnet("profiles")
    assert code == 0
    assert "htnet calibrate --name NAME" in out
    refused(htnet("live", *DEMO, "--headless", "--profile", "desk"), "no profile at all", code=2)
    folder.mkdir()
    (folder / "odd.toml").write_text("v = 1\n")
    code, out, err = htnet("profiles")
    assert (code, out) == (0, "")
    assert "odd.toml" in err


@pytest.mark.slow
def test_live_goes_by_a_profile(htnet: Htnet, profile: Profile) -> None:
    write_profile(profile)
    asked = ("live", *DEMO, "--headless", "--max-seconds", 1, "--profile", "desk")
    code, out, err = htnet(*asked)
    assert (code, err) == (0, "")
    assert "desk" not in out  # nothing to warn of
    code, out, _ = htnet(*asked, "--demo-seed", 3)
    assert code == 0
    assert "was made with demo, seed 0, this is demo, seed 3" in " ".join(out.split())
    write_profile(replace(profile, size=(1920, 1080)))
    refused(htnet(*asked), "1920 x 1080", "640 x 360", "htnet calibrate", code=2)


def test_a_profiles_thresholds_are_the_least(profile: Profile) -> None:
    said: list[str] = []
    source, least = open_profiled(lambda: DemoSource(DemoConfig()), profile, said.append)
    first = source.read()
    assert first is not None and first.index == 0  # the frame that was looked at is not lost
    np.testing.assert_allclose(least, 0.25, atol=1e-6)
    assert said == []
    source, least = open_profiled(
        lambda: DemoSource(DemoConfig(size=(320, 180))), profile, said.append
    )
    assert len(said) == 1 and "raised 2.0 times" in said[0]
    np.testing.assert_allclose(least, 0.5, atol=1e-6)


class Camera:
    """Frames at ``fps``, as they come."""

    live = True
    name = "camera 0"

    def __init__(self, fps: float, frames: int = 100) -> None:
        self.fps, self.frames, self.count, self.closed = fps, frames, 0, False

    def read(self) -> Frame | None:
        if self.count == self.frames:
            return None
        self.count += 1
        picture = np.zeros((360, 640, 3), np.uint8)
        return Frame(self.count - 1, round(self.count * 1e9 / self.fps), picture)

    def close(self) -> None:
        self.closed = True


def test_a_cameras_rate_is_measured(profile: Profile) -> None:
    said: list[str] = []
    profile = replace(profile, camera="camera 0")
    camera = Camera(15.0)
    source, _ = open_profiled(lambda: camera, profile, said.append)
    assert source is camera and not camera.closed
    assert len(said) == 1 and "this is 640 x 360 and 15 fps" in said[0]
    slow = Camera(5.0)
    with pytest.raises(UsageError, match="5 fps"):
        open_profiled(lambda: slow, profile, said.append)
    assert slow.closed
    nothing = Camera(30.0, frames=0)
    with pytest.raises(SourceError, match="camera 0"):
        open_profiled(lambda: nothing, profile, said.append)
    assert nothing.closed
