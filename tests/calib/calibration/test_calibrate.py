"""The calibration's run and its screen, with an observer that is told what to say."""

import io
import threading
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from htnet.calib.calibration.calibrate import (
    CalibrateConfig,
    InfiniteThreshold,
    Screen,
    calibrate,
    quiet_seconds,
)
from htnet.calib.calibration.recorder import CalibrationRecorder, RecorderConfig
from htnet.engine.errors import FaceError, SourceError, UsageError
from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.engine.synth.demo import DemoConfig
from htnet.engine.types import Frame, Health, State, Tick
from htnet.realtime.live import PathConfig
from htnet.realtime.profiles.profile import Profile, Rest
from htnet.realtime.profiles.store import read_profile

PICTURE = np.zeros((4, 4, 3), np.uint8)
PATH = PathConfig(source=None, demo=DemoConfig(still=True, seconds=3))


class Scripted:
    """Done after ``needed`` frames; a frame listed in ``spoils`` spoils."""

    def __init__(self, needed: int, spoils: dict[int, str] | None = None) -> None:
        self.needed = needed
        self.spoils = spoils or {}
        self.seen = self.since = 0
        self.trouble: str | None = None

    @property
    def progress(self) -> float:
        return min(1.0, self.since / self.needed)

    def take(self, tick: Tick) -> None:
        self.trouble = self.spoils.get(self.seen)
        self.seen += 1
        self.since += 1

    def again(self) -> None:
        self.since = 0
        self.trouble = None

    def advice(self) -> str:
        return "your face is too dark: put a lamp in front of you" if self.seen > 3 else ""

    def spoiled(self) -> str | None:
        return self.trouble

    def result(self, name: str, camera: str, made: datetime, locked: tuple[str, ...]) -> Profile:
        rest = dict.fromkeys(MUSCLE_NAMES, Rest(0.02, 0.1))
        return Profile(
            name, made.isoformat(), camera, (4, 4), 30.0, 0.0, 2.0, None, rest, 1.5, 0.15, locked
        )


def ticks(count: int) -> list[Tick]:
    health = Health(fps=29.97, dropped=2)
    return [
        Tick(
            Frame(i, i * 33_333_333, PICTURE),
            None,
            None,
            None,
            State.NO_FACE,
            None,
            None,
            (),
            health,
        )
        for i in range(count)
    ]


def paper(terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), width=80, force_terminal=terminal, color_system=None)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def screen(console: Console) -> Screen:
    return Screen(console, "camera 0", 3, 10.0, per_second=float("inf"))


def test_it_ends_when_the_observer_is_done() -> None:
    observer = Scripted(20)
    with screen(paper()) as shown:
        assert quiet_seconds(ticks(50), observer, shown, 3)
    assert observer.seen == 20


def test_a_spoiled_try_is_told_and_begun_anew() -> None:
    observer, console = Scripted(20, {10: "you spoke: keep silent"}), paper()
    with screen(console) as shown:
        assert quiet_seconds(ticks(50), observer, shown, 3)
    assert observer.seen == 11 + 20
    said = written(console).splitlines()
    assert said[0].startswith("Look at the camera")
    assert "Again, try 2 of 3: you spoke: keep silent." in said
    assert said.count("Your face is too dark: put a lamp in front of you.") == 1


class Keeper:
    """Stands in for a `FaceKeeper`: which frames count, and how often they are dropped."""

    def __init__(self) -> None:
        self.counted: list[bool] = []
        self.drops: list[int] = []

    def take(self, tick: Tick, counts: bool) -> None:
        self.counted.append(counts)

    def drop(self) -> None:
        self.drops.append(len(self.counted))


def test_the_keeper_gets_the_quiet_frames_and_drops_those_of_a_spoiled_try() -> None:
    observer, keeper = Scripted(20, {10: "you spoke: keep silent"}), Keeper()
    with screen(paper()) as shown:
        assert quiet_seconds(ticks(50), observer, shown, 3, keeper)
    assert keeper.counted == [True] * 10 + [False] + [True] * 20
    assert keeper.drops == [11]


def test_after_so_many_tries_it_gives_up() -> None:
    observer = Scripted(20, dict.fromkeys((5, 10, 15), "your head moved: hold it still"))
    with screen(paper()) as shown, pytest.raises(FaceError, match="got 3 spoiled tries") as told:
        quiet_seconds(ticks(50), observer, shown, 3)
    assert "your head moved" in str(told.value) and "Nothing is stored" in str(told.value)
    assert observer.seen == 16


def test_a_source_that_ends_too_early_is_not_enough() -> None:
    with screen(paper()) as shown:
        assert not quiet_seconds(ticks(10), Scripted(20), shown, 3)


def test_the_screen_in_eighty_columns() -> None:
    console, observer = paper(), Scripted(20)
    shown = screen(console)
    for tick in ticks(10):
        observer.take(tick)
        shown.write(tick, observer)
    shown.again("you spoke: close your lips and keep silent", 2)
    shown.write(tick, observer)
    sheet = paper()
    sheet.print(shown.render())
    text = written(sheet)
    assert all(len(line) <= 80 for line in text.splitlines())
    for part in (
        "htnet calibrate · camera 0",
        " 5.0 of 10 s   try 2 of 3",
        "Now: your face is too dark",
        "Begun anew, since you spoke",
        "30 fps · 2 dropped",
        "Ctrl-C stores nothing",
    ):
        assert part in text


def test_a_terminal_is_drawn_on_and_left_clean() -> None:
    console = paper(terminal=True)
    with screen(console) as shown:
        assert quiet_seconds(ticks(30), Scripted(20, {3: "you spoke"}), shown, 3)
    text = written(console)
    assert "of 10 s" in text and "Begun anew" in text
    assert text.rstrip().endswith("\x1b[2K")  # the panel is wiped away


def test_nothing_passes_a_threshold_that_is_never() -> None:
    assert (InfiniteThreshold().at(np.zeros(2, np.float32)) == np.inf).all()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HTNET_PROFILES", str(tmp_path))
    return tmp_path


def test_a_name_that_cannot_be_is_refused_before_anything_starts(folder: Path) -> None:
    with pytest.raises(UsageError, match="expected a profile's name"):
        calibrate(CalibrateConfig(PATH, "../me"), paper(), Scripted(1))


@pytest.mark.slow
def test_a_still_demo_is_stored(folder: Path) -> None:
    observer = CalibrationRecorder(RecorderConfig(seconds=1.5, settle_s=1.0))
    profile = calibrate(CalibrateConfig(PATH, "me"), paper(), observer)
    assert profile is not None and read_profile("me") == profile
    assert profile.camera == "demo, seed 0" and profile.size == (640, 360)
    assert profile.fps == 30.0
    assert profile.noise == pytest.approx(2.5, rel=0.1)


@pytest.mark.slow
def test_a_demo_too_short_stores_nothing(folder: Path) -> None:
    with pytest.raises(SourceError, match="expected 10 quiet seconds from demo, seed 0"):
        calibrate(CalibrateConfig(PATH, "me"), paper(), Scripted(1000))
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_ctrl_c_stores_nothing_and_ends_its_thread(folder: Path) -> None:
    class Interrupted(Scripted):
        def take(self, tick: Tick) -> None:
            super().take(tick)
            if self.seen == 5:
                raise KeyboardInterrupt

    assert calibrate(CalibrateConfig(PATH, "me"), paper(), Interrupted(10)) is None
    assert list(folder.iterdir()) == []
    assert not [thread for thread in threading.enumerate() if thread.name == "capture"]
