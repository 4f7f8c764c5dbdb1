"""Folds of held-out clips, and the training of their networks.

`fit_folds` depends on its arguments alone, so a fold can be trained on another machine.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from htnet.engine.errors import DataError, UsageError
from htnet.engine.models.htnet import HTNetConfig
from htnet.engine.recognition.recognizer import torch_device
from htnet.engine.types import F32
from htnet.training.augmentation.samples import Samples
from htnet.training.config import TrainConfig
from htnet.training.fitting.classical import fit_closed
from htnet.training.fitting.loop import Epoch, NotANumber, Progress, fit, predict

_MOST_FOLDS = 17  # stacked at once: more were no faster; 68 subjects are four times as many
_MOST_PARAMETERS = {"cpu": 40_000_000, "cuda": 1_000_000_000}  # stacked in one step


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """One fold. ``held``: rows of the held-out clips. ``number``: part of the seed."""

    name: str
    number: int
    held: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class FoldResult:
    """Predictions of a fold's network for the held-out clips after every epoch.

    ``published``, ``reanimated``: logits (epochs, n, 3) on the published maps and on re-animated
    pairs. ``losses``: (epochs,). ``weights``: of the last epoch, and ``model`` their config; None
    once they are stored.
    """

    fold: Fold
    published: F32
    reanimated: F32
    losses: F32
    seconds: float
    model: Any = None
    weights: dict[str, Tensor] | None = None


def subject_folds(samples: Samples, only: Sequence[str] | None = None) -> list[Fold]:
    """Return one fold for each subject, or for each subject in ``only``.

    Raises `UsageError` for an unknown subject, `DataError` where the training clips lack a class.
    """
    subjects = samples.subjects
    folds = [
        Fold(str(name), number, np.flatnonzero(subjects == name))
        for number, name in enumerate(dict.fromkeys(subjects))
    ]
    if only is not None:
        names = {fold.name for fold in folds}
        unknown = [name for name in only if name not in names]
        if unknown or not only:
            raise UsageError(
                f"expected subjects of the data, such as {folds[0].name}; got "
                f"{', '.join(unknown) or 'none'}: correct --folds, or leave it out for all."
            )
        folds = [fold for fold in folds if fold.name in set(only)]
    require_classes(samples, folds)
    return folds


def require_classes(samples: Samples, folds: Sequence[Fold]) -> None:
    """Raise `DataError` where a fold's training clips lack a class."""
    labels = samples.labels.numpy()
    for fold in folds:
        rest = np.delete(labels, fold.held)
        for label, name in enumerate(samples.spec.classes):
            if not (rest == label).any():
                raise DataError(
                    f"expected clips of every class outside fold {fold.name}; no other clip is "
                    f"{name}: add clips, or leave the subject out."
                )


def subject_groups(samples: Samples, count: int) -> NDArray[np.int64]:
    """Return each clip's group (N,): subjects stay whole, datasets are spread evenly."""
    subjects, datasets = samples.subjects, np.array(samples.datasets)
    group: dict[str, int] = {}
    total = np.zeros(count)
    for dataset in sorted(set(samples.datasets)):
        own = np.zeros(count)
        names, clips = np.unique(subjects[datasets == dataset], return_counts=True)
        for number in np.lexsort((names, -clips)):  # subjects of many clips first, then by name
            place = int(np.lexsort((total, own))[0])
            group[str(names[number])] = place
            own[place] += clips[number]
            total[place] += clips[number]
    return np.array([group[str(name)] for name in subjects])


def group_folds(group: NDArray[np.int64]) -> list[Fold]:
    """Return one fold for each group of subjects."""
    count = int(group.max()) + 1
    return [Fold(f"group {g + 1} of {count}", g, np.flatnonzero(group == g)) for g in range(count)]


def pair_folds(group: NDArray[np.int64]) -> list[Fold]:
    """Return one fold for each pair of groups of subjects."""
    count = int(group.max()) + 1
    pairs = combinations(range(count), 2)
    return [
        Fold(
            f"groups {a + 1}, {b + 1} of {count}",
            1000 + number,
            np.flatnonzero(np.isin(group, (a, b))),
        )
        for number, (a, b) in enumerate(pairs)
    ]


