"""The command on real clips, each analysed once for all tests."""

import csv
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import pytest

from htnet.calib.analysis.config import AnalysisConfig
from htnet.calib.analysis.neutral import neutral_profile
from htnet.engine.recognition.recognizer import open_recognizer
from htnet.realtime.profiles.store import write_profile

Row = dict[str, str]
pytestmark = pytest.mark.slow


def rows(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def json_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.open()]


def in_order(path: Path) -> list[dict[str, Any]]:
    """The rows that live wrote as it found them, in the order of onsets."""
    return sorted(json_rows(path), key=lambda row: (row["onset_ms"], row["id"]))


def turned(video: Path, path: Path, code: int, frames: int = 20) -> Path:
    """Write the first frames of a video, turned."""
    capture, writer = cv2.VideoCapture(str(video)), None
    for _ in range(frames):
        picture = cv2.rotate(capture.read()[1], code)
        if writer is None:
            fourcc = cv2.VideoWriter.fourcc(*"mp4v")
            writer = cv2.VideoWriter(str(path), fourcc, 30, picture.shape[1::-1])
        writer.write(picture)
    assert writer is not None
    writer.release()
    return path


def matroska(video: Path, path: Path) -> Path:
    """Write a video's packets, unchanged, as Matroska: it has no index that a cut would lose."""
    with av.open(str(video)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return path


@pytest.fixture
def clip(data: Path) -> Path:
    return data / "media" / "single_face.mp4"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("analysis")


@pytest.fixture
def analysed(clip: Path, shared: Path, htnet) -> Iterator[Path]:
    """The folder with the results of the clip."""
    if not (shared / "single_face").exists():
        code, out, err = htnet("analyze", clip, "--out", shared)
        assert (code, err) == (0, "")
        assert out.startswith("single_face: 1 found, 1 rejected; 72 frames")
    yield shared / "single_face"


def test_a_row_is_written_for_each_frame(analysed: Path) -> None:
    told = rows(analysed / "frames.csv")
    assert [row["frame"] for row in told] == [str(number) for number in range(72)]
    assert float(told[30]["time_s"]) == pytest.approx(1.0, abs=1e-6)
    assert all(row["face_found"] == "1" for row in told)
    assert max(float(row["motion_px"]) for row in told) > 1


def test_events_are_those_of_live(analysed: Path, clip: Path, tmp_path: Path, htnet) -> None:
    code, _, _ = htnet("live", "--source", clip, "--headless", "--events", tmp_path / "live.jsonl")
    assert code == 0
    events = in_order(tmp_path / "live.jsonl")
    assert json_rows(analysed / "events.jsonl") == events
    told = rows(analysed / "events.csv")
    assert [row["id"] for row in told] == [str(event["id"]) for event in events]
    assert len(events) == 2


def test_a_finished_video_is_kept_and_others_go_on(
    analysed: Path, clip: Path, data: Path, tmp_path: Path, htnet
) -> None:
    before = (analysed / "frames.csv").stat().st_mtime_ns
    garbage, empty = tmp_path / "garbage.mp4", tmp_path / "empty.mp4"
    garbage.write_bytes(b"garbage" * 100)
    empty.touch()
    code, out, _ = htnet(
        "analyze", clip, garbage, empty, tmp_path / "none.mp4", "--out", analysed.parent
    )
    assert code == 1
    assert out.startswith("1 of 4 were finished before and are kept.")
    assert (analysed / "frames.csv").stat().st_mtime_ns == before
    told = {row["name"]: row for row in rows(analysed.parent / "summary.csv")}
    assert told["single_face"]["frames"] == "72" and told["single_face"]["macro"] == "1"
    for name in ("garbage", "empty", "none"):
        assert told[name]["failure"].startswith("expected a video")
        assert not (analysed.parent / name).exists()


def test_other_settings_do_not_replace_results(analysed: Path, clip: Path, htnet) -> None:
    before = (analysed / "frames.csv").read_bytes()
    code, _, err = htnet("analyze", clip, "--end", 1, "--out", analysed.parent)
    assert code == 2 and "--overwrite" in err
    assert (analysed / "frames.csv").read_bytes() == before


def test_a_stretch_keeps_the_videos_own_numbers(clip: Path, tmp_path: Path, htnet) -> None:
    code, out, _ = htnet("analyze", clip, "--start", 1.5, "--end", "0:09", "--out", tmp_path)
    assert code == 0
    assert "single_face.mp4 ends at 2.40 s, before the end of 9 s asked for" in out
    told = rows(tmp_path / "single_face" / "frames.csv")
    assert [row["frame"] for row in told] == [str(number) for number in range(45, 72)]
    assert float(told[0]["time_s"]) == pytest.approx(1.5, abs=1e-6)


def test_two_videos_of_one_name_have_folders_of_their_own(
    clip: Path, tmp_path: Path, htnet
) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(clip, tmp_path / folder / "clip.mp4")
    code, out, _ = htnet(
        *("analyze", tmp_path / "a", tmp_path / "b", "--end", 0.5, "--workers", 2),
        *("--out", tmp_path / "out", "--no-report"),
    )
    assert code == 0 and "clip-2" in out
    both = [(tmp_path / "out" / name / "frames.csv").read_bytes() for name in ("clip", "clip-2")]
    assert both[0] == both[1] and both[0].count(b"\n") == 16


def test_a_neutral_stretch_gives_the_persons_own_thresholds(
    data: Path, tmp_path: Path, htnet
) -> None:
    video = data / "faces" / "neutral_stare.mp4"
    told = []
    for number, option in enumerate(((), ("--neutral", "0-3.1"))):
        code, _, _ = htnet("analyze", video, "--end", 2, *option, "--out", tmp_path / str(number))
        assert code == 0
        table = rows(tmp_path / str(number) / "neutral_stare" / "frames.csv")
        told.append([float(row["motion_threshold_px"]) for row in table])
    assert len(told[0]) == len(told[1]) == 60
    # Until a second of rest was seen they are 1 px; then the person's own are no lower.
    assert told[0] != told[1]
    assert min(told[1]) >= min(told[0])


def test_a_profile_gives_the_events_of_live_with_it(
    clip: Path, data: Path, tmp_path: Path, htnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTNET_PROFILES", str(tmp_path / "profiles"))
    config, recognizer = AnalysisConfig(), open_recognizer(say=lambda said: None)
    at_rest = neutral_profile(data / "faces" / "neutral_stare.mp4", (0, 3.1), config, recognizer)
    assert all(0.12 <= px < 3 for px in at_rest.thresholds().values())
    assert 29 < at_rest.fps < 31
    write_profile(replace(at_rest, name="someone"))
    code, out, _ = htnet("analyze", clip, "--profile", "someone", "--out", tmp_path / "out")
    assert code == 0 and "Profile someone was made with neutral_stare.mp4" in out
    told = tmp_path / "live.jsonl"
    htnet("live", "--source", clip, "--profile", "someone", "--headless", "--events", told)
    assert json_rows(tmp_path / "out" / "single_face" / "events.jsonl") == in_order(told)


def test_a_stretch_that_is_not_at_rest_is_no_reference(data: Path, tmp_path: Path, htnet) -> None:
    video = data / "faces" / "short_expressions.mp4"
    code, out, _ = htnet("analyze", video, "--neutral", "0-5", "--out", tmp_path)
    assert code == 1
    assert "expected a face at rest in short_expressions.mp4 from 0 to 5 s" in out


def test_a_picture_on_its_side_is_told_and_turned(clip: Path, tmp_path: Path, htnet) -> None:
    video = turned(clip, tmp_path / "side.mp4", cv2.ROTATE_90_CLOCKWISE)
    code, out, _ = htnet("analyze", video, "--out", tmp_path / "out")
    assert code == 0 and "--rotate 270 and --overwrite" in out
    code, out, _ = htnet(
        "analyze", video, "--rotate", 270, "--overwrite", "--out", tmp_path / "out"
    )
    assert code == 0 and "--rotate" not in out
    told = rows(tmp_path / "out" / "side" / "frames.csv")
    assert all(row["face_found"] == "1" for row in told)
    width, height = (float(told[0][f"face_{side}_px"]) for side in ("width", "height"))
    assert height > width


def test_a_video_that_ends_in_garbage_is_analysed_and_told(
    clip: Path, tmp_path: Path, htnet
) -> None:
    cut = matroska(clip, tmp_path / "cut.mkv")
    whole = cut.read_bytes()
    half = len(whole) // 2
    cut.write_bytes(whole[:half] + b"\0garbage" * ((len(whole) - half) // 8))
    code, _, _ = htnet("analyze", cut, "--out", tmp_path / "out", "--no-report")
    assert code == 0
    told = rows(tmp_path / "out" / "cut" / "frames.csv")
    assert 10 < len(told) < 72
    assert [row["frame"] for row in told] == [str(number) for number in range(len(told))]


def test_a_folder_that_cannot_be_written_gets_a_sentence(clip: Path, tmp_path: Path, htnet) -> None:
    if os.geteuid() == 0:
        folder = Path("/proc/htnet")  # root may write anywhere else
    else:
        folder = tmp_path / "read-only"
        folder.mkdir(mode=0o500)
    code, _, err = htnet("analyze", clip, "--out", folder)
    assert code == 1 and "expected a folder that can be written" in err


def test_an_overlay_video_holds_every_frame(clip: Path, tmp_path: Path, htnet) -> None:
    code, _, _ = htnet("analyze", clip, "--end", 0.5, "--overlay-video", "--out", tmp_path)
    assert code == 0
    capture = cv2.VideoCapture(str(tmp_path / "single_face" / "overlay.mp4"))
    assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == 15
    assert capture.read()[1].shape[1] == 640


def test_every_face_has_a_folder_of_its_own(data: Path, tmp_path: Path, htnet) -> None:
    video = data / "faces" / "two_people.gif"
    code, out, err = htnet("analyze", video, "--every-face", "--end", 2, "--out", tmp_path)
    assert (code, err) == (0, "") and "two_people:" in out
    folder = tmp_path / "two_people"
    seen = {}
    for person in ("1", "2"):
        own = folder / f"person-{person}"
        assert (own / "report.html").is_file() and (own / "events.csv").is_file()
        told = rows(own / "frames.csv")
        assert {row["person"] for row in told} == {person}
        assert {row["face_found"] for row in told} == {"1"}
        seen[person] = {row["frame"]: float(row["face_x_px"]) for row in told}
    both = seen["1"].keys() & seen["2"].keys()
    assert len(both) >= 19  # of 24 frames all but the first 0.3 s
    assert all(abs(seen["1"][frame] - seen["2"][frame]) > 100 for frame in both)
    page = (folder / "index.html").read_text()
    assert "Expressions of 2 people in two_people.gif" in page
    assert "person-1/report.html" in page and "person-2/report.html" in page
    assert "two_people/index.html" in (tmp_path / "index.html").read_text()
    for options in (["--neutral", "0-3"], ["--profile", "me"]):
        code, _, err = htnet("analyze", video, "--every-face", *options, "--out", tmp_path / "no")
        assert code == 2 and "--every-face" in err


def test_a_record_and_asked_formats_lie_beside_the_events(
    clip: Path, tmp_path: Path, htnet
) -> None:
    code, _, _ = htnet(
        *("analyze", clip, "--end", 1, "--out", tmp_path, "--formats", "eaf,textgrid"),
        *("--participant", "P7", "--session", "first", "--no-report", "--overlay-video"),
    )
    assert code == 0
    folder = tmp_path / "single_face"
    record = json.loads((folder / "session.json").read_text())
    assert (record["participant"], record["session"]) == ("P7", "first")
    assert record["source"]["file"] == str(clip.resolve())
    named = {Path(each["path"]).name for each in record["outputs"]}
    files = {each.name for each in folder.iterdir()}
    assert named == files - {"session.json", "analysis.json"}
    assert {"events.eaf", "events.TextGrid", "events.csv", "overlay.mp4"} <= files
    code, _, err = htnet("analyze", clip, "--formats", "doc", "--out", tmp_path / "no")
    assert code == 2 and "TextGrid" in err
