"""Live sources over a scripted capture: stall, freeze, unplug, backoff; and the camera's modes."""

import threading
from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htnet.engine.errors import SourceError
from htnet.realtime.sources import camera_modes as module
from htnet.realtime.sources.base import SourceConfig, open_source
from htnet.realtime.sources.camera_modes import (
    MJPG,
    Camera,
    Mode,
    find_modes,
    list_cameras,
    open_camera,
    read_mode,
)
from htnet.realtime.sources.reconnecting import ReconnectingSource, RetryPolicy

STEP_NS = 20_000_000


class World:
    """A clock that only moves when something takes time, and a bench of scripted cameras.

    A script is a string: n a new picture, s the same again, b a broken one, x a failed grab (for
    2 s), w one of another size; its last letter repeats. "!" means that opening fails.
    """

    def __init__(self, *scripts: str) -> None:
        self.scripts = list(scripts)
        self.now = 1_000
        self.waits: list[float] = []
        self.opened: list[Scripted] = []
        self.value = 0

    def clock(self) -> int:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now += round(seconds * 1e9)
        return False

    def open(self) -> "Scripted":
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        if script == "!":
            raise SourceError("expected a camera")
        self.opened.append(Scripted(self, script))
        return self.opened[-1]

    def source(self, **options: float) -> ReconnectingSource:
        return ReconnectingSource(
            "camera 0",
            self.open,
            retry=RetryPolicy(**options),
            clock=self.clock,
            wait=self.wait,
        )


class Scripted:
    def __init__(self, world: World, script: str) -> None:
        self.world = world
        self.script = script
        self.at = -1
        self.released = False

    def isOpened(self) -> bool:
        return True

    @property
    def letter(self) -> str:
        return self.script[min(self.at, len(self.script) - 1)]

    def grab(self) -> bool:
        assert not self.released
        self.at += 1
        self.world.now += 2_000_000_000 if self.letter == "x" else STEP_NS
        return self.letter != "x"

    def retrieve(self):
        assert self.letter != "x", "retrieved after a failed grab"
        if self.letter == "b":
            return False, None
        if self.letter in "nw":
            self.world.value += 1
        shape = (9, 16, 3) if self.letter == "w" else (6, 8, 3)
        return True, np.full(shape, self.world.value % 256, np.uint8)

    def get(self, prop: int) -> float:
        return 0.0

    def set(self, prop: int, value: float) -> bool:
        return True

    def release(self) -> None:
        assert not self.released
        self.released = True


def test_frames_are_stamped_after_the_grab() -> None:
    world = World("n")
    source = world.source()
    frames = [source.read() for _ in range(3)]
    assert source.live
    assert [f.index for f in frames] == [0, 1, 2]
    assert [f.t_ns for f in frames] == [1_000 + STEP_NS * k for k in (1, 2, 3)]


def test_time_never_stands_still_even_if_the_clock_does() -> None:
    world = World("n")
    source = ReconnectingSource("camera 0", world.open, clock=lambda: 5, wait=world.wait)
    assert [source.read().t_ns for _ in range(3)] == [5, 6, 7]


def test_a_stall_reopens_with_growing_waits_and_goes_on() -> None:
    world = World("nnx", "!", "!", "n")
    source = world.source()
    frames = [source.read() for _ in range(3)]
    assert [f.index for f in frames] == [0, 1, 2]
    assert world.waits == [0.25, 0.5, 1.0]
    assert world.opened[0].released and len(world.opened) == 2
    assert source.status == ""
    assert frames[2].t_ns > frames[1].t_ns


def test_the_status_tells_of_the_retries() -> None:
    world = World("nx", "!", "n")
    said = []
    source = ReconnectingSource(
        "camera 0",
        world.open,
        clock=world.clock,
        wait=lambda s: said.append(source.status) or world.wait(s),
    )
    source.read()
    source.read()
    assert said == [f"camera 0 gives no pictures: opening it again, try {k}" for k in (1, 2)]


def test_a_camera_that_never_comes_back_ends_with_a_sentence() -> None:
    world = World("nx", "!")
    source = world.source(give_up=30)
    assert source.read() is not None
    with pytest.raises(SourceError, match=r"none came for 30 s and \d+ tries"):
        source.read()
    assert 30e9 <= world.now < 40e9
    assert max(world.waits) == 4.0
    assert all(capture.released for capture in world.opened)


