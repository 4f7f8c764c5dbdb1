"""Videos go the whole way: looked at, played with movements, judged, told; or refused."""

import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from htnet.calib.evaluation import injected
from htnet.calib.evaluation.injected import (
    InjectConfig,
    PassJob,
    draw_injection,
    evaluate_injected,
    frames_of,
    inspect_clip,
    judge_pass,
    judge_played,
    published,
)
from htnet.calib.evaluation.injected_scores import score_injected
from htnet.engine.errors import FaceError, HTNetError, SourceError, UsageError
from htnet.engine.face.tracker import MeshTracker
from htnet.engine.recognition.recognizer import open_recognizer
from htnet.engine.synth.face.portrait import load_portrait
from htnet.engine.synth.injection.footage import footage_of
from htnet.engine.synth.injection.patch_movement import patch_movement
from htnet.engine.synth.injection.schedule import InjectionPlan, muscle_movement
from htnet.engine.types import U8

Htnet = Callable[..., tuple[int, str, str]]
SHORT = InjectionPlan(seconds=8.0, amplitudes_px=(3.0,))


def write(path: Path, pictures: list[U8], fps: float) -> Path:
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (width, height))
    for picture in pictures:
        writer.write(picture)
    writer.release()
    return path


def portrait(count: int, light: float = 1.0) -> list[U8]:
    """The portrait that ships, with a camera's noise."""
    rng = np.random.default_rng(0)
    clean = load_portrait().bgr * np.float32(light)
    noisy = (clean + rng.normal(0, 1.5, clean.shape) for _ in range(count))
    return [np.clip(np.rint(picture), 0, 255).astype(np.uint8) for picture in noisy]


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of a face at rest."""
    pytest.importorskip("mediapipe")
    return write(tmp_path_factory.mktemp("video") / "rest.avi", portrait(40), 20.0)


@pytest.mark.slow
def test_a_minute_is_played_judged_and_kept(
    face: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The code may be edited while it is tested, and then nothing kept holds; see test_run.
    monkeypatch.setattr(injected, "code_digest", lambda: "")
    speaking = tmp_path / "speech.avi"
    speaking.write_bytes(face.read_bytes())
    config = InjectConfig((face,), (speaking,), plan=SHORT, seeds=1)
    made = evaluate_injected(config, tmp_path / "store")
    quiet, spoken = made.passes
    assert [(look.name, look.speaking) for look in made.properties] == [
        ("rest.avi", False),
        ("speech.avi", True),
    ]
    assert made.properties[0].fps == pytest.approx(20, rel=0.01)
    assert made.properties[0].neutral == 1.0
    assert made.properties[0].noise > 0.3
    assert quiet.frames == pytest.approx(160, rel=0.3) and quiet.faceless == 0
    assert len(quiet.video.truth) == len(quiet.names) == 1
    assert quiet.video.truth[0].amplitude_px == 3.0 and quiet.video.truth[0].kind == "micro"
    assert spoken.video.truth == () and spoken.video.disturbances == ()
    told: list[tuple[int, int]] = []
    again = evaluate_injected(
        config, tmp_path / "store", progress=lambda *share: told.append(share)
    )
    assert told == [(2, 2)] and again.passes == made.passes
    assert score_injected(made.passes).neutral.recall[3.0].count == 1


@pytest.mark.slow
def test_a_neutral_pass_has_no_movement(face: Path) -> None:
    job = PassJob(face, False, 0, InjectionPlan(seconds=8.0, amplitudes_px=()))
    assert judge_pass(job).video.truth == ()


@pytest.mark.slow
def test_of_a_pass_that_is_stopped_only_what_was_over_counts(face: Path) -> None:
    tracker = MeshTracker()
    footage = footage_of("rest.avi", frames_of(face), tracker)
    plan = InjectionPlan(seconds=20.0, amplitudes_px=(3.0,), per_minute=(20.0, 20.0))
    played, kinds = draw_injection(np.random.default_rng(0), footage, plan, patch_movement)
    video, frames, _ = judge_played(
        played, kinds, tracker, open_recognizer(runtime="torch"), go_on=lambda t_ns: t_ns < 8e9
    )
    assert video.seconds == pytest.approx(8, abs=0.2) and frames == pytest.approx(160, rel=0.3)
    whole = [each.pulse.offset_ns for each in played.movements]
    over = [each for each in whole if each <= (video.seconds - 1.5) * 1e9]
    assert 0 < len(over) < len(whole)
    assert [each.offset_ns for each in video.truth] == over
    assert all(each.offset_ns <= 8e9 for each in video.disturbances)


@pytest.mark.slow
def test_the_least_thresholds_are_obeyed(face: Path) -> None:
    told = []
    for least in (np.zeros(8, np.float32), np.full(8, 50, np.float32)):
        tracker = MeshTracker()
        footage = footage_of("rest.avi", frames_of(face), tracker)
        played, kinds = draw_injection(np.random.default_rng(0), footage, SHORT, muscle_movement)
        recognizer = open_recognizer(runtime="torch")
        video, _, _ = judge_played(played, kinds, tracker, recognizer, least=least)
        told.append(len(video.found))
    assert told[0] > told[1] == 0


@pytest.mark.slow
def test_a_real_face_goes_the_whole_way(data: Path, tmp_path: Path, htnet: Htnet) -> None:
    """A second and a half of a real face, through the command."""
    real = data / "faces" / "neutral_stare.mp4"
    if not real.is_file() or not (data / "composite").is_dir():
        pytest.skip("HTNET_DATA holds no faces or no composite")
    pictures = [frame.bgr for frame in islice(frames_of(real), 60)]
    clip = write(tmp_path / "stare.avi", pictures, 30.0)
    scores = tmp_path / "scores.json"
    code, out, err = htnet(
        *("evaluate", "live", "--inject", clip, "--movements", data / "composite"),
        *("--amplitude", "2", "--seconds", 8, "--seeds", 1, "--workers", 1),
        *("--out", tmp_path / "store", "--json", scores),
    )
    assert code == 0, err
    assert "stare" in out and "2 px" in out and "what was there" in out
    row = json.loads(scores.read_text())
    assert row["movements"] == "published" and len(row["passes"]) == 1
    [movement] = row["passes"][0]["movements"]
    assert movement["amplitude_px"] == 2.0 and movement["name"].split()[0] in (
        *("casme2", "samm", "smic"),
    )


def test_published_movements_are_those_of_the_composite(data: Path) -> None:
    if not (data / "composite").is_dir():
        pytest.skip("HTNET_DATA holds no composite")
    draw = published(data / "composite")
    rng = np.random.default_rng(0)
    drawn = [draw(rng, np.zeros((478, 2), np.float32)) for _ in range(5)]
    assert len({each.name for each in drawn}) > 2
    for each in drawn:
        length = np.hypot(each.field[..., 0], each.field[..., 1])
        assert float(np.percentile(length, 99)) == pytest.approx(1.0, rel=1e-4)
        assert each.subject and each.label is not None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "fps", "light", "error", "told"),
    [
        (12, 5.0, 1.0, UsageError, "10 frames a second in bad.avi"),
        (20, 20.0, 1.0, UsageError, "1.5 s of one face in bad.avi"),
        (40, 20.0, 0.0, FaceError, "a face in bad.avi; found none"),
    ],
)
def test_a_video_that_cannot_be_used_is_named(
    tmp_path: Path, count: int, fps: float, light: float, error: type[HTNetError], told: str
) -> None:
    pytest.importorskip("mediapipe")
    path = write(tmp_path / "bad.avi", portrait(count, light), fps)
    with pytest.raises(error, match=told):
        inspect_clip((path, False))


@pytest.mark.slow
def test_a_face_that_never_rests_is_refused_unless_it_speaks(tmp_path: Path) -> None:
    pytest.importorskip("mediapipe")
    own = load_portrait()
    x, y = own.landmarks[14].astype(int)
    span = int(np.ptp(own.landmarks[[61, 291], 0]) * 0.3)
    pictures = portrait(40)
    for number, picture in enumerate(pictures):
        opened = int((number % 8) / 8 * span)
        if opened > 2:  # the lower lip and chin are shown lower, dark between the lips
            lower = picture[y : y + 3 * span, x - 2 * span : x + 2 * span].copy()
            picture[y + opened : y + opened + 3 * span, x - 2 * span : x + 2 * span] = lower
            picture[y : y + opened, x - span : x + span] = 20
    path = write(tmp_path / "talk.avi", pictures, 20.0)
    with pytest.raises(UsageError, match=r"neutral face in talk\.avi"):
        inspect_clip((path, False))
    assert inspect_clip((path, True)).neutral == 0.0


def test_a_missing_video_is_named_before_anything_is_played(tmp_path: Path) -> None:
    config = InjectConfig((tmp_path / "none.mp4",), plan=SHORT)
    with pytest.raises(HTNetError, match=r"none\.mp4"):
        evaluate_injected(config, tmp_path / "store")
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(SourceError, match=r"text\.mp4"):
        inspect_clip((tmp_path / "text.mp4", False))


def test_a_video_is_neutral_or_speaks() -> None:
    with pytest.raises(UsageError, match=r"a\.mp4 as both"):
        InjectConfig((Path("a.mp4"),), (Path("a.mp4"),))
    with pytest.raises(UsageError, match="a video after --inject"):
        InjectConfig(())


def test_videos_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match=r"got face\.mp4 more than once"):
        InjectConfig((Path("a/face.mp4"),), (Path("b/face.mp4"),))
    with pytest.raises(UsageError, match=r"got a\.mp4 more than once"):
        InjectConfig((Path("a.mp4"), Path("a.mp4")))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--muscles", "--movements", "composite"), "one family at a time"),
        (("--simulate", "standard"), "--inject alone"),
        (("--seconds", "2"), "passes of at least 8 s"),
        (("--amplitude", "0"), "amplitudes above 0"),
        (("--amplitude", "large"), "expected a number"),
        (("--fps", "60"), "no --fps with --inject"),
        (("--half", "tuned"), "no --half with --inject"),
        (("--false-alarms-per-minute", "1"), "no --false-alarms-per-minute with --inject"),
        (("--speaking", "b.mp4", "c/b.mp4"), "got b.mp4 more than once"),
    ],
)
def test_options_that_contradict_are_a_sentence(
    tmp_path: Path, htnet: Htnet, options: tuple[str, ...], told: str
) -> None:
    code, _, err = htnet(
        "evaluate", "live", "--inject", "a.mp4", *options, "--out", tmp_path / "store"
    )
    assert code == 2 and told in err


def test_several_videos_follow_one_option(
    tmp_path: Path, htnet: Htnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[InjectConfig] = []

    def stop(config: InjectConfig, store: Path, **_: object) -> None:
        asked.append(config)
        raise UsageError("expected nothing; got enough: stop.")

    monkeypatch.setattr("htnet.calib.evaluation.injected.evaluate_injected", stop)
    command = ("evaluate", "live", "--inject", "a.mp4", "b.gif", "--speaking", "c.mp4", "d.mp4")
    assert htnet(*command, "--seeds", 1, "--inject", "e", "--out", tmp_path)[0] == 2
    assert asked[0].clips == (Path("a.mp4"), Path("b.gif"), Path("e"))
    assert asked[0].speaking == (Path("c.mp4"), Path("d.mp4")) and asked[0].seeds == 1


def test_what_goes_with_inject_alone_is_refused_without_it(htnet: Htnet) -> None:
    code, _, err = htnet("evaluate", "live", "--speaking", "a.mp4")
    assert code == 2 and "--inject alone" in err
