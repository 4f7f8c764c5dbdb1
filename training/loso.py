"""Leave one subject out: every clip is judged by a network that never saw its subject.

Three protocols. ``last`` is the last epoch of a fixed schedule. ``nested`` chooses schedule and
epoch on other subjects than the one it is scored on. ``oracle`` is what the published scripts do:
for each held-out subject the epoch that scores best on that very subject; it is computed beside
``last`` to show what that is worth, and is not a result.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from htnet.engine.errors import DataError, UsageError
from htnet.engine.types import F32
from htnet.training.cluster import RayConfig, run_here, run_on_ray
from htnet.training.config import TrainConfig
from htnet.training.folds import (
    Fold,
    FoldResult,
    at_once,
    fit_folds,
    group_folds,
    pair_folds,
    require_classes,
    subject_folds,
    subject_groups,
)
from htnet.training.loop import Progress
from htnet.training.metrics import scores
from htnet.training.reanimate import CAMERA, reanimated
from htnet.training.recipes import candidates, tried
from htnet.training.samples import Samples, prepare, read_samples
from htnet.training.store import FoldStore

PROTOCOLS = ("last", "nested", "oracle")
GROUPS = 6
_TEST_VIEW = 1_000_003  # draws the re-animated clips that are only tested on


@dataclass(frozen=True, slots=True, eq=False)
class LosoReport:
    """Held-out logits of one seed under one protocol, in the order of the labels file.

    ``published``, ``reanimated``: (N, 3) on the published maps and on re-animated pairs.
    ``seconds``: training time summed over folds, those of earlier calls too. ``choices``: what
    ``nested`` took for each group of subjects, a line each. ``losses``: (epochs,), mean over folds.
    """

    network: str
    protocol: str
    seed: int | None
    subjects: NDArray[np.str_]
    datasets: tuple[str, ...]
    labels: NDArray[np.int64]
    published: F32
    reanimated: F32 | None
    seconds: float
    recipes_tried: int | None
    choices: tuple[str, ...] = ()
    losses: F32 = field(default_factory=lambda: np.zeros(0, np.float32))


@dataclass(frozen=True, slots=True)
class LosoConfig:
    """How to run recipes' folds; nothing here changes what a fold's numbers are.

    ``folds``: subjects to hold out, all by default. ``groups``: hold out so many groups of subjects
    instead of single ones, for a first look. ``store``: folder that keeps finished folds. ``keep``:
    whether their weights are kept too. ``ray``: run on Ray. ``say``: gets a line when there is
    something to tell. ``bar``: a progress bar for a title.
    """

    store: Path
    folds: tuple[str, ...] | None = None
    groups: int | None = None
    keep: bool = True
    ray: RayConfig | None = None
    say: Callable[[str], None] = lambda line: None
    bar: Callable[[str], AbstractContextManager[Progress | None]] = lambda title: nullcontext()


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Folds of one recipe and seed. ``again``: re-animated inputs (N, 3, S, S) to test on."""

    config: TrainConfig
    samples: Samples
    again: Tensor
    folds: Sequence[Fold]


def evaluate_loso(
    configs: Sequence[TrainConfig], protocol: str, run: LosoConfig
) -> list[dict[str, LosoReport]]:
    """Reports by protocol for each of ``configs``, which may differ in anything.

    ``last`` and ``oracle`` come together, as they are of the same networks (``last`` alone where
    there are no epochs to choose among); ``nested`` comes alone.
    """
    if protocol not in PROTOCOLS:
        raise UsageError(
            f"expected a protocol out of {', '.join(PROTOCOLS)}; got {protocol!r}: choose one."
        )
    for config in configs:
        if protocol == "oracle" and not config.trained:
            raise UsageError(
                f"expected a network with epochs to choose among; got {config.network}, which is "
                "fitted at once: use the protocol last."
            )
    if protocol == "nested" and run.groups is not None:
        raise UsageError(
            "expected single subjects to hold out for the protocol nested; got groups: leave one "
            "of the two out."
        )
    jobs = [_job(config, run) for config in configs]
    if protocol == "nested":
        return [{"nested": report} for report in _nested(jobs, run)]
    return [
        _last_and_oracle(job, results, run)
        for job, results in zip(jobs, run_jobs(jobs, run), strict=True)
    ]


