import io
import json

import pytest
import torch
from rich.console import Console

from htnet.calib.bench.flow import bench_flow, flow_table
from htnet.calib.bench.timing import cores
from htnet.engine.errors import UsageError
from htnet.engine.flow import SOLVERS
from htnet.engine.flow.device import TensorFarneback


@pytest.fixture(scope="module")
def row() -> dict:
    sizes = ((64, 48), (40, 40))
    return bench_flow(
        ("farneback", "dis"), "cpu", (1, 2), sizes, 3, forms=("torch", "graph"), seconds=0.2
    )


def test_every_solver_stands_beside_opencvs_of_the_same_size(row: dict) -> None:
    for solver in ("farneback", "dis"):
        for size in ([64, 48], [40, 40]):
            own = [r for r in row["rows"] if (r["solver"], r["size"]) == (solver, size)]
            theirs = [r for r in own if r["form"] == "opencv"]
            assert {r["threads"] for r in theirs} == {1, cores()}
            assert max(r["times_opencv"] for r in theirs) == 1.0
    assert all(SOLVERS[name].__module__ == "htnet.engine.flow.opencv" for name in SOLVERS)


def test_batches_at_the_first_size_and_sizes_at_the_last_batch(row: dict) -> None:
    ours = [(r["size"], r["batch"]) for r in row["rows"] if r["form"] == "torch"]
    assert ours == [([64, 48], 1), ([64, 48], 2), ([40, 40], 2)]


def test_figures_of_a_row_fit_each_other(row: dict) -> None:
    for each in row["rows"]:
        ms = each["ms"]
        assert 0 < ms["p50"] <= ms["p95"] <= ms["p99"]
        assert each["ms_per_pair"] * each["batch"] == pytest.approx(ms["p50"], rel=0.01, abs=1e-3)
        assert each["pairs_per_s"] * each["ms_per_pair"] == pytest.approx(1000, rel=0.05)
    assert row["copy_gb_per_s"] > 0


def test_what_is_left_out_is_told_once_with_its_reason(row: dict) -> None:
    said = [(each["solver"], each["form"]) for each in row["skipped"]]
    assert said == [("farneback", "graph"), ("dis", "torch")]
    assert "CUDA" in row["skipped"][0]["reason"]


def test_a_compiler_that_fails_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no compiler\nand a page of output")

    monkeypatch.setattr(TensorFarneback, "compile", fail)
    row = bench_flow(("farneback",), "cpu", (1,), ((40, 40),), 3, forms=("compile",), seconds=0)
    assert row["skipped"] == [{"solver": "farneback", "form": "compile", "reason": "no compiler"}]
    assert all(each["form"] == "opencv" for each in row["rows"])


def test_an_opencv_without_its_extra_modules_leaves_no_ratio(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Missing:
        def __init__(self) -> None:
            raise AttributeError("module 'cv2' has no attribute 'optflow'")

    monkeypatch.setitem(SOLVERS, "farneback", Missing)
    row = bench_flow(("farneback",), "cpu", (1,), ((40, 40),), 3, seconds=0)
    (ours,) = row["rows"]
    assert ours["form"] == "torch" and ours["times_opencv"] is None
    assert "opencv-contrib" in row["skipped"][0]["reason"]


def test_names_that_there_are_not() -> None:
    with pytest.raises(UsageError, match="flow solver among"):
        bench_flow(("horn",), "cpu")
    with pytest.raises(UsageError, match="form among"):
        bench_flow(("dis",), "cpu", forms=("eager",))


def test_row_and_table_can_be_printed(row: dict) -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(flow_table(json.loads(json.dumps(row))))
    text = console.export_text()
    assert "farneback 64x48" in text
    assert "…" not in text


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_forms_on_a_gpu() -> None:
    row = bench_flow(("farneback",), "cuda", (1, 4), rounds=3, seconds=0.2)
    assert {each["form"] for each in row["rows"]} == {"opencv", "torch", "graph", "compile"}
