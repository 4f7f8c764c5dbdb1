"""Choosing among recipes without looking at the subjects that the choice is then scored on.

Subjects are dealt into groups; for every pair of groups one network is trained without both. What
it says of either group counts as inner evidence when the other is held out, so a pair serves twice.
For each held-out group the recipe with the best inner score on the *other* groups is taken, and its
answers for the held-out group make up the nested score.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray

from htnet.engine.types import F32
from htnet.training.config import TrainConfig
from htnet.training.loop import Progress, fit, predict
from htnet.training.loso import FOLDS_AT_ONCE, fold_seed
from htnet.training.metrics import Scores, scores
from htnet.training.samples import Samples, read_samples


@dataclass(frozen=True, slots=True, eq=False)
class SearchReport:
    """``inner``: by recipe, the UF1 for each held-out group, on all others. ``chosen``: the recipe
    that each held-out group gets. ``nested``: its score, mean of UF1 and UAR over the rotations."""

    inner: dict[str, list[float]]
    chosen: list[str]
    nested: Scores


def subject_groups(samples: Samples, count: int) -> NDArray[np.int64]:
    """A group for each clip (N,): a subject in one group, each dataset spread over all of them."""
    subjects, datasets = samples.subjects, np.array(samples.datasets)
    group: dict[str, int] = {}
    total = np.zeros(count)
    for dataset in sorted(set(samples.datasets)):
        own = np.zeros(count)
        names, clips = np.unique(subjects[datasets == dataset], return_counts=True)
        for number in np.lexsort((names, -clips)):  # large subjects first, then by name
            place = int(np.lexsort((total, own))[0])
            group[str(names[number])] = place
            own[place] += clips[number]
            total[place] += clips[number]
    return np.array([group[str(name)] for name in subjects])


def search(
    recipes: Mapping[str, TrainConfig], groups: int = 6, progress: Progress | None = None
) -> SearchReport:
    """Score each recipe by pairs of groups and choose one for each group."""
    answers: dict[str, F32] = {}
    inner: dict[str, list[float]] = {}
    for number, (name, config) in enumerate(recipes.items()):
        samples = read_samples(config)
        group, labels = subject_groups(samples, groups), samples.labels.numpy()

        def report(step: int, steps: int, number: int = number) -> None:
            if progress is not None:
                progress(number * steps + step, len(recipes) * steps)

        found = _by_pairs(config, samples, group, groups, report)
        answers[name] = found
        inner[name] = [
            scores(labels[group != out], found[out][group != out].argmax(axis=1)).uf1
            for out in range(groups)
        ]
    chosen = [max(inner, key=lambda name: inner[name][out]) for out in range(groups)]
    turns = []
    for turn in range(1, groups):
        guess = np.zeros(len(labels), int)
        for out in range(groups):
            own = group == out
            guess[own] = answers[chosen[out]][(out + turn) % groups][own].argmax(axis=1)
        turns.append(scores(labels, guess))
    mean = [float(np.mean([getattr(t, key) for t in turns])) for key in ("uf1", "uar", "accuracy")]
    return SearchReport(inner, chosen, Scores(mean[0], mean[1], mean[2], len(labels)))


def _by_pairs(
    config: TrainConfig,
    samples: Samples,
    group: NDArray[np.int64],
    groups: int,
    progress: Progress,
) -> F32:
    """Logits (groups, N, 3): [g, n] from the network that saw neither group g nor clip n's."""
    pairs = list(combinations(range(groups), 2))
    result = np.zeros((groups, len(group), len(config.spec.classes)), np.float32)
    for first in range(0, len(pairs), FOLDS_AT_ONCE):
        own = pairs[first : first + FOLDS_AT_ONCE]
        held = [torch.from_numpy(np.flatnonzero(np.isin(group, pair))) for pair in own]
        rows = [torch.from_numpy(np.flatnonzero(~np.isin(group, pair))) for pair in own]
        seeds = [fold_seed(config.seed, 1000 + first + number) for number in range(len(own))]
        weights = fit(config.make, samples, rows, config.schedule, seeds, progress)
        logits = predict(config.make, weights, [samples.inputs[out] for out in held])
        for (one, other), out, answer in zip(own, held, logits, strict=True):
            for here, there in ((one, other), (other, one)):
                mine = group[out.numpy()] == there
                result[here, out.numpy()[mine]] = answer.numpy()[mine]
    return result
