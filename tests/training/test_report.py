import io
import json

import numpy as np
from rich.console import Console

from htnet.training.loso import LosoReport
from htnet.training.metrics import Scores
from htnet.training.report import loso_row, loso_table


def report(seed: int, uf1: float) -> LosoReport:
    scores = {name: Scores(uf1, uf1 + 0.01, uf1 + 0.02, 3) for name in ("full", "casme2", "smic")}
    return LosoReport(
        seed=seed,
        folds=2,
        published=scores,
        reanimated=scores,
        logits=np.eye(3, dtype=np.float32),
        labels=np.arange(3),
        seconds=1.0,
    )


def test_the_row_holds_means_over_seeds_and_every_run() -> None:
    row = json.loads(json.dumps(loso_row("htnet-s", [report(0, 0.7), report(1, 0.8)])))
    assert (row["v"], row["network"], row["protocol"], row["seeds"]) == (
        1,
        "htnet-s",
        "last",
        [0, 1],
    )
    assert row["full"] == {"uf1": 0.75, "uar": 0.76, "accuracy": 0.77}
    assert [run["seed"] for run in row["runs"]] == [0, 1]


def test_the_table_shows_mean_and_deviation() -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(loso_table([report(0, 0.7), report(1, 0.8)]))
    told = console.export_text()
    assert "0.750 ± 0.071" in told
    assert "CASME II" in told
    assert "2 seeds" in told
