"""Stored fold weights; STSTNet's own pin reader, channel order, split and metric at once."""

import json
from pathlib import Path

import pytest

from htnet.engine.errors import DataError, UsageError
from htnet.engine.models.weights import default_weights
from htnet.training.evaluation.stored_folds import evaluate_stored
from htnet.training.reporting.loso import stored_row, stored_table


def test_ststnets_own_weights_give_its_published_score(data: Path) -> None:
    report = evaluate_stored(data / "composite", data / "ststnet_weights", "ststnet")
    row = json.loads(json.dumps(stored_row(report)))
    assert row["full"]["uf1"] == 0.7209
    assert row["full"]["uar"] == 0.7250
    assert set(row) >= {"v", "network", "protocol", "seeds", "recipes_tried", "casme2", "smic"}
    assert row["runs"][0]["folds"] == 68
    assert stored_table(report).row_count == 4


def test_a_missing_fold_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"sub01\.safetensors or sub01\.pth"):
        evaluate_stored(data / "composite", tmp_path, "ststnet")


def test_weights_of_another_network_are_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "sub01.safetensors").write_bytes(default_weights().read_bytes())
    with pytest.raises(UsageError, match="--network htnet-s"):
        evaluate_stored(data / "composite", tmp_path, "ststnet")
