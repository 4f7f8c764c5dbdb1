"""HypHTNet: HTNet with an embedding of every clip in the Poincare ball.

The published form (a public repository of 2024; no paper is known to us) takes its logits from a
plain head and adds a contrastive loss on the embeddings. Its default distance is Euclidean;
``metric`` "poincare" is the ball's own. With ``head`` "hyperbolic", which is ours, the logits are
the hyperbolic logistic regression of Ganea et al. (NeurIPS 2018) on the embeddings. ``metric``
"poincare" and ``head`` "hyperbolic" need geoopt.

Tensor names are those of the official checkpoints. The repository's 0.8745 / 0.8574 (UF1 / UAR) are
of each subject's best epoch, chosen on that subject.

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

    ``embedding``: dimensions of the ball.
    ``curvature``: the ball's curvature is -``curvature``.
    ``clip``: length to which vectors are clipped before they are mapped to the ball.
    ``contrast``: weight of the contrastive loss, 0..1.
    ``temperature``: divisor of its distances.
    ``metric``: "euclidean" or "poincare".
    ``head``: "euclidean" or "hyperbolic".
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
        """Return logits (B, classes) of the last map (B, H, W, C)."""
        if self.config.head == "hyperbolic":
            logits: Tensor = self.planes(self._place(x))
            return logits
        return on_mean(self.ce_head, x)

    def training_outputs(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, classes) and embeddings (B, embedding) for `extra_loss`."""
        x = self.features(pictures)
        place = self._place(x)
        if self.config.head == "hyperbolic":
            return self.planes(place), place
        return on_mean(self.ce_head, x), place

    @property
    def extra_weight(self) -> float:
        """Weight of the contrastive loss, 0..1; the rest is the logits'."""
        return self.config.contrast

    def extra_loss(self, places: Tensor, labels: Tensor) -> Tensor:
        """Return `contrast` of places (B, embedding) and labels (B,) with the config's metric."""
        config = self.config
        return contrast(places, labels, config.metric, config.curvature, config.temperature)

    def _place(self, x: Tensor) -> Tensor:
        """Embed the last map (B, H, W, C) in the ball: (B, embedding)."""
        z: Tensor = self.p_head[3](on_mean(self.p_head, x))
        # Half precision is too coarse near the ball's border.
        z = z.to(torch.promote_types(z.dtype, torch.float32))
        z = z * (self.config.clip / (z.norm(dim=-1, keepdim=True) + 1e-5)).clamp_max(1)
        return exp0(z, self.config.curvature)


class HyperbolicRegression(nn.Module):
    """Multinomial logistic regression in the Poincare ball (Ganea et al., 2018, equation 25).

    A class's logit is the signed distance to its hyperplane times the length of the plane's normal.
    The plane goes through the point exp0(``points``), so that every parameter is Euclidean and any
    optimizer works. ``normals`` are tangent vectors at the origin, where the ball's metric doubles
    their length; hence the factor 2.
    """

    def __init__(self, dim: int, classes: int, curvature: float) -> None:
        super().__init__()
        self.curvature = curvature
        self.points = nn.Parameter(torch.zeros(classes, dim))
        self.normals = nn.Parameter(torch.randn(classes, dim) / math.sqrt(dim))

    def forward(self, places: Tensor) -> Tensor:
        """Return logits (B, classes) of ``places`` (B, dim) in the ball."""
        ball, points = _geoopt(), exp0(self.points, self.curvature)
        k = _negative(self.curvature, places)
        signed: Tensor = ball.dist2plane(
            places[:, None], points, self.normals, k=k, signed=True, scaled=True
        )
        return 2 * signed


def exp0(z: Tensor, curvature: float) -> Tensor:
    """Exponential map at the origin: tangent vectors (..., D) to points 0.1% inside the border."""
    root = math.sqrt(curvature)
    length = z.norm(dim=-1, keepdim=True).clamp_min(1e-5)
    on_ball: Tensor = z * ((root * length).tanh().clamp_max(1 - 1e-3) / (root * length))
    return on_ball


def distances(places: Tensor, metric: str, curvature: float) -> Tensor:
    """Pairwise distances (B, B) of ``places`` (B, D) in the ball of curvature -``curvature``.

    2 artanh(sqrt(c) |-x (+) y|) / sqrt(c) for "poincare", |x - y| for "euclidean".
    """
    if metric == "poincare":
        k = _negative(curvature, places)
        apart: Tensor = _geoopt().dist(places[:, None], places, k=k)
        return apart
    squares = (places[:, None] - places).square().sum(dim=-1)
    return squares.clamp_min(1e-12).sqrt()  # a root has no gradient at 0


def contrast(
    places: Tensor, labels: Tensor, metric: str, curvature: float, temperature: float
) -> Tensor:
    """Contrastive loss of embeddings, a scalar.

    With D = -distance / ``temperature``, 0 from a clip to itself, and S+ and S- the sums of D over
    clips of the same and of other classes, it is the mean cross-entropy of (S+, S-) for the first.
    ``places``: (B, D) in the ball; ``labels``: (B,).
    """
    itself = torch.eye(len(labels), dtype=torch.bool, device=places.device)
    scores = (-distances(places, metric, curvature) / temperature).masked_fill(itself, 0.0)
    signs = torch.where(labels[:, None] == labels, 1.0, -1.0)
    loss: Tensor = F.softplus(-(scores * signs).sum(dim=1)).mean()
    return loss


def _negative(curvature: float, like: Tensor) -> Tensor:
    """Curvature as a scalar on the CPU, of the type of ``like``.

    geoopt reads its value, which on a GPU would wait for the device and could not be captured in a
    CUDA graph.
    """
    return torch.tensor(-curvature, dtype=like.dtype)


def _orthogonal(linear: nn.Module) -> None:
    assert isinstance(linear, nn.Linear)
    nn.init.orthogonal_(linear.weight)
    nn.init.zeros_(linear.bias)


def _geoopt() -> Any:
    """geoopt's formulas of the Poincare ball, imported late, since few networks need them."""
    return need("geoopt.manifolds.stereographic.math")
