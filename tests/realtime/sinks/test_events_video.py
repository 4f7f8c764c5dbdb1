"""Event files and overlay videos: whole and readable whatever ends the run."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from htnet.engine.errors import OutputError, UsageError
from htnet.engine.media import video_writer
from htnet.engine.types import NS_PER_MS, U8, Decision, Event, Frame, State, Tick
from htnet.realtime.overlay.compose import Overlay
from htnet.realtime.sinks.events import EventLog
from htnet.realtime.sinks.video import OverlayVideo


def tick(ms: float, *events: Event, size: tuple[int, int] = (640, 360), grey: int = 90) -> Tick:
    bgr = np.full((size[1], size[0], 3), grey, np.uint8)
    frame = Frame(0, round(ms * NS_PER_MS), bgr)
    return Tick(frame, None, None, None, State.NO_FACE, None, None, events)


def event(number: int, stage: str = "final", rejected: str | None = None) -> Event:
    return Event(number, stage, "micro", "positive", {"positive": 1.0}, 1, 2, 3, 0.5, rejected)


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def frames(path: Path) -> tuple[list[U8], list[int]]:
    """The pictures of a video, and their times in ms."""
    with av.open(str(path)) as container:
        decoded = list(container.decode(video=0))
        times = [round(each.pts * each.time_base * 1000) for each in decoded]
    return [np.asarray(each.to_ndarray(format="bgr24"), np.uint8) for each in decoded], times


def grey(picture: U8) -> float:
    """Of the frame's own middle."""
    return float(picture[150:300, 100:500].mean())


@pytest.mark.parametrize("provisional, kept", [(False, [2, 3]), (True, [1, 2, 3])])
def test_final_events_alone_unless_asked(
    tmp_path: Path, provisional: bool, kept: list[int]
) -> None:
    path = tmp_path / "out.jsonl"
    with EventLog(path, provisional) as log:
        log.write(tick(0))
        log.write(tick(33, event(1, "provisional"), event(2)))
        log.add([event(3, rejected="source ended")])
    written = rows(path)
    assert [row["id"] for row in written] == kept
    assert written[-1] == event(3, rejected="source ended").row()


def test_an_explained_row_has_what_every_rule_measured(tmp_path: Path) -> None:
    path = tmp_path / "why.jsonl"
    decision = Decision("speech", 5, 4, "turns", True)
    told = replace(event(1, rejected="speech"), decisions=(decision,))
    with EventLog(path, explain=True) as log:
        log.write(tick(0, told))
    (row,) = rows(path)
    assert row["rejected"] == "speech"
    assert row["decisions"] == [
        {"rule": "speech", "measured": 5, "limit": 4, "unit": "turns", "rejects": True}
    ]
    assert "decisions" not in told.row()


