"""Support vector machine on the flow map: the baseline for all networks.

RBF kernel, one against one, on the map resized to 14 x 14. Every value is standardised by its mean
and standard deviation over the training clips. scikit-learn fits the machine
(`htnet.training.fitting.classical`); this module evaluates it as any other network. It follows no
paper. Leave-one-subject-out on the composite (68 folds, published maps) gives UF1 0.731 / UAR
0.739.

Parameters: none found by a gradient; each support vector is one clip of 588 values.
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
    """Shape and fitting options of a kernel machine.

    ``size``: side that maps are resized to.
    ``kernel``: "rbf" or "linear".
    ``gamma``: of the RBF kernel; 0 for 1 / (features x their variance), set by the fit.
    ``penalty``: scikit-learn's C.
    ``standardise``: standardise features, see the module.
    ``supports``: number of support vectors, set by the fit.
    ``mirror``: average the logits over the face and its mirror image. There the channel
    ``mirror_channel``, u, becomes ``mirror_top`` - u: 255 for raw maps, 1 for maps in 0..1, 0 for
    maps that are 0 at rest.
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
        if not 3 <= self.classes <= 64:  # two classes have a single decision, another form
            raise ValueError(f"expected 3 to 64 classes, got {self}")
        if self.kernel not in ("rbf", "linear"):
            raise ValueError(f"kernel is rbf or linear, got {self}")
        if not self.gamma >= 0 or not self.penalty > 0 or self.size > self.image_size:
            raise ValueError(
                f"expected gamma from 0, a penalty above 0 and maps that shrink, got {self}"
            )

    @property
    def features(self) -> int:
        """Number of features."""
        return self.channels * self.size**2


class KernelMachine(nn.Module):
    """``forward``: maps (B, channels, S, S) to logits (B, classes).

    ``mean``, ``deviation``: (features,) of the standardisation.
    ``support``: support vectors (supports, features).
    ``coefficients``: (pairs, supports), 0 where a support vector is of neither class.
    ``intercepts``: (pairs,). Pairs of classes are in the order of `itertools.combinations`; a
    positive decision is for the first.
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
        """Features (B, features) before standardisation."""
        return F.interpolate(maps, size=(self.config.size,) * 2, mode="area").flatten(1)

    def forward(self, maps: Tensor) -> Tensor:
        """Return logits (B, classes)."""
        if not self.config.mirror:
            return self.judge(self.features(maps))
        mirrored, u = maps.flip(-1), self.config.mirror_channel
        mirrored[:, u] = self.config.mirror_top - mirrored[:, u]
        return halves_mean(self.judge(self.features(torch.cat([maps, mirrored]))))

    def judge(self, features: Tensor) -> Tensor:
        """Return scores (B, classes) of features (B, F).

        A score is the number of pairwise votes plus the sum of the decisions, squashed to less than
        a third, as in `sklearn.svm.SVC` with decision_function_shape="ovr".
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
        """Pairwise decisions (B, pairs) of standardised features (B, F)."""
        if self.config.kernel == "linear":  # sum over supports first: they cancel most
            return F.linear(x, self.coefficients @ self.support, self.intercepts)
        squares = x.square().sum(dim=1)[:, None] + self.support.square().sum(dim=1)
        distances = (squares - 2 * x @ self.support.T).clamp_min(0)
        kernel = torch.exp(-self.config.gamma * distances)
        return F.linear(kernel, self.coefficients, self.intercepts)