def _job(config: TrainConfig, run: LosoConfig) -> Job:
    samples = read_samples(config)
    if run.groups is None:
        folds = subject_folds(samples, run.folds)
    else:
        folds = group_folds(subject_groups(samples, run.groups))
        require_classes(samples, folds)
    return Job(config, samples, _test_view(config, samples), folds)


def _last_and_oracle(
    job: Job, results: Sequence[FoldResult], run: LosoConfig
) -> dict[str, LosoReport]:
    epochs = {"last": {result.fold.name: -1 for result in results}}
    if job.config.trained:
        best = {result.fold.name: _best_epoch(result, job.samples) for result in results}
        epochs["oracle"] = best
    return {name: _report(name, job, results, own, run) for name, own in epochs.items()}


def run_jobs(jobs: Sequence[Job], run: LosoConfig) -> list[list[FoldResult]]:
    """Every job's folds, in order: finished ones from the store, the others trained and stored.

    Folds are trained in the same company however many of a chunk are finished already, so that a
    run which goes on ends as one that was never stopped.
    """
    stores = [
        FoldStore(run.store, job.config, job.samples, job.again, weights=run.keep) for job in jobs
    ]
    found: list[dict[str, FoldResult]] = [{} for _ in jobs]
    tasks: list[tuple[int, Sequence[Fold]]] = []
    for number, (job, store) in enumerate(zip(jobs, stores, strict=True)):
        for fold in job.folds:
            if (result := store.read(fold)) is not None:
                found[number][fold.name] = result
        if found[number]:
            run.say(
                f"{len(found[number])} of {len(job.folds)} folds of {job.config.network}, seed "
                f"{job.config.seed}, were finished before and are taken from {store.folder}."
            )
        size = at_once(job.config)
        chunks = [job.folds[first : first + size] for first in range(0, len(job.folds), size)]
        tasks += [
            (number, chunk)
            for chunk in chunks
            if any(fold.name not in found[number] for fold in chunk)
        ]

    def done(task: int, results: list[FoldResult]) -> None:
        number = tasks[task][0]
        for result in results:
            found[number][result.fold.name] = stores[number].write(result)

    if tasks:
        _run(jobs, tasks, done, run)
    return [[own[fold.name] for fold in job.folds] for job, own in zip(jobs, found, strict=True)]


def _run(
    jobs: Sequence[Job],
    tasks: Sequence[tuple[int, Sequence[Fold]]],
    done: Callable[[int, list[FoldResult]], None],
    run: LosoConfig,
) -> None:
    """Train the tasks, each a job's number and the folds to train together."""
    names = dict.fromkeys(f"{jobs[n].config.network}, seed {jobs[n].config.seed}" for n, _ in tasks)
    title = next(iter(names)) if len(names) == 1 else f"{len(names)} recipes and seeds"
    title = f"{title}: {sum(len(chunk) for _, chunk in tasks)} folds"
    given = [(jobs[n].samples, jobs[n].again, jobs[n].config, chunk) for n, chunk in tasks]
    with run.bar(title) as bar:
        if run.ray is None:
            shares = [
                bar and partial(_share, bar, place, len(tasks)) for place in range(len(tasks))
            ]
            here = [(*own, share) for own, share in zip(given, shares, strict=True)]
            run_here(fit_folds, here, done)
            return
        ended = iter(range(1, len(tasks) + 1))

        def told(task: int, results: list[FoldResult]) -> None:
            done(task, results)
            if bar is not None:
                bar(next(ended), len(tasks))

        run_on_ray(fit_folds, given, told, run.ray)


def _share(bar: Progress, task: int, tasks: int, step: int, steps: int) -> None:
    """The bar over all tasks, taken to be as long as each other."""
    bar(task * steps + step, tasks * steps)


