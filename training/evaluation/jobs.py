"""Jobs of folds for many recipes and seeds: read from the store, trained here or by Ray."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from htnet.training.augmentation.samples import Samples
from htnet.training.config import TrainConfig
from htnet.training.evaluation.fold_store import FoldStore
from htnet.training.evaluation.folds import Fold, FoldResult, at_once, fit_folds, parameters
from htnet.training.evaluation.ray_backend import RayConfig, run_here, run_on_ray
from htnet.training.fitting.loop import Progress


@dataclass(frozen=True, slots=True)
class LosoConfig:
    """Execution of folds; none of these options changes a fold's numbers.

    ``store``: folder of finished folds. ``folds``: subjects to hold out, all by default.
    ``groups``: number of groups of subjects to hold out instead of single subjects, for a quick
    look. ``keep``: store the folds' weights. ``ray``: run on Ray. ``say``: receives lines for the
    user. ``bar``: makes a progress bar of a title.
    """

    store: Path
    folds: tuple[str, ...] | None = None
    groups: int | None = None
    keep: bool = True
    ray: RayConfig | None = None
    say: Callable[[str], None] = lambda line: None
    bar: Callable[[str], AbstractContextManager[Progress | None]] = lambda title: nullcontext()


@dataclass(frozen=True, slots=True, eq=False)
class FoldJob:
    """Folds of one recipe and seed. ``reanimated``: re-animated test inputs (N, 3, S, S)."""

    config: TrainConfig
    samples: Samples
    reanimated: Tensor
    folds: Sequence[Fold]


def run_jobs(jobs: Sequence[FoldJob], run: LosoConfig) -> list[list[FoldResult]]:
    """Return every job's folds in order: read from the store, or trained and stored.

    A chunk of folds is trained as a whole even where some of it are finished already, so that a
    resumed run ends as one that was never stopped.
    """
    stores = [
        FoldStore(run.store, job.config, job.samples, job.reanimated, weights=run.keep)
        for job in jobs
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
        gigabytes = 4e-9 * parameters(job.config) * (len(job.folds) - len(found[number]))
        if run.keep and gigabytes > 1:
            run.say(
                f"The weights of the folds of {job.config.network}, seed {job.config.seed}, will "
                f"take {gigabytes:.0f} GB in {store.folder}; --no-fold-weights leaves them out."
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
    jobs: Sequence[FoldJob],
    tasks: Sequence[tuple[int, Sequence[Fold]]],
    done: Callable[[int, list[FoldResult]], None],
    run: LosoConfig,
) -> None:
    """Train the tasks, each the index of a job and the folds to train together."""
    names = dict.fromkeys(f"{jobs[n].config.network}, seed {jobs[n].config.seed}" for n, _ in tasks)
    title = next(iter(names)) if len(names) == 1 else f"{len(names)} recipes and seeds"
    title = f"{title}: {sum(len(chunk) for _, chunk in tasks)} folds"
    given = [(jobs[n].samples, jobs[n].reanimated, jobs[n].config, chunk) for n, chunk in tasks]
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
    """Advance the bar over all tasks, taken to be of equal length."""
    bar(task * steps + step, tasks * steps)
