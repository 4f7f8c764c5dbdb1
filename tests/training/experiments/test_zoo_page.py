"""The zoo's page and table, with made-up networks."""

import io

import numpy as np
from rich.console import Console

from htnet.training.evaluation.loso import LosoReport
from htnet.training.experiments.zoo_page import PUBLISHED, ZooRow, zoo_markdown, zoo_table
from htnet.training.reporting.summary import NOT_A_RESULT

CLIPS = 60


def report(seed: int, wrong: int, protocol: str, moved: bool = True) -> LosoReport:
    labels = np.arange(CLIPS) % 3
    guess = labels.copy()
    chosen = np.random.default_rng(seed).permutation(CLIPS)[:wrong]
    guess[chosen] = (guess[chosen] + 1) % 3
    logits = np.eye(3, dtype=np.float32)[guess]
    return LosoReport(
        network="htnet-s",
        protocol=protocol,
        seed=seed,
        subjects=np.array([f"s{n // 5}" for n in range(CLIPS)]),
        datasets=("casme2",) * 20 + ("smic",) * 20 + ("samm",) * 20,
        labels=labels,
        published=logits,
        reanimated=logits if moved else None,
        seconds=60.0 + 60 * seed,
        recipes_tried=None,
    )


def zoo() -> list[ZooRow]:
    last = [report(seed, 12 + 6 * seed, "last") for seed in range(2)]
    nested, oracle = [report(0, 15, "nested")], [report(0, 3, "oracle")]
    return [
        ZooRow("HTNet, compact", "htnet-s", 546822, last, nested, oracle, "what ships"),
        ZooRow("svm", "svm", None, [report(0, 12, "last", moved=False)], [], [], ""),
        ZooRow("HTNet as published", "htnet", 114_430_000, [], [], [], "too slow"),
    ]


def cells(text: str, name: str) -> list[str]:
    [line] = [line for line in text.splitlines() if line.startswith(f"| {name}")]
    return [cell.strip() for cell in line.split(" | ")]


def test_the_page_has_a_line_for_each_network() -> None:
    text = zoo_markdown(zoo(), "htnet bench zoo\nhtnet bench zoo --seeds 2", "one thread")
    assert "\n    htnet bench zoo\n    htnet bench zoo --seeds 2\n" in text
    head = cells(text, "network | parameters")
    ours = dict(zip(head, cells(text, "HTNet, compact"), strict=True))
    assert ours["parameters"] == "546,822"
    assert ours["seeds"] == "2"
    assert ours["UAR"].startswith("0.750 ± 0.071 [")
    assert ours["re-animated UF1 / UAR"].endswith("/ 0.750 ± 0.071")
    assert ours["nested UF1 / UAR"].endswith("/ 0.750")
    assert ours["oracle UF1 \\*"].startswith("0.95")
    assert ours["minutes a seed |"].startswith("1.5")
    assert "HTNet, compact (`htnet-s`): what ships" in text


def test_what_was_not_run_says_so() -> None:
    text = zoo_markdown(zoo(), "htnet bench zoo", "one thread")
    svm = cells(text, "svm")
    assert svm.count("not run") == 3  # re-animated, nested, oracle
    assert cells(text, "HTNet as published")[2:] == ["not run"] * 9 + ["not run |"]


def test_selected_scores_are_labelled_ours_and_theirs() -> None:
    text = zoo_markdown(zoo(), "htnet bench zoo", "one thread")
    assert f"\\* Best epoch of each fold, {NOT_A_RESULT}." in text
    for own in PUBLISHED:
        line = f"| {own.name} | {own.uf1} | {own.uar} | {own.kind} | {own.source} |"
        assert line in text
    kinds = {(own.name, own.uf1): own.kind for own in PUBLISHED}
    assert NOT_A_RESULT in kinds["HTNet", "0.8603"]
    assert kinds["STSTNet", "0.713"] == "honest"


def test_the_terminals_table_is_whole_in_80_columns() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(zoo_table(zoo()))
    told = console.export_text()
    assert "…" not in told
    for expected in ("546,822", "114,430,000", "0.750 ± 0.071", "not run", NOT_A_RESULT):
        assert expected in told
    assert max(map(len, told.splitlines())) <= 80


def test_what_was_written_by_hand_stays_when_the_page_is_made_again() -> None:
    own = "## Whole videos\n\n| F1 |\n| --- |\n| 0.9 |"
    first = zoo_markdown(zoo(), "htnet bench zoo", "one thread")
    again = zoo_markdown(zoo(), "htnet bench zoo", "two threads", f"{first}\n{own}\n")
    assert again == first.replace("one thread", "two threads") + f"\n{own}\n"
