"""Each release in its own layout, as tiny trees of empty pictures and tables with a few rows."""

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htnet.engine.errors import DataError, DependencyError
from htnet.training.datasets import casme2, casme3, mmew, samm, smic
from htnet.training.datasets.pictures import numbered
from htnet.training.datasets.raw_clip import LABELS, label_of
from htnet.training.datasets.releases import read_raw, readers_in
from htnet.training.datasets.tables import find_table, frame_number, read_rows

pytest.importorskip("pandas")
openpyxl = pytest.importorskip("openpyxl")

CASME2 = "Subject,Filename,,OnsetFrame,ApexFrame,OffsetFrame,,Action Units,Estimated Emotion"
SAMM = (
    "Subject,Filename,Inducement Code,Onset Frame,Apex Frame,Offset Frame,Duration,Micro,"
    "Action Units,Estimated Emotion,Objective Classes,Notes"
)
CASME3 = "Subject,Filename,Onset,Apex,Offset,AU,Objective class,emotion"
MMEW = "Subject,Filename,OnsetFrame,ApexFrame,OffsetFrame,Action Units,Estimated Emotion,remarks"


def book(path: Path, header: str, *rows: list[object], preamble: int = 0) -> None:
    made = openpyxl.Workbook()
    sheet = made.active
    for line in range(preamble):
        sheet.append([f"explanation {line}"])
    sheet.append([name or None for name in header.split(",")])
    for row in rows:
        sheet.append(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save(path)


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def casme2_tree(root: Path) -> None:
    book(
        root / "CASME2-coding-20140508.xlsx",
        CASME2,
        [1, "EP02_01f", None, 46, 59, 86, None, "12", "happiness"],
        [1, "EP03_02", None, 131, "/", 161, None, "4", "others"],
        [17, "EP08_02", None, 5, "/", 9, None, "4", "repression"],
    )
    frames = root / "CASME2_RAW_selected" / "CASME2_RAW_selected"
    touch(frames / "sub01" / "EP02_01f", *(f"img{n}.jpg" for n in range(40, 90)))
    touch(frames / "sub17" / "EP08_02", *(f"img{n}.jpg" for n in range(1, 12)))
    touch(root / "Cropped" / "sub01" / "EP02_01f", *(f"reg_img{n}.jpg" for n in range(40, 90)))


def samm_tree(root: Path) -> None:
    book(
        root / "SAMM_Micro_FACS_Codes_v2.xlsx",
        SAMM,
        [6, "006_1_2", 1, 5562, 5588, 5632, 71, "Micro - 1/2", "4", "Anger", 1, ""],
        ["007", "007_6_1", 6, 100, -1, 130, 31, "Micro - 1/2", "12", "Happiness", 1, ""],
        ["007", "007_6_2", 6, 100, 110, 13, 31, "Micro - 1/2", "12", "Surprise", 1, ""],
        ["007", "007_6_3", 6, 100, 110, 130, 31, "Micro - 1/2", "12", "Other", 1, ""],
        preamble=13,
    )
    touch(root / "SAMM" / "006" / "006_1_2", "006_05562.jpg", "006_05588.jpg", "006_05632.jpg")
    for clip in ("007_6_1", "007_6_2"):
        touch(root / "SAMM" / "007" / clip, *(f"007_{n:05d}.jpg" for n in range(95, 140)))


def smic_tree(root: Path) -> None:
    base = root / "SMIC_all_raw"
    for part in ("HS", "NIR"):
        touch(
            base / part / "s1" / "micro" / "negative" / "s1_ne_01", "im8.bmp", "im9.bmp", "im10.bmp"
        )
        touch(base / part / "s1" / "micro" / "surprise" / "s1_sur_01", "im3.bmp", "im4.bmp")
    touch(base / "HS" / "s1" / "non_micro" / "s1_n_01", "im1.bmp")


def casme3_tree(root: Path) -> None:
    rows = (
        ["spNO.1", "b", 166, 175, 179, "4", "III", "disgust"],
        ["spNO.1", "b", 200, 205, 230, "4", "III", "happy"],
        ["spNO.149", "d", 112, 83, 120, "14", "VII", "Fear"],
        ["spNO.149", "d", 300, 310, 320, "14", "VII", "Others"],
    )
    name = "cas(me)3_part_A_{}_label_JpgIndex_v2.xlsx"
    book(root / "annotation" / name.format("ME"), CASME3, *rows)
    book(root / "annotation" / name.format("MaE"), "sub,seq", ["spNO.1", "b"])
    for clip in ("spNO.1/b", "spNO.149/d"):
        for kind, ending in (("color", "jpg"), ("depth", "png")):
            touch(root / "data" / clip / kind, *(f"{n}.{ending}" for n in range(100, 240)))


def mmew_tree(root: Path) -> None:
    book(
        root / "MMEW_Micro_Exp.xlsx",
        MMEW,
        [1, "S01-01-001", 2, 8, 12, "12", "happiness", ""],
        [1, "S01-07-001", 1, 5, 9, "4", "others", ""],
        [13, "S13-02-003", 1, 4, 9, "1+2", "surprise", ""],
    )
    for clip in ("happiness/S01-01-001", "others/S01-07-001", "surprise/S13-02-003"):
        touch(root / "Micro_Expression" / clip, *(f"{n}.jpg" for n in range(1, 15)))
    touch(root / "Macro_Expression" / "S01" / "anger", "S01-07-001.jpg")


TREES = {
    "casme2": casme2_tree,
    "samm": samm_tree,
    "smic": smic_tree,
    "casme3": casme3_tree,
    "mmew": mmew_tree,
}


def brief(clip):
    return clip.subject, clip.name, clip.label, clip.onset, clip.apex, clip.offset, len(clip.frames)


def test_casme2(tmp_path):
    casme2_tree(tmp_path)
    clips = casme2.read(tmp_path)
    assert [brief(clip) for clip in clips] == [
        ("casme2-sub01", "EP02_01f", 1, 46, 59, 86, 41),
        ("casme2-sub01", "EP03_02", None, 131, None, 161, 0),
        ("casme2-sub17", "EP08_02", 0, 5, None, 9, 5),
    ]
    assert clips[0].frames[59] == (
        tmp_path / "CASME2_RAW_selected/CASME2_RAW_selected/sub01/EP02_01f/img59.jpg"
    )
    assert clips[1].why == "annotated as others"
    assert not any(clip.missing for clip in clips)
    assert clips[0].fps == 200


def test_casme2_from_cropped_pictures(tmp_path):
    casme2_tree(tmp_path / "all")
    root = tmp_path / "less"
    root.mkdir()
    (tmp_path / "all" / "Cropped").rename(root / "Cropped")
    (tmp_path / "all" / "CASME2-coding-20140508.xlsx").rename(root / "CASME2-coding-updated.xlsx")
    clips = casme2.read(root)
    assert clips[0].frames[46].name == "reg_img46.jpg"
    lost = root / "Cropped" / "sub17" / "EP08_02"
    assert clips[2].missing == (lost / "reg_img5.jpg", lost / "reg_img9.jpg")


def test_samm(tmp_path):
    samm_tree(tmp_path)
    assert [brief(clip) for clip in samm.read(tmp_path)] == [
        ("samm-006", "006_1_2", 0, 5562, 5588, 5632, 3),
        ("samm-007", "007_6_1", 1, 100, None, 130, 31),
        ("samm-007", "007_6_2", 2, 100, 110, None, 11),  # an offset before the apex is no offset
        ("samm-007", "007_6_3", None, 100, 110, 130, 0),
    ]


def test_smic(tmp_path):
    smic_tree(tmp_path)
    clips = smic.read(tmp_path)
    assert [brief(clip) for clip in clips] == [
        ("smic-s01", "s1_ne_01", 0, 8, None, 10, 3),
        ("smic-s01", "s1_sur_01", 2, 3, None, 4, 2),
    ]
    assert "NIR" not in str(clips[0].frames[8])
    assert smic.find(tmp_path / "SMIC_all_raw" / "HS") is not None


def test_casme3(tmp_path):
    casme3_tree(tmp_path)
    clips = casme3.read(tmp_path)
    assert [brief(clip) for clip in clips] == [
        ("casme3-spno.1", "b_166", 0, 166, 175, 179, 14),
        ("casme3-spno.1", "b_200", 1, 200, 205, 230, 31),
        ("casme3-spno.149", "d_112", 0, 112, None, 120, 9),  # an apex before the onset is none
        ("casme3-spno.149", "d_300", None, 300, 310, 320, 0),
    ]
    assert clips[0].frames[166] == tmp_path / "data/spNO.1/b/color/166.jpg"


def test_casme3_cut_clips_and_csv(tmp_path):
    (tmp_path / "casme3_part_a.csv").write_text(f"{CASME3}\nspNO.1,b,166,175,179,4,III,disgust\n")
    for kind in ("depth", "frame"):
        touch(tmp_path / "Part_A_ME_clip" / kind / "spNO.1_b_166", "166.jpg", "175.jpg", "179.jpg")
    (clip,) = casme3.read(tmp_path)
    assert clip.frames[175] == tmp_path / "Part_A_ME_clip/frame/spNO.1_b_166/175.jpg"
    assert clip.missing == ()


def test_mmew(tmp_path):
    mmew_tree(tmp_path)
    assert [brief(clip) for clip in mmew.read(tmp_path)] == [
        ("mmew-s01", "S01-01-001", 1, 2, 8, 12, 11),
        ("mmew-s01", "S01-07-001", None, 1, 5, 9, 0),
        ("mmew-s13", "S13-02-003", 2, 1, 4, 9, 9),
    ]


@pytest.mark.parametrize("name", TREES)
def test_a_release_is_known_from_its_own_files_alone(tmp_path, name):
    TREES[name](tmp_path)
    assert [reader.dataset for reader in readers_in(tmp_path)] == [name]


def test_several_releases_side_by_side_keep_their_subjects_apart(tmp_path):
    for name, make in TREES.items():
        make(tmp_path / f"my {name}")
    clips = read_raw(tmp_path)
    assert {clip.dataset for clip in clips} == set(TREES)
    assert {"casme2-sub01", "smic-s01", "mmew-s01"} <= {clip.subject for clip in clips}


def test_columns_in_other_letters_and_spaces(tmp_path):
    casme2_tree(tmp_path)
    book(
        tmp_path / "CASME2-coding-20140508.xlsx",
        " subject ,FILENAME,x,Onset Frame,apex_frame,Offsetframe,y,AU,estimated  emotion",
        ["sub01", " EP02_01f ", None, 46, "59.0", 86, None, "12", " Happiness "],
    )
    assert brief(casme2.read(tmp_path)[0])[:5] == ("casme2-sub01", "EP02_01f", 1, 46, 59)


def test_nothing_to_recognise(tmp_path):
    touch(tmp_path / "holidays" / "2019", "img1.jpg")
    with pytest.raises(DataError, match=r"recognised nothing: known are CASME II .* MMEW"):
        read_raw(tmp_path)
    with pytest.raises(DataError, match="expected a folder of data"):
        read_raw(tmp_path / "nowhere")


def test_pictures_without_their_table(tmp_path):
    casme2_tree(tmp_path)
    (tmp_path / "CASME2-coding-20140508.xlsx").unlink()
    with pytest.raises(DataError, match=r"annotation of CASME II .* CASME2-coding-20140508\.xlsx"):
        read_raw(tmp_path)


def test_a_table_without_its_pictures(tmp_path):
    casme2_tree(tmp_path)
    (tmp_path / "CASME2_RAW_selected").rename(tmp_path / "elsewhere")
    (tmp_path / "Cropped").rename(tmp_path.parent / "gone")
    (tmp_path / "elsewhere").rename(tmp_path.parent / "gone too")
    missing = [path for clip in casme2.read(tmp_path) for path in clip.missing]
    assert tmp_path / "sub01" / "EP02_01f" / "img46.jpg" in missing


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([1, "EP02_01f", None, 46, 59, 86, None, "12", "joy"], r"line 2 has 'joy'"),
        ([1, "EP02_01f", None, 46, 59, 86, None, "12", ""], r"line 2 has ''"),
    ],
)
def test_a_word_that_is_no_emotion(tmp_path, row, words):
    casme2_tree(tmp_path)
    book(tmp_path / "CASME2-coding-20140508.xlsx", CASME2, row)
    with pytest.raises(DataError, match=words):
        read_raw(tmp_path)


