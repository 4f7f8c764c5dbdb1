"""The training loop: several folds at once, their networks stacked along a leading axis.

The clips are so few and small that Python's overhead would dominate; `torch.func.vmap` runs the
same step for many folds in one call. AdamW works element by element, so the folds stay independent.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap

from htnet.engine.errors import DataError
from htnet.training.augment import batch
from htnet.training.config import Schedule
from htnet.training.kernel import teach
from htnet.training.samples import Samples

Progress = Callable[[int, int], None]
"""Called with the steps done and their number."""


_TEACHER_SCALE = 4.0  # from a teacher's scores, 1 between classes, to logits

Weights = dict[str, Tensor]
"""Stacked parameters by name: (folds, ...)."""


def fit(
    make: Callable[[], nn.Module],
    samples: Samples,
    folds: Sequence[Tensor],
    schedule: Schedule,
    seeds: Sequence[int],
    progress: Progress | None = None,
) -> Weights:
    """Train one network for each fold; ``folds`` hold the rows of the clips to train on.

    ``make`` builds a network with new random weights; ``seeds`` fix them and the batches. Raises
    `DataError` when the loss is no longer a number.
    """
    draws = [torch.Generator().manual_seed(seed) for seed in seeds]
    networks = []
    with torch.random.fork_rng(devices=[]):
        for seed in seeds:
            torch.manual_seed(seed)
            networks.append(make().train())
        base = networks[0]
        names = [name for name, _ in base.named_parameters()]
        stacked = {
            name: torch.stack([network.get_parameter(name).detach() for network in networks])
            for name in names
        }
        for tensor in stacked.values():
            tensor.requires_grad_(True)
        return _descend(base, stacked, samples, folds, schedule, draws, progress)


def _descend(
    base: nn.Module,
    weights: Weights,
    samples: Samples,
    folds: Sequence[Tensor],
    schedule: Schedule,
    draws: Sequence[torch.Generator],
    progress: Progress | None,
) -> Weights:
    per_epoch = math.ceil(max(len(rows) for rows in folds) / schedule.batch)
    steps = schedule.epochs * per_epoch
    decayed = [w for name, w in weights.items() if name.endswith("weight")]
    others = [w for name, w in weights.items() if not name.endswith("weight")]
    groups: list[dict[str, Any]] = [
        {"params": decayed},
        {"params": others, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=schedule.lr, weight_decay=schedule.weight_decay)
    average = {name: w.detach().clone() for name, w in weights.items()}
    class_weights = torch.stack([_class_weights(samples.labels[r], schedule) for r in folds])
    teachers = [teach(samples, rows) for rows in folds] if schedule.distill > 0 else []
    orders = [torch.empty(0, dtype=torch.long) for _ in folds]
    forward = vmap(lambda w, x: functional_call(base, w, (x,)), randomness="different")
    classes = class_weights.shape[1]
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = schedule.lr * _shape(step / steps, schedule.warmup)
        inputs, targets, advice = [], [], []
        for number, (rows, draw) in enumerate(zip(folds, draws, strict=True)):
            while len(orders[number]) < schedule.batch:
                again = rows[torch.randperm(len(rows), generator=draw)]
                orders[number] = torch.cat([orders[number], again])
            chosen = orders[number][: schedule.batch]
            orders[number] = orders[number][schedule.batch :]
            x = batch(samples, chosen, schedule.augment, draw)
            y = F.one_hot(samples.labels[chosen], classes).float()
            y = y * class_weights[number][samples.labels[chosen]][:, None]
            if schedule.mixup > 0:
                x, y = _mixup(x, y, schedule.mixup, draw)
            inputs.append(x)
            targets.append(y)
            if teachers:
                advice.append(teachers[number](x))
        logits = forward(weights, torch.stack(inputs))
        loss = _loss(logits, torch.stack(targets), schedule.label_smoothing)
        if advice:
            loss = (1 - schedule.distill) * loss + schedule.distill * _distance(logits, advice)
        if not bool(loss.isfinite()):
            raise DataError(
                f"expected a finite loss; got {loss.item()} at step {step + 1} of {steps}: "
                "lower the learning rate, or look for maps that are not numbers."
            )
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        decay = min(schedule.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, tensor in average.items():
                tensor.lerp_(weights[name], 1 - decay)
        if progress is not None:
            progress(step + 1, steps)
    return average


def predict(
    make: Callable[[], nn.Module], weights: Weights, inputs: Sequence[Tensor]
) -> list[Tensor]:
    """Logits (n, classes) for each fold's ``inputs`` (n, 3, S, S), in eval mode."""
    network = make().eval()
    results = []
    with torch.no_grad():
        for number, pictures in enumerate(inputs):
            own = {name: tensor[number] for name, tensor in weights.items()}
            results.append(functional_call(network, own, (pictures,)))
    return results


def _shape(done: float, warmup: float) -> float:
    """Learning rate as a share of its peak: linear up, then half a cosine down."""
    if done < warmup:
        return (done + 1e-3) / warmup
    return 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))


def _class_weights(labels: Tensor, schedule: Schedule) -> Tensor:
    """(classes,) with a mean of 1 over the clips."""
    counts = torch.bincount(labels, minlength=3).clamp_min(1).float()
    weights = counts.pow(-schedule.balance)
    return weights * (counts.sum() / (weights * counts).sum())


def _mixup(x: Tensor, y: Tensor, alpha: float, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Zhang et al., ICLR 2018, one coefficient per clip."""
    gamma = torch._sample_dirichlet(torch.full((len(x), 2), alpha), generator=draw)
    share = gamma.max(dim=1).values
    other = torch.randperm(len(x), generator=draw)
    mixed = x * share[:, None, None, None] + x[other] * (1 - share)[:, None, None, None]
    return mixed, y * share[:, None] + y[other] * (1 - share)[:, None]


def _loss(logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy with smoothed, weighted targets: mean over clips, sum over folds."""
    weight = targets.sum(dim=-1, keepdim=True)
    smooth = targets * (1 - smoothing) + weight * smoothing / targets.shape[-1]
    return -(smooth * logits.log_softmax(dim=-1)).sum(dim=-1).mean(dim=-1).sum()


def _distance(logits: Tensor, advice: Sequence[Tensor]) -> Tensor:
    """Squared distance of centred logits to the teachers': mean over clips, sum over folds."""
    apart = logits - logits.mean(dim=-1, keepdim=True) - _TEACHER_SCALE * torch.stack(list(advice))
    return apart.square().sum(dim=-1).mean(dim=-1).sum()
