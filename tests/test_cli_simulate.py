"""`htnet simulate`: a plan, any face, a video and its truth."""

import csv
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from htnet.engine.synth.schedule.plan import read_plan

Said = tuple[int, str, str]
Htnet = Callable[..., Said]

PLAN = """
seconds = 5.0
seed = 3

[events]
count = 1
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(PLAN)
    return path


def refused(said: Said, *parts: str, code: int = 1) -> None:
    assert said[0] == code, said
    sentence = said[2].strip().splitlines()[-1]
    assert sentence.startswith("htnet: ")
    for part in parts:
        assert part in sentence, said[2]


@pytest.mark.slow
def test_a_plan_becomes_a_video_with_its_truth(htnet: Htnet, plan: Path, tmp_path: Path) -> None:
    out = tmp_path / "made"
    asked = ("simulate", plan, "--out", out, "--fps", 24, "--size", "320x240", "--seed", 9)
    code, told, _ = htnet(*asked)
    assert code == 0
    assert "120 frames" in told and "events: 1" in " ".join(told.split())
    names = sorted(each.name for each in out.iterdir())
    assert names == ["events.csv", "plan.toml", "truth.csv", "video.mov"]
    video = cv2.VideoCapture(str(out / "video.mov"))
    ok, frame = video.read()
    assert ok and frame.shape == (240, 320, 3)
    with (out / "events.csv").open(newline="") as file:
        assert len(list(csv.reader(file))) == 2
    written = read_plan(out / "plan.toml")
    assert (written.seed, written.fps, written.seconds) == (9, 24.0, 5.0)
    refused(htnet(*asked), "holds something", code=2)


@pytest.mark.slow
def test_any_face_will_do(htnet: Htnet, data: Path, plan: Path, tmp_path: Path) -> None:
    clip = cv2.VideoCapture(str(data / "media" / "single_face.mp4"))
    picture = clip.read()[1]
    blank = np.full_like(picture, 128)
    (tmp_path / "late").mkdir()
    for number, each in enumerate((blank, picture)):
        cv2.imwrite(str(tmp_path / "late" / f"{number}.png"), each)
    first = {}
    for face in (
        data / "media" / "single_face.mp4",
        tmp_path / "late" / "1.png",
        tmp_path / "late",
    ):
        out = tmp_path / f"of-{face.name}"
        asked = ("simulate", plan, "--out", out, "--face", face, "--seconds", 4.5, "--fps", 24)
        assert htnet(*asked)[0] == 0
        first[face.name] = cv2.VideoCapture(str(out / "video.mov")).read()[1].astype(float)
    a, b, c = first.values()
    assert np.abs(b - c).max() == 0  # the folder's first picture with a face is that very one
    assert np.abs(a - b).mean() < 1
    shipped = tmp_path / "of-shipped"
    assert htnet("simulate", plan, "--out", shipped, "--seconds", 4.5, "--fps", 24)[0] == 0
    assert np.abs(a - cv2.VideoCapture(str(shipped / "video.mov")).read()[1]).mean() > 10


def test_what_has_no_face(htnet: Htnet, plan: Path, tmp_path: Path) -> None:
    blank, text, out = tmp_path / "blank.png", tmp_path / "text.jpg", tmp_path / "out"
    cv2.imwrite(str(blank), np.full((240, 320, 3), 128, np.uint8))
    text.write_text("no picture")
    asked = ("simulate", plan, "--out", out, "--face")
    refused(htnet(*asked, blank), "a picture with a face")
    refused(htnet(*asked, text), "text.jpg", code=2)
    refused(htnet(*asked, tmp_path / "none.png"), "none.png", code=2)
    refused(htnet(*asked, tmp_path / "none.mp4"), "none.mp4")
    assert not out.exists()


def test_plans_that_ask_for_the_impossible(htnet: Htnet, plan: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    refused(htnet("simulate", tmp_path / "none.toml", "--out", out), "none.toml", code=2)
    refused(htnet("simulate", plan, "--out", out, "--seconds", 1), "fit into the clip", code=2)
    refused(htnet("simulate", plan, "--out", out, "--fps", 5), "fps", code=2)
    refused(htnet("simulate", plan, "--out", out, "--size", "wide"), "640x360", code=2)
    plan.write_text(PLAN + "lenght = 3\n")
    refused(htnet("simulate", plan, "--out", out), "lenght", code=2)
    assert not out.exists()


@pytest.mark.slow
def test_h264_needs_no_ffmpeg_on_the_path(
    htnet: Htnet, plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan.write_text(PLAN + '\n[camera]\ncodec = "h264"\n')
    monkeypatch.setenv("PATH", str(tmp_path))
    out = tmp_path / "made"
    assert htnet("simulate", plan, "--out", out, "--fps", 24, "--size", "320x240")[0] == 0
    with av.open(str(out / "video.mp4")) as container:
        times_ms = [float(each.pts * each.time_base * 1000) for each in container.decode(video=0)]
    with (out / "truth.csv").open(newline="") as file:
        told_ms = [float(row["time_ms"]) for row in csv.DictReader(file)]
    assert len(told_ms) == 120 and times_ms == pytest.approx(told_ms, abs=1e-6)
