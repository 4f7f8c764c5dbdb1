"""Long videos of each release in its own layout, as tiny made-up trees."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htnet.engine.errors import DataError
from htnet.training.datasets.long_video import LongVideo, nearest_frame
from htnet.training.datasets.long_videos import read_megc

pytest.importorskip("pandas")
openpyxl = pytest.importorskip("openpyxl")

SAMM = [
    "Subject",
    "Filename",
    "Inducement Code",
    "Onset",
    "Apex",
    "Offset",
    "Duration",
    "Type",
    "Action Units",
    "Notes",
]


def book(path: Path, **sheets: list[list[object]]) -> None:
    """An Excel book; an underscore in a sheet's name stands for a space."""
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name.replace("_", " "))
        for row in rows:
            sheet.append(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save(path)


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


CODES: list[list[object]] = [
    [1, "anger1_1", 557, 572, 608, "4+7", "negative", "macro-expression", "anger"],
    [1, "anger1_2", 700, 706, 0, "4", "negative", "micro-expression", "anger"],
    [2, "happy1_10", 0, 30, 36, "12", "positive", "micro-expression", "happiness"],
    [2, "happy1_11", 90, 0, 99, "14", "others", "micro-expression", "happiness"],
]
RULES1: list[list[object]] = [[15, "s15", 1], [16, "s16", 2]]
RULES2: list[list[object]] = [["0401", "anger1"], [502, "happy1"]]


def casme_sq(root: Path, codes: list[list[object]] = CODES) -> None:
    book(
        root / "CAS(ME)^2code_final.xlsx",
        CASFEcode_final=codes,
        naming_rule1=RULES1,
        naming_rule2=RULES2,
    )
    raw, cropped = root / "rawpic", root / "longVideoFaceCropped"
    touch(raw / "s15" / "15_0401girlcrashing", *(f"img{n:03d}.jpg" for n in range(1, 801)))
    touch(raw / "s16" / "16_0502funnyerrors", *(f"img{n:03d}.jpg" for n in range(1, 121)))
    touch(raw / "s16" / "16_0507climbingthewall", *(f"img{n:03d}.jpg" for n in range(1, 11)))
    touch(cropped / "s15" / "15_0401girlcrashing", *(f"img_{n}.jpg" for n in range(1, 801)))
    touch(root / "selectedpic" / "s15" / "anger1_1", "img557.jpg")


def casme3(root: Path) -> None:
    name = "cas(me)3_part_A_{}_label_JpgIndex_v2{}.xlsx"
    columns = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion"]
    micro: list[list[object]] = [
        columns,
        ["spNO.1", "a", 0, 6, 10, "4", "III", "disgust"],
        ["spNO.1", "a", 30, 33, 33, "4", "III", "Others"],
    ]
    book(root / "annotation" / name.format("ME", ""), label=micro)
    book(
        root / "annotation" / name.format("MaE", ""),
        Sheet1=[["sub", "seq", "onset", "apex", "offset"], ["spNO.1", "b", 5, 20, 35]],
    )
    for video in "ab":
        color = root / "data" / "spNO.1" / video / "color"
        touch(color, *(f"{n}.jpg" for n in range(40)))
        touch(color.parent / "depth", *(f"{n}.png" for n in range(40)))


def samm(root: Path) -> None:
    explanation: list[list[object]] = [[f"explanation {n}"] for n in range(9)]
    rows: list[list[object]] = [
        [6, "006_1_2", 1, 62.0, 88.5, 132, 71, "Micro - 1/2", "4", ""],
        [6, "006_1_3", 1, 0, 150, 190, 41, "Macro", "12", ""],
        [20, "020_6_5", 6, 20, -1, 476, 457, "Macro", "12", ""],
        [20, "020_6_6", 6, 500, 505, 510, 11, "Micro - 1/2", "12", ""],
    ]
    book(root / "SAMM_LongVideos_V3_Release.xlsx", FACS_Movement_Only=[*explanation, SAMM, *rows])
    frames = root / "SAMM_longvideos"
    touch(frames / "006_1", *(f"006_1_{n:04d}.jpg" for n in range(1, 201)))
    touch(frames / "020_6", *(f"020_6_{n:05d}.jpg" for n in range(1, 101)))


def spans(video: LongVideo) -> list[tuple[object, ...]]:
    """Kind, class and the numbers of frames, counted from the first picture."""
    return [
        (
            event.kind,
            event.label,
            round(event.onset_ns * video.fps / 1e9),
            None if event.apex_ns is None else round(event.apex_ns * video.fps / 1e9),
            round(event.offset_ns * video.fps / 1e9),
        )
        for event in video.events
    ]


def test_casme_sq(tmp_path: Path) -> None:
    casme_sq(tmp_path)
    first, second, third = read_megc(tmp_path)
    assert (first.dataset, first.subject, first.name) == (
        "casme-sq",
        "casme-sq-s15",
        "s15/15_0401girlcrashing",
    )
    assert first.folder == tmp_path / "rawpic/s15/15_0401girlcrashing"
    assert (len(first.pictures), first.fps) == (800, 30)
    assert spans(first) == [
        ("macro", "negative", 556, 571, 607),
        ("micro", "negative", 699, 705, 705),  # an offset that is unknown is the apex
    ]
    assert spans(second) == [
        ("micro", "positive", 29, 29, 35),
        ("micro", None, 89, None, 98),
    ]
    assert third.events == ()  # nothing was annotated: what is found in it is false
    assert first.events[0].onset_ns == round(556 / 30 * 1e9)


def test_casme_sq_of_cropped_pictures_alone(tmp_path: Path) -> None:
    casme_sq(tmp_path, CODES[:1])
    shutil.rmtree(tmp_path / "rawpic")
    [video] = read_megc(tmp_path)
    assert video.pictures[557].name == "img_557.jpg"
    assert spans(video) == [("macro", "negative", 556, 571, 607)]


def test_casme3(tmp_path: Path) -> None:
    casme3(tmp_path)
    first, second = read_megc(tmp_path)
    assert (first.subject, first.name) == ("casme3-spno.1", "spno.1/a")
    assert spans(first) == [("micro", "negative", 0, 6, 10), ("micro", None, 30, 33, 33)]
    assert spans(second) == [("macro", None, 5, 20, 35)]
    assert first.pictures[0] == tmp_path / "data/spNO.1/a/color/0.jpg"


def test_samm_long_videos(tmp_path: Path) -> None:
    samm(tmp_path)
    first, second = read_megc(tmp_path)
    assert (first.subject, first.name, first.fps) == ("samm-006", "006_1", 200)
    assert spans(first) == [
        ("micro", None, 61, 87, 131),  # halves are rounded
        ("macro", None, 149, 149, 189),  # an unknown onset is the apex
    ]
    assert spans(second) == [("macro", None, 19, None, 99)]  # cut to the last picture
    [why] = second.left_out
    assert "line 14" in why and "it begins with frame 500, and the pictures are 1 to 100" in why


def test_emotions_of_samm_come_from_its_other_book(tmp_path: Path) -> None:
    samm(tmp_path)
    head = ["Subject", "Filename", "Estimated Emotion"]
    rows: list[list[object]] = [head, [6, "006_1_2", "Anger"], [6, "006_1_3", "Anger"]]
    book(tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx", Sheet1=rows)
    first, _ = read_megc(tmp_path)
    assert [event.label for event in first.events] == ["negative", None]


def test_several_side_by_side(tmp_path: Path) -> None:
    for make in (casme_sq, casme3, samm):
        make(tmp_path / make.__name__)
    videos = list(read_megc(tmp_path))
    assert [video.dataset for video in videos] == ["casme-sq"] * 3 + ["casme3"] * 2 + [
        "samm-long"
    ] * 2


def test_frames_have_the_times_of_their_numbers(tmp_path: Path) -> None:
    samm(tmp_path)
    folder = tmp_path / "SAMM_longvideos" / "006_1"
    for n in (1, 2, 3, 5):
        cv2.imwrite(str(folder / f"006_1_{n:04d}.jpg"), np.full((8, 6, 3), 9 * n, np.uint8))
    (folder / "006_1_0004.jpg").unlink()
    video = next(read_megc(tmp_path))
    frames = video.frames()
    first = [next(frames) for _ in range(4)]
    assert [frame.t_ns for frame in first] == [0, 5_000_000, 10_000_000, 20_000_000]
    assert [frame.index for frame in first] == [0, 1, 2, 3]
    assert [frame.fresh for frame in first] == [True, False, False, False]
    assert first[3].bgr.shape == (8, 6, 3)
    with pytest.raises(DataError, match=r"006_1_0006\.jpg; the file is empty"):
        next(frames)


def test_nothing_to_recognise(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"recognised nothing: known are CAS\(ME\)\^2 .* SAMM Long"):
        list(read_megc(tmp_path))
    with pytest.raises(DataError, match="expected a folder of data"):
        list(read_megc(tmp_path / "nowhere"))


def test_pictures_without_their_table(tmp_path: Path) -> None:
    samm(tmp_path)
    (tmp_path / "SAMM_LongVideos_V3_Release.xlsx").unlink()
    with pytest.raises(DataError, match=r"annotation of SAMM Long Videos .*V3_Release\.xlsx"):
        list(read_megc(tmp_path))


@pytest.mark.parametrize("lost", ["rawpic/s15/15_0401girlcrashing", "rawpic"])
def test_a_table_that_speaks_of_videos_that_are_not_there(tmp_path: Path, lost: str) -> None:
    casme_sq(tmp_path)
    shutil.rmtree(tmp_path / "longVideoFaceCropped")
    shutil.rmtree(tmp_path / lost)
    with pytest.raises(DataError, match=r"pictures of s15/0401, which .* line 1 speaks of"):
        list(read_megc(tmp_path))


def test_a_video_without_pictures(tmp_path: Path) -> None:
    casme3(tmp_path)
    touch(tmp_path / "data" / "spNO.1" / "c" / "color", "thumbs.db")
    with pytest.raises(DataError, match=r"expected pictures named as .*color; found none"):
        list(read_megc(tmp_path))


def test_micro_expressions_without_the_table_of_macro_expressions(tmp_path: Path) -> None:
    casme3(tmp_path)
    (tmp_path / "annotation" / "cas(me)3_part_A_MaE_label_JpgIndex_v2.xlsx").unlink()
    with pytest.raises(DataError, match=r"annotation of CAS\(ME\)\^3 part A .*_MaE_label"):
        list(read_megc(tmp_path))


def test_a_book_without_its_naming_rules(tmp_path: Path) -> None:
    casme_sq(tmp_path)
    book(tmp_path / "CAS(ME)^2code_final.xlsx", CASFEcode_final=CODES)
    with pytest.raises(DataError, match=r"naming rules .* subject '1' and video 'anger1_1'"):
        list(read_megc(tmp_path))


def test_a_kind_that_is_none(tmp_path: Path) -> None:
    casme_sq(tmp_path, [*CODES, [1, "anger1_3", 9, 9, 9, "4", "negative", "nano", "anger"]])
    with pytest.raises(DataError, match=r"8th column of .* line 5; got 'nano'"):
        list(read_megc(tmp_path))


def test_two_pictures_of_one_frame(tmp_path: Path) -> None:
    samm(tmp_path)
    touch(tmp_path / "SAMM_longvideos" / "006_1", "006_1_00007.jpg")
    with pytest.raises(DataError, match="for frame 7"):
        list(read_megc(tmp_path))


@given(st.text(max_size=12))
def test_a_cell_is_a_frame_or_nothing(text: str) -> None:
    number = nearest_frame(text)
    assert number is None or number >= 0


@given(st.floats(0, 1e8))
def test_frames_are_read_back(value: float) -> None:
    assert nearest_frame(f"{value:.3f}") == round(round(value, 3))
    assert nearest_frame(f"-{value:.3f}") is None


@given(
    st.lists(
        st.tuples(*[st.one_of(st.integers(-2, 130), st.sampled_from(["/", "", "x", 12.5]))] * 3),
        max_size=6,
    )
)
@settings(deadline=None, max_examples=40)
@pytest.mark.slow
def test_whatever_a_table_says_events_lie_within_their_video(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[object, ...]]
) -> None:
    root = tmp_path_factory.mktemp("samm")
    rows: list[list[object]] = [[6, "006_1_2", 1, *own, 9, "Macro", "4", ""] for own in cells]
    book(root / "SAMM_LongVideos_V3_Release.xlsx", Sheet1=[SAMM, *rows])
    touch(root / "SAMM_longvideos" / "006_1", *(f"006_1_{n:04d}.jpg" for n in range(1, 101)))
    [video] = read_megc(root)
    assert len(video.events) + len(video.left_out) == len(cells)
    for event in video.events:
        assert 0 <= event.onset_ns < event.offset_ns <= 99 * 5_000_000
        assert event.apex_ns is None or event.onset_ns <= event.apex_ns <= event.offset_ns
