"""Raw trees of rendered faces to the composite's layout, stopped and gone on with."""

import csv
import errno
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htnet.engine.errors import DataError, OutputError
from htnet.engine.face.alignment import crop_transform
from htnet.engine.face.tracker import find_face
from htnet.engine.motion.preprocess import PreprocessSpec
from htnet.engine.synth.face.animator import Animator
from htnet.engine.synth.face.portrait import load_portrait
from htnet.engine.synth.face.time_course import TimeCourse
from htnet.training.datasets import prepare as preparing
from htnet.training.datasets.composite import read_apex, read_clips, read_map
from htnet.training.datasets.landmarks import apex_landmarks, landmarks_of
from htnet.training.datasets.prepare import Skipped, open_data, prepare, read_skipped

pytest.importorskip("pandas")
openpyxl = pytest.importorskip("openpyxl")

CASME2 = ("Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Estimated Emotion")
APEX = 8  # of SMIC's clip, counted from its first picture


@pytest.fixture(scope="module")
def animator():
    return Animator(load_portrait(), (320, 240), eyes_px=70)


@pytest.fixture
def raw(tmp_path, animator):
    """Two clips of CASME II, one of them without a face, a third without pictures, a fourth of no
    class, and one clip of SMIC; both have a subject 1."""
    root = tmp_path / "raw"
    book = openpyxl.Workbook()
    for row in (
        CASME2,
        (1, "EP02_01f", 46, 59, 86, "happiness"),
        (1, "EP02_02", 1, 2, 3, "disgust"),
        (2, "EP03_01", 1, 2, 3, "surprise"),
        (2, "EP03_02", 1, 2, 3, "others"),
    ):
        book.active.append(row)
    frames = root / "CASME2" / "CASME2_RAW_selected" / "sub01"
    smic = root / "SMIC" / "HS" / "s1" / "micro" / "surprise" / "s1_sur_01"
    for folder in (frames / "EP02_01f", frames / "EP02_02", smic):
        folder.mkdir(parents=True)
    book.save(root / "CASME2" / "CASME2-coding-20140508.xlsx")
    cv2.imwrite(str(frames / "EP02_01f" / "img46.png"), animator.render())
    smile = animator.render(activations={"lip corner pull": 3.0})
    cv2.imwrite(str(frames / "EP02_01f" / "img59.png"), smile)
    for number in (1, 2):
        wall = np.full((240, 320, 3), 90, np.uint8)
        cv2.imwrite(str(frames / "EP02_02" / f"img{number}.png"), wall)
    pulse = TimeCourse(0, APEX, 20)
    for number in range(21):
        raised = animator.render(activations={"brow raise": 3.0 * pulse.at(number)})
        cv2.imwrite(str(smic / f"image{number + 100}.bmp"), raised)
    return root


def stamps(out: Path) -> dict[str, int]:
    return {
        path.relative_to(out).as_posix(): path.stat().st_mtime_ns
        for folder in ("flow", "apex", "landmarks", "notes")
        for path in (out / folder).iterdir()
    }


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "labels.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def prepared(raw, tmp_path):
    return prepare(raw, tmp_path / "out", workers=1)


def test_the_layout_is_the_composites(prepared):
    out = prepared.folder
    smile, surprise = read_clips(out)
    assert (smile.dataset, smile.subject, smile.name, smile.label) == (
        "casme2",
        "casme2-sub01",
        "EP02_01f",
        1,
    )
    assert (surprise.subject, surprise.label) == ("smic-s01", 2)
    for clip in (smile, surprise):
        map_ = read_map(clip.flow)
        assert map_.shape == (28, 28, 3) and map_.dtype == np.float32
        assert map_.min() == 0 and map_.max() == pytest.approx(255)
        assert read_apex(clip.apex).shape == (170, 140, 3)
        np.testing.assert_array_equal(clip.to_map, [[1, 0], [1, 0]])
    u = read_map(smile.flow)[..., 0]
    left, right = u[18:23, 5:9].mean(), u[18:23, 19:23].mean()
    assert left < np.median(u) - 20 and right > np.median(u) + 20  # a smile draws both corners out
    v = read_map(surprise.flow)[..., 1]
    assert v[2:6, 4:24].mean() < np.median(v) - 20  # brows go up


def test_landmarks_are_the_apex_crops(prepared):
    clips = read_clips(prepared.folder)
    points = apex_landmarks(clips)
    np.testing.assert_array_equal(points, [np.load(landmarks_of(clip.apex)) for clip in clips])
    eyes = points[:, [33, 133]].mean(axis=1), points[:, [362, 263]].mean(axis=1)
    np.testing.assert_allclose(eyes[0], [[0.235, 0.26]] * 2, atol=0.03)
    np.testing.assert_allclose(eyes[1], [[0.755, 0.26]] * 2, atol=0.03)