def test_a_clip_that_is_annotated_twice(tmp_path):
    casme2_tree(tmp_path)
    row = [1, "EP02_01f", None, 46, 59, 86, None, "12", "happiness"]
    book(tmp_path / "CASME2-coding-20140508.xlsx", CASME2, row, row)
    with pytest.raises(DataError, match="casme2-sub01 EP02_01f comes twice"):
        read_raw(tmp_path)


@pytest.mark.parametrize("offset", ["/", 600])
def test_an_apex_is_looked_for_within_a_second(tmp_path, offset):
    samm_tree(tmp_path)
    row = ["007", "007_6_1", 6, 100, -1, offset, 31, "Micro - 1/2", "12", "Happiness", 1, ""]
    book(tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx", SAMM, row)
    touch(tmp_path / "SAMM/007/007_6_1", *(f"007_{n:05d}.jpg" for n in range(140, 999)))
    (clip,) = samm.read(tmp_path)
    assert (min(clip.frames), max(clip.frames)) == (100, 300)
    assert clip.missing == ()


def test_a_clip_without_an_onset_is_left_out(tmp_path):
    casme2_tree(tmp_path)
    row = [1, "EP02_01f", None, "/", 59, 86, None, "12", "happiness"]
    book(tmp_path / "CASME2-coding-20140508.xlsx", CASME2, row)
    (clip,) = casme2.read(tmp_path)
    assert (clip.label, clip.why) == (None, "no onset")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"\xff\xfe\x00"])