def fold_seed(seed: int, fold: int) -> int:
    """Return the seed of a fold's network and batches."""
    return seed * 100_003 + fold


def parameters(config: TrainConfig) -> int:
    """Return the number of parameters; 0 for a network that is fitted in closed form."""
    with torch.device("meta"):
        return sum(p.numel() for p in config.make().parameters())


def at_once(config: TrainConfig) -> int:
    """Return the number of folds to stack in one training step.

    Small networks are bound by Python, large ones by memory. Stacked convolutions are grouped
    convolutions, which a CPU runs more slowly than single ones, so on a CPU only HTNets, which
    consist of matrix products, are stacked.
    """
    kind = torch_device(config.device).type
    if kind == "cpu" and config.trained and not isinstance(config.model_config, HTNetConfig):
        return 1
    room = _MOST_PARAMETERS.get(kind, _MOST_PARAMETERS["cpu"])
    return max(1, min(_MOST_FOLDS, room // max(parameters(config), 1)))


def fit_folds(
    samples: Samples,
    reanimated: Tensor,
    config: TrainConfig,
    folds: Sequence[Fold],
    progress: Progress | None = None,
    watch: Callable[[Epoch], None] | None = None,
) -> list[FoldResult]:
    """Train the folds' networks; ``reanimated``: the samples' re-animated test inputs (N, 3, S, S).

    The result depends on the arguments alone and is the same on every CPU. With dropout, a fold's
    random numbers also depend on the folds stacked with it.
    """
    begun = time.monotonic()
    everything = np.arange(len(samples.clips))
    rows = [torch.from_numpy(np.delete(everything, fold.held)) for fold in folds]
    if not config.trained:
        return [
            _closed(config, samples, reanimated, f, r) for f, r in zip(folds, rows, strict=True)
        ]
    samples, reanimated = samples.to(device := torch_device(config.device)), reanimated.to(device)
    held = [torch.from_numpy(fold.held).to(device) for fold in folds]
    unseen = [torch.cat([samples.inputs[out], reanimated[out]]) for out in held]
    courses: list[list[Tensor]] = [[] for _ in folds]
    losses: list[list[float]] = []

    def note(epoch: Epoch) -> None:
        for course, logits in zip(
            courses, predict(config.make, epoch.weights, unseen), strict=True
        ):
            course.append(logits)
        losses.append(epoch.losses)
        if watch is not None:
            watch(epoch)

    seeds = [fold_seed(config.seed, fold.number) for fold in folds]
    try:
        weights = fit(config.make, samples, rows, config.schedule, seeds, progress, note)
    except NotANumber as error:
        raise DataError(f"{config.network}, fold {folds[error.fold].name}: {error}") from None
    seconds = (time.monotonic() - begun) / len(folds)
    said = [torch.stack(course).cpu().numpy() for course in courses]  # (epochs, 2 n, 3)
    return [
        FoldResult(
            fold,
            said[number][:, : len(fold.held)],
            said[number][:, len(fold.held) :],
            np.array([epoch[number] for epoch in losses], np.float32),
            seconds,
            config.model_config,
            {name: tensor[number].cpu() for name, tensor in weights.items()},
        )
        for number, fold in enumerate(folds)
    ]


@torch.no_grad()
def _closed(
    config: TrainConfig, samples: Samples, reanimated: Tensor, fold: Fold, rows: Tensor
) -> FoldResult:
    """Fit a fold of a network without epochs."""
    begun = time.monotonic()
    seed = fold_seed(config.seed, fold.number)
    network = fit_closed(config.network, config.model_config, samples, rows, seed).eval()
    said = [
        network(x[torch.from_numpy(fold.held)])[None].numpy() for x in (samples.inputs, reanimated)
    ]
    return FoldResult(
        fold,
        said[0],
        said[1],
        np.zeros(0, np.float32),
        time.monotonic() - begun,
        network.config,
        network.state_dict(),
    )
