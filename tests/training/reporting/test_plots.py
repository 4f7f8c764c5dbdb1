"""Pictures of made-up reports: what is on them, and that files are whole or absent."""

import os
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from htnet.engine.errors import DependencyError, OutputError
from htnet.training.evaluation.loso import LosoReport
from htnet.training.evaluation.temperature import fit_temperature_scaling
from htnet.training.reporting.plots import (
    confusion_plot,
    curves_plot,
    reliability_plot,
    save_plot,
    subjects_plot,
)

pytest.importorskip("matplotlib")

PEOPLE = {"casme2": 24, "smic": 16, "samm": 28}


def report(seed: int = 0, protocol: str = "last") -> LosoReport:
    """Four clips of each of 68 people."""
    draw = np.random.default_rng(seed)
    names = [(dataset, f"{n:03d}") for dataset, count in PEOPLE.items() for n in range(count)]
    clips = [name for name in names for _ in range(4)]
    labels = np.arange(len(clips)) % 3
    logits = draw.normal(size=(len(clips), 3)).astype(np.float32)
    logits[np.arange(len(clips)), labels] += 1.5
    return LosoReport(
        network="htnet-s",
        protocol=protocol,
        seed=seed,
        subjects=np.array([subject for _, subject in clips]),
        datasets=tuple(dataset for dataset, _ in clips),
        labels=labels,
        published=logits,
        reanimated=None,
        seconds=1.0,
        recipes_tried=None,
    )


def words(figure: Any) -> str:
    import matplotlib.text

    found = figure.findobj(matplotlib.text.Text)
    return "\n".join(text.get_text() for text in found if text.get_visible())


def inside(figure: Any) -> bool:
    """Whether all that is drawn lies within the picture."""
    figure.canvas.draw()
    drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    return drawn.x0 >= 0 and drawn.y0 >= 0 and drawn.x1 <= width and drawn.y1 <= height


def test_confusion_shows_counts_and_shares_of_rows() -> None:
    own = report()
    figure = confusion_plot([own])
    guess = own.published.argmax(axis=1)
    hits = int(((guess == 0) & (own.labels == 0)).sum())
    true = int((own.labels == 0).sum())
    told = words(figure)
    assert f"{hits / true:.0%}\n{hits} clips" in told
    assert f"negative\n{true} clips" in told
    assert inside(figure)


def test_confusion_of_two_seeds_is_their_mean() -> None:
    reports = [report(0), report(1)]
    hits = np.mean([((r.published.argmax(axis=1) == 1) & (r.labels == 1)).sum() for r in reports])
    told = words(confusion_plot(reports))
    assert f"{hits:.1f} clips" in told
    assert "2 seeds" in told


def test_every_subject_has_a_bar_and_a_name() -> None:
    figure = subjects_plot([report()])
    assert [len(axes.patches) for axes in figure.axes] == list(PEOPLE.values())
    assert "SAMM: 28 people, 112 clips" in words(figure)
    assert inside(figure)
    for axes in figure.axes:  # names at an angle of 90 degrees stand clear of one another
        names = [label.get_window_extent() for label in axes.get_xticklabels()]
        assert all(a.x1 < b.x0 for a, b in pairwise(names))
        heights = [bar.get_height() for bar in axes.patches]
        assert heights == sorted(heights, reverse=True)


def test_subjects_of_a_single_dataset_are_one_panel() -> None:
    own = report()
    rows = np.array(own.datasets) == "smic"
    few = LosoReport(
        own.network,
        own.protocol,
        own.seed,
        own.subjects[rows],
        ("smic",) * int(rows.sum()),
        own.labels[rows],
        own.published[rows],
        None,
        1.0,
        None,
    )
    figure = subjects_plot([few])
    assert len(figure.axes) == 1
    assert inside(figure)


def test_reliability_before_and_after() -> None:
    own = report()
    found = fit_temperature_scaling(own.published, own.labels, own.subjects)
    figure = reliability_plot([own], found)
    told = words(figure)
    assert f"{found.ece_before:.1%}" in told
    assert f"temperature {found.temperature:.2f}" in told
    assert f"{found.ece_crossfit:.1%} if fitted to other people" in told
    assert inside(figure)


def test_curves_draw_a_line_for_each_name() -> None:
    losses = {"all subjects": [1.0, 0.5, 0.25], "folds, seed 0": [1.1, 0.6]}
    figure = curves_plot(losses, [1e-3, 5e-4, 0.0])
    above, below = figure.axes
    assert [line.get_ydata().tolist() for line in above.lines] == list(losses.values())
    assert below.lines[0].get_xdata().tolist() == [1, 2, 3]
    assert "folds, seed 0" in words(figure)
    assert inside(figure)
    [only] = curves_plot(losses).axes
    assert only.get_xlabel() == "epoch"


def test_the_oracles_pictures_say_that_it_is_no_result() -> None:
    figure = confusion_plot([report(0, "oracle")])
    assert "selected on the held-out subject: not a result" in words(figure)
    assert inside(figure)
    assert inside(subjects_plot([report(0, "oracle")]))


def test_saved_as_a_png(tmp_path: Path) -> None:
    path = tmp_path / "plots" / "confusion.png"
    save_plot(confusion_plot([report()]), path)
    picture = cv2.imread(str(path))
    assert picture.shape[0] > 400
    assert picture.std() > 10
    assert [file.name for file in path.parent.iterdir()] == ["confusion.png"]


def test_a_failed_picture_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left")

    path = tmp_path / "confusion.png"
    path.write_bytes(b"old")
    figure = curves_plot({"all subjects": [1.0, 0.5]})
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match=r"confusion\.png; got no space left"):
        save_plot(figure, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_pyplot_is_never_loaded_and_a_missing_matplotlib_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    confusion_plot([report()])
    assert "matplotlib.pyplot" not in sys.modules
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(DependencyError, match=r"htnet\[train\]"):
        confusion_plot([report()])
