"""Nested cross-validation: schedule and epoch are chosen on other subjects than those scored.

Subjects are dealt into groups, and for every pair of groups a network is trained without both. Its
predictions for one group count for the choice when the other is held out. A subject is then scored
by its own fold, trained with the schedule that was chosen without its group.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from htnet.engine.errors import DataError
from htnet.training.augmentation.samples import Samples
from htnet.training.evaluation.folds import FoldResult, pair_folds, require_classes, subject_groups
from htnet.training.evaluation.jobs import FoldJob, LosoConfig, run_jobs
from htnet.training.evaluation.metrics import scores
from htnet.training.recipes import candidates

GROUPS = 6


@dataclass(frozen=True, slots=True, eq=False)
class NestedChoice:
    """Folds of one job after the choice.

    ``results``: every subject's fold, trained with the schedule of its group. ``epochs``: the
    chosen epoch by fold. ``lines``: the choice of each group, for display. ``seconds``: training
    time of the inner folds.
    """

    results: list[FoldResult]
    epochs: dict[str, int]
    lines: tuple[str, ...]
    seconds: float


def choose(jobs: Sequence[FoldJob], run: LosoConfig) -> list[NestedChoice]:
    """Choose schedule and epoch for each job's folds; raises `DataError` for too few subjects."""
    groups = [subject_groups(job.samples, GROUPS) for job in jobs]
    inner_jobs: list[FoldJob] = []
    places: list[tuple[int, str]] = []  # job and name of the schedule of each inner job
    for number, (job, group) in enumerate(zip(jobs, groups, strict=True)):
        if group.max() < 2:
            raise DataError(
                f"expected at least 3 subjects to choose on; got {group.max() + 1}: use the "
                "protocol last."
            )
        pairs = pair_folds(group)
        require_classes(job.samples, pairs)
        for name, each in candidates(job.config).items():
            inner_jobs.append(FoldJob(each, job.samples, job.reanimated, pairs))
            places.append((number, name))
    inner: list[dict[str, list[FoldResult]]] = [{} for _ in jobs]
    for (number, name), results in zip(
        places, run_jobs(inner_jobs, replace(run, keep=False)), strict=True
    ):
        inner[number][name] = results
    taken = [
        [
            max(_inner_scores(g, group, inner[number], job.samples), key=lambda found: found[0])
            for g in range(group.max() + 1)
        ]
        for number, (job, group) in enumerate(zip(jobs, groups, strict=True))
    ]
    outer_jobs = [
        FoldJob(
            config,
            job.samples,
            job.reanimated,
            [f for f in job.folds if taken[number][groups[number][f.held[0]]][1] == name],
        )
        for number, job in enumerate(jobs)
        for name, config in candidates(job.config).items()
    ]
    outer: list[list[FoldResult]] = [[] for _ in jobs]
    for (number, _), results in zip(places, run_jobs(outer_jobs, run), strict=True):
        outer[number] += results
    return [
        _nested_choice(group, inner[number], taken[number], outer[number])
        for number, group in enumerate(groups)
    ]


def _nested_choice(
    group: NDArray[np.int64],
    inner: Mapping[str, Sequence[FoldResult]],
    taken: Sequence[tuple[float, str, int]],
    outer: list[FoldResult],
) -> NestedChoice:
    lines = [
        f"group {g + 1} of {len(taken)}: {name}, epoch {epoch + 1} of "
        f"{len(inner[name][0].published)} (inner score {score:.3f})"
        for g, (score, name, epoch) in enumerate(taken)
    ]
    epochs = {result.fold.name: taken[group[result.fold.held[0]]][2] for result in outer}
    seconds = sum(result.seconds for results in inner.values() for result in results)
    return NestedChoice(outer, epochs, tuple(lines), seconds)


def _inner_scores(
    out: int,
    group: NDArray[np.int64],
    inner: Mapping[str, Sequence[FoldResult]],
    samples: Samples,
) -> Iterator[tuple[float, str, int]]:
    """Yield (score, schedule, epoch) on all groups but ``out``, at every tenth of the schedule.

    A clip's prediction is that of a network which saw neither ``out`` nor the clip's own group.
    """
    labels = samples.labels.numpy()
    for name, results in inner.items():
        count = len(results[0].published)
        for epoch in sorted({round(count * tenth / 10) - 1 for tenth in range(1, 11)} - {-1}):
            truth, guess = [], []
            for result in results:
                held = result.fold.held
                own = group[held] != out
                if own.all():  # the pair does not include ``out``
                    continue
                truth.append(labels[held[own]])
                guess.append(result.published[epoch][own].argmax(axis=1))
            found = scores(np.concatenate(truth), np.concatenate(guess))
            yield (found.uf1 + found.uar) / 2, name, epoch
