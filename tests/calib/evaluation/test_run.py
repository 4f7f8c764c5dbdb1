"""Jobs are done once, in order, and what other code found is never taken."""

from pathlib import Path

import pytest

from htnet.calib.evaluation.run import CODE, code_digest, file_digest, run_all
from htnet.engine.errors import DataError

ROOT = Path(__file__).resolve().parents[3]


def test_results_come_in_order_and_are_kept(tmp_path: Path) -> None:
    done: list[int] = []

    def double(job: int) -> int:
        done.append(job)
        return 2 * job

    told: list[tuple[int, int]] = []
    first = run_all([3, 1], ["a", "b"], double, tmp_path, progress=lambda *n: told.append(n))
    assert first == [6, 2] and told == [(0, 2), (1, 2), (2, 2)]
    assert run_all([1, 5, 3], ["b", "c", "a"], double, tmp_path) == [2, 10, 6]
    assert done == [3, 1, 5]


def test_a_run_that_fails_keeps_what_was_done(tmp_path: Path) -> None:
    def fussy(job: int) -> int:
        if job == 2:
            raise DataError("expected another; got 2: change it.")
        return job

    with pytest.raises(DataError):
        run_all([1, 2, 3], ["a", "b", "c"], fussy, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.pickle"]


def test_other_processes_find_the_function(tmp_path: Path) -> None:
    files = [tmp_path / "a", tmp_path / "b"]
    for path in files:
        path.write_text(path.name)
    store = tmp_path / "store"
    found = run_all(files, ["a", "b"], file_digest, store, workers=2)
    assert found == [file_digest(path) for path in files] and len(set(found)) == 2


def test_code_in_folders_however_deep_counts(tmp_path: Path) -> None:
    deep = tmp_path / "realtime" / "spotting" / "one.py"
    records = tmp_path / "training" / "spotting" / "records.py"
    for room in (
        "engine",
        "training/datasets",
        "training/spotting",
        "calib/evaluation",
        "realtime/spotting",
    ):
        (tmp_path / room).mkdir(parents=True)
    deep.write_text("ONE = 1\n")
    before = code_digest(tmp_path)
    deep.with_suffix(".pyc").write_text("compiled")
    assert code_digest(tmp_path) == before
    deep.write_text("ONE = 2\n")
    after = code_digest(tmp_path)
    assert after != before
    records.touch()
    assert code_digest(tmp_path) != after


def test_files_are_told_apart_by_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with pytest.raises(DataError, match=r"can be read at .*clip\.mp4"):
        file_digest(path)
    path.write_bytes(b"one")
    one = file_digest(path)
    path.write_bytes(b"two")
    (tmp_path / "other.mp4").touch()
    assert len({one, file_digest(path), file_digest(tmp_path), file_digest(None)}) == 4


def test_every_folder_whose_code_counts_is_there() -> None:
    assert all((ROOT / name).is_dir() for name in CODE)
