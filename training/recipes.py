"""Training recipes of all networks, and their reading and writing as tables.

The first schedule of a recipe is that of the protocol ``last`` and of the shipped weights;
``nested`` chooses among all schedules and their epochs. ``tried`` counts the recipes that were ever
scored on these subjects for the network, in any protocol; add to it for every further one.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from htnet.engine.errors import UsageError
from htnet.engine.models.registry import NETWORKS
from htnet.training.config import NO_AUGMENT, AugmentConfig, Schedule, TrainConfig, changed
from htnet.training.views import CAMERA, PLAIN, ViewConfig

_PUBLISHED = Schedule(
    epochs=800,
    batch=256,
    lr=5e-5,
    optimizer="adam",
    shape="constant",
    sampling="ordered",
    weight_decay=0.0,
    label_smoothing=0.0,
    balance=0.0,
    ema=0.0,
    mixup=0.0,
    distill=0.0,
    augment=NO_AUGMENT,
)
"""Schedule of the official HTNet and HypHTNet: plain Adam and cross-entropy, nothing random. The
official one ends an epoch with a smaller batch and takes the clips class by class; here a batch may
span the end of an epoch."""

_PLAIN = Schedule(
    epochs=60,
    lr=3e-3,
    weight_decay=0.01,
    mixup=0.0,
    distill=0.0,
    augment=AugmentConfig(gain=0.1, noise=0.02),
)
"""Schedule of the convolutional networks: cross-entropy, mirror images, classes half balanced."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Recipe of one network.

    ``schedules``: by name, the first is the default. ``views``: number of re-animated versions of
    each clip to train on. ``view``: their conditions. ``tried``: number of recipes tried.
    """

    schedules: Mapping[str, Schedule]
    views: int
    tried: int
    view: ViewConfig = PLAIN


RECIPES: Mapping[str, Recipe] = {
    "htnet-s": Recipe(
        {
            "teacher": Schedule(teacher_views=1),
            "half teacher": Schedule(teacher_views=1, distill=0.5, mixup=0.4, epochs=30),
            "cross-entropy": Schedule(distill=0.0, mixup=0.4, epochs=30),
        },
        views=6,
        tried=226,  # 26 of networks and about 200 of kernel machines, see docs/model-card.md
        view=CAMERA,
    ),
    "htnet": Recipe({"published": _PUBLISHED}, views=0, tried=1),
    "hyphtnet": Recipe({"published": _PUBLISHED}, views=0, tried=1),
    "ststnet": Recipe({"plain": _PLAIN}, views=0, tried=1),
    # Fewer epochs: even so a CPU takes half an hour for the folds of each.
    "off-apexnet": Recipe({"plain": replace(_PLAIN, lr=1e-3, epochs=20)}, views=0, tried=1),
    "dual-inception": Recipe({"plain": replace(_PLAIN, lr=1e-3, epochs=20)}, views=0, tried=1),
    "rcn": Recipe({"plain": replace(_PLAIN, lr=1e-3, epochs=20)}, views=0, tried=1),
    "alexnet": Recipe({"plain": replace(_PLAIN, lr=3e-4, epochs=20)}, views=0, tried=1),
    "svm": Recipe({"closed form": Schedule(epochs=1)}, views=0, tried=1),
    "bi-woof": Recipe({"closed form": Schedule(epochs=1)}, views=0, tried=1),
}


def recipe_of(network: str) -> Recipe:
    """Return the recipe of a network in the registry."""
    return RECIPES[network]


def tried(config: TrainConfig) -> int | None:
    """Return the number of recipes scored on these subjects, None for a config of no recipe."""
    recipe = recipe_of(config.network)
    own = (config.model_config, config.views) == (NETWORKS[config.network].config, recipe.views)
    return recipe.tried if own and config.schedule in recipe.schedules.values() else None


def configured(
    network: str,
    data: Path,
    *,
    landmarks: Path | None = None,
    seed: int = 0,
    device: str = "cpu",
    changes: Mapping[str, Any] | None = None,
) -> TrainConfig:
    """Return the config of the network's recipe with ``changes``.

    ``changes``: tables model, preprocess, schedule (with schedule.augment) and view, and the value
    views, as of `read_toml`. Raises `UsageError` for names and values that do not fit.
    """
    changes = dict(changes or {})
    if network not in NETWORKS:
        raise UsageError(
            f"expected a network out of {', '.join(NETWORKS)}; got {network!r}: choose one."
        )
    entry, recipe = NETWORKS[network], recipe_of(network)
    wrong = set(changes) - {"model", "preprocess", "schedule", "view", "views"}
    if wrong:
        raise UsageError(
            f"expected the tables model, preprocess, schedule and view and the value views; got "
            f"{', '.join(sorted(wrong))}: correct the file."
        )
    schedule = next(iter(recipe.schedules.values()))
    return TrainConfig(
        data=data,
        landmarks=landmarks,
        network=network,
        model=changed(entry.config, changes.get("model", {}), "model"),
        spec=changed(entry.spec, changes.get("preprocess", {}), "preprocess"),
        schedule=changed(schedule, changes.get("schedule", {}), "schedule"),
        views=changes.get("views", recipe.views),
        view=changed(recipe.view, changes.get("view", {}), "view"),
        seed=seed,
        device=device,
    )


def candidates(config: TrainConfig) -> dict[str, TrainConfig]:
    """Return the configs that ``nested`` chooses among, by name of the schedule.

    All schedules of the recipe, or the config's own where that is not the recipe's default.
    """
    schedules = recipe_of(config.network).schedules
    if config.schedule != next(iter(schedules.values())):
        return {"own": config}
    return {name: replace(config, schedule=each) for name, each in schedules.items()}


def read_toml(path: Path) -> dict[str, Any]:
    """Read the tables and values of a config file; raises `UsageError` for an invalid file."""
    kinds = {"network": str, "seed": int, "views": int}
    try:
        with path.open("rb") as file:
            tables = tomllib.load(file)
        for name, own in tables.items():
            if type(own) is not kinds.get(name, dict):
                raise TypeError(f"{name} = {own!r}")
        return tables
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError) as error:
        raise UsageError(
            f"expected a TOML file at {path}; got {error}: correct it, or begin with the "
            "config.toml of a run."
        ) from None


def to_tables(config: TrainConfig) -> dict[str, Any]:
    """Return the config as tables, which `configured` turns back into the same recipe."""
    return {
        "network": config.network,
        "seed": config.seed,
        "views": config.views,
        "model": asdict(config.model_config),
        "preprocess": asdict(config.spec),
        "schedule": asdict(config.schedule),
        "view": asdict(config.view),
    }


def merged(tables: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``tables`` of a config, without network and seed, overridden by ``changes``."""
    made = {name: own for name, own in tables.items() if name not in ("network", "seed")}
    for name, own in changes.items():
        old = made.get(name)
        made[name] = merged(old, own) if isinstance(old, Mapping) else own
    return made