def _report(
    protocol: str,
    job: Job,
    results: Sequence[FoldResult],
    epochs: Mapping[str, int],
    run: LosoConfig,
    choices: tuple[str, ...] = (),
    before: float = 0.0,
) -> LosoReport:
    """A report of what the folds said after the given epochs; ``before``: seconds of inner folds.

    Where every subject was held out by itself, the probabilities go to the store too.
    """
    config, samples = job.config, job.samples
    rows = _rows(results)
    order = np.argsort(np.concatenate([result.fold.held for result in results]))
    said = [
        np.concatenate([getattr(result, kind)[epochs[result.fold.name]] for result in results])
        for kind in ("published", "reanimated")
    ]
    if run.groups is None and run.folds is None:
        store = FoldStore(run.store, config, samples, job.again)
        store.write_probabilities(protocol, rows, said[0][order])
    same = len({result.losses.shape for result in results}) == 1
    return LosoReport(
        network=config.network,
        protocol=protocol,
        seed=config.seed,
        subjects=samples.subjects[rows],
        datasets=tuple(samples.datasets[row] for row in rows),
        labels=samples.labels.numpy()[rows],
        published=said[0][order],
        reanimated=said[1][order],
        seconds=before + sum(result.seconds for result in results),
        recipes_tried=tried(config),
        choices=choices,
        losses=np.mean([r.losses for r in results], axis=0) if same else np.zeros(0, np.float32),
    )


def _rows(results: Sequence[FoldResult]) -> NDArray[np.int64]:
    """The rows of the clips that were held out, in the order of the samples."""
    return np.sort(np.concatenate([result.fold.held for result in results]))


def _best_epoch(result: FoldResult, samples: Samples) -> int:
    """The last of the epochs that are right most often on the held-out clips themselves, as the
    official script keeps it."""
    truth = samples.labels.numpy()[result.fold.held]
    right = (result.published.argmax(axis=2) == truth).mean(axis=1)
    return int(np.flatnonzero(right == right.max())[-1])


def _nested(jobs: Sequence[Job], run: LosoConfig) -> list[LosoReport]:
    """Schedule and epoch by inner evidence alone.

    Subjects are dealt into groups; for every pair of groups a network is trained without both. What
    it says of one of them is evidence for the choice when the other is held out. A subject is then
    scored by its own fold, trained with what was chosen without its group.
    """
    groups = [subject_groups(job.samples, GROUPS) for job in jobs]
    inner_jobs: list[Job] = []
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
            inner_jobs.append(Job(each, job.samples, job.again, pairs))
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
        Job(
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
        _nested_report(job, group, inner[number], taken[number], outer[number], run)
        for number, (job, group) in enumerate(zip(jobs, groups, strict=True))
    ]


def _nested_report(
    job: Job,
    group: NDArray[np.int64],
    inner: Mapping[str, Sequence[FoldResult]],
    taken: Sequence[tuple[float, str, int]],
    outer: Sequence[FoldResult],
    run: LosoConfig,
) -> LosoReport:
    lines = [
        f"group {g + 1} of {len(taken)}: {name}, epoch {epoch + 1} of "
        f"{len(inner[name][0].published)} (inner score {score:.3f})"
        for g, (score, name, epoch) in enumerate(taken)
    ]
    epochs = {result.fold.name: taken[group[result.fold.held[0]]][2] for result in outer}
    before = sum(result.seconds for results in inner.values() for result in results)
    return _report("nested", job, outer, epochs, run, tuple(lines), before)


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


def _test_view(config: TrainConfig, samples: Samples) -> Tensor:
    """Network inputs (N, 3, S, S) of re-animated clips as a camera would have seen them, that no
    network trains on."""
    maps = reanimated(samples.clips, samples.maps, _TEST_VIEW + config.seed, CAMERA)
    return prepare(samples.clips, [maps], samples.centres.numpy(), samples.spec).inputs