def test_landmarks_stay_with_their_faces_in_a_sorted_table(prepared):
    points = apex_landmarks(read_clips(prepared.folder))
    table = prepared.folder / "labels.csv"
    header, *lines = table.read_text().splitlines()
    table.write_text("\n".join([header, *reversed(lines)]))
    again = apex_landmarks(read_clips(prepared.folder))
    assert not np.array_equal(points[0], points[1])
    np.testing.assert_array_equal(again, points[::-1])


def test_where_the_apex_comes_from(prepared):
    annotated, spotted = rows(prepared.folder)
    assert (annotated["apex_frame"], annotated["apex_from"]) == ("59", "annotation")
    assert spotted["apex_from"] == "D&C-RoIs"
    assert abs(int(spotted["apex_frame"]) - 100 - APEX) <= 2


def test_what_is_skipped_is_listed(prepared):
    assert [skip.clip for skip in prepared.skipped] == ["EP03_01", "EP02_02"]
    absent, faceless = prepared.skipped
    assert absent.reason.endswith("img1.jpg is missing")
    assert "expected a face" in faceless.reason and "img1.png" in faceless.reason
    assert read_skipped(prepared.folder) == list(prepared.skipped)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"clip,why\na,b\n", "the columns clip, why"),
        (b"dataset,subject,clip,reason,more\n", "the columns dataset, .*, more"),
        (b"dataset,subject,clip,reason\nsmic,s1,a\n", "a line 'smic,s1,a'"),
        (b"", r"\(none\)"),
        (b"\xff\xfe\x00", "codec"),
    ],
)
def test_a_list_of_skipped_clips_that_is_none(tmp_path, content, told):
    (tmp_path / "skipped.csv").write_bytes(content)
    with pytest.raises(DataError, match=rf"skipped\.csv; got .*{told}.*: delete the file"):
        read_skipped(tmp_path)


# Python's csv module writes a lone carriage return without quotes.
TOLD = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00\r"), max_size=20)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.builds(Skipped, TOLD, TOLD, TOLD, TOLD)))
def test_skipped_clips_are_read_as_they_were_written(tmp_path_factory, skipped):
    folder = tmp_path_factory.getbasetemp()
    preparing._lay_out(folder, [], skipped)
    assert read_skipped(folder) == skipped


def test_what_is_there_is_not_made_again(raw, prepared, monkeypatch):
    before, table = stamps(prepared.folder), rows(prepared.folder)
    monkeypatch.setattr(preparing, "find_face", None)  # to be called is to fail
    calls: list[tuple[int, int]] = []
    prepare(raw, prepared.folder, workers=1, progress=lambda *counts: calls.append(counts))
    assert calls == [(3, 3)]
    assert stamps(prepared.folder) == before
    assert rows(prepared.folder) == table


@pytest.mark.slow
def test_a_changed_picture_or_spec_is_made_anew(raw, prepared, animator):
    first = read_clips(prepared.folder)
    path = raw / "CASME2/CASME2_RAW_selected/sub01/EP02_01f/img59.png"
    cv2.imwrite(str(path), animator.render(activations={"brow lower": 3.0}))
    again = read_clips(prepare(raw, prepared.folder, workers=1).folder)
    assert again[0].flow != first[0].flow and again[1].flow == first[1].flow
    assert np.abs(read_map(again[0].flow) - read_map(first[0].flow)).max() > 20
    other = prepare(raw, prepared.folder, workers=1, spec=PreprocessSpec(flows=("farneback",)))
    assert {clip.flow for clip in read_clips(other.folder)}.isdisjoint(c.flow for c in again)


def test_a_stopped_run_goes_on(raw, tmp_path, monkeypatch):
    out = tmp_path / "out"

    def stop(done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(raw, out, workers=1, progress=stop)
    assert not (out / "labels.csv").exists()
    kept = stamps(out)
    assert len(kept) == 4
    calls: list[tuple[int, int]] = []
    prepare(raw, out, workers=1, progress=lambda *counts: calls.append(counts))
    assert calls[0] == (1, 3) and calls[-1] == (3, 3)
    assert kept.items() <= stamps(out).items()
    assert len(read_clips(out)) == 2


def test_a_note_whose_files_are_gone_counts_for_nothing(raw, prepared):
    read_clips(prepared.folder)[0].flow.unlink()
    assert prepare(raw, prepared.folder, workers=1).clips == 2
    assert read_clips(prepared.folder)[0].flow.is_file()


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".npy", "labels.csv"])
def test_a_full_disk_leaves_nothing_that_looks_whole(raw, tmp_path, monkeypatch, ending):
    out = tmp_path / "out"
    replace = os.replace

    def full(source: str, target: Path) -> None:
        if str(target).endswith(ending):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        with pytest.raises(
            OutputError, match="No space left on device: choose a writable folder, or make room"
        ):
            prepare(raw, out, workers=1)
    assert not (out / "labels.csv").exists()
    assert not list(out.rglob("*.part"))
    assert prepare(raw, out, workers=1).clips == 2