def test_a_camera_that_opens_but_stays_dark_ends_too() -> None:
    world = World("x")
    with pytest.raises(SourceError, match="none came"):
        world.source(give_up=10).read()


def test_a_few_broken_pictures_are_passed_over() -> None:
    world = World("nbbbn")
    source = world.source()
    assert [source.read().index for _ in range(2)] == [0, 1]
    assert world.waits == [] and len(world.opened) == 1


def test_only_broken_pictures_count_as_a_stall() -> None:
    world = World("nb", "n")
    source = world.source()
    assert [source.read().index for _ in range(2)] == [0, 1]
    assert len(world.opened) == 2


def test_a_frozen_picture_reopens_the_camera() -> None:
    world = World("nnns", "n")
    source = world.source(frozen=2.0)
    while len(world.opened) == 1:
        assert source.read() is not None
    assert 2e9 <= world.now < 3e9
    assert world.opened[0].released
    source.read()
    assert source.status == ""


def test_a_covered_lens_is_reopened_ever_more_rarely_and_never_given_up() -> None:
    world = World("ns", "s")
    source = world.source(frozen=2.0, longest_frozen=16.0, give_up=5.0)
    opened_at, count = [], 1
    while world.now < 70e9:
        assert source.read() is not None
        if len(world.opened) > count:
            count = len(world.opened)
            opened_at.append(world.now / 1e9)
    assert np.diff(opened_at) == pytest.approx([4, 8, 16, 16, 16], abs=0.2)
    assert "is its lens covered?" in source.status


def test_another_size_after_reopening_names_both() -> None:
    world = World("nx", "w")
    source = world.source()
    source.read()
    with pytest.raises(SourceError, match="8 x 6 like the first, but frame 1 is 16 x 9"):
        source.read()


@settings(deadline=None)
@given(st.lists(st.text("nsbx", min_size=1, max_size=6) | st.just("!"), min_size=1, max_size=6))
def test_whatever_a_camera_does_frames_are_in_order(scripts: list[str]) -> None:
    world = World("n" + scripts[0], *scripts[1:], "x")
    source = world.source(give_up=20, frozen=0.1)
    frames = []
    with pytest.raises(SourceError, match="none came"):
        while len(frames) < 3000:
            frames.append(source.read())
        raise SourceError("none came: enough")
    assert [f.index for f in frames] == list(range(len(frames)))
    assert all(a.t_ns < b.t_ns for a, b in pairwise(frames))


def test_close_wakes_a_source_that_waits_to_reopen() -> None:
    world = World("nx", "!")
    source = ReconnectingSource(
        "camera 0", world.open, retry=RetryPolicy(first_wait=60, longest_wait=60)
    )
    got: list[object] = [source.read()]
    thread = threading.Thread(target=lambda: got.append(source.read()), daemon=True)
    thread.start()
    while not source.status:
        pass
    source.close()
    thread.join(10)
    assert not thread.is_alive() and got[1] is None
    source.close()


def test_closing_during_a_read_leaves_the_release_to_the_reading_thread() -> None:
    inside, go_on = threading.Event(), threading.Event()

    class Blocking(Scripted):
        def grab(self) -> bool:
            inside.set()
            assert go_on.wait(10)
            return super().grab()

    capture = Blocking(World("n"), "n")
    source = ReconnectingSource("camera 0", lambda: capture)
    thread = threading.Thread(target=source.read, daemon=True)
    thread.start()
    assert inside.wait(10)
    source.close()
    assert not capture.released
    go_on.set()
    thread.join(10)
    assert capture.released
    assert source.read() is None


class Device:
    """A camera with its own modes: the nearest size, and a top rate for each."""

    MODES: dict = {(640, 480): 30.0, (640, 360): 60.0, (1280, 720): 30.0}  # noqa: RUF012

    def __init__(self, opens: bool = True, grabs: bool = True) -> None:
        self.opens, self.grabs = opens, grabs
        self.calls: list[tuple[int, float]] = []
        self.wanted = {cv2.CAP_PROP_FRAME_WIDTH: 640.0, cv2.CAP_PROP_FRAME_HEIGHT: 480.0}
        self.fps = 15.0
        self.released = False

    @property
    def size(self) -> tuple[int, int]:
        w, h = self.wanted.values()
        return min(self.MODES, key=lambda s: abs(s[0] - w) + abs(s[1] - h))

    def isOpened(self) -> bool:
        return self.opens

    def grab(self) -> bool:
        return self.grabs

    def retrieve(self):
        w, h = self.size
        return True, np.zeros((h, w, 3), np.uint8)

    def get(self, prop: int) -> float:
        return {
            cv2.CAP_PROP_FRAME_WIDTH: float(self.size[0]),
            cv2.CAP_PROP_FRAME_HEIGHT: float(self.size[1]),
            cv2.CAP_PROP_FPS: self.fps,
            cv2.CAP_PROP_FOURCC: float(MJPG),
        }.get(prop, 0.0)

    def set(self, prop: int, value: float) -> bool:
        self.calls.append((prop, value))
        if prop in self.wanted:
            self.wanted[prop] = value
        if prop == cv2.CAP_PROP_FPS:
            self.fps = min(value, self.MODES[self.size])
        return True

    def release(self) -> None:
        self.released = True


