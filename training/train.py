"""`train` makes a weights file out of a dataset; `htnet train` is a thin shell around it."""

import json
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from htnet import __version__
from htnet.engine.errors import DataError
from htnet.engine.preprocess import PreprocessSpec
from htnet.engine.weights import save
from htnet.training.config import TrainConfig
from htnet.training.loop import Progress, fit, predict
from htnet.training.loso import LosoReport, fold_seed, mean_scores, temperature
from htnet.training.metrics import Scores, scores
from htnet.training.samples import read_samples

_EVERYTHING = 99_991  # the "fold" that holds nothing out


@dataclass(frozen=True, slots=True, eq=False)
class TrainReport:
    """``fit`` is the score on the training clips themselves: how well they are remembered."""

    weights: Path
    metrics: Path
    clips: int
    subjects: int
    fit: Scores
    seconds: float


def train(
    config: TrainConfig,
    run: Path,
    loso: Sequence[LosoReport] = (),
    progress: Progress | None = None,
) -> TrainReport:
    """Train on every clip and write ``weights.safetensors`` and ``metrics.json`` into ``run``.

    ``loso``: the recipe's reports by `evaluate_loso`, which go into the weights' card and set the
    temperature of the probabilities. Raises `DataError` for bad data; files are whole or absent.
    """
    start = time.monotonic()
    samples = read_samples(config)
    rows = torch.arange(len(samples.clips))
    seeds = [fold_seed(config.seed, _EVERYTHING)]
    weights = fit(config.make, samples, [rows], config.schedule, seeds, progress)
    [logits] = predict(config.make, weights, [samples.inputs])
    fitted = scores(samples.labels.numpy(), logits.argmax(dim=1).numpy())
    network = config.make()
    network.load_state_dict({name: tensor[0] for name, tensor in weights.items()})
    spec = config.spec
    if loso:
        spec = _tempered(spec, loso)
    subjects = len(set(samples.subjects))
    card = _card(config, len(samples.clips), subjects, loso)
    metrics = {**card, "fit": asdict(fitted), "seconds": round(time.monotonic() - start, 1)}
    target = run / "weights.safetensors"
    save(target, network, name=config.network, config=config.model_config, spec=spec, card=card)
    write_json(run / "metrics.json", metrics)
    seconds = time.monotonic() - start
    return TrainReport(target, run / "metrics.json", len(samples.clips), subjects, fitted, seconds)


def require_folder(path: Path) -> None:
    """Make the folder and see that it can be written, before the work that is to go there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise DataError(
            f"expected a folder that can be written at {path}, but {error.strerror or error}: "
            "choose another."
        ) from None


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            try:
                json.dump(content, file, indent=1)
                file.close()
                os.replace(file.name, path)
            finally:
                Path(file.name).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"expected to write {path}; got {error}: choose a writable run folder."
        ) from None


def _tempered(spec: PreprocessSpec, loso: Sequence[LosoReport]) -> PreprocessSpec:
    logits = np.concatenate([report.logits for report in loso])
    labels = np.concatenate([report.labels for report in loso])
    return replace(spec, temperature=round(temperature(logits, labels), 3))


def _card(
    config: TrainConfig, clips: int, subjects: int, loso: Sequence[LosoReport]
) -> dict[str, Any]:
    card: dict[str, Any] = {
        "data": "MEGC 2019 composite (CASME II, SMIC, SAMM) as published by STSTNet",
        "licence": "trained on data released for research use only",
        "clips": clips,
        "subjects": subjects,
        "schedule": asdict(config.schedule),
        "views": config.views,
        "seed": config.seed,
        "htnet": __version__,
        "torch": torch.__version__.partition("+")[0],
        "machine": platform.machine(),
    }
    if loso:
        card["loso"] = {"seeds": len(loso), **mean_scores(loso)}
        card["loso_reports"] = [report.to_dict() for report in loso]
    return card