def test_each_line_is_on_disk_at_once_and_survives_an_exception(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with pytest.raises(RuntimeError), EventLog(path) as log:
        log.write(tick(0, event(1)))
        assert len(rows(path)) == 1
        log.write(tick(0, event(2)))
        raise RuntimeError
    assert [row["id"] for row in rows(path)] == [1, 2]


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_log_killed_in_the_middle_is_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    script = (
        "import sys\n"
        "from htnet.engine.types import Event\n"
        "from htnet.realtime.sinks.events import EventLog\n"
        "with EventLog(sys.argv[1]) as log:\n"
        "    for i in range(10**9):\n"
        "        log.add([Event(i, 'final', 'micro', 'x', {'x': 1.0}, 1, 2, 3, 0.5)])\n"
        "        if i == 200: print('go', flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline().strip() == b"go"
    os.kill(child.pid, signal.SIGKILL)
    child.wait(timeout=20)
    child.stdout.close()
    lines = path.read_bytes().split(b"\n")
    assert [json.loads(line)["id"] for line in lines[:-1]] == list(range(len(lines) - 1))
    assert len(lines) > 200


@pytest.mark.parametrize("name", ["nowhere/out.mp4", "folder.mp4", "file/out.mp4", "a\0b.mp4"])
@pytest.mark.parametrize("sink", ["events", "video"])
def test_a_place_that_cannot_be_written_is_refused_at_once(
    tmp_path: Path, name: str, sink: str
) -> None:
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "file").write_text("")
    option = "--events" if sink == "events" else "--overlay-video"
    with pytest.raises(UsageError, match=f"expected a f.*{option}"):
        if sink == "events":
            EventLog(tmp_path / name)
        else:
            OverlayVideo(tmp_path / name, 30)


@pytest.mark.skipif(not Path("/proc/1").exists(), reason="needs a folder nobody can write")
def test_a_read_only_place_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be"):
        EventLog("/proc/out.jsonl")


def test_an_unknown_ending_or_rate_is_refused(tmp_path: Path) -> None:
    # An .avi holds a rate, and no times.
    for name in ("out.txt", "out", "out.gif", "out.avi"):
        with pytest.raises(UsageError, match=r"\.mp4"):
            OverlayVideo(tmp_path / name, 30)
    with pytest.raises(UsageError, match="frames a second"):
        OverlayVideo(tmp_path / "out.mp4", 0)


def test_nothing_is_left_behind_by_a_run_that_never_began(tmp_path: Path) -> None:
    EventLog(tmp_path / "out.jsonl")
    with OverlayVideo(tmp_path / "out.mp4", 30):
        pass
    assert not list(tmp_path.iterdir())
    kept = tmp_path / "kept.jsonl"
    kept.write_text("before")
    EventLog(kept)
    assert kept.read_text() == "before"


@pytest.mark.parametrize("ending", [".mp4", ".m4v", ".mkv", ".MOV"])
def test_a_video_is_read_back_as_it_was_drawn(tmp_path: Path, ending: str) -> None:
    path, overlay = tmp_path / f"out{ending}", Overlay()
    with OverlayVideo(path, 25, overlay) as video:
        for i in range(10):
            video.write(tick(i * 40, grey=20 * i))
            last = overlay.annotate(tick(i * 40, grey=20 * i))
        assert video.frames == 10
    pictures, times = frames(path)
    assert times == list(range(0, 400, 40))
    assert pictures[0].shape == last.shape
    for i, picture in enumerate(pictures):
        assert grey(picture) == pytest.approx(20 * i, abs=2)


def test_every_tick_is_shown_from_its_own_time_on(tmp_path: Path) -> None:
    shown = [5000, 5100, 5101, 5140, 5900, 9000, 9010, 3_609_010]
    with OverlayVideo(tmp_path / "out.mp4", 20) as video:
        for i, ms in enumerate(shown):
            video.write(tick(ms, grey=10 * i))
        assert video.frames == len(shown)
    pictures, times = frames(tmp_path / "out.mp4")
    assert times[:7] == [ms - 5000 for ms in shown[:7]]
    assert times[-1] == shown[-1] - 5000  # after an hour, in which the one before is repeated
    for i, picture in enumerate(pictures[:7]):
        assert grey(picture) == pytest.approx(10 * i, abs=2)


def test_a_step_back_goes_on(tmp_path: Path) -> None:
    with OverlayVideo(tmp_path / "out.mp4", 10) as video:
        for ms in [*range(0, 1000, 100), *range(400, 900, 100)]:
            video.write(tick(ms))
    assert frames(tmp_path / "out.mp4")[1] == list(range(0, 1500, 100))


def test_another_size_is_letterboxed(tmp_path: Path) -> None:
    with OverlayVideo(tmp_path / "out.mp4", 30) as video:
        video.write(tick(0))
        video.write(tick(33, size=(480, 640), grey=200))
        video.write(tick(66, size=(641, 361), grey=200))
    pictures, _ = frames(tmp_path / "out.mp4")
    assert len({p.shape for p in pictures}) == 1 and len(pictures) == 3
    assert pictures[1][:, :60].max() < 20  # bars beside a picture that is taller
    assert grey(pictures[1][:, 200:400].repeat(3, axis=1)) > 150
    assert grey(pictures[2]) > 150


def test_a_video_stays_readable_after_an_exception(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), OverlayVideo(tmp_path / "out.mp4", 30) as video:
        for i in range(7):
            video.write(tick(i * 100 / 3))
        raise KeyboardInterrupt
    assert len(frames(tmp_path / "out.mp4")[0]) == 7
    with pytest.raises(ValueError, match="closed"):
        video.write(tick(500))
    assert len(frames(tmp_path / "out.mp4")[0]) == 7


def test_a_recording_ends_whole_before_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, ticks = tmp_path / "out.mp4", [tick(i * 1000 / 30) for i in range(40)]
    left = iter([10**9, 10**9, 10**6])  # asked for every 15 frames
    monkeypatch.setattr(
        video_writer.shutil, "disk_usage", lambda _: SimpleNamespace(free=next(left))
    )
    with pytest.raises(OutputError, match="room"), OverlayVideo(path, 30) as recording:
        for each in ticks:
            recording.write(each)
    assert len(frames(path)[0]) == 30
