"""Training loop for several folds at once, their networks stacked along a leading axis.

The clips are so few and small that Python's overhead would dominate, so `torch.func.vmap` runs the
same step for many folds in one call. The optimizers work element by element, which keeps the folds
independent. On a GPU the data are resident and the step is captured once and replayed.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap

from htnet.engine.errors import DataError
from htnet.training.augmentation.batches import batch
from htnet.training.augmentation.samples import Samples
from htnet.training.config import NO_AUGMENT, Schedule
from htnet.training.fitting.kernel_teacher import fit_teacher
from htnet.training.fitting.step import TrainingStep

Progress = Callable[[int, int], None]
"""Callback of the steps done and their total."""

Weights = dict[str, Tensor]
"""Stacked parameters and buffers by name: (folds, ...)."""


class NotANumber(DataError):
    """Non-finite loss or weights; ``fold`` is the index of the fold."""

    def __init__(self, fold: int, sentence: str) -> None:
        super().__init__(sentence)
        self.fold = fold


@dataclass(frozen=True, slots=True, eq=False)
class Epoch:
    """State at the end of an epoch: weights (averaged where an EMA is kept), mean loss by fold."""

    number: int
    weights: Weights
    losses: list[float]
    lr: float


def fit(
    make: Callable[[], nn.Module],
    samples: Samples,
    folds: Sequence[Tensor],
    schedule: Schedule,
    seeds: Sequence[int],
    progress: Progress | None = None,
    watch: Callable[[Epoch], None] | None = None,
    start: Mapping[str, Tensor] | None = None,
) -> Weights:
    """Train one network for each fold, on the device of ``samples``.

    ``make``: builds a network with new random weights. ``folds``: rows of the training clips.
    ``seeds``: of the weights and batches of each fold. ``watch``: called after every epoch.
    ``start``: initial weights of all networks, instead of random ones. Raises `NotANumber` for a
    loss or weights that are not finite.
    """
    draws = [torch.Generator().manual_seed(seed) for seed in seeds]
    device = samples.inputs.device
    with torch.random.fork_rng(devices=[]):
        networks = []
        for seed in seeds:
            torch.manual_seed(seed)
            networks.append(make().train())
            if start is not None:
                networks[-1].load_state_dict(start)
        base = networks[0].to(device)
        state = [network.state_dict() for network in networks]
        stacked = {
            name: torch.stack([own[name].detach().to(device) for own in state]) for name in state[0]
        }
        del networks, state
        return _train(base, stacked, samples, folds, schedule, draws, progress, watch)


def _train(
    base: nn.Module,
    weights: Weights,
    samples: Samples,
    folds: Sequence[Tensor],
    schedule: Schedule,
    draws: Sequence[torch.Generator],
    progress: Progress | None,
    watch: Callable[[Epoch], None] | None,
) -> Weights:
    per_epoch = math.ceil(len(samples.clips) / schedule.batch)  # the same for every fold
    steps = schedule.epochs * per_epoch
    step = TrainingStep(base, weights, schedule)
    average = {name: w.detach().clone() for name, w in weights.items()} if schedule.ema else weights
    batches = _Batches(samples, folds, schedule, draws)
    loss = torch.zeros(len(folds), device=samples.inputs.device)
    for number in range(steps):
        lr = schedule.lr * _rate_share(number / steps, schedule)
        inputs, targets, teacher_scores = batches.draw()
        loss += step(inputs, targets, teacher_scores, lr)
        if schedule.ema:
            _update_average(average, weights, min(schedule.ema, (1 + number) / (10 + number)))
        if (number + 1) % per_epoch == 0:
            epoch = (number + 1) // per_epoch
            kept = {name: tensor.detach() for name, tensor in average.items()}
            each = (loss / per_epoch).tolist()
            _require_numbers(each, kept, epoch, schedule)
            if watch is not None:
                watch(Epoch(epoch, kept, each, lr))
            loss.zero_()
        if progress is not None:
            progress(number + 1, steps)
    return {name: tensor.detach() for name, tensor in average.items()}


def _require_numbers(
    losses: Sequence[float], weights: Weights, epoch: int, schedule: Schedule
) -> None:
    """Raise unless losses and weights are finite; the losses are from before the last update."""
    whole = torch.ones(len(losses), dtype=torch.bool)
    for tensor in weights.values():
        whole &= tensor.reshape(len(losses), -1).isfinite().all(dim=1).cpu()
    for number, (loss, fine) in enumerate(zip(losses, whole.tolist(), strict=True)):
        if not (fine and math.isfinite(loss)):
            raise NotANumber(
                number,
                f"expected a finite loss and finite weights; got a loss of {loss} in epoch {epoch} "
                f"of {schedule.epochs}: lower the learning rate, or look for maps that are not "
                "numbers.",
            )


class _Batches:
    """Draws the folds' batches, each fold from its own generator."""

    def __init__(
        self,
        samples: Samples,
        folds: Sequence[Tensor],
        schedule: Schedule,
        draws: Sequence[torch.Generator],
    ) -> None:
        self.samples, self.folds, self.schedule, self.draws = samples, folds, schedule, draws
        self.classes = len(samples.spec.classes)
        self.labels = samples.labels.cpu()
        self.class_weights = [_class_weights(self.labels[r], schedule, self.classes) for r in folds]
        views = min(schedule.teacher_views, samples.pictures.shape[1] - 1)
        taught = folds if schedule.distill > 0 else []
        self.teachers = [fit_teacher(samples, rows, views) for rows in taught]
        self.orders = [torch.empty(0, dtype=torch.long) for _ in folds]

    def draw(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Draw inputs (folds, B, 3, S, S) and weighted targets (folds, B, classes).

        With teachers, also returns their scores, of the targets' shape.
        """
        inputs, targets, teacher_scores = [], [], []
        for number, draw in enumerate(self.draws):
            x, y = self._one(number, draw)
            inputs.append(x)
            targets.append(y)
            if self.teachers:
                teacher_scores.append(self.teachers[number](x))
        told = torch.stack(teacher_scores) if teacher_scores else None
        return torch.stack(inputs), torch.stack(targets).to(inputs[0].device), told

    def _one(self, number: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        schedule = self.schedule
        chosen = self._rows(number, draw)
        own = chosen.to(self.samples.inputs.device)
        if schedule.augment == NO_AUGMENT:
            x = self.samples.inputs[own]
        else:
            x = batch(self.samples, own, schedule.augment, draw)
        labels = self.labels[chosen]
        y = F.one_hot(labels, self.classes).float() * self.class_weights[number][labels][:, None]
        if schedule.mixup > 0:
            x, y = _mixup(x, y, schedule.mixup, draw)
        return x, y

    def _rows(self, number: int, draw: torch.Generator) -> Tensor:
        """Draw the rows of the next batch, on the CPU."""
        rows, schedule = self.folds[number], self.schedule
        if schedule.sampling == "balanced":
            counts = torch.bincount(self.labels[rows], minlength=self.classes).clamp_min(1)
            shares = 1 / counts[self.labels[rows]].float()
            return rows[torch.multinomial(shares, schedule.batch, True, generator=draw)]
        while len(self.orders[number]) < schedule.batch:
            again = rows
            if schedule.sampling == "shuffled":
                again = rows[torch.randperm(len(rows), generator=draw)]
            self.orders[number] = torch.cat([self.orders[number], again])
        chosen = self.orders[number][: schedule.batch]
        self.orders[number] = self.orders[number][schedule.batch :]
        return chosen


@torch.no_grad()
def _update_average(average: Weights, weights: Weights, decay: float) -> None:
    """Move the average towards the weights; integer buffers are copied."""
    real = [name for name, tensor in average.items() if tensor.is_floating_point()]
    own, new = [average[name] for name in real], [weights[name] for name in real]
    torch._foreach_lerp_(own, new, 1 - decay)
    for name in average.keys() - set(real):
        average[name].copy_(weights[name])


@torch.no_grad()
def predict(
    make: Callable[[], nn.Module], weights: Weights, inputs: Sequence[Tensor]
) -> list[Tensor]:
    """Return logits (n, classes) of each fold's ``inputs`` (n, 3, S, S), in eval mode.

    All folds run in one call; shorter inputs are padded with zeros, whose logits are dropped.
    """
    with torch.device("meta"):  # architecture alone; every number comes from ``weights``
        network = make().eval()
    longest = max(len(pictures) for pictures in inputs)
    stacked = inputs[0].new_zeros(len(inputs), longest, *inputs[0].shape[1:])
    for own, pictures in zip(stacked, inputs, strict=True):
        own[: len(pictures)] = pictures
    logits = vmap(lambda own, x: functional_call(network, own, (x,)))(weights, stacked)
    return [own[: len(pictures)] for own, pictures in zip(logits, inputs, strict=True)]


def _rate_share(done: float, schedule: Schedule) -> float:
    """Return the learning rate as a share of its peak."""
    if schedule.shape == "constant":
        return 1.0
    if done < schedule.warmup:
        return (done + 1e-3) / schedule.warmup
    return 0.5 * (1 + math.cos(math.pi * (done - schedule.warmup) / (1 - schedule.warmup)))


def _class_weights(labels: Tensor, schedule: Schedule, classes: int) -> Tensor:
    """Return weights (classes,) with a mean of 1 over the clips."""
    counts = torch.bincount(labels, minlength=classes).clamp_min(1).float()
    weights = counts.pow(-schedule.balance)
    return weights * (counts.sum() / (weights * counts).sum())


def _mixup(x: Tensor, y: Tensor, alpha: float, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mix each clip with another, one coefficient per clip (Zhang et al., ICLR 2018)."""
    gamma = torch._sample_dirichlet(torch.full((len(x), 2), alpha), generator=draw)
    share = gamma.max(dim=1).values
    other = torch.randperm(len(x), generator=draw)
    part, there = share.to(x.device)[:, None, None, None], other.to(x.device)
    mixed = x * part + x[there] * (1 - part)
    return mixed, y * share[:, None] + y[other] * (1 - share)[:, None]
