"""HypHTNet: an HTNet that also learns a place on the Poincare ball for every clip.

The published form (a public repository of 2024; no paper is known to us) takes its logits from a
plain head and adds a contrast between the clips' places to the loss. Its default distance for that
is the Euclidean one, which knows nothing of the ball; ``metric`` "poincare" is the ball's own. With
``head`` "hyperbolic", ours, the ball decides: the logits are the hyperbolic logistic regression of
Ganea et al. (NeurIPS 2018) on the places. ``metric`` "poincare" and ``head`` "hyperbolic" need
geoopt.

Tensor names are those of the official checkpoints. The repository's 0.8745 / 0.8574 (UF1 / UAR)
keep each subject's best epoch on that subject.

Parameters: 139,716,486 with the published repeats (2, 2, 10), 139,712,131 with the hyperbolic head.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from htnet.engine.models.config_limits import within
from htnet.engine.models.htnet import Backbone, HTNetConfig, LayerNorm, mean_head, on_mean
from htnet.engine.optional import need


@dataclass(frozen=True, slots=True)
class HypHTNetConfig(HTNetConfig):
    """Shape of a HypHTNet; the defaults are the published script's.

    ``embedding``: dimensions of the ball, of curvature -``curvature``; vectors are clipped to the
    length ``clip`` before they go on it. ``contrast``: the contrast's share of the loss;
    ``temperature`` divides its distances. ``metric``: "euclidean" or "poincare"; ``head``:
    "euclidean" or "hyperbolic".
    """

    repeats: tuple[int, ...] = (2, 2, 10)
    embedding: int = 128
    curvature: float = 0.1
    clip: float = 2.3
    contrast: float = 0.002
    temperature: float = 0.2
    metric: str = "euclidean"
    head: str = "euclidean"

    def __post_init__(self) -> None:
        HTNetConfig.__post_init__(self)
        within(self, self.embedding)
        if not all(0 < x < math.inf for x in (self.curvature, self.clip, self.temperature)):
            raise ValueError(f"curvature, clip and temperature have to be above 0, got {self}")
        if not 0 <= self.contrast <= 1:
            raise ValueError(f"contrast is a share from 0 to 1, got {self}")
        if self.metric not in ("euclidean", "poincare"):
            raise ValueError(f"metric is euclidean or poincare, got {self}")
        if self.head not in ("euclidean", "hyperbolic"):
            raise ValueError(f"head is euclidean or hyperbolic, got {self}")


class HypHTNet(Backbone):
    """``forward``: pictures (B, channels, S, S) to logits (B, classes)."""

    config: HypHTNetConfig

    def __init__(self, config: HypHTNetConfig) -> None:
        super().__init__(config)
        if config.head == "euclidean":
            self.ce_head = mean_head(config.width, config.classes)
            _orthogonal(self.ce_head[2])
        self.p_head = nn.Sequential(
            LayerNorm(config.width),
            nn.Identity(),
            nn.Linear(config.width, config.embedding),
            nn.BatchNorm1d(config.embedding),
        )
        _orthogonal(self.p_head[2])
        if config.head == "hyperbolic":
            self.planes = HyperbolicRegression(config.embedding, config.classes, config.curvature)

    def head(self, x: Tensor) -> Tensor:
        """Logits (B, classes) of the last map (B, H, W, C)."""
        if self.config.head == "hyperbolic":
            logits: Tensor = self.planes(self._place(x))
            return logits
        return on_mean(self.ce_head, x)

    def training_outputs(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, classes) and places (B, embedding), which `extra_loss` takes."""
        x = self.features(pictures)
        place = self._place(x)
        if self.config.head == "hyperbolic":
            return self.planes(place), place
        return on_mean(self.ce_head, x), place

    @property
    def extra_weight(self) -> float:
        """The contrast's share of the loss; the rest is the logits'."""
        return self.config.contrast

    def extra_loss(self, places: Tensor, labels: Tensor) -> Tensor:
        """`contrast` with the config's metric: places (B, embedding), labels (B,) to a scalar."""
        config = self.config
        return contrast(places, labels, config.metric, config.curvature, config.temperature)

    def _place(self, x: Tensor) -> Tensor:
        """The last map (B, H, W, C) on the ball (B, embedding)."""
        z: Tensor = self.p_head[3](on_mean(self.p_head, x))
        z = z.to(torch.promote_types(z.dtype, torch.float32))  # halves are too coarse at the border
        z = z * (self.config.clip / (z.norm(dim=-1, keepdim=True) + 1e-5)).clamp_max(1)
        return exp0(z, self.config.curvature)


