"""The window on a real (virtual) display, and what happens where there is none."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import pytest

from htnet.engine.errors import UsageError
from htnet.realtime.sinks.display import no_display, window_environment
from htnet.realtime.sinks.window import Window

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X is Linux's")

# Each runs in a process of its own: OpenCV keeps the display it met first.
PRELUDE = """
import sys, time
import numpy as np
from htnet.engine.types import Frame, Health, State, Tick
from htnet.realtime.sinks.window import Window

def tick(i):
    frame = Frame(i, i * 33_000_000, np.full((360, 640, 3), 2 * i % 256, np.uint8))
    return Tick(frame, None, None, None, State.NO_FACE, None, None, (), Health())
"""

BY_HAND = """
with Window(folder=sys.argv[1], max_fps=1e6) as window:
    for i in range(5):
        window.write(tick(i))
    assert not window.closed
    window.press("r")
    assert window.recording
    for i in range(5, 15):
        window.write(tick(i))
    plain = window._scene
    window.say("camera 0 gives no pictures")
    window.press("s")
    marked = window._marked(plain)
    assert (marked[:60] != plain[:60]).any() and (marked[70:] == plain[70:]).all()
    window.say("")
    window.press(" ")
    assert window.paused
    window.write(tick(15))
    window.pump()
    window.press(" ")
    window.press("R")
    assert not window.paused and not window.recording
    window.press("x")
    assert not window.closed
    import cv2
    cv2.destroyWindow("htnet")
    window.pump()
    assert window.closed
    window.write(tick(16))
    assert [path.suffix for path in window.saved] == [".mp4", ".png"]
    assert all(path.exists() for path in window.saved)
"""

BY_KEYS = """
with Window(folder=sys.argv[1]) as window:
    end = time.monotonic() + 30
    i = 0
    while not window.closed and time.monotonic() < end:
        if not window.paused:
            window.write(tick(i))
            i += 1
        window.pump(0.02)
        if i == 3:
            print("shown", flush=True)
    assert window.closed
"""

IN_A_FOLDER_THAT_IS_GONE = """
with Window(folder=sys.argv[1] + "/gone", max_fps=1e6) as window:
    window.write(tick(0))
    window.press("s")
    window.press("r")
    assert not window.recording and not window.saved
    window.write(tick(1))
    window.press("q")
    assert window.closed
"""


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    xvfb = shutil.which("Xvfb")
    if xvfb is None or not sys.platform.startswith("linux"):
        pytest.skip("Xvfb is not installed")
    readable, writable = os.pipe()
    command = [xvfb, "-displayfd", str(writable), "-screen", "0", "1400x1000x24"]
    server = subprocess.Popen(
        command, pass_fds=[writable], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(writable)
    with os.fdopen(readable) as told:
        number = told.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait(timeout=10)


def start(script: str, display: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + script, str(folder)],
        env=os.environ | {"DISPLAY": display},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ends_well(child: subprocess.Popen[str]) -> None:
    _, complaints = child.communicate(timeout=60)
    assert child.returncode == 0, complaints
    assert not complaints  # nothing of Qt's about fonts and plugins


def test_the_window_shows_pauses_records_and_is_closed(display: str, tmp_path: Path) -> None:
    ends_well(start(BY_HAND, display, tmp_path))
    (snapshot,) = tmp_path.glob("htnet-*.png")
    (recording,) = tmp_path.glob("htnet-*.mp4")
    picture = cv2.imread(str(snapshot))
    assert picture is not None and picture.shape[1] == 640 and picture.shape[0] > 360
    assert picture[180, 320].tolist() == [28, 28, 28]
    with av.open(str(recording)) as container:
        times = [round(each.pts * each.time_base * 1000) for each in container.decode(video=0)]
    assert times == list(range(0, 33 * len(times), 33)) and len(times) >= 10


def test_the_keys_arrive(display: str, tmp_path: Path) -> None:
    tool = shutil.which("xdotool")
    if tool is None:
        pytest.skip("xdotool is not installed")
    child = start(BY_KEYS, display, tmp_path)
    assert child.stdout is not None and child.stdout.readline() == "shown\n"
    environment = os.environ | {"DISPLAY": display}
    find = [tool, "search", "--sync", "--name", "htnet", "windowfocus", "--sync"]
    subprocess.run(find, env=environment, check=True, timeout=20)
    for key in ("s", "space", "q"):
        subprocess.run([tool, "key", key], env=environment, check=True, timeout=20)
    ends_well(child)
    assert len(list(tmp_path.glob("*.png"))) == 1


def test_a_folder_that_is_gone_ends_no_run(display: str, tmp_path: Path) -> None:
    ends_well(start(IN_A_FOLDER_THAT_IS_GONE, display, tmp_path))


def test_a_display_is_seen(display: str) -> None:
    assert no_display(os.environ | {"DISPLAY": display}) is None
    # The wheel has no Wayland plugin, so X is what it must be asked for.
    wayland = {"DISPLAY": display, "QT_QPA_PLATFORM": "wayland", "WAYLAND_DISPLAY": "wayland-0"}
    assert no_display(os.environ | wayland) is None


@linux
def test_no_display_is_said_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    assert no_display(bare) == "DISPLAY is not set"
    assert "Wayland" in (no_display(bare | {"WAYLAND_DISPLAY": "wayland-0"}) or "")
    assert ":4711" in (no_display(bare | {"DISPLAY": ":4711"}) or "")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(UsageError, match=r"expected a display.*--headless"), Window():
        pass


@linux
def test_the_users_own_environment_is_only_added_to() -> None:
    assert window_environment({"A": "b"}) == {"A": "b"}
    given = {"DISPLAY": ":0", "QT_LOGGING_RULES": "mine"}
    assert window_environment(given)["QT_LOGGING_RULES"] == "mine"
    assert given == {"DISPLAY": ":0", "QT_LOGGING_RULES": "mine"}
