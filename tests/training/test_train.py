"""The run folder, recipes and config files, the zoo and the ablations."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from htnet.engine.errors import UsageError
from htnet.engine.models.registry import NETWORKS
from htnet.engine.models.weights import load
from htnet.training.augmentation.samples import read_samples
from htnet.training.config import Schedule, TrainConfig, changed
from htnet.training.evaluation.jobs import LosoConfig
from htnet.training.evaluation.loso import evaluate_loso
from htnet.training.experiments.ablation import (
    ABLATIONS,
    ablation_markdown,
    ablation_table,
    run_ablation,
)
from htnet.training.experiments.zoo import ZOO, run_zoo, trainable, zoo_config
from htnet.training.recipes import RECIPES, candidates, configured, read_toml, recipe_of, to_tables
from htnet.training.train import train


@pytest.mark.slow
def test_the_run_folder(config: TrainConfig, tmp_path: Path) -> None:
    [found] = evaluate_loso([config], "last", LosoConfig(tmp_path / "loso"))
    reports = {name: [report] for name, report in found.items()}
    made = train(config, tmp_path / "run", reports)
    assert made.fit.uf1 > 0.9
    loaded = load(made.weights)
    assert loaded.name == "htnet-s"
    assert loaded.card["loso"]["full"]["uf1"] > 0.9
    assert "not a result" in loaded.card["loso"]["oracle"]["note"]
    assert loaded.spec == replace(config.spec, temperature=loaded.spec.temperature)
    assert loaded.spec.temperature == round(loaded.card["calibration"]["temperature"], 3)
    assert json.loads((made.run / "metrics.json").read_text())["clips"] == 36
    assert sorted(p.name for p in made.run.iterdir()) == [
        "config.toml",
        "confusion.png",
        "curves.png",
        "events",
        "metrics.json",
        "reliability.png",
        "report.md",
        "subjects.png",
        "weights.safetensors",
    ]
    page = (made.run / "report.md").read_text()
    assert "selected on the held-out subject: not a result" in page
    samples = read_samples(config)
    guess = loaded.network(samples.inputs).argmax(dim=1)
    assert (guess == samples.labels).float().mean() > 0.9
    again = train(config, tmp_path / "again", reports)
    twin = load(again.weights)
    assert torch.equal(twin.network(samples.inputs), loaded.network(samples.inputs))
    assert twin.spec == loaded.spec


def test_a_run_can_be_told_again(config: TrainConfig, tmp_path: Path) -> None:
    short = replace(config, schedule=replace(config.schedule, epochs=1))
    made = train(short, tmp_path / "run")
    tables = read_toml(made.run / "config.toml")
    name, seed = tables.pop("network"), tables.pop("seed")
    again = configured(name, config.data, landmarks=config.landmarks, seed=seed, changes=tables)
    assert again == short
    assert "no score to report" in (made.run / "report.md").read_text()


@pytest.mark.slow
def test_training_goes_on_from_weights(config: TrainConfig, tmp_path: Path) -> None:
    first = train(config, tmp_path / "first")
    still = replace(config, schedule=replace(config.schedule, epochs=1, lr=1e-9, ema=0.0))
    second = train(still, tmp_path / "second", start=first.weights)
    assert second.fit == first.fit
    assert load(second.weights).card["from"] == "weights.safetensors"
    with pytest.raises(UsageError, match="very shape"):
        train(
            replace(still, model=replace(config.model, dim=12)),
            tmp_path / "third",
            start=first.weights,
        )


def test_an_earlier_run_stays_until_there_is_another(config: TrainConfig, tmp_path: Path) -> None:
    short = replace(config, schedule=replace(config.schedule, epochs=1))
    first = train(short, tmp_path / "run").weights.read_bytes()

    def stopped(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(replace(short, seed=1), tmp_path / "run", progress=stopped)
    assert (tmp_path / "run" / "weights.safetensors").read_bytes() == first
    train(replace(short, seed=1), tmp_path / "run")
    assert (tmp_path / "run" / "weights.safetensors").read_bytes() != first
    assert len(list((tmp_path / "run" / "events").iterdir())) == 1


def test_a_run_folder_that_cannot_be(config: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    short = replace(config, schedule=replace(config.schedule, epochs=1))
    with pytest.raises(Exception, match=r"writ"):
        train(short, tmp_path / "file" / "run")


@pytest.mark.parametrize("name", list(NETWORKS))
def test_every_network_has_a_recipe_that_can_be_written_down(name: str, composite: Path) -> None:
    import tomli_w

    config = configured(name, composite)
    tables = tomllib.loads(tomli_w.dumps(to_tables(config)))
    assert tables.pop("network") == name and tables.pop("seed") == 0
    assert configured(name, composite, changes=tables) == config
    assert recipe_of(name).tried >= 1
    assert config in candidates(config).values()


def test_a_changed_recipe_is_its_own_only_candidate(composite: Path) -> None:
    own = configured("htnet-s", composite, changes={"schedule": {"epochs": 7}})
    assert list(candidates(own)) == ["own"]
    assert len(candidates(configured("htnet-s", composite))) == len(RECIPES["htnet-s"].schedules)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"schedule": {"epoch": 3}}, "epochs"),
        ({"schedule": {"epochs": "many"}}, "int"),
        ({"schedule": {"augment": {"flop": 1}}}, r"schedule\.augment"),
        ({"model": {"dim": 0}}, "model"),
        ({"model": {"repeats": 3}}, "a list"),
        ({"modle": {}}, "modle"),
        ({"views": -1}, "views"),
        ({"views": 1000}, "views"),
        ({"model": 3}, "table"),
        ({"schedule": "x"}, "table"),
        ({"schedule": {"teacher_views": -1}}, "teacher_views"),
        ({"schedule": {"weight_decay": -1}}, "weight_decay"),
        ({"schedule": {"augment": {"flip": 7}}}, "flip"),
        ({"schedule": {"augment": {"noise": -1}}}, "noise"),
        ({"preprocess": {"region": 10}}, "20 px"),
        ({"preprocess": {"size": 56}}, "56 px"),
        ({"preprocess": {"classes": ["a", "b"]}}, "2 classes"),
        ({"preprocess": {"scaling": "raw"}}, "mirror"),
        ({"preprocess": {"regions": "published"}}, "mirror"),
        ({"preprocess": {"channels": ["v", "u", "strain"]}}, "mirror"),
    ],
)
def test_config_files_that_cannot_be_followed(
    composite: Path, changes: dict[str, object], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        configured("htnet-s", composite, changes=changes)


def test_a_config_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    for text in ("[[", "seed = 1.5", "network = ['a']", "model = 3"):
        path.write_text(text)
        with pytest.raises(UsageError, match="TOML"):
            read_toml(path)
    with pytest.raises(UsageError, match="TOML"):
        read_toml(tmp_path / "none.toml")


def test_changed_takes_whole_numbers_for_others() -> None:
    assert changed(Schedule(), {"lr": 1}, "schedule").lr == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ABLATIONS))
def test_every_ablation_has_variants_that_can_be_built(
    name: str, composite: Path, tmp_path: Path
) -> None:
    """Two epochs are no score; that every variant trains and is told is what is held here."""
    schedule = Schedule(epochs=1, batch=32)
    base = TrainConfig(
        data=composite, landmarks=composite / "landmarks.npy", schedule=schedule, views=0
    )
    ablation, rows = run_ablation(name, base, 1, LosoConfig(tmp_path, groups=2, keep=False))
    assert len(rows) == len(ablation.variants)
    assert len({row.name for row in rows}) == len(rows)
    page = ablation_markdown(ablation, rows, 2, "command")
    assert "not a result" in page and "2 groups" in page and ablation.note in page
    assert ablation_table(ablation, rows, 2).row_count == len(rows)


def test_unknown_ablations(composite: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="block-size"):
        run_ablation("nothing", TrainConfig(data=composite), 1, LosoConfig(tmp_path))
    with pytest.raises(UsageError, match="an HTNet"):
        run_ablation(
            "heads", TrainConfig(data=composite, network="ststnet"), 1, LosoConfig(tmp_path)
        )


def test_the_zoo_names_what_was_not_run(composite: Path, tmp_path: Path) -> None:
    rows = run_zoo(
        composite,
        landmarks=composite / "landmarks.npy",
        device="cpu",
        rows=["svm"],
        seeds=1,
        nested=[],
        run=LosoConfig(tmp_path),
    )
    assert [row.name for row in rows] == list(ZOO)
    assert [row.name for row in rows if row.last] == ["svm"]
    assert {row.network for row in rows} >= set(NETWORKS)
    with pytest.raises(UsageError, match="--rows"):
        zoo_config("nothing", composite, None, "cpu")


def test_only_what_fits_the_machine_is_run_unasked(composite: Path) -> None:
    large = {name for name in ZOO if not trainable(zoo_config(name, composite, None, "cpu"))}
    assert large == {"htnet (2,2,8)", "htnet (2,2,10)", "hyphtnet (2,2,10)", "alexnet"}