class HyperbolicRegression(nn.Module):
    """Multinomial logistic regression on the Poincare ball: a class's logit is the signed distance
    to its hyperplane, times the length of the plane's normal (Ganea et al., 2018, equation 25).

    A plane goes through the point exp0(``points``), so that every parameter is Euclidean and any
    optimizer will do. ``normals`` are tangent vectors at the origin, which the ball counts twice as
    long as they are written; hence the 2.
    """

    def __init__(self, dim: int, classes: int, curvature: float) -> None:
        super().__init__()
        self.curvature = curvature
        self.points = nn.Parameter(torch.zeros(classes, dim))
        self.normals = nn.Parameter(torch.randn(classes, dim) / math.sqrt(dim))

    def forward(self, places: Tensor) -> Tensor:
        """``places`` (B, dim) on the ball to logits (B, classes)."""
        ball, points = _geoopt(), exp0(self.points, self.curvature)
        k = _negative(self.curvature, places)
        signed: Tensor = ball.dist2plane(
            places[:, None], points, self.normals, k=k, signed=True, scaled=True
        )
        return 2 * signed


def exp0(z: Tensor, curvature: float) -> Tensor:
    """Tangent vectors (..., D) at the origin to points on the ball, kept 0.1% off its border."""
    root = math.sqrt(curvature)
    length = z.norm(dim=-1, keepdim=True).clamp_min(1e-5)
    on_ball: Tensor = z * ((root * length).tanh().clamp_max(1 - 1e-3) / (root * length))
    return on_ball


def distances(places: Tensor, metric: str, curvature: float) -> Tensor:
    """Pairwise distances (B, B) of ``places`` (B, D) on the ball of curvature -``curvature``:
    2 artanh(sqrt(c) |-x (+) y|) / sqrt(c) for "poincare", straight lines for "euclidean"."""
    if metric == "poincare":
        k = _negative(curvature, places)
        apart: Tensor = _geoopt().dist(places[:, None], places, k=k)
        return apart
    squares = (places[:, None] - places).square().sum(dim=-1)
    return squares.clamp_min(1e-12).sqrt()  # a root has no gradient at 0


def contrast(
    places: Tensor, labels: Tensor, metric: str, curvature: float, temperature: float
) -> Tensor:
    """How little nearer the clips of the own class are, a scalar.

    With D = -distance / ``temperature``, 0 from a clip to itself, S+ and S- its sums over the same
    and over other classes, this is the mean of the cross-entropy of (S+, S-) for the first.
    ``places``: (B, D) on the ball; ``labels``: (B,).
    """
    itself = torch.eye(len(labels), dtype=torch.bool, device=places.device)
    scores = (-distances(places, metric, curvature) / temperature).masked_fill(itself, 0.0)
    signs = torch.where(labels[:, None] == labels, 1.0, -1.0)
    loss: Tensor = F.softplus(-(scores * signs).sum(dim=1)).mean()
    return loss


def _negative(curvature: float, like: Tensor) -> Tensor:
    """A scalar of the CPU whatever ``like`` is on: geoopt looks at its value, which on a GPU would
    wait for the device, and cannot be captured in a graph."""
    return torch.tensor(-curvature, dtype=like.dtype)


def _orthogonal(linear: nn.Module) -> None:
    assert isinstance(linear, nn.Linear)
    nn.init.orthogonal_(linear.weight)
    nn.init.zeros_(linear.bias)


def _geoopt() -> Any:
    """The formulas of the Poincare ball; loaded late, since few networks need it."""
    return need("geoopt.manifolds.stereographic.math")