@pytest.mark.parametrize("ending", ["xlsx", "xls", "csv"])
def test_a_table_that_is_none(tmp_path, content, ending):
    if ending == "xls":
        pytest.importorskip("xlrd")
    path = tmp_path / f"CASME2-coding.{ending}"
    path.write_bytes(content)
    with pytest.raises(DataError, match="CASME2-coding"):
        read_rows(path, {"name": ("Filename",)})


def test_a_table_without_its_headings(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("Filename,Onset\na,1\n")
    with pytest.raises(DataError, match="headings with Filename, Apex"):
        read_rows(path, {"name": ("Filename",), "apex": ("Apex", "ApexFrame")})


def test_without_pandas_there_is_a_sentence(tmp_path, monkeypatch):
    casme2_tree(tmp_path)
    monkeypatch.setitem(sys.modules, "pandas", None)  # importing it raises ImportError
    with pytest.raises(DependencyError, match=r"pip install 'htnet\[train\]'"):
        read_raw(tmp_path)


def test_the_table_to_take_of_several(tmp_path):
    for name in ("CASME2-coding-20140508.xlsx", "CASME2-coding-20190701.xlsx", "CASME2-coding.csv"):
        touch(tmp_path / "a", name, f"~${name}", f".{name}")
    touch(tmp_path / "a" / "b", "CASME2-coding-20250101.xlsx")
    table = find_table(tmp_path, "casme2-coding.*")
    assert table is not None and table.name == "CASME2-coding-20190701.xlsx"


def test_two_pictures_of_one_frame(tmp_path):
    touch(tmp_path, "img7.jpg", "img07.jpg")
    with pytest.raises(DataError, match="for frame 7"):
        numbered(tmp_path)


FRAMES = ("img{}.jpg", "reg_img{}.JPG", "006_{:05d}.png", "{}.jpg", "image{:06d}.bmp")


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 99999), st.sampled_from(FRAMES))
def test_frames_are_known_by_the_number_after_letters_or_subject(tmp_path_factory, number, form):
    folder = tmp_path_factory.mktemp("frames")
    touch(folder, form.format(number), "Thumbs.db", f".{form.format(number + 1)}")
    assert list(numbered(folder)) == [number]


