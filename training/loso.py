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

from htnet.engine.errors import UsageError
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
    subject_folds,
    subject_groups,
)
from htnet.training.loop import Progress
from htnet.training.metrics import scores
from htnet.training.reanimate import CAMERA, reanimated
from htnet.training.recipes import candidates, recipe_of
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
    """How to run a recipe's folds; nothing here changes what a fold's numbers are.

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


def evaluate_loso(config: TrainConfig, protocol: str, run: LosoConfig) -> dict[str, LosoReport]:
    """Reports by protocol: ``last`` and ``oracle`` together, as both come from the same networks
    (``last`` alone where there are no epochs), or ``nested``."""
    if protocol not in PROTOCOLS:
        raise UsageError(
            f"expected a protocol out of {', '.join(PROTOCOLS)}; got {protocol!r}: choose one."
        )
    samples = read_samples(config)
    again = _test_view(config, samples)
    if run.groups is None:
        folds = subject_folds(samples, run.folds)
    else:
        folds = group_folds(subject_groups(samples, run.groups))
    if protocol == "nested":
        return {"nested": _nested(config, samples, again, folds, run)}
    if protocol == "oracle" and not config.trained:
        raise UsageError(
            f"expected a network with epochs to choose among; got {config.network}, which is "
            "fitted at once: use the protocol last."
        )
    results = run_folds(config, samples, again, folds, run)
    epochs = {"last": {result.fold.name: -1 for result in results}}
    if config.trained:
        epochs["oracle"] = {result.fold.name: _best_epoch(result, samples) for result in results}
    found = {name: _report(name, config, samples, results, own) for name, own in epochs.items()}
    store = FoldStore(run.store, config, samples)
    for report in found.values():
        store.write_probabilities(report.protocol, _rows(results), report.published)
    return found


def run_folds(
    config: TrainConfig, samples: Samples, again: Tensor, folds: Sequence[Fold], run: LosoConfig
) -> list[FoldResult]:
    """The folds' results, in order: stored ones as they are, the others trained and stored."""
    store = FoldStore(run.store, config, samples, weights=run.keep)
    found = {fold.name: result for fold in folds if (result := store.read(fold)) is not None}
    missing = [fold for fold in folds if fold.name not in found]
    if found:
        run.say(
            f"{len(found)} of {len(folds)} folds of {config.network}, seed {config.seed}, were "
            f"finished before and are taken from {store.folder}."
        )
    size = at_once(config)
    chunks = [missing[first : first + size] for first in range(0, len(missing), size)]

    def done(number: int, results: list[FoldResult]) -> None:
        found.update({result.fold.name: store.write(result) for result in results})

    if not missing:
        return [found[fold.name] for fold in folds]
    with run.bar(f"{config.network}, seed {config.seed}: {len(missing)} folds") as bar:
        if run.ray is None:
            shares = [bar and partial(_share, bar, n, len(chunks)) for n in range(len(chunks))]
            here = [(config, chunk, share) for chunk, share in zip(chunks, shares, strict=True)]
            run_here(fit_folds, here, done, shared=(samples, again))
        else:

            def told(number: int, results: list[FoldResult]) -> None:
                done(number, results)
                if bar is not None:
                    bar(len(found), len(folds))

            there = [(config, chunk) for chunk in chunks]
            run_on_ray(fit_folds, there, told, run.ray, shared=(samples, again))
    return [found[fold.name] for fold in folds]


def _share(bar: Progress, chunk: int, chunks: int, step: int, steps: int) -> None:
    bar(chunk * steps + step, chunks * steps)


def _report(
    protocol: str,
    config: TrainConfig,
    samples: Samples,
    results: Sequence[FoldResult],
    epochs: Mapping[str, int],
    choices: tuple[str, ...] = (),
) -> LosoReport:
    """A report of what the folds said after the given epochs."""
    rows = _rows(results)
    order = np.argsort(np.concatenate([result.fold.held for result in results]))
    said = [
        np.concatenate([getattr(result, kind)[epochs[result.fold.name]] for result in results])
        for kind in ("published", "reanimated")
    ]
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
        seconds=sum(result.seconds for result in results),
        recipes_tried=recipe_of(config.network).tried,
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


def _nested(
    config: TrainConfig, samples: Samples, again: Tensor, folds: Sequence[Fold], run: LosoConfig
) -> LosoReport:
    """Schedule and epoch by inner evidence alone.

    Subjects are dealt into groups; for every pair of groups a network is trained without both. What
    it says of one of them is evidence for the choice when the other is held out. A subject is then
    scored by its own fold, trained with what was chosen without its group.
    """
    group = subject_groups(samples, GROUPS)
    pairs, recipes = pair_folds(group), candidates(config)
    inner = {
        name: run_folds(each, samples, again, pairs, replace(run, keep=False))
        for name, each in recipes.items()
    }
    outer: list[FoldResult] = []
    epochs: dict[str, int] = {}
    lines, taken = [], {}
    for g in range(GROUPS):
        score, name, epoch = max(_evidence(g, group, inner, samples), key=lambda found: found[0])
        taken[g] = (name, epoch)
        count = len(inner[name][0].published)
        lines.append(
            f"group {g + 1} of {GROUPS}: {name}, epoch {epoch + 1} of {count} "
            f"(inner score {score:.3f})"
        )
    for name, each in recipes.items():
        own = [fold for fold in folds if taken[group[fold.held[0]]][0] == name]
        outer += run_folds(each, samples, again, own, run) if own else []
        epochs |= {fold.name: taken[group[fold.held[0]]][1] for fold in own}
    report = _report("nested", config, samples, outer, epochs, tuple(lines))
    store = FoldStore(run.store, config, samples)
    store.write_probabilities("nested", _rows(outer), report.published)
    return report


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
