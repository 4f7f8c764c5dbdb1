"""One training step for stacked networks: forward, loss, backward, update.

On a CUDA device the step is captured as a graph after a few ordinary steps and then replayed, so
that no step waits for Python. Elsewhere the same code runs eagerly. A GPU sums in no fixed order,
so its runs are not reproducible to the bit.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from htnet.engine.models.registry import TrainingForm, WithExtraLoss
from htnet.training.config import Schedule

_WARM_UP = 3  # ordinary steps before the capture, as torch's notes on CUDA graphs require
_TEACHER_SCALE = 4.0  # logits per unit of a teacher's score


class TrainingStep:
    """Training step that updates ``weights``, stacked parameters and buffers, in place.

    ``base``: a network of the same architecture in training mode; a `WithExtraLoss` adds its own
    loss.
    """

    def __init__(self, base: nn.Module, weights: dict[str, Tensor], schedule: Schedule) -> None:
        self.base, self.form, self.schedule = base, TrainingForm(base).train(), schedule
        names = {name for name, _ in base.named_parameters()}
        self.parameters = {name: weights[name].requires_grad_(True) for name in sorted(names)}
        self.buffers = {name: tensor for name, tensor in weights.items() if name not in names}
        self.device = next(iter(weights.values())).device
        self.on_gpu = self.device.type == "cuda"
        self.optimizer = self._optimizer()
        self.graph: Any = None
        self.static: list[Tensor] = []
        self.loss: Tensor | None = None
        self.done = 0

    def __call__(
        self, inputs: Tensor, targets: Tensor, teacher_scores: Tensor | None, lr: float
    ) -> Tensor:
        """Update the weights and return the losses (folds,) before the update.

        ``inputs``: (folds, B, 3, S, S). ``targets``: (folds, B, classes), each row a clip's one-hot
        class times its weight. ``teacher_scores``: the teachers' scores, of the same shape.
        """
        for group in self.optimizer.param_groups:
            if self.on_gpu:
                group["lr"].fill_(lr)
            else:
                group["lr"] = lr
        self.done += 1
        given = [inputs, targets, *([] if teacher_scores is None else [teacher_scores])]
        if not self.on_gpu:
            return self._update(given)
        with torch.cuda.device(self.device):
            return self._on_gpu(given)

    def _on_gpu(self, given: list[Tensor]) -> Tensor:
        if self.done <= _WARM_UP:
            side: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                loss = self._update(given)
            torch.cuda.current_stream().wait_stream(side)
            return loss
        if self.graph is None:
            self._capture(given)
        for there, here in zip(self.static, given, strict=True):
            there.copy_(here)
        self.graph.replay()
        assert self.loss is not None
        return self.loss

    def _capture(self, given: list[Tensor]) -> None:
        self.static = [tensor.clone() for tensor in given]
        self.optimizer.zero_grad(set_to_none=True)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.loss = self._update(self.static)

    def _update(self, given: list[Tensor]) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        inputs, targets = given[0], given[1]
        kind, wanted = inputs.device.type, self.schedule.precision == "bfloat16"
        with torch.autocast(kind, torch.bfloat16, enabled=wanted):
            # Not kept as an attribute: a reference cycle would keep the captured memory alive.
            forward = vmap(self._outputs, randomness="different")
            logits, extra = forward(self.parameters, self.buffers, inputs)
        logits = logits.float()
        share = self.schedule.distill
        loss = _loss(logits, targets, self.schedule.label_smoothing)
        if len(given) > 2:
            loss = (1 - share) * loss + share * _distance(logits, given[2])
        if isinstance(self.base, WithExtraLoss):
            share, labels = self.base.extra_weight, targets.argmax(dim=-1)
            loss = (1 - share) * loss + share * vmap(self.base.extra_loss)(extra, labels)
        torch.autograd.backward(loss.sum())
        self.optimizer.step()
        return loss.detach()

    def _outputs(
        self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], pictures: Tensor
    ) -> Any:
        """Return one fold's logits and the input of its extra loss."""
        named = {f"network.{name}": t for name, t in (*parameters.items(), *buffers.items())}
        return functional_call(self.form, named, (pictures,))

    def _optimizer(self) -> torch.optim.Optimizer:
        decayed = [w for name, w in self.parameters.items() if name.endswith("weight")]
        others = [w for name, w in self.parameters.items() if not name.endswith("weight")]
        lr: Any = self.schedule.lr
        groups: list[dict[str, Any]] = [
            {"params": decayed, "weight_decay": self.schedule.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        options: dict[str, Any] = {}
        if self.on_gpu:  # a graph replays addresses, so each group's rate has to be a tensor
            for group in groups:
                group["lr"] = torch.tensor(lr, device=decayed[0].device)
            options = {"capturable": True, "fused": True}
        kind = torch.optim.AdamW if self.schedule.optimizer == "adamw" else torch.optim.Adam
        return kind(groups, lr=lr, **options)


def _loss(logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Return cross-entropy with smoothed, weighted targets (folds,), mean over clips."""
    weight = targets.sum(dim=-1, keepdim=True)
    smooth = targets * (1 - smoothing) + weight * smoothing / targets.shape[-1]
    return -(smooth * logits.log_softmax(dim=-1)).sum(dim=-1).mean(dim=-1)


def _distance(logits: Tensor, teacher_scores: Tensor) -> Tensor:
    """Return the squared distance of centred logits to the teachers' (folds,), mean over clips."""
    apart = logits - logits.mean(dim=-1, keepdim=True) - _TEACHER_SCALE * teacher_scores
    return apart.square().sum(dim=-1).mean(dim=-1)
