"""Leave one subject out: every clip is classified by a network that never saw its subject.

Three protocols. ``last``: the last epoch of a fixed schedule. ``nested``: schedule and epoch are
chosen on other subjects than the one scored. ``oracle``: for each held-out subject the epoch that
scores best on that very subject, as the published scripts do; it is computed beside ``last`` to
show the gain of that selection, and is not a result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from htnet.engine.errors import UsageError
from htnet.engine.types import F32
from htnet.training.augmentation.reanimate import reanimated
from htnet.training.augmentation.samples import Samples, make_samples, read_samples
from htnet.training.config import TrainConfig
from htnet.training.evaluation.fold_store import FoldStore
from htnet.training.evaluation.folds import (
    FoldResult,
    group_folds,
    require_classes,
    subject_folds,
    subject_groups,
)
from htnet.training.evaluation.jobs import FoldJob, LosoConfig, run_jobs
from htnet.training.evaluation.nested import choose
from htnet.training.recipes import tried
from htnet.training.views import CAMERA

PROTOCOLS = ("last", "nested", "oracle")
_TEST_VIEW = 1_000_003  # seed offset of the re-animated test clips


@dataclass(frozen=True, slots=True, eq=False)
class LosoReport:
    """Held-out logits of one seed under one protocol, in the order of the labels file.

    ``published``, ``reanimated``: (N, 3) on the published maps and on re-animated pairs.
    ``seconds``: training time summed over folds, including folds of earlier calls. ``choices``: the
    choice of ``nested`` for each group of subjects, a line each. ``losses``: (epochs,), mean over
    folds.
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


def evaluate_loso(
    configs: Sequence[TrainConfig], protocol: str, run: LosoConfig
) -> list[dict[str, LosoReport]]:
    """Evaluate each of ``configs``, which may differ in anything: reports by protocol.

    ``last`` and ``oracle`` come together, since they share their networks (``last`` alone for a
    network without epochs). ``nested`` comes alone. Raises `UsageError` for an unknown protocol and
    for one that does not fit.
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
        return [
            {"nested": _report("nested", job, own.results, own.epochs, run, own.lines, own.seconds)}
            for job, own in zip(jobs, choose(jobs, run), strict=True)
        ]
    return [
        _last_and_oracle(job, results, run)
        for job, results in zip(jobs, run_jobs(jobs, run), strict=True)
    ]


def _job(config: TrainConfig, run: LosoConfig) -> FoldJob:
    samples = read_samples(config)
    if run.groups is None:
        folds = subject_folds(samples, run.folds)
    else:
        folds = group_folds(subject_groups(samples, run.groups))
        require_classes(samples, folds)
    return FoldJob(config, samples, _test_view(config, samples), folds)


def _last_and_oracle(
    job: FoldJob, results: Sequence[FoldResult], run: LosoConfig
) -> dict[str, LosoReport]:
    epochs = {"last": {result.fold.name: -1 for result in results}}
    if job.config.trained:
        best = {result.fold.name: _best_epoch(result, job.samples) for result in results}
        epochs["oracle"] = best
    return {name: _report(name, job, results, own, run) for name, own in epochs.items()}


def _report(
    protocol: str,
    job: FoldJob,
    results: Sequence[FoldResult],
    epochs: Mapping[str, int],
    run: LosoConfig,
    choices: tuple[str, ...] = (),
    before: float = 0.0,
) -> LosoReport:
    """Return the report of the folds' predictions after the given epochs.

    ``before``: seconds of inner folds. Where every subject was held out by itself, the
    probabilities are written to the store too.
    """
    config, samples = job.config, job.samples
    rows = _rows(results)
    order = np.argsort(np.concatenate([result.fold.held for result in results]))
    said = [
        np.concatenate([getattr(result, kind)[epochs[result.fold.name]] for result in results])
        for kind in ("published", "reanimated")
    ]
    if run.groups is None and run.folds is None:
        store = FoldStore(run.store, config, samples, job.reanimated)
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
    """Return the rows of the held-out clips in the order of the samples."""
    return np.sort(np.concatenate([result.fold.held for result in results]))


def _best_epoch(result: FoldResult, samples: Samples) -> int:
    """Return the last epoch of the best accuracy on the held-out clips, as the official script."""
    truth = samples.labels.numpy()[result.fold.held]
    right = (result.published.argmax(axis=2) == truth).mean(axis=1)
    return int(np.flatnonzero(right == right.max())[-1])


def _test_view(config: TrainConfig, samples: Samples) -> Tensor:
    """Return test inputs (N, 3, S, S): clips re-animated under camera conditions."""
    maps = reanimated(samples.clips, samples.maps, _TEST_VIEW + config.seed, CAMERA)
    return make_samples(samples.clips, [maps], samples.centres.numpy(), samples.spec).inputs