def test_a_folder_that_cannot_be_written(raw, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="expected a folder that can be written"):
        prepare(raw, tmp_path / "file" / "out", workers=1)


def test_no_clip_that_can_be_used(raw, tmp_path):
    for path in raw.rglob("*.png"):
        path.unlink()
    for path in raw.rglob("*.bmp"):
        path.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"got none and 4 .* because .*img46\.jpg is missing"):
        prepare(raw, tmp_path / "out", workers=1)


def test_a_picture_of_another_size_is_skipped(raw, tmp_path, animator):
    path = raw / "CASME2/CASME2_RAW_selected/sub01/EP02_01f/img59.png"
    cv2.imwrite(str(path), animator.render()[:200])
    reasons = [skip.reason for skip in prepare(raw, tmp_path / "out", workers=1).skipped]
    assert any("onset's size 320 x 240; got 320 x 200" in reason for reason in reasons)


def test_open_data(raw, composite, tmp_path, monkeypatch):
    assert open_data(composite) == composite
    monkeypatch.setattr(preparing, "user_cache_dir", lambda _: str(tmp_path / "cache"))
    folder = open_data(raw, workers=1)
    assert folder.parent == tmp_path / "cache" and folder.name.startswith("prepared-")
    assert len(read_clips(folder)) == 2
    assert open_data(raw, workers=1) == folder
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="recognised nothing"):
        open_data(tmp_path / "empty")


@pytest.mark.slow
def test_several_processes_make_the_same(raw, prepared, tmp_path):
    calls: list[tuple[int, int]] = []
    other = prepare(raw, tmp_path / "two", workers=2, progress=lambda *counts: calls.append(counts))
    assert calls == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert rows(other.folder) == rows(prepared.folder)
    for one, two in zip(read_clips(prepared.folder), read_clips(other.folder), strict=True):
        np.testing.assert_array_equal(read_map(one.flow), read_map(two.flow))


def test_the_real_pair_gives_the_published_map(data, published, tmp_path):
    """SAMM's one public clip as a raw one. The published map was computed on another crop of the
    same face, so it is laid over ours by the onset's transform first."""
    clip = tmp_path / "raw" / "SAMM" / "006" / "006_1_2"
    clip.mkdir(parents=True)
    book = openpyxl.Workbook()
    book.active.append(["Codes of SAMM"])
    columns = ("Subject", "Filename", "Onset Frame", "Apex Frame", "Offset Frame")
    book.active.append((*columns, "Estimated Emotion"))
    book.active.append([6, "006_1_2", 5562, 5588, 5632, "Anger"])
    book.save(tmp_path / "raw" / "SAMM_Micro_FACS_Codes_v2.xlsx")
    for name, number in (("onset", 5562), ("apex", 5588)):
        picture = cv2.imread(str(data / "pairs" / f"006_006_1_2_{name}.png"))
        cv2.imwrite(str(clip / f"006_{number:05d}.png"), picture)
    (made,) = read_clips(prepare(tmp_path / "raw", tmp_path / "out", workers=1).folder)
    assert (made.subject, made.label) == ("samm-006", 0)
    ours = read_map(made.flow)
    theirs = read_map(published / "flow" / "006_006_1_2.png")
    onset = cv2.imread(str(clip / "006_05562.png"))
    face = find_face(onset)
    assert face is not None
    laid = cv2.warpAffine(
        cv2.resize(theirs, (140, 170)),
        crop_transform(face.landmarks),
        (140, 170),
        borderMode=cv2.BORDER_REPLICATE,
    )
    laid = cv2.resize(laid, (28, 28), interpolation=cv2.INTER_AREA)
    alike = [np.corrcoef(ours[..., c].ravel(), laid[..., c].ravel())[0, 1] for c in range(3)]
    assert alike[0] > 0.8 and alike[1] > 0.9 and alike[2] > 0.75
