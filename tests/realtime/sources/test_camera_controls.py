"""Locking a camera, at the seam: what it allows, what it does not, and what is told."""

import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from htnet.realtime.sources import camera_controls as controls
from htnet.realtime.sources.base import SourceConfig
from htnet.realtime.sources.camera_controls import (
    SteadyCapture,
    lock,
    open_steady,
    set_mains,
    unlock,
)

MANUAL, AUTO = controls._MANUAL, controls._AUTO


class Fake:
    """A camera with some properties; the others read 0 and cannot be set."""

    def __init__(self, raises: bool = False, **properties: float) -> None:
        self.raises = raises
        self.properties = {getattr(cv2, f"CAP_PROP_{name}"): v for name, v in properties.items()}
        self.released = False
        self.grabs = True

    def isOpened(self) -> bool:
        return True

    def grab(self) -> bool:
        return self.grabs

    def retrieve(self) -> tuple[bool, Any]:
        return True, np.zeros((4, 4, 3), np.uint8)

    def get(self, prop: int, /) -> float:
        if self.raises:
            raise cv2.error("not here")
        return self.properties.get(prop, 0.0)

    def set(self, prop: int, value: float, /) -> bool:
        if self.raises:
            raise cv2.error("not here")
        if prop not in self.properties:
            return False
        self.properties[prop] = value
        return True

    def release(self) -> None:
        self.released = True


def whole() -> Fake:
    return Fake(AUTO_EXPOSURE=AUTO, EXPOSURE=-6.0, AUTO_WB=1.0, WB_TEMPERATURE=4600.0)


class Forgetful(Fake):
    """By hand, it falls back to the exposure it last had by hand."""

    def set(self, prop: int, value: float, /) -> bool:
        done = super().set(prop, value)
        if prop == cv2.CAP_PROP_AUTO_EXPOSURE and value == MANUAL:
            self.properties[cv2.CAP_PROP_EXPOSURE] = -1.5
        return done


def test_both_are_locked_and_let_go_again() -> None:
    fake = whole()
    assert lock(fake) == ["exposure locked", "white balance locked"]
    assert fake.properties[cv2.CAP_PROP_AUTO_EXPOSURE] == MANUAL
    assert fake.properties[cv2.CAP_PROP_AUTO_WB] == 0.0
    unlock(fake)
    assert fake.properties[cv2.CAP_PROP_AUTO_EXPOSURE] == AUTO
    assert fake.properties[cv2.CAP_PROP_AUTO_WB] == 1.0


def test_the_exposure_stays_what_it_was() -> None:
    fake = Forgetful(AUTO_EXPOSURE=AUTO, EXPOSURE=-6.0)
    lock(fake)
    assert fake.properties[cv2.CAP_PROP_EXPOSURE] == -6.0


def test_what_a_camera_refuses_is_told() -> None:
    assert lock(Fake(AUTO_WB=1.0)) == [
        "exposure not locked: the camera does not let it be",
        "white balance locked",
    ]
    assert all("not locked" in said for said in lock(Fake(raises=True)))


def test_a_camera_that_says_yes_and_does_nothing_is_found_out() -> None:
    class Deaf(Fake):
        def set(self, prop: int, value: float, /) -> bool:
            return True

    assert "exposure not locked" in lock(Deaf(AUTO_EXPOSURE=AUTO, AUTO_WB=1.0))[0]


def test_it_is_locked_once_its_automatics_have_settled() -> None:
    fake, told, now = whole(), [], [0.0]
    steady = SteadyCapture(fake, told.append, settle_s=1.0, clock=lambda: now[0])
    for passed in (0.0, 0.5, 0.9):
        now[0] = passed
        assert steady.grab()
    assert told == []
    for now[0] in (1.0, 1.1, 2.0):
        assert steady.grab()
    assert told == [["exposure locked", "white balance locked"]]
    steady.release()
    assert fake.released
    assert fake.properties[cv2.CAP_PROP_AUTO_EXPOSURE] == AUTO


def test_a_camera_that_was_never_locked_is_left_as_it_was() -> None:
    fake = Fake(AUTO_EXPOSURE=MANUAL)
    steady = SteadyCapture(fake, lambda said: None)
    fake.grabs = False
    assert not steady.grab()
    steady.release()
    assert fake.properties[cv2.CAP_PROP_AUTO_EXPOSURE] == MANUAL


def test_a_camera_is_opened_steady(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controls, "_SETTLE_S", 0.0)
    monkeypatch.setattr(controls.shutil, "which", lambda tool: None)
    told: list[str] = []
    asked: list[tuple[object, ...]] = []

    def open_one(*arguments: object) -> Fake:
        asked.append(arguments)
        return whole()

    config = SourceConfig(camera=2, size=(320, 240), fps=60)
    source = open_steady(config, told.extend, mains_hz=50, open_one=open_one)
    assert source.name == "camera 2" and source.live
    assert source.read() is not None
    source.close()
    assert asked == [(2, (320, 240), 60)]
    assert told[0].startswith("mains filter not set")


def test_a_recording_has_nothing_to_lock(tmp_path: Path) -> None:
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((8, 8, 3), i, np.uint8))
    told: list[str] = []
    source = open_steady(SourceConfig(source=str(tmp_path)), told.extend, mains_hz=50)
    assert source.read() is not None
    source.close()
    assert told == []


def answer(code: int) -> Any:
    def run(command: list[str], **options: object) -> Any:
        run.command = command
        return subprocess.CompletedProcess(command, code, "", "")

    return run


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controls.sys, "platform", "linux")
    monkeypatch.setattr(controls.shutil, "which", lambda name: f"/usr/bin/{name}")


@pytest.mark.usefixtures("tool")
@pytest.mark.parametrize("mains, entry", [(50, "1"), (60, "2")])
def test_the_mains_filter_is_set_by_the_systems_tool(mains: int, entry: str) -> None:
    run = answer(0)
    assert set_mains(3, mains, run) == f"mains filter set to {mains} Hz"
    assert run.command[1:] == [
        "-d",
        "/dev/video3",
        "--set-ctrl",
        f"power_line_frequency={entry}",
    ]


@pytest.mark.usefixtures("tool")
def test_a_tool_that_fails_is_told() -> None:
    assert "does not take it" in set_mains(0, 50, answer(1))

    def hangs(command: list[str], **options: object) -> Any:
        raise subprocess.TimeoutExpired(command, 3)

    assert "cannot be run (TimeoutExpired)" in set_mains(0, 50, hangs)


def test_without_the_tool_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controls.shutil, "which", lambda name: None)
    assert "there is no v4l2-ctl" in set_mains(0, 50, answer(0))
