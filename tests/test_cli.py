"""The commands as a user meets them: what they print, what they refuse and how."""

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from htnet import cli
from htnet.engine.models.weights import default_weights

Said = tuple[int, str, str]
Htnet = Callable[..., Said]


def one_sentence(said: Said, *parts: str, code: int = 1) -> None:
    """The command failed with one line on stderr that holds ``parts``."""
    assert said[0] == code, said
    lines = said[2].strip().splitlines()
    assert len(lines) == 1, said[2]
    for part in parts:
        assert part in lines[0], said[2]


def frame_times(video: Path) -> list[float]:
    """Times of a video's frames, in seconds."""
    with av.open(str(video)) as container:
        return [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]


def test_help_needs_nothing_heavy() -> None:
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "import sys; sys.argv = ['htnet', '--help']\n"
                "from htnet.cli import main\n"
                "try: main()\n"
                "except SystemExit: pass\n"
                "heavy = {'torch', 'cv2', 'numpy', 'mediapipe'} & set(sys.modules)\n"
                "sys.exit(f'imported {heavy}' if heavy else 0)"
            ),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    for command in ("live", "recognize", "cameras", "convert", "bench", "evaluate"):
        assert command in told.stdout


@pytest.mark.slow
@pytest.mark.parametrize("command", [("live",), ("bench", "live"), ("calibrate", "--name", "desk")])
@pytest.mark.parametrize(("own", "expected"), [(None, "1"), ("3", "3")])
def test_blas_leaves_the_face_tracker_its_core(
    command: tuple[str, ...], own: str | None, expected: str
) -> None:
    # NumPy reads it once, when it is loaded: so in a process where it was not.
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "import os, sys\n"
                "class Watch:\n"
                "    def find_spec(self, name, *rest):\n"
                "        if name == 'numpy': print(os.environ.get('OPENBLAS_NUM_THREADS'))\n"
                "sys.meta_path.insert(0, Watch())\n"
                f"sys.argv = ['htnet', *{command!r}, '--source', 'nowhere.mp4']\n"
                "from htnet.cli import main\n"
                "main()\n"
            ),
        ],
        env=environment | ({} if own is None else {"OPENBLAS_NUM_THREADS": own}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout.splitlines() == [expected], told.stderr


@pytest.mark.slow
def test_live_writes_events_and_a_video_that_can_be_read(htnet: Htnet, tmp_path: Path) -> None:
    events, video = tmp_path / "events.jsonl", tmp_path / "out.mp4"
    code, out, err = htnet(
        *("live", "--source", "demo", "--headless", "--max-seconds", 4),
        *("--events", events, "--overlay-video", video, "--provisional"),
    )
    assert (code, err) == (0, "")
    rows = [json.loads(line) for line in events.read_text().splitlines()]
    assert [row["stage"] for row in rows] == ["provisional", "final"]
    assert rows[1]["label"] == "positive"
    assert set(rows[1]) == {
        *("v", "id", "stage", "kind", "label", "probabilities", "onset_ms", "apex_ms"),
        *("offset_ms", "duration_ms", "magnitude_px", "muscle", "units", "left_px", "right_px"),
        *("side", "score", "rejected"),
    }
    assert rows[1]["duration_ms"] == pytest.approx(
        rows[1]["offset_ms"] - rows[1]["onset_ms"], abs=0.002
    )
    assert frame_times(video) == pytest.approx([i / 30 for i in range(120)], abs=1e-6)
    assert "1 of 1 hit" in out


@pytest.mark.slow
def test_live_says_no_face(htnet: Htnet, data: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    code, out, err = htnet(
        *("live", "--source", data / "media" / "no_face.mp4", "--headless", "--events", events)
    )
    assert (code, err) == (0, "")
    assert "no face in 95 of 95 frames" in out
    assert events.read_text() == ""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs process groups")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_to_the_whole_group_closes_everything(tmp_path: Path, name: str) -> None:
    events, video = tmp_path / "events.jsonl", tmp_path / "out.mp4"
    running = subprocess.Popen(
        [
            *(sys.executable, "-m", "htnet.cli", "live", "--source", "demo", "--headless"),
            *("--events", events, "--overlay-video", video),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert running.stdout is not None
    while "positive" not in (line := running.stdout.readline()):
        assert line, "the run ended before its first event"
    for _ in range(2):  # the second cuts off nothing
        os.killpg(running.pid, getattr(signal, name))
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0
    assert err == ""
    assert "Truth and found" in out
    assert json.loads(events.read_text().splitlines()[0])["id"] == 1
    times = frame_times(video)
    assert np.diff(times) == pytest.approx(1 / 30, abs=2e-6)
    assert video.read_bytes()[40:44] == b"mdat"  # an ordinary file, with one index


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("hangup", [signal.SIG_DFL, signal.SIG_IGN], ids=["told", "nohup"])
def test_a_terminal_that_closes_ends_a_run_whole(tmp_path: Path, hangup: signal.Handlers) -> None:
    import pty

    events, video = tmp_path / "events.jsonl", tmp_path / "out.mp4"
    command = [sys.executable, "-m", "htnet.cli", "live", "--source", "demo", "--headless"]
    command += ["--events", str(events), "--overlay-video", str(video)]
    child, terminal = pty.fork()
    if child == 0:
        signal.signal(signal.SIGHUP, hangup)
        os.execv(sys.executable, command)
    while not (events.exists() and events.read_text()):
        os.read(terminal, 4096)
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert json.loads(events.read_text().splitlines()[0])["id"] == 1
    assert frame_times(video)
    assert video.read_bytes()[40:44] == b"mdat"


@pytest.mark.slow
def test_bench_live_prints_its_row(htnet: Htnet, data: Path) -> None:
    clip = data / "media" / "single_face.mp4"
    code, out, _ = htnet("bench", "live", "--source", clip, "--frames", 150, "--json")
    row = json.loads(out)
    assert code == 0
    assert (row["v"], row["frames"], row["recognitions"], row["dropped"]) == (1, 150, 150, 0)
    assert set(row["stages_ms"]) == {"face", "align", "flow", "spot", "network"}
    assert all(set(p) == {"p50", "p95", "p99"} for p in row["stages_ms"].values())
    assert set(row) == {
        *("v", "frames", "recognitions", "fps", "dropped", "stages_ms", "frame_to_result_ms"),
        *("peak_rss_mb", "rss_slope_mb_per_10k", "machine"),
    }


def test_recognize_saves_the_published_map(htnet: Htnet, data: Path, tmp_path: Path) -> None:
    pair = [data / "pairs" / f"006_006_1_2_{which}.png" for which in ("onset", "apex")]
    saved = tmp_path / "map.png"
    code, out, err = htnet("recognize", *pair, "--aligned", "--json", "--save-flow", saved)
    assert (code, err) == (0, "")
    row = json.loads(out)
    assert set(row) == {"v", "label", "probabilities", "model"}
    assert row["model"] == "htnet-s"
    assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    ours = cv2.imread(str(saved)).astype(float)
    published = cv2.imread(str(data / "composite" / "flow" / "006_006_1_2.png")).astype(float)
    strain, v, u = (
        np.corrcoef(ours[..., c].ravel(), published[..., c].ravel())[0, 1] for c in range(3)
    )
    assert u >= 0.84
    assert v >= 0.90
    assert strain >= 0.75


@pytest.mark.slow
def test_what_cannot_be_a_source(htnet: Htnet, tmp_path: Path) -> None:
    empty, text = tmp_path / "empty.mp4", tmp_path / "notes.mp4"
    empty.touch()
    text.write_text("not a video at all\n" * 100)
    (tmp_path / "folder").mkdir()
    for source in (tmp_path / "missing.mp4", empty, text, tmp_path / "folder"):
        one_sentence(htnet("live", "--source", source, "--headless"), source.name)
    one_sentence(htnet("live", "--camera", 63, "--headless"), "63")
    one_sentence(htnet("live", "--camera", 0, "--source", "x.mp4"), "both", code=2)
    for size in ("wide", "99999x9", "0x9"):
        one_sentence(htnet("live", "--source", "demo", "--size", size), "640x360", code=2)


@pytest.mark.slow
def test_what_cannot_be_written(htnet: Htnet, tmp_path: Path) -> None:
    nowhere = tmp_path / "no" / "out"
    for option, name in (("--events", "out.jsonl"), ("--overlay-video", "out.mp4")):
        one_sentence(
            htnet("live", "--source", "demo", "--headless", option, nowhere / name),
            option,
            code=2,
        )
    one_sentence(
        htnet("live", "--source", "demo", "--headless", "--overlay-video", tmp_path / "out.txt"),
        ".mp4",
        code=2,
    )


def test_the_source_is_never_written_over(htnet: Htnet, data: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes((data / "media" / "single_face.mp4").read_bytes())
    before = clip.read_bytes()
    for option in ("--overlay-video", "--events"):
        one_sentence(htnet("live", "--source", clip, "--headless", option, clip), option, code=2)
    assert clip.read_bytes() == before
    both = tmp_path / "both.mp4"
    one_sentence(
        htnet(*("live", "--source", clip, "--headless", "--events", both, "--overlay-video", both)),
        "--overlay-video",
        code=2,
    )


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_a_sentence(htnet: Htnet, data: Path) -> None:
    said = htnet(
        *("live", "--source", data / "media" / "single_face.mp4", "--headless"),
        *("--events", "/dev/full"),
    )
    one_sentence(said, "/dev/full", "No space")
    assert "macro" in said[1]  # the summary is told all the same


def test_a_checkpoint_is_never_written_over(htnet: Htnet, data: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "sub01.pth"
    checkpoint.write_bytes((data / "ststnet_weights" / "sub01.pth").read_bytes())
    before = checkpoint.read_bytes()
    one_sentence(htnet("convert", checkpoint, checkpoint), ".safetensors", code=2)
    assert checkpoint.read_bytes() == before
    assert htnet("convert", checkpoint, tmp_path / "sub01.safetensors")[0] == 0


def test_what_cannot_be_a_picture(htnet: Htnet, tmp_path: Path) -> None:
    blank, text = tmp_path / "blank.png", tmp_path / "text.png"
    cv2.imwrite(str(blank), np.full((240, 320, 3), 128, np.uint8))
    text.write_text("no picture")
    one_sentence(htnet("recognize", blank, blank), "face", "blank.png")
    one_sentence(htnet("recognize", blank, text), "text.png", code=2)
    one_sentence(htnet("recognize", tmp_path / "none.png", blank), "none.png", code=2)
    one_sentence(htnet("recognize", blank, blank, "--aligned"), "140 x 170", code=2)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("code ran",)


def test_what_cannot_be_weights(htnet: Htnet, tmp_path: Path, data: Path) -> None:
    pair = [data / "pairs" / f"006_006_1_2_{which}.png" for which in ("onset", "apex")]
    shipped = default_weights().read_bytes()
    corrupt, cut, tensors, evil = (
        tmp_path / name for name in ("corrupt.safetensors", "cut.safetensors", "t.pth", "evil.pth")
    )
    corrupt.write_bytes(b"\xff" * 4096)
    cut.write_bytes(shipped[: len(shipped) // 2])
    torch.save({"weight": torch.zeros(3)}, tensors)
    evil.write_bytes(pickle.dumps(Evil()))
    for weights in (corrupt, cut, tensors, evil, tmp_path / "none.safetensors"):
        one_sentence(htnet("recognize", *pair, "--aligned", "--model", weights), weights.name)
    for checkpoint in (tensors, evil, tmp_path / "none.pth"):
        target = tmp_path / "out.safetensors"
        code, out, err = htnet("convert", checkpoint, target)
        one_sentence((code, out, err), checkpoint.name)
        assert "code ran" not in out
        assert not target.exists()


@pytest.mark.slow
def test_what_cannot_be_computed_on(htnet: Htnet) -> None:
    one_sentence(htnet("live", "--source", "demo", "--headless", "--device", "cuda:99"), "cuda:99")
    one_sentence(
        htnet("live", "--source", "demo", "--headless", "--flow", "magic"), "magic", code=2
    )


@pytest.mark.slow
def test_pictures_that_change_size_midway(htnet: Htnet, data: Path, tmp_path: Path) -> None:
    clip = cv2.VideoCapture(str(data / "media" / "single_face.mp4"))
    folder, video = tmp_path / "frames", tmp_path / "out.mp4"
    folder.mkdir()
    for i in range(6):
        picture = clip.read()[1]
        size = (640, 360) if i < 4 else (320, 180)
        cv2.imwrite(str(folder / f"{i}.png"), cv2.resize(picture, size))
    one_sentence(
        htnet("live", "--source", folder, "--headless", "--overlay-video", video), "640", "320"
    )
    assert len(frame_times(video)) == 4


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        (["analyze", "--ray", "a.mp4"], ["analyze", "--ray", "local", "a.mp4"]),
        (["analyze", "--ray", "head:6379", "a.mp4"], ["analyze", "--ray", "head:6379", "a.mp4"]),
        (["analyze", "a.mp4", "--ray"], ["analyze", "a.mp4", "--ray", "local"]),
        (["train", "--ray", "head"], ["train", "--ray", "head"]),
    ],
)
def test_a_video_after_ray_is_no_address(typed: list[str], understood: list[str]) -> None:
    assert cli._ray_address(typed) == understood
