"""Made-up reports as table, row and page."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from htnet.engine.errors import DataError
from htnet.training.evaluation.loso import LosoReport
from htnet.training.evaluation.metrics import scores_by_dataset
from htnet.training.evaluation.temperature import fit_temperature_scaling
from htnet.training.reporting.loso import loso_row, loso_table, stored_row, stored_table
from htnet.training.reporting.report import report_md
from htnet.training.reporting.summary import NOT_A_RESULT, intervals, predicted_classes

CLIPS = 60


def report(seed: int | None = 0, wrong: int = 12, protocol: str = "last") -> LosoReport:
    """Sixty clips of twelve people; ``wrong`` of them are named wrongly, others by seed."""
    labels = np.arange(CLIPS) % 3
    guess = labels.copy()
    chosen = np.random.default_rng(seed).permutation(CLIPS)[:wrong]
    guess[chosen] = (guess[chosen] + 1) % 3
    logits = 2 * np.eye(3, dtype=np.float32)[guess]
    return LosoReport(
        network="htnet-s",
        protocol=protocol,
        seed=seed,
        subjects=np.array([f"s{n // 5}" for n in range(CLIPS)]),
        datasets=("casme2",) * 20 + ("smic",) * 20 + ("samm",) * 20,
        labels=labels,
        published=logits,
        reanimated=None if protocol == "stored" else logits,
        seconds=90.0,
        recipes_tried=23 if protocol == "last" else None,
    )


def rendered(table: Table, width: int = 80) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_the_row_is_the_mean_over_seeds_of_the_scores() -> None:
    reports = [report(0, 12), report(1, 18)]
    row = json.loads(json.dumps(loso_row("htnet-s", reports), allow_nan=False))
    assert (row["v"], row["network"], row["protocol"]) == (1, "htnet-s", "last")
    assert (row["seeds"], row["recipes_tried"]) == ([0, 1], 23)
    assert row["full"]["accuracy"] == pytest.approx((48 / 60 + 42 / 60) / 2, abs=1e-4)
    assert row["sd"]["full"]["accuracy"] == pytest.approx(0.1 / np.sqrt(2), abs=1e-4)
    each = [
        scores_by_dataset(own.labels, own.published.argmax(axis=1), own.datasets) for own in reports
    ]
    for name in ("full", "casme2", "smic", "samm"):
        for key in ("uf1", "uar", "accuracy"):
            values = [getattr(own[name], key) for own in each]
            assert row[name][key] == pytest.approx(np.mean(values), abs=1e-4)
            assert row["sd"][name][key] == pytest.approx(np.std(values, ddof=1), abs=1e-4)
    assert row["reanimated"]["full"] == row["full"]
    for key in ("uf1", "uar", "accuracy"):
        assert row["interval"][key][0] < row["full"][key] < row["interval"][key][1]
    assert [np.trace(table) for table in row["confusion"]] == [48, 42]
    assert [run["seed"] for run in row["runs"]] == [0, 1]
    assert row["runs"][0]["folds"] == 12


def test_one_seed_has_a_null_deviation_rather_than_zero() -> None:
    row = json.loads(json.dumps(loso_row("htnet-s", [report()]), allow_nan=False))
    assert row["sd"]["full"] == {"uf1": None, "uar": None, "accuracy": None}
    assert row["sd"]["samm"]["uf1"] is None


def test_other_protocols_stand_beside_and_the_oracle_says_what_it_is() -> None:
    others = {"nested": [report(0, 15, "nested")], "oracle": [report(0, 3, "oracle")]}
    row = json.loads(json.dumps(loso_row("htnet-s", [report()], others)))
    assert row["protocol"] == "last"
    assert row["full"]["accuracy"] == 0.8
    assert row["nested"]["full"]["accuracy"] == 0.75
    assert "note" not in row["nested"]
    assert row["oracle"]["full"]["accuracy"] == 0.95
    assert row["oracle"]["note"] == "selected on the held-out subject: not a result"
    assert "note" not in row
    assert loso_row("htnet-s", others["oracle"])["note"] == NOT_A_RESULT


def cut(full: LosoReport, rows: slice) -> LosoReport:
    return replace(
        full,
        subjects=full.subjects[rows],
        datasets=full.datasets[rows],
        labels=full.labels[rows],
        published=full.published[rows],
        reanimated=None,
    )


def test_a_few_folds_leave_datasets_out() -> None:
    row = loso_row("htnet-s", [cut(report(), slice(10))])
    assert (row["smic"], row["samm"], row["reanimated"]) == (None, None, None)
    assert row["casme2"] == row["full"]
    assert "SMIC" not in rendered(loso_table([cut(report(), slice(10))]))


def test_one_person_alone_has_no_interval() -> None:
    own = cut(report(), slice(5))
    assert intervals([own]) == {}
    assert loso_row("htnet-s", [own])["interval"] is None
    assert "95%" not in rendered(loso_table([own]))
    assert "## Scores" in report_md([own], None)


def test_seeds_over_different_clips_are_refused() -> None:
    with pytest.raises(DataError, match="the same folds"):
        predicted_classes([report(0), cut(report(1), slice(10))])


def test_the_table_shows_mean_and_deviation_in_80_columns() -> None:
    told = rendered(loso_table([report(0, 12), report(1, 18), report(2, 12)]))
    assert "0.767 ± 0.058" in told
    assert "CASME II" in told
    assert "3 seeds" in told
    assert "re-animated pairs" in told
    assert "95% interval over people" in told
    assert "…" not in told
    assert max(map(len, told.splitlines())) <= 80


def test_the_oracles_table_says_on_one_line_that_it_is_no_result() -> None:
    told = rendered(loso_table([report(0, 3, "oracle")]))
    assert any(NOT_A_RESULT in line for line in told.splitlines())
    assert "95%" not in told
    assert NOT_A_RESULT not in rendered(loso_table([report()]))


def test_stored_folds() -> None:
    own = report(None, 12, "stored")
    row = json.loads(json.dumps(stored_row(own), allow_nan=False))
    assert (row["protocol"], row["seeds"], row["recipes_tried"]) == ("stored", None, None)
    assert row["full"]["accuracy"] == 0.8
    told = rendered(stored_table(own))
    assert "12 stored folds of htnet-s" in told
    assert "0.8000" in told


def page() -> str:
    reports = [report(0, 12), report(1, 18)]
    labels, subjects = np.tile(reports[0].labels, 2), np.tile(reports[0].subjects, 2)
    logits = np.concatenate([own.published for own in reports])
    return report_md(
        reports,
        fit_temperature_scaling(logits, labels, subjects),
        others={"oracle": [report(0, 3, "oracle")]},
        facts={"recipe": "dim 32", "machine": "one thread"},
        plots=["confusion.png", "other.png"],
    )


def test_the_page_tells_everything() -> None:
    text = page()
    assert text.startswith("# htnet-s, leave one subject out\n")
    assert "last epoch of a fixed schedule, 2 seeds. 60 clips of 12 people, 3.0 minutes" in text
    assert "0.750 ± 0.071 (" in text
    assert NOT_A_RESULT in text
    assert "oracle UF1" in text
    assert "Recipes tried on these subjects before this one was kept: 23." in text
    assert "| recipe | dim 32 |" in text
    assert "![What each class was taken for](confusion.png)" in text
    assert "![other.png](other.png)" in text
    assert "fitted to the other subjects" in text
    assert "<summary>Accuracy of each of 12 subjects</summary>" in text
    assert "| SAMM s11 | 5 |" in text


def test_every_table_of_the_page_has_as_many_cells_in_each_line() -> None:
    tables = [part for part in page().split("\n\n") if part.startswith("|")]
    assert len(tables) == 5
    for table in tables:
        assert len({line.count(" |") + line.count("|---") for line in table.splitlines()}) == 1


def test_the_page_of_a_nested_run_lists_its_choices() -> None:
    own = replace(report(0, 15, "nested"), choices=("group 1: 40 epochs", "group 2: 60 epochs"))
    text = report_md([own], None)
    assert "- group 1: 40 epochs\n- group 2: 60 epochs" in text
    assert "scored best on the others" in text
    assert "oracle" not in text
    assert "ECE" not in text
    two = report_md([own, replace(own, seed=1)], None)
    assert "Seed 1:\n\n- group 1" in two