def factory(device: Device) -> Callable[..., Device]:
    return lambda *arguments: device


def test_a_camera_is_asked_for_mjpg_then_size_then_the_highest_rate() -> None:
    device = Device()
    capture = open_camera(0, (640, 360), factory=factory(device))
    assert [prop for prop, _ in device.calls] == [
        cv2.CAP_PROP_FOURCC,
        cv2.CAP_PROP_FRAME_WIDTH,
        cv2.CAP_PROP_FRAME_HEIGHT,
        cv2.CAP_PROP_FPS,
        cv2.CAP_PROP_BUFFERSIZE,
    ]
    assert read_mode(capture) == Mode(640, 360, 60.0, "MJPG")
    assert str(read_mode(capture)) == "640 x 360 at 60 fps MJPG"


def test_a_rate_that_is_asked_for_is_the_only_one_tried() -> None:
    device = Device()
    open_camera(0, (640, 360), 25, factory=factory(device))
    assert [v for p, v in device.calls if p == cv2.CAP_PROP_FPS] == [25]


def test_modes_are_what_is_read_back_each_once() -> None:
    device = Device()
    assert find_modes(0, factory=factory(device)) == [
        Mode(640, 360, 60.0, "MJPG"),
        Mode(640, 480, 30.0, "MJPG"),
        Mode(1280, 720, 30.0, "MJPG"),
    ]
    assert device.released


@pytest.mark.parametrize("work", [lambda f, c: open_camera(3, (640, 360), factory=f, cameras=c)])
@pytest.mark.parametrize(
    "there, message",
    [
        ([], "no camera is to be found"),
        ([Camera(0, "Built-in"), Camera(2, "USB")], r"0 \(Built-in\), 2 \(USB\)"),
        ([Camera(3, "USB")], "which is there but refuses"),
    ],
)
def test_a_camera_that_does_not_open_says_why(work, there: list[Camera], message: str) -> None:
    device = Device(opens=False)
    with pytest.raises(SourceError, match=message):
        work(factory(device), lambda: there)
    assert device.released
    with pytest.raises(SourceError, match=message):
        find_modes(3, factory=factory(device), cameras=lambda: there)


def test_a_camera_that_opens_without_pictures_is_called_busy() -> None:
    device = Device(grabs=False)
    with pytest.raises(SourceError, match="opens but gives none"):
        open_camera(0, (640, 360), factory=factory(device))
    assert device.released


def test_a_camera_without_a_format_still_has_a_mode() -> None:
    assert read_mode(Scripted(World("n"), "n")) == Mode(0, 0, 0.0, "")


def test_the_real_backend_says_that_there_is_no_such_camera(capfd) -> None:
    with pytest.raises(SourceError, match=r"expected (a|to open) camera 987"):
        open_source(SourceConfig(camera=987))
    assert capfd.readouterr().err == ""


def test_cameras_are_listed_by_index(monkeypatch) -> None:
    import cv2_enumerate_cameras as names

    found = [names.CameraInfo(i, f"cam {i}", f"/x/{i}", None, None, 0) for i in (4, 0)]
    monkeypatch.setattr(names, "enumerate_cameras", lambda backend: found)
    assert list_cameras() == [Camera(0, "cam 0", "/x/0"), Camera(4, "cam 4", "/x/4")]


def test_without_names_the_list_is_empty(monkeypatch) -> None:
    import cv2_enumerate_cameras as names

    def refuse(backend: int) -> list:
        raise NotImplementedError

    monkeypatch.setattr(names, "enumerate_cameras", refuse)
    assert module.list_cameras() == []
