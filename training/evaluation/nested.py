"""Schedule and epoch by inner evidence alone.

Subjects are dealt into groups; for every pair of groups a network is trained without both. What it
says of one of them is evidence for the choice when the other is held out. A subject is then scored
by its own fold, trained with what was chosen without its group.
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
class Chosen:
    """``results``: every subject's fold, trained with what its group was given. ``epochs``: the epoch
    that counts, by fold. ``lines``: what each group was given, for people. ``seconds``: what the
    inner folds took."""

    results: list[FoldResult]
    epochs: dict[str, int]
    lines: tuple[str, ...]
    seconds: float


def choose(jobs: Sequence[FoldJob], run: LosoConfig) -> list[Chosen]:
    """Schedule and epoch for each job's folds; raises `DataError` for too few subjects."""
    groups = [subject_groups(job.samples, GROUPS) for job in jobs]
    inner_jobs: list[FoldJob] = []
    places: list[tuple[int, str]] = []  # of an inner job: its job and the name of its schedule
    for number, (job, group) in enumerate(zip(jobs, groups, strict=True)):
        if group.max() < 2:
            raise DataError(
                f"expected at least 3 subjects to choose on; got {group.max() + 1}: use the "
                "protocol last."
            )
        pairs = pair_folds(group)
        require_classes(job.samples, pairs)
        for name, each in candidates(job.config).items():
            inner_jobs.append(FoldJob(each, job.samples, job.again, pairs))
            places.append((number, name))
    inner: list[dict[str, list[FoldResult]]] = [{} for _ in jobs]
    for (number, name), results in zip(
        places, run_jobs(inner_jobs, replace(run, keep=False)), strict=True
    ):
        inner[number][name] = results
    taken = [
        [
            max(_evidence(g, group, inner[number], job.samples), key=lambda found: found[0])
            for g in range(group.max() + 1)
        ]
        for number, (job, group) in enumerate(zip(jobs, groups, strict=True))
    ]
    outer_jobs = [
        FoldJob(
            config,
            job.samples,
            job.again,
            [f for f in job.folds if taken[number][groups[number][f.held[0]]][1] == name],
        )
        for number, job in enumerate(jobs)
        for name, config in candidates(job.config).items()
    ]
    outer: list[list[FoldResult]] = [[] for _ in jobs]
    for (number, _), results in zip(places, run_jobs(outer_jobs, run), strict=True):
        outer[number] += results
    return [
        _chosen(group, inner[number], taken[number], outer[number])
        for number, group in enumerate(groups)
    ]


def _chosen(
    group: NDArray[np.int64],
    inner: Mapping[str, Sequence[FoldResult]],
    taken: Sequence[tuple[float, str, int]],
    outer: list[FoldResult],
) -> Chosen:
    lines = [
        f"group {g + 1} of {len(taken)}: {name}, epoch {epoch + 1} of "
        f"{len(inner[name][0].published)} (inner score {score:.3f})"
        for g, (score, name, epoch) in enumerate(taken)
    ]
    epochs = {result.fold.name: taken[group[result.fold.held[0]]][2] for result in outer}
    seconds = sum(result.seconds for results in inner.values() for result in results)
    return Chosen(outer, epochs, tuple(lines), seconds)


def _evidence(
    out: int,
    group: NDArray[np.int64],
    inner: Mapping[str, Sequence[FoldResult]],
    samples: Samples,
) -> Iterator[tuple[float, str, int]]:
    """(score, schedule, epoch) on all groups but ``out``, by networks that saw neither it nor the
    clip's own group; at every tenth of the schedule."""
    labels = samples.labels.numpy()
    for name, results in inner.items():
        count = len(results[0].published)
        for epoch in sorted({round(count * tenth / 10) - 1 for tenth in range(1, 11)} - {-1}):
            truth, guess = [], []
            for result in results:
                held = result.fold.held
                own = group[held] != out
                if own.all():  # this pair is without the group
                    continue
                truth.append(labels[held[own]])
                guess.append(result.published[epoch][own].argmax(axis=1))
            found = scores(np.concatenate(truth), np.concatenate(guess))
            yield (found.uf1 + found.uar) / 2, name, epoch
