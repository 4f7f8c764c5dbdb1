"""Recipes are chosen on subjects that the choice is not scored on."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from htnet.engine.models.htnet import HTNetConfig
from htnet.training.config import Schedule, TrainConfig
from htnet.training.samples import read_samples
from htnet.training.search import search, subject_groups


def _config(composite: Path) -> TrainConfig:
    return TrainConfig(
        data=composite,
        landmarks=composite / "landmarks.npy",
        model=HTNetConfig(dim=8, heads=2, repeats=(1, 1, 1), mirror=True),
        schedule=Schedule(epochs=20, batch=16, lr=3e-3),
        views=0,
    )


def test_groups_keep_subjects_together(composite: Path) -> None:
    samples = read_samples(_config(composite))
    group = subject_groups(samples, 3)
    for subject in set(samples.subjects):
        assert len(set(group[samples.subjects == subject])) == 1
    assert np.bincount(group).tolist() == [12, 12, 12]


def test_the_better_recipe_is_chosen(composite: Path) -> None:
    good = _config(composite)
    lazy = replace(good, schedule=replace(good.schedule, lr=1e-7))
    report = search({"lazy": lazy, "good": good}, groups=3)
    assert report.chosen == ["good"] * 3
    assert min(report.inner["good"]) > max(report.inner["lazy"])
    assert report.nested.uf1 > 0.6