@pytest.mark.parametrize(
    "name",
    [
        "img46 (1).jpg",
        "img46_1.jpg",
        "img46-1.jpg",
        "img46_copy.jpg",
        "img46 - Copy.jpg",
        "Copy of img46.jpg",
        "46 (1).jpg",
        "006_00046 (2).jpg",
        "1_2.jpg",
        "img.jpg",
    ],
)
def test_pictures_that_are_no_frame_of_the_release(tmp_path, name):
    touch(tmp_path, "img46.jpg", name)
    assert numbered(tmp_path) == {46: tmp_path / "img46.jpg"}


@given(st.text(max_size=12))
def test_cells_that_are_frame_numbers(text):
    number = frame_number(text)
    assert number is None or (number >= 0 and float(text) == number)


@given(st.integers(0, 10**6))
def test_every_number_is_one(number):
    assert frame_number(str(number)) == frame_number(f"{number}.0") == number
    assert frame_number(f"-{number}") is None


@given(st.text(max_size=20))
def test_an_emotion_is_a_class_or_left_out_or_refused(word):
    try:
        label, why = label_of(word, "line 1")
    except DataError:
        assert word.strip().lower() not in LABELS
    else:
        assert (label is None) == bool(why)


def test_the_official_csv_of_casme3(data):
    clips = casme3.read(data)
    assert len(clips) == 687
    assert [sum(clip.label == label for clip in clips) for label in range(3)] == [449, 54, 184]
    assert len({(clip.subject, clip.name) for clip in clips}) == 687
    assert sum(clip.apex is None for clip in clips) == 28  # annotated at the onset or before it
