"""Leave one subject out: every clip is judged by a network that never saw its subject.

The score is that of the last epoch of a fixed schedule. Nothing is chosen by looking at the
held-out subject; doing so (the published scripts keep each subject's best epoch) adds 0.06 to 0.13.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from htnet.engine.types import F32
from htnet.training.config import TrainConfig
from htnet.training.loop import Progress, fit, predict
from htnet.training.metrics import Scores, confusion, scores_by_dataset
from htnet.training.reanimate import reanimated
from htnet.training.samples import Samples, prepare, read_samples

FOLDS_AT_ONCE = 17
_TEST_VIEW = 1_000_003  # draws the re-animated clips that are only tested on


@dataclass(frozen=True, slots=True, eq=False)
class LosoReport:
    """Scores by dataset ("full" for all), on published maps and on re-animated pairs.

    ``logits``: (N, 3) for the published maps, in the order of the labels file.
    """

    seed: int
    folds: int
    published: dict[str, Scores]
    reanimated: dict[str, Scores]
    logits: F32
    labels: NDArray[np.int64]
    seconds: float

    @property
    def confusion(self) -> NDArray[np.int64]:
        """(3, 3) counts on the published maps: row the true class, column the predicted one."""
        return confusion(self.labels, self.logits.argmax(axis=1))

    def to_dict(self) -> dict[str, Any]:
        """What a metrics file and a weights file's card hold."""
        return {
            "protocol": "leave one subject out, last epoch of a fixed schedule",
            "seed": self.seed,
            "folds": self.folds,
            "published": {name: asdict(own) for name, own in self.published.items()},
            "reanimated": {name: asdict(own) for name, own in self.reanimated.items()},
            "confusion": self.confusion.tolist(),
            "seconds": round(self.seconds, 1),
        }


def evaluate_loso(config: TrainConfig, progress: Progress | None = None) -> LosoReport:
    """Train one network per subject and score what each says of the subject it has not seen."""
    start = time.monotonic()
    samples = read_samples(config)
    again = _test_view(config, samples)
    subjects = list(dict.fromkeys(samples.subjects))
    held = [torch.from_numpy(np.flatnonzero(samples.subjects == name)) for name in subjects]
    logits = held_out_logits(config, samples, held, [samples.inputs, again], progress)
    labels = samples.labels.numpy()
    published, moved = (
        scores_by_dataset(labels, each.argmax(axis=1), samples.datasets) for each in logits
    )
    seconds = time.monotonic() - start
    return LosoReport(config.seed, len(subjects), published, moved, logits[0], labels, seconds)


def held_out_logits(
    config: TrainConfig,
    samples: Samples,
    held: Sequence[Tensor],
    inputs: Sequence[Tensor],
    progress: Progress | None = None,
) -> list[F32]:
    """Logits (N, 3) for each of ``inputs`` (N, 3, S, S), from the fold that holds a clip out.

    ``held``: the rows of the clips that each fold leaves out, every clip in one fold.
    """
    count = len(samples.clips)
    results = [np.zeros((count, len(config.spec.classes)), np.float32) for _ in inputs]
    everything = torch.arange(count)
    for first in range(0, len(held), FOLDS_AT_ONCE):
        own = held[first : first + FOLDS_AT_ONCE]
        rows = [everything[~torch.isin(everything, out)] for out in own]
        seeds = [fold_seed(config.seed, first + number) for number in range(len(own))]

        def report(step: int, steps: int, first: int = first, share: int = len(own)) -> None:
            if progress is not None:
                progress(first * steps + share * step, len(held) * steps)

        weights = fit(config.make, samples, rows, config.schedule, seeds, report)
        for result, pictures in zip(results, inputs, strict=True):
            answers = predict(config.make, weights, [pictures[out] for out in own])
            for out, answer in zip(own, answers, strict=True):
                result[out.numpy()] = answer.numpy()
    return results


def fold_seed(seed: int, fold: int) -> int:
    """The seed of one fold's network and batches."""
    return seed * 100_003 + fold


def temperature(logits: F32, labels: NDArray[np.int64]) -> float:
    """What held-out logits (N, 3) have to be divided by to be most likely (Guo et al., ICML 2017).

    A search over 0.2 to 5 in steps of 2%.
    """
    candidates = np.exp(np.arange(np.log(0.2), np.log(5.0), 0.02))

    def surprise(t: float) -> float:
        log_p = torch.from_numpy(logits / np.float32(t)).log_softmax(dim=1).numpy()
        return -float(log_p[np.arange(len(labels)), labels].mean())

    return float(min(candidates, key=surprise))


def _test_view(config: TrainConfig, samples: Samples) -> Tensor:
    """Network inputs (N, 3, S, S) of re-animated clips that no network trains on."""
    maps = reanimated(samples.clips, samples.maps, _TEST_VIEW + config.seed, (1.5, 3.0), (2.0, 2.0))
    return prepare(samples.clips, [maps], samples.centres.numpy(), samples.spec).inputs


def mean_scores(reports: Sequence[LosoReport]) -> dict[str, dict[str, float]]:
    """Mean and deviation over seeds of the full scores on published maps and re-animated pairs."""
    table = {}
    for name in ("published", "reanimated"):
        full = [asdict(getattr(report, name)["full"]) for report in reports]
        for key in ("uf1", "uar", "accuracy"):
            values = [own[key] for own in full]
            table[f"{name}_{key}"] = {
                "mean": round(float(np.mean(values)), 4),
                "sd": round(float(np.std(values, ddof=1)) if len(values) > 1 else 0.0, 4),
            }
    return table
