"""A support vector machine on the flow map itself: the yardstick that a network has to beat.

RBF kernel, one against one, on the map shrunk to 14 x 14, every value less its mean and divided by
its deviation over the training clips. scikit-learn finds the supports (`htnet.training.fitting.classical`);
here they serve, as any other network does. It follows no paper. Leaving one subject out of the
composite (68 folds, published maps) it scores UF1 0.731 / UAR 0.739.

Parameters: none that a gradient finds; each support is one clip of 588 values.
"""

from dataclasses import dataclass
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from htnet.engine.models.config_limits import channels_of, within
from htnet.engine.models.htnet import halves_mean


@dataclass(frozen=True, slots=True)
class KernelConfig:
    """A fitted machine's shape and how it is to be fitted.

    ``size``: side that maps are shrunk to. ``kernel``: "rbf" or "linear"; ``gamma`` of the first, 0
    for 1 / (features x their variance). ``penalty``: scikit-learn's C. ``standardise``: see above.
    ``supports``: how many there are, which the fit decides, and so ``gamma``. ``mirror`` averages
    the logits over the face and its mirror image, in which channel ``mirror_channel``, u, becomes
    ``mirror_top`` - u: 255 for raw maps, 1 for maps in 0..1, 0 for maps that are 0 at rest.
    """

    image_size: int = 28
    classes: int = 3
    channels: int = 3
    size: int = 14
    kernel: str = "rbf"
    gamma: float = 0.0
    penalty: float = 1.0
    standardise: bool = True
    supports: int = 1
    mirror: bool = True
    mirror_channel: int = 0
    mirror_top: float = 255.0

    def __post_init__(self) -> None:
        within(self, self.image_size, self.channels, self.size, self.supports, self.classes)
        channels_of(self, (self.mirror_channel,), 1, self.channels)
        if not 3 <= self.classes <= 64:  # two have but one decision, which is another form
            raise ValueError(f"expected 3 to 64 classes, got {self}")
        if self.kernel not in ("rbf", "linear"):
            raise ValueError(f"kernel is rbf or linear, got {self}")
        if not self.gamma >= 0 or not self.penalty > 0 or self.size > self.image_size:
            raise ValueError(
                f"expected gamma from 0, a penalty above 0 and maps that shrink, got {self}"
            )

    @property
    def features(self) -> int:
        """Values that the kernel compares."""
        return self.channels * self.size**2


class KernelMachine(nn.Module):
    """``forward``: maps (B, channels, S, S) to logits (B, classes).

    ``support`` (supports, features), ``coefficients`` (pairs, supports) with 0 where a support is
    of neither class, ``intercepts`` (pairs,); pairs of classes as `itertools.combinations` has
    them, a positive decision for the first.
    """

    mean: Tensor
    deviation: Tensor
    support: Tensor
    coefficients: Tensor
    intercepts: Tensor

    def __init__(self, config: KernelConfig) -> None:
        super().__init__()
        self.config = config
        pairs = config.classes * (config.classes - 1) // 2
        self.register_buffer("mean", torch.zeros(config.features))
        self.register_buffer("deviation", torch.ones(config.features))
        self.register_buffer("support", torch.zeros(config.supports, config.features))
        self.register_buffer("coefficients", torch.zeros(pairs, config.supports))
        self.register_buffer("intercepts", torch.zeros(pairs))

    def features(self, maps: Tensor) -> Tensor:
        """What the kernel compares, before it is standardised: (B, features)."""
        return F.interpolate(maps, size=(self.config.size,) * 2, mode="area").flatten(1)

    def forward(self, maps: Tensor) -> Tensor:
        """Logits (B, classes)."""
        if not self.config.mirror:
            return self.judge(self.features(maps))
        mirrored, u = maps.flip(-1), self.config.mirror_channel
        mirrored[:, u] = self.config.mirror_top - mirrored[:, u]
        return halves_mean(self.judge(self.features(torch.cat([maps, mirrored]))))

    def judge(self, features: Tensor) -> Tensor:
        """Scores (B, classes) of features (B, F): votes of the pairs, ordered within a vote by the
        sum of the decisions, squashed to a third (`sklearn.svm.SVC`,
        decision_function_shape="ovr").
        """
        decisions = self._decisions((features - self.mean) / self.deviation)  # (B, pairs)
        votes = [torch.zeros_like(decisions[:, 0]) for _ in range(self.config.classes)]
        sums = list(votes)
        for pair, (one, other) in enumerate(combinations(range(self.config.classes), 2)):
            own = decisions[:, pair]
            lost = (own < 0).to(own.dtype)
            votes[one], votes[other] = votes[one] + 1 - lost, votes[other] + lost
            sums[one], sums[other] = sums[one] + own, sums[other] - own
        total = torch.stack(sums, dim=1)
        return torch.stack(votes, dim=1) + total / (3 * (total.abs() + 1))

    def _decisions(self, x: Tensor) -> Tensor:
        """Of standardised features (B, F): (B, pairs)."""
        if self.config.kernel == "linear":  # the sums over supports first: they cancel the most
            return F.linear(x, self.coefficients @ self.support, self.intercepts)
        squares = x.square().sum(dim=1)[:, None] + self.support.square().sum(dim=1)
        distances = (squares - 2 * x @ self.support.T).clamp_min(0)
        kernel = torch.exp(-self.config.gamma * distances)
        return F.linear(kernel, self.coefficients, self.intercepts)
