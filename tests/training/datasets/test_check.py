"""What `htnet data check` has to say of whole, damaged and partial data."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from htnet.engine.errors import DataError
from htnet.training.datasets.check import LISTED, CheckReport, check, check_tables


def shown(report: CheckReport) -> str:
    console = Console(width=80, record=True, file=io.StringIO())
    for table in check_tables(report):
        console.print(table)
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    return text


def smic(root: Path) -> None:
    for name, count in (("negative/s1_ne_01", 3), ("surprise/s2_sur_01", 2), ("positive/s2_po", 0)):
        folder = root / "HS" / name.partition("/")[2][:2] / "micro" / name
        folder.mkdir(parents=True)
        for number in range(count):
            (folder / f"image{number}.bmp").touch()


def test_a_whole_composite(composite):
    report = check(composite)
    assert report.ok
    assert [(each.dataset, each.clips, each.subjects) for each in report.datasets] == [
        ("casme2", 12, 2),
        ("smic", 12, 2),
        ("samm", 12, 2),
    ]
    assert report.datasets[0].counts == (4, 4, 4)
    assert "4/88" in shown(report)


def test_a_damaged_composite(composite):
    (composite / "flow" / "0.png").unlink()
    (composite / "apex" / "3.jpg").unlink()
    cv2.imwrite(str(composite / "flow" / "1.png"), np.zeros((30, 28, 3), np.uint8))
    report = check(composite)
    assert not report.ok
    faults = {fault.path.name: fault.what for fault in report.faults}
    assert faults == {"0.png": "missing", "3.jpg": "missing", "1.png": "got 28 x 30"}
    assert "3 files at fault" in shown(report)


def test_a_composite_one_folder_down_and_one_that_contradicts_itself(composite):
    assert check(composite.parent).ok
    table = composite / "labels.csv"
    table.write_text(table.read_text().replace("c3,0", "c3,7"))
    report = check(composite.parent)
    assert not report.ok and "line 5 has '7'" in report.problems[0]
    assert "what cannot be read" in shown(report)


def test_raw_clips_without_pictures(tmp_path):
    smic(tmp_path)
    report = check(tmp_path)
    (dataset,) = report.datasets
    assert (dataset.counts, dataset.paper, dataset.subjects) == ((1, 1, 1), (70, 51, 43), 2)
    assert [fault.path.parent.name for fault in report.faults] == ["s2_po"]
    assert not report.ok
    text = shown(report)
    assert "SMIC-HS raw" in text and "1/70" in text
    for number in range(2):
        (tmp_path / "HS" / "s2" / "micro" / "positive" / "s2_po" / f"{number}.bmp").touch()
    assert check(tmp_path).ok


def test_a_release_that_cannot_be_read_does_not_hide_the_others(tmp_path):
    smic(tmp_path / "SMIC")
    clip = tmp_path / "CASME2" / "sub01" / "EP02_01f"
    clip.mkdir(parents=True)
    report = check(tmp_path)
    assert [each.dataset for each in report.datasets] == ["smic"]
    assert "annotation of CASME II" in report.problems[0]


def test_clips_that_could_not_be_prepared_are_told(composite):
    lines = [f"smic,smic-1,lost{n},no face in picture {n}\n" for n in range(LISTED + 5)]
    (composite / "skipped.csv").write_text("dataset,subject,clip,reason\n" + "".join(lines))
    report = check(composite)
    assert dict(report.datasets[1].left_out)["no face in picture 3"] == 1
    assert "and 5 more" in shown(report)


def test_nothing_there(tmp_path):
    report = check(tmp_path)
    assert not report.ok
    assert "recognised" in shown(report) and "MMEW" in shown(report)
    with pytest.raises(DataError, match="expected a folder"):
        check(tmp_path / "nowhere")


def test_the_published_composite(published):
    report = check(published)
    assert report.ok
    assert all(each.counts == each.paper for each in report.datasets)


def test_the_annotation_of_casme3_without_its_pictures(data):
    pytest.importorskip("pandas")
    report = check(data)
    (casme3,) = (each for each in report.datasets if each.dataset == "casme3")
    assert (casme3.counts, casme3.paper) == ((449, 54, 184), (508, 64, 201))
    assert not report.ok
    text = shown(report)
    assert "spNO.1/b/color/166.jpg" in text
    assert f"and {len(report.faults) - LISTED} more" in text
