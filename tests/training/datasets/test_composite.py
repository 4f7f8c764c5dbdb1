"""The reader, and what it says of a dataset that is not what it should be."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from htnet.engine.errors import DataError, OutputError
from htnet.engine.files import write_array
from htnet.engine.types import F32
from htnet.training.augmentation.samples import read_composite
from htnet.training.datasets.clip import IDENTITY, Clip
from htnet.training.datasets.composite import SAMM_TO_MAP, read_clips, read_map
from htnet.training.datasets.landmarks import apex_landmarks, landmarks_of


def _edit(root: Path, change: Callable[[str], str]) -> None:
    table = root / "labels.csv"
    table.write_text(change(table.read_text()))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text + text.splitlines()[1] + "\n", "comes twice"),
        (lambda text: text.replace("casme2-0", "smic-1"), "one dataset"),
        (lambda text: text.replace("c3,0", "c3,7"), "line 5 has '7'"),
        (lambda text: text.replace("label", "mood", 1), "no label"),
        (lambda text: text.splitlines()[0] + "\n", "got none"),
        (lambda text: text + "smic,smic-1,c99\n", "line 38 has no label"),
        (lambda text: text.replace("apex/3.jpg", ""), "line 5 has no apex"),
        (lambda text: text.replace("flow/7.png", "flow/3.png"), "lines 5 and 9 both have .*3.png"),
        (lambda text: text.replace("flow/7.png", "flow/./3.png"), "lines 5 and 9 both"),
        (lambda text: text.replace("c3,0,negative", "c3,1,negative"), "line 5 has 'negative'"),
        (lambda text: text.replace("c3,0,negative", "c3,0,happy"), "line 5 has 'happy'"),
        (lambda text: text.replace("\n", "\n\n", 3).replace("c3,0", "c3,7"), "line 8 has '7'"),
    ],
)
def test_labels_that_contradict(composite: Path, change: Callable[[str], str], words: str) -> None:
    _edit(composite, change)
    with pytest.raises(DataError, match=words):
        read_clips(composite)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("class,", "mood,", 1),
        lambda text: text.replace("negative", ""),
        lambda text: text.replace("negative", " Negative"),
    ],
)
def test_the_class_may_be_missing_or_in_other_letters(
    composite: Path, change: Callable[[str], str]
) -> None:
    labels = [clip.label for clip in read_clips(composite)]
    _edit(composite, change)
    assert [clip.label for clip in read_clips(composite)] == labels


def test_labels_that_are_no_text(composite: Path) -> None:
    (composite / "labels.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(DataError, match="CSV"):
        read_clips(composite)


def test_missing_files(composite: Path) -> None:
    with pytest.raises(DataError, match=r"labels\.csv"):
        read_clips(composite / "elsewhere")
    (composite / "flow" / "4.png").unlink()
    with pytest.raises(DataError, match=r"4\.png; there is no such file"):
        read_composite(composite, composite / "landmarks.npy")


def test_maps_that_are_none(composite: Path) -> None:
    path = composite / "flow" / "0.png"
    cv2.imwrite(str(path), np.zeros((30, 28, 3), np.uint8))
    with pytest.raises(DataError, match="got 28 x 30"):
        read_map(path)
    path.write_bytes(b"not a picture")
    with pytest.raises(DataError, match="none that can be decoded"):
        read_map(path)


@pytest.mark.parametrize("damage", ["cut", "shape", "nan", "empty"])
def test_bad_landmark_file(composite: Path, damage: str) -> None:
    path = composite / "landmarks.npy"
    points = np.load(path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:999])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        points[0, 0, 0] = np.nan
        np.save(path, points[:3] if damage == "shape" else points)
    with pytest.raises(DataError, match="delete the file"):
        read_composite(composite, path)


def test_channels_and_samm(composite: Path) -> None:
    path = composite / "flow" / "0.png"
    bgr = np.zeros((28, 28, 3), np.uint8)
    bgr[...] = (3, 2, 1)  # strain, v, u as cv2 stores them
    cv2.imwrite(str(path), bgr)
    assert read_map(path)[0, 0].tolist() == [1, 2, 3]
    point = np.array([0.5, 0.386], np.float32)
    here = Clip("smic", "1", "a", 0, Path(), Path())
    np.testing.assert_array_equal(here.on_map(point), point)
    there = Clip("samm", "6", "b", 0, Path(), Path(), SAMM_TO_MAP)
    np.testing.assert_allclose(there.on_map(point), [0.4885, 0.2068], atol=1e-4)


def test_apex_pictures_that_are_the_maps_own_crop(composite: Path) -> None:
    assert all((clip.to_map == SAMM_TO_MAP).all() for clip in _of(composite, "samm"))
    header, *lines = (composite / "labels.csv").read_text().splitlines()
    text = "\n".join([f"{header},apex_crop", *(f"{line},map" for line in lines)])
    (composite / "labels.csv").write_text(text)
    assert all((clip.to_map == IDENTITY).all() for clip in _of(composite, "samm"))


def _of(root: Path, dataset: str) -> list[Clip]:
    return [clip for clip in read_clips(root) if clip.dataset == dataset]


def test_maps_as_arrays(composite: Path) -> None:
    path = composite / "flow" / "0.npy"
    map_ = np.random.default_rng(0).uniform(0, 255, (28, 28, 3)).astype(np.float32)
    np.save(path, map_)
    np.testing.assert_array_equal(read_map(path), map_)


@pytest.mark.parametrize("damage", ["cut", "shape", "nan", "range", "empty", "missing"])
def test_arrays_that_are_no_maps(composite: Path, damage: str) -> None:
    path = composite / "flow" / "0.npy"
    map_ = np.full((28, 28, 3), 100, np.float32)
    map_[0, 0, 0] = {"nan": np.nan, "range": 256}.get(damage, 1)
    np.save(path, map_[:20] if damage == "shape" else map_)
    if damage in ("cut", "empty"):
        path.write_bytes(path.read_bytes()[: 999 if damage == "cut" else 0])
    elif damage == "missing":
        path.unlink()
    with pytest.raises(DataError, match=r"28 x 28 x 3 .*0\.npy.* prepare the data again"):
        read_map(path)


def _by_name(clip: Clip) -> F32:
    """Landmarks (478, 2) that tell whose they are."""
    return np.full((478, 2), int(clip.name[1:]), np.float32)


@pytest.fixture
def cached(composite: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of a user whose faces are all found as `_by_name` says."""
    monkeypatch.setattr("htnet.training.datasets.landmarks._one", _by_name)
    cache = composite / "cache"
    monkeypatch.setattr("htnet.training.datasets.landmarks.user_cache_dir", lambda _: str(cache))
    return cache


