"""Leave one subject out: what is never learnt from, what is kept, and the three protocols."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from htnet.engine.errors import DataError, UsageError
from htnet.training.augmentation.samples import Samples, read_samples
from htnet.training.config import TrainConfig
from htnet.training.evaluation import fold_store, jobs, loso, nested
from htnet.training.evaluation.folds import (
    at_once,
    fit_folds,
    group_folds,
    pair_folds,
    subject_folds,
    subject_groups,
)
from htnet.training.evaluation.jobs import LosoConfig
from htnet.training.evaluation.loso import evaluate_loso
from htnet.training.evaluation.metrics import scores
from htnet.training.evaluation.stored_folds import evaluate_stored
from htnet.training.recipes import configured


@pytest.fixture
def samples(config: TrainConfig) -> Samples:
    return read_samples(config)


@pytest.fixture
def run(tmp_path: Path) -> LosoConfig:
    return LosoConfig(tmp_path / "loso")


def test_the_held_out_subject_is_never_learnt_from(config: TrainConfig, samples: Samples) -> None:
    """Lies about a subject's labels, and noise for its maps, change nothing said of it."""
    [fold] = subject_folds(samples, ["smic-1"])
    config = replace(config, schedule=replace(config.schedule, epochs=2))
    [true] = fit_folds(samples, samples.inputs, config, [fold])
    labels, pictures = samples.labels.clone(), samples.pictures.clone()
    labels[fold.held] = (labels[fold.held] + 1) % 3
    pictures[fold.held] = torch.randn(pictures[fold.held].shape)
    liar = replace(samples, labels=labels, pictures=pictures)
    [lied] = fit_folds(liar, samples.inputs, config, [fold])
    assert np.array_equal(true.published, lied.published)


@pytest.mark.slow
def test_last_and_oracle_come_from_the_same_networks(config: TrainConfig, run: LosoConfig) -> None:
    [found] = evaluate_loso([config], "last", run)
    last, oracle = found["last"], found["oracle"]
    assert (last.protocol, oracle.protocol) == ("last", "oracle")
    assert len(last.labels) == 36 and len(set(last.subjects)) == 6
    assert scores(last.labels, last.published.argmax(axis=1)).uf1 > 0.9  # plain to see
    assert last.reanimated is not None and last.reanimated.shape == (36, 3)
    right = [(each.published.argmax(axis=1) == each.labels).mean() for each in (oracle, last)]
    assert right[0] >= right[1]
    assert last.losses.shape == (15,)


def test_the_oracle_looks_and_last_does_not(config: TrainConfig, samples: Samples) -> None:
    """Where the truth is changed after training, the oracle's choice changes with it."""
    [fold] = subject_folds(samples, ["smic-1"])
    [result] = fit_folds(samples, samples.inputs, config, [fold])
    course = np.zeros((3, 6, 3), np.float32)
    truth = samples.labels.numpy()[fold.held]
    course[1, np.arange(6), truth] = 1  # all right in the middle
    course[2, np.arange(6), (truth + 1) % 3] = 1
    course[0, np.arange(6), (truth + 2) % 3] = 1
    assert loso._best_epoch(replace(result, published=course), samples) == 1
    other = replace(samples, labels=(samples.labels + 1) % 3)
    assert loso._best_epoch(replace(result, published=course), other) == 2


@pytest.mark.slow
def test_a_killed_run_goes_on(
    config: TrainConfig, run: LosoConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "at_once", lambda config: 2)
    said: list[str] = []
    run = replace(run, say=said.append)
    [whole] = evaluate_loso([config], "last", replace(run, store=run.store.parent / "whole"))
    assert said == []
    real, calls = jobs.fit_folds, []

    def dies(*arguments, **named):  # type: ignore[no-untyped-def]
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    monkeypatch.setattr(jobs, "fit_folds", dies)
    with pytest.raises(KeyboardInterrupt):
        evaluate_loso([config], "last", run)
    assert len(list(run.store.rglob("*.npz"))) == 4
    [resumed] = evaluate_loso([config], "last", run)
    assert len(calls) == 4  # the third was killed, and only it was done again
    assert "4 of 6 folds" in said[0]
    np.testing.assert_array_equal(resumed["last"].published, whole["last"].published)
    evaluate_loso([config], "last", run)
    assert len(calls) == 4
    assert "6 of 6 folds" in said[1]


