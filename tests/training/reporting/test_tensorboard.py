"""What is written for TensorBoard is what TensorBoard reads."""

import sys
from pathlib import Path

import pytest

from htnet.engine.errors import DependencyError, OutputError
from htnet.training.reporting.tensorboard import Scalars


def test_written_and_read_back(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with Scalars(tmp_path / "run") as scalars:
        for step, value in enumerate([1.5, 0.75, 0.5]):
            scalars.add("loss/train", value, step)
        scalars.add("lr", 0.25, 0)
    events = accumulator.EventAccumulator(str(tmp_path / "run")).Reload()
    assert sorted(events.Tags()["scalars"]) == ["loss/train", "lr"]
    found = [(event.step, event.value) for event in events.Scalars("loss/train")]
    assert found == [(0, 1.5), (1, 0.75), (2, 0.5)]


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    (tmp_path / "run").write_text("")
    with pytest.raises(OutputError, match="choose another"):
        Scalars(tmp_path / "run")


def test_a_missing_tensorboard_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(DependencyError, match=r"htnet\[train\]"):
        Scalars(tmp_path)