def _numbers(clips: Sequence[Clip], points: F32) -> list[tuple[str, float]]:
    return [(clip.name, float(own[0, 0])) for clip, own in zip(clips, points, strict=True)]


def test_landmarks_laid_out_beside_the_pictures_follow_them(composite: Path) -> None:
    clips = read_clips(composite)
    for clip in clips:
        write_array(landmarks_of(clip.apex), _by_name(clip))
    header, *lines = (composite / "labels.csv").read_text().splitlines()
    (composite / "labels.csv").write_text("\n".join([header, *reversed(lines)]))
    again = read_clips(composite)
    assert [clip.name for clip in again] == [clip.name for clip in reversed(clips)]
    assert _numbers(again, apex_landmarks(again)) == [(f"c{n}", n) for n in reversed(range(36))]
    some = again[3:9]
    assert _numbers(some, apex_landmarks(some)) == [(f"c{n}", n) for n in range(32, 26, -1)]


def test_landmarks_of_some_pictures_alone_are_not_used(composite: Path, cached: Path) -> None:
    clips = read_clips(composite)[:3]
    for clip in clips[1:]:
        write_array(landmarks_of(clip.apex), _by_name(clip) + 100)
    assert _numbers(clips, apex_landmarks(clips)) == [("c0", 0), ("c1", 1), ("c2", 2)]


def test_a_file_of_landmarks_counts_only_where_it_is_named(composite: Path, cached: Path) -> None:
    clips = read_clips(composite)
    named = composite / "landmarks.npy"
    np.testing.assert_array_equal(apex_landmarks(clips, named), np.load(named))
    assert _numbers(clips, apex_landmarks(clips)) == [(f"c{n}", n) for n in range(36)]
    assert len(list(cached.iterdir())) == 1
    np.testing.assert_array_equal(apex_landmarks(clips, named), np.load(named))


def test_an_archive_of_landmarks_is_refused_in_a_sentence(composite: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "all.npz", points=np.zeros((3, 478, 2), np.float32))
    with pytest.raises(DataError, match="got an archive of arrays"):
        apex_landmarks(read_clips(composite)[:3], tmp_path / "all.npz")


def test_landmarks_that_are_found_are_kept_by_the_pictures_order(
    composite: Path, cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = read_clips(composite)[:4]
    first = apex_landmarks(clips)
    backwards = clips[::-1]
    np.testing.assert_array_equal(apex_landmarks(backwards), first[::-1])
    assert len(list(cached.iterdir())) == 2
    monkeypatch.delattr("htnet.training.datasets.landmarks._one")  # to be called is to fail
    np.testing.assert_array_equal(apex_landmarks(clips), first)
    np.testing.assert_array_equal(apex_landmarks(backwards), first[::-1])


@pytest.mark.parametrize("damage", ["cut", "shape"])
def test_damaged_landmarks_of_a_picture(composite: Path, damage: str) -> None:
    clips = read_clips(composite)[:2]
    for clip in clips:
        write_array(landmarks_of(clip.apex), _by_name(clip))
    path = landmarks_of(clips[1].apex)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:999])
    else:
        write_array(path, _by_name(clips[1])[:68])
    with pytest.raises(DataError, match=r"\(478, 2\) in .*1\.npy; .*delete the file"):
        apex_landmarks(clips)


def test_landmarks_that_cannot_be_kept(composite: Path, cached: Path) -> None:
    with pytest.raises(OutputError, match="expected to write"):
        apex_landmarks(read_clips(composite), composite / "labels.csv" / "points.npy")


def test_the_published_composite(published: Path) -> None:
    clips = read_clips(published)
    assert len(clips) == 442
    assert len({clip.subject for clip in clips}) == 68
    assert np.bincount([clip.label for clip in clips]).tolist() == [250, 109, 83]
