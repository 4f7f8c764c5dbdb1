"""The zoo: rows of ``docs/benchmark.md``, and their evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from htnet.engine.errors import UsageError
from htnet.engine.recognition.recognizer import torch_device
from htnet.training.config import Schedule, TrainConfig
from htnet.training.evaluation.folds import parameters
from htnet.training.evaluation.jobs import LosoConfig
from htnet.training.evaluation.loso import LosoReport, evaluate_loso
from htnet.training.experiments.zoo_page import ZooRow
from htnet.training.recipes import configured
from htnet.training.views import CAMERA

_LARGE = 20_000_000  # parameters; above it, training 68 folds on a CPU takes weeks
_PLAIN_HTNET = replace(Schedule(), distill=0.0, mixup=0.4, epochs=30)


@dataclass(frozen=True, slots=True)
class ZooEntry:
    """A row: a network of the registry with ``changes`` to its recipe.

    ``seeds``: most seeds to run, one for networks that take a CPU long.
    """

    network: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    seeds: int = 1


def _compact(**model: Any) -> dict[str, Any]:
    """Return changes for a HypHTNet that a CPU can train.

    It has the shape, input and cross-entropy schedule of htnet-s.
    """
    return {
        "model": {"dim": 32, "repeats": (1, 1, 2), **model},
        "preprocess": {
            "regions": "tiled",
            "scaling": "robust",
            "channels": ("u", "v", "strain"),
        },
        "schedule": asdict(_PLAIN_HTNET),
        "views": 6,
        "view": asdict(CAMERA),
    }


_SAME = "dim 32, repeats (1, 1, 2), the input and augmentation of htnet-s, cross-entropy"

ZOO: Mapping[str, ZooEntry] = {
    "htnet-s": ZooEntry(
        "htnet-s", note="what ships; taught by a kernel machine inside each fold", seeds=5
    ),
    "htnet-s, cross-entropy": ZooEntry(
        "htnet-s", {"schedule": asdict(_PLAIN_HTNET)}, note="the same without the teacher"
    ),
    "htnet (2,2,8)": ZooEntry(
        "htnet", note="the paper's size, the official crops, input and optimizer; needs a GPU"
    ),
    "htnet (2,2,10)": ZooEntry(
        "htnet", {"model": {"repeats": (2, 2, 10)}}, note="the published script's; needs a GPU"
    ),
    "hyphtnet (2,2,10)": ZooEntry("hyphtnet", note="the published form; needs a GPU"),
    "hyphtnet-s, euclidean": ZooEntry("hyphtnet", _compact(metric="euclidean"), note=_SAME),
    "hyphtnet-s, poincare": ZooEntry("hyphtnet", _compact(metric="poincare"), note=_SAME),
    "hyphtnet-s, hyperbolic head": ZooEntry(
        "hyphtnet", _compact(head="hyperbolic"), note=f"{_SAME}; Ganea's classifier on the ball"
    ),
    "ststnet": ZooEntry("ststnet"),
    "off-apexnet": ZooEntry("off-apexnet"),
    "dual-inception": ZooEntry("dual-inception"),
    "rcn": ZooEntry("rcn"),
    "alexnet": ZooEntry("alexnet", note="23 million parameters; needs a GPU"),
    "svm": ZooEntry("svm", note="RBF on the raw maps, no network; no epochs for an oracle"),
    "bi-woof": ZooEntry(
        "bi-woof", note="flow histograms and a linear SVM; no epochs for an oracle"
    ),
}


def zoo_config(name: str, data: Path, landmarks: Path | None, device: str) -> TrainConfig:
    """Return the recipe of a row; raises `UsageError` for an unknown row."""
    if name not in ZOO:
        raise UsageError(f"expected rows out of {'; '.join(ZOO)}; got {name!r}: correct --rows.")
    entry = ZOO[name]
    return configured(
        entry.network, data, landmarks=landmarks, device=device, changes=entry.changes
    )


def trainable(config: TrainConfig) -> bool:
    """Return True where all folds can be trained on the config's device within hours."""
    return torch_device(config.device).type != "cpu" or parameters(config) < _LARGE


def run_zoo(
    data: Path,
    *,
    landmarks: Path | None,
    device: str,
    rows: Sequence[str] | None,
    seeds: int,
    nested: Sequence[str],
    run: LosoConfig,
) -> list[ZooRow]:
    """Evaluate the named rows, or all that fit on ``device``.

    The other rows are returned without scores. ``nested``: rows to evaluate under that protocol
    too.
    """
    recipes = {name: zoo_config(name, data, landmarks, device) for name in ZOO}
    for name in (*(rows or ()), *nested):
        zoo_config(name, data, landmarks, device)  # raises for an unknown name
    wanted = [
        name for name in ZOO if (name in rows if rows is not None else trainable(recipes[name]))
    ]
    last, chosen = _scored(recipes, wanted, seeds, "last", run), {}
    if nested:
        chosen = _scored(recipes, nested, seeds, "nested", run)
    return [
        ZooRow(
            name,
            entry.network,
            parameters(recipes[name]) or None,
            [found["last"] for found in last.get(name, ())],
            [found["nested"] for found in chosen.get(name, ())],
            [found["oracle"] for found in last.get(name, ()) if "oracle" in found],
            entry.note,
        )
        for name, entry in ZOO.items()
    ]


def _scored(
    recipes: Mapping[str, TrainConfig],
    names: Sequence[str],
    seeds: int,
    protocol: str,
    run: LosoConfig,
) -> dict[str, list[dict[str, LosoReport]]]:
    """Return reports by row, one for each seed; the folds of all rows run as one set of jobs."""
    configs = [
        (name, replace(recipes[name], seed=seed))
        for name in names
        for seed in range(min(seeds, ZOO[name].seeds) if recipes[name].trained else 1)
    ]
    found = evaluate_loso([config for _, config in configs], protocol, run)
    made: dict[str, list[dict[str, LosoReport]]] = {}
    for (name, _), reports in zip(configs, found, strict=True):
        made.setdefault(name, []).append(reports)
    return made
