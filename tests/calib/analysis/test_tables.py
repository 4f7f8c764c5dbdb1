import csv
from pathlib import Path

import numpy as np
import pytest

from htnet.calib.analysis.columns import cells, columns, unit_name
from htnet.calib.analysis.tables import FrameCsv, FrameParquet
from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.engine.types import CLASSES, Face, Frame, Motion, Prediction, State, Tick

PICTURE = np.zeros((4, 6, 3), np.uint8)


def tick(found: bool = True) -> Tick:
    frame = Frame(7, 1_234_567_891, PICTURE)
    if not found:
        return Tick(frame, None, None, None, State.NO_FACE, None, None)
    points = np.linspace((10, 20), (110, 220), 478, dtype=np.float32)
    both, left, right, limits = (dict.fromkeys(MUSCLE_NAMES, px) for px in (0.25, 0.5, -0.1, 0.5))
    motion = Motion(
        *({}, 0.5, 1.0, False, both, "lip corner pull"), left=left, right=right, thresholds=limits
    )
    answer = Prediction("positive", dict(zip(CLASSES, (0.1, 0.7, 0.2), strict=True)))
    return Tick(frame, Face(points, 0.3), None, motion, State.RISING, None, answer)


@pytest.mark.parametrize(
    ("muscle", "name"),
    [("lip corner pull", "AU12_lip_corner_pull"), ("brow raise", "AU1_2_brow_raise")],
)
def test_muscles_are_named_by_their_units(muscle: str, name: str) -> None:
    assert unit_name(muscle) == name


@pytest.mark.parametrize("found", [True, False])
def test_a_row_has_a_cell_of_the_right_type_for_each_column(found: bool) -> None:
    row, named = cells(tick(found), CLASSES), columns(CLASSES)
    assert len(row) == len(named)
    for cell, (name, kind) in zip(row, named.items(), strict=True):
        assert cell is None or isinstance(cell, kind), name
    told = dict(zip(named, row, strict=True))
    assert told["frame"] == 7 and told["time_s"] == 1.234568
    assert told["face_found"] == int(found) and told["state"] == ("rising" if found else "no face")
    assert told["person"] == 1
    if found:
        assert (told["face_x_px"], told["face_y_px"]) == (10, 20)
        assert (told["face_width_px"], told["face_height_px"]) == (100, 200)
        assert told["AU12_lip_corner_pull_both_px"] == 0.25
        assert told["AU12_lip_corner_pull_left_px"] == 0.5
        assert told["AU12_lip_corner_pull_left_share"] == 1.0
        assert told["AU12_lip_corner_pull_right_share"] == -0.2
        assert isinstance(told["head_yaw_deg"], float)
        assert told["motion_muscle"] == "AU12_lip_corner_pull"
        assert told["probability_positive"] == 0.7


def test_every_muscle_has_three_sides_in_px_and_as_a_share() -> None:
    named = list(columns(CLASSES))
    for muscle in MUSCLE_NAMES:
        for side in ("left", "right", "both"):
            for unit in ("px", "share"):
                assert f"{unit_name(muscle)}_{side}_{unit}" in named


def test_csv_rows_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "frames.csv"
    with FrameCsv(path, CLASSES) as table:
        table.write(cells(tick(), CLASSES))
        table.write(cells(tick(found=False), CLASSES))
    with path.open(newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert first["time_s"] == "1.234568" and first["AU26_jaw_drop_both_px"] == "0.25"
    assert second["AU26_jaw_drop_both_px"] == "" and second["state"] == "no face"


def test_parquet_holds_the_same_rows(tmp_path: Path) -> None:
    try:
        from pyarrow import parquet
    except ImportError as error:
        pytest.skip(f"pyarrow cannot be loaded: {error}")
    rows = [cells(tick(found), CLASSES) for found in (True, False)] * 3000
    with FrameParquet(tmp_path / "frames.parquet", CLASSES) as table:
        for row in rows:
            table.write(row)
    told = parquet.read_table(tmp_path / "frames.parquet")
    assert told.column_names == list(columns(CLASSES))
    assert [list(row.values()) for row in told.to_pylist()] == rows


def test_a_full_disk_gets_a_sentence() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(OSError), FrameCsv(full, CLASSES):
        pass