def test_another_recipe_takes_no_folds_of_this_one(
    config: TrainConfig, samples: Samples, run: LosoConfig
) -> None:
    first = fold_store.FoldStore(run.store, config, samples, samples.inputs)
    other = replace(config, schedule=replace(config.schedule, epochs=16))
    assert fold_store.FoldStore(run.store, other, samples, samples.inputs).folder != first.folder
    moved = replace(samples, pictures=samples.pictures + 1)
    assert fold_store.FoldStore(run.store, config, moved, samples.inputs).folder != first.folder
    assert (
        fold_store.FoldStore(run.store, config, samples, samples.inputs + 1).folder != first.folder
    )
    assert fold_store.FoldStore(run.store, config, samples, samples.inputs).folder == first.folder


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["half", "others"])
def test_a_damaged_fold_is_never_taken_for_whole(
    config: TrainConfig, samples: Samples, run: LosoConfig, damage: str
) -> None:
    config = replace(config, schedule=replace(config.schedule, epochs=1))
    evaluate_loso([config], "last", run)
    [place] = run.store.iterdir()
    path = place / "samm-2.npz"
    if damage == "half":
        path.write_bytes(path.read_bytes()[:200])
    else:
        path.write_bytes((place / "smic-1.npz").read_bytes())
    with pytest.raises(DataError, match=r"samm-2\.npz.*trained again"):
        evaluate_loso([config], "last", run)


def test_stored_folds_score_what_they_scored(config: TrainConfig, run: LosoConfig) -> None:
    config = replace(config, schedule=replace(config.schedule, epochs=3))
    last = evaluate_loso([config], "last", run)[0]["last"]
    [folder] = run.store.iterdir()
    stored = evaluate_stored(config.data, folder, "htnet-s", config.landmarks)
    np.testing.assert_allclose(stored.published, last.published, atol=1e-4)
    table = (folder / "last.csv").read_text().splitlines()
    assert table[0] == "dataset,subject,clip,label,negative,positive,surprise"
    assert len(table) == 37
    values = np.array([[float(x) for x in line.split(",")[4:]] for line in table[1:]])
    np.testing.assert_allclose(values.sum(axis=1), 1, atol=1e-3)
    assert (values.argmax(axis=1) == last.published.argmax(axis=1)).all()


@pytest.mark.slow
def test_some_folds_are_those_of_all(config: TrainConfig, run: LosoConfig) -> None:
    config = replace(config, schedule=replace(config.schedule, epochs=2))
    some = evaluate_loso([config], "last", replace(run, folds=("samm-2", "smic-1")))[0]["last"]
    assert set(some.subjects) == {"samm-2", "smic-1"}
    every = evaluate_loso([config], "last", replace(run, store=run.store.parent / "all"))[0]["last"]
    own = np.isin(every.subjects, ["samm-2", "smic-1"])
    np.testing.assert_allclose(some.published, every.published[own], atol=1e-4)


def test_wrong_folds_and_protocols(config: TrainConfig, run: LosoConfig, samples: Samples) -> None:
    with pytest.raises(UsageError, match=r"subjects of the data.*nobody"):
        evaluate_loso([config], "last", replace(run, folds=("nobody",)))
    with pytest.raises(UsageError, match="protocol out of last, nested, oracle"):
        evaluate_loso([config], "best", run)
    labels = samples.labels.clone()
    labels[samples.subjects != "smic-1"] = labels[samples.subjects != "smic-1"] % 2
    with pytest.raises(DataError, match=r"outside fold smic-1.*surprise"):
        subject_folds(replace(samples, labels=labels))


def test_groups_hold_whole_subjects(samples: Samples) -> None:
    group = subject_groups(samples, 3)
    for subject in set(samples.subjects):
        assert len(set(group[samples.subjects == subject])) == 1
    assert sorted(set(group)) == [0, 1, 2]
    held = np.concatenate([fold.held for fold in group_folds(group)])
    assert sorted(held) == list(range(36))
    pairs = pair_folds(group)
    assert len(pairs) == 3
    assert sorted(np.concatenate([p.held for p in pairs])) == sorted([*range(36)] * 2)


@pytest.mark.slow
def test_nested_never_looks_at_the_group_it_scores(
    config: TrainConfig, run: LosoConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The evidence for a group's choice holds no clip of that group."""
    monkeypatch.setattr(nested, "GROUPS", 3)
    config = replace(config, schedule=replace(config.schedule, epochs=10))
    slow = replace(config, schedule=replace(config.schedule, lr=1e-6))
    monkeypatch.setattr(nested, "candidates", lambda config: {"slow": slow, "own": config})
    report = evaluate_loso([config], "nested", run)[0]["nested"]
    assert len(report.choices) == 3
    assert all("own, epoch" in line for line in report.choices)
    assert scores(report.labels, report.published.argmax(axis=1)).uf1 > 0.8
    samples = read_samples(config)
    group = subject_groups(samples, 3)
    for out in range(3):
        lied = samples.labels.clone()
        lied[torch.from_numpy(group == out)] = 0
        pairs = {"own": fit_folds(samples, samples.inputs, config, pair_folds(group))}
        true = list(nested._inner_scores(out, group, pairs, samples))
        liar = list(nested._inner_scores(out, group, pairs, replace(samples, labels=lied)))
        assert true == liar
        assert len(true) == 10


@pytest.mark.slow
def test_ray_gives_the_same_folds(
    config: TrainConfig, run: LosoConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two local workers, three folds each, against one process: bit for bit."""
    pytest.importorskip("ray")
    from htnet.training.evaluation.ray_backend import RayConfig

    monkeypatch.setattr(jobs, "at_once", lambda config: 3)
    config = replace(config, schedule=replace(config.schedule, epochs=3))
    here = evaluate_loso([config], "last", run)[0]["last"]
    spread = replace(run, store=run.store.parent / "ray", ray=RayConfig())
    there = evaluate_loso([config], "last", spread)[0]["last"]
    np.testing.assert_array_equal(here.published, there.published)
    np.testing.assert_array_equal(here.reanimated, there.reanimated)
    weights = [load_file(path) for path in sorted(run.store.parent.rglob("smic-1.safetensors"))]
    assert len(weights) == 2
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["svm", "bi-woof", "ststnet", "hyphtnet"])
def test_other_networks_take_the_same_road(composite: Path, run: LosoConfig, name: str) -> None:
    small = {"dim": 8, "heads": 2, "repeats": (1, 1, 1)} if name == "hyphtnet" else {}
    changes = {"model": small, "schedule": {"epochs": 2, "batch": 16}}
    config = configured(name, composite, landmarks=composite / "landmarks.npy", changes=changes)
    [found] = evaluate_loso([config], "last", run)
    assert ("oracle" in found) == config.trained
    assert found["last"].published.shape == (36, 3)
    [folder] = run.store.iterdir()
    stored = evaluate_stored(composite, folder, name, config.landmarks)
    np.testing.assert_allclose(stored.published, found["last"].published, atol=1e-3)
    if not config.trained:
        with pytest.raises(UsageError, match="fitted at once"):
            evaluate_loso([config], "oracle", run)


@pytest.mark.slow
def test_weights_are_made_where_they_are_wanted_and_missing(
    config: TrainConfig, run: LosoConfig
) -> None:
    config = replace(config, schedule=replace(config.schedule, epochs=1))
    evaluate_loso([config], "last", replace(run, keep=False))
    assert not list(run.store.rglob("*.safetensors"))
    evaluate_loso([config], "last", run)
    assert len(list(run.store.rglob("*.safetensors"))) == 6


def test_weights_of_another_fold_are_refused(config: TrainConfig, run: LosoConfig) -> None:
    config = replace(config, schedule=replace(config.schedule, epochs=1))
    evaluate_loso([config], "last", run)
    [folder] = run.store.iterdir()
    (folder / "smic-1.safetensors").write_bytes((folder / "samm-2.safetensors").read_bytes())
    with pytest.raises(DataError, match=r"never saw subject smic-1.*names samm-2"):
        evaluate_stored(config.data, folder, "htnet-s", config.landmarks)


@pytest.mark.slow
def test_a_first_look_leaves_no_probabilities(config: TrainConfig, run: LosoConfig) -> None:
    """Groups of subjects, and some of the subjects, are not what LAST.csv is of."""
    config = replace(config, schedule=replace(config.schedule, epochs=1))
    for look in (replace(run, groups=2), replace(run, groups=3), replace(run, folds=("smic-1",))):
        evaluate_loso([config], "last", look)
        assert not list(run.store.rglob("*.csv"))
    with pytest.raises(UsageError, match="groups"):
        evaluate_loso([config], "nested", replace(run, groups=2))


@pytest.mark.slow
def test_several_recipes_at_once_are_each_alone(config: TrainConfig, run: LosoConfig) -> None:
    short = replace(config, schedule=replace(config.schedule, epochs=2))
    configs = [short, replace(short, seed=1), configured("svm", short.data)]
    configs[2] = replace(configs[2], landmarks=config.landmarks)
    together = evaluate_loso(configs, "last", run)
    for each, found in zip(configs, together, strict=True):
        [alone] = evaluate_loso([each], "last", replace(run, store=run.store.parent / "alone"))
        np.testing.assert_array_equal(alone["last"].published, found["last"].published)


def test_too_few_subjects_to_choose_on(
    config: TrainConfig, run: LosoConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nested, "GROUPS", 2)
    with pytest.raises(DataError, match="at least 3 subjects"):
        evaluate_loso([config], "nested", run)


def test_large_networks_go_one_by_one(composite: Path) -> None:
    assert at_once(TrainConfig(data=composite)) == 17
    assert at_once(TrainConfig(data=composite, network="htnet")) == 1
