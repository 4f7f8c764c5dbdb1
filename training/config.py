"""Configuration of training: augmentation, schedule and recipe, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from torch import nn

from htnet.engine.errors import UsageError
from htnet.engine.models.htnet import HTNetConfig
from htnet.engine.models.registry import NETWORKS, build
from htnet.engine.motion.preprocess import PreprocessSpec
from htnet.training.datasets.composite import SIZE
from htnet.training.views import ViewConfig


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """Augmentation of batches.

    ``flip``: probability of the mirror image, whose u changes sign. ``shift``: crops move by up to
    this many px of the map. ``spread``: further shift of each region by itself, px. ``gain``:
    deviation of the normal whose exponential multiplies each channel. ``noise``: largest deviation
    of the Gaussian noise, in the unit of the scaled map (with "median" and "robust" scaling, half
    of its range). ``view``: probability of a re-animated view instead of the published map.
    """

    flip: float = 0.5
    shift: float = 1.0
    spread: float = 0.5
    gain: float = 0.2
    noise: float = 0.05
    view: float = 0.5

    def __post_init__(self) -> None:
        if not (0 <= self.flip <= 1 and 0 <= self.view <= 1):
            raise UsageError(
                f"expected chances of flip and view from 0 to 1; got {self.flip} and {self.view}: "
                "correct schedule.augment."
            )
        reaches = (self.shift, self.spread, self.gain, self.noise)
        if not all(0 <= reach <= 28 for reach in reaches):
            raise UsageError(
                f"expected shift, spread, gain and noise from 0 to 28; got {reaches}: correct "
                "schedule.augment."
            )


NO_AUGMENT = AugmentConfig(flip=0.0, shift=0.0, spread=0.0, gain=0.0, noise=0.0, view=0.0)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Fixed training schedule; the result is the weights of the last epoch, whatever their score.

    ``optimizer``: "adamw" or "adam". ``shape``: of the learning rate, "cosine" (up over ``warmup``,
    a share of all steps, then half a cosine down) or "constant". ``sampling``: "shuffled",
    "balanced" (classes equally often, with replacement) or "ordered"; a batch may span the end of
    an epoch. ``balance``: exponent of the classes' inverse frequency in the loss. ``ema``: decay of
    the moving average of the weights, which is kept as the result (0 for none). ``mixup``: alpha of
    its beta distribution. ``distill``: share of the distance to a kernel teacher's scores in the
    loss; at 1 the labels act through the teacher alone, and ``label_smoothing`` and ``balance``
    have no effect. ``teacher_views``: number of re-animated versions of each clip that the teacher
    is fitted on too. ``precision``: "float32" or "bfloat16" (autocast; weights and optimizer stay
    float32).
    """

    epochs: int = 40
    batch: int = 64
    lr: float = 1e-3
    optimizer: str = "adamw"
    shape: str = "cosine"
    weight_decay: float = 0.05
    warmup: float = 0.1
    sampling: str = "shuffled"
    label_smoothing: float = 0.1
    balance: float = 0.5
    ema: float = 0.99
    mixup: float = 1.0
    distill: float = 1.0
    teacher_views: int = 0
    precision: str = "float32"
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        for name, choices in (
            ("optimizer", ("adamw", "adam")),
            ("shape", ("cosine", "constant")),
            ("sampling", ("shuffled", "balanced", "ordered")),
            ("precision", ("float32", "bfloat16")),
        ):
            if getattr(self, name) not in choices:
                raise UsageError(
                    f"expected {name} to be one of {', '.join(choices)}; got "
                    f"{getattr(self, name)!r}: correct the schedule."
                )
        shares = (self.label_smoothing, self.ema, self.distill, self.warmup)
        if min(self.epochs, self.batch) < 1 or not self.lr > 0:
            raise UsageError(
                f"expected at least one epoch, one clip a batch and a learning rate above 0; got "
                f"{self.epochs}, {self.batch} and {self.lr}: correct the schedule."
            )
        others = (self.mixup, self.balance, self.weight_decay, self.teacher_views)
        if not all(0 <= share <= 1 for share in shares) or min(others) < 0:
            raise UsageError(
                "expected label_smoothing, ema, distill and warmup from 0 to 1 and mixup, balance, "
                f"weight_decay and teacher_views of at least 0; got {(*shares, *others)}: correct "
                "the schedule."
            )


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Data, recipe and device of a training run.

    ``data``: a folder laid out as the composite. ``landmarks``: file of the apex faces' landmarks,
    written where it does not exist (by default in the user's cache). ``network``: a name in the
    registry. ``model``: config of the network, None for its default. ``spec``: preprocessing.
    ``views``: number of re-animated versions of each clip to train on besides its published map.
    ``view``: their conditions. ``device``: of torch; not part of the recipe.
    """

    data: Path
    landmarks: Path | None = None
    network: str = "htnet-s"
    model: Any = None
    spec: PreprocessSpec = field(default_factory=PreprocessSpec)
    schedule: Schedule = field(default_factory=Schedule)
    views: int = 6
    view: ViewConfig = field(default_factory=ViewConfig)
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise UsageError(
                f"expected a network out of {', '.join(NETWORKS)}; got {self.network!r}: choose "
                "one of them."
            )
        if type(self.views) is not int or not 0 <= self.views <= 100 or self.seed < 0:
            raise UsageError(
                f"expected a seed of at least 0 and 0 to 100 views; got {self.seed} and "
                f"{self.views!r}: correct them."
            )

        self._require_fit()

    def _require_fit(self) -> None:
        """Raise `UsageError` unless preprocessing and network fit."""
        model, spec = self.model_config, self.spec
        side = spec.size if spec.regions == "whole" else 2 * spec.region
        if spec.size != SIZE or len(spec.classes) != model.classes:
            wrong = f"maps of {spec.size} px and {len(spec.classes)} classes"
            wanted = f"maps of {SIZE} px and the network's {model.classes} classes"
        elif side != model.image_size:
            wrong, wanted = f"pictures of {side} px", f"the network's {model.image_size} px"
        elif isinstance(model, HTNetConfig) and model.mirror and not self._mirrors(model):
            wrong = f"{spec.regions} regions, {spec.scaling} scaling and channels {spec.channels}"
            wanted = (
                "tiled or whole maps that are zero at rest, u where the model says, to average "
                "over mirror images"
            )
        else:
            return
        raise UsageError(f"expected {wanted}; got {wrong}: correct preprocess or model.")

    def _mirrors(self, model: HTNetConfig) -> bool:
        spec = self.spec
        still = spec.scaling in ("median", "robust") and spec.regions != "published"
        return still and spec.channels[model.mirror_channel] == "u"

    @property
    def model_config(self) -> Any:
        """Config of the network."""
        return NETWORKS[self.network].config if self.model is None else self.model

    @property
    def trained(self) -> bool:
        """True for a network trained by gradient steps; the others are fitted in closed form."""
        return NETWORKS[self.network].fits == "gradient"

    def make(self) -> nn.Module:
        """Build the network with new random weights."""
        return build(self.network, self.model_config)


def changed(config: Any, values: Mapping[str, Any], where: str) -> Any:
    """Return the dataclass ``config`` with ``values`` replaced, nested ones for nested dataclasses.

    Raises `UsageError`, naming their origin ``where``, for an unknown name or a value of another
    type.
    """
    if not isinstance(values, Mapping):
        raise UsageError(f"expected {where} to be a table; got {values!r}: correct it.")
    known = {item.name: getattr(config, item.name) for item in fields(config)}
    new = dict(known)
    for name, value in values.items():
        if name not in known:
            raise UsageError(
                f"expected one of {', '.join(known)} in {where}; got {name!r}: correct it."
            )
        old = known[name]
        if is_dataclass(old):
            new[name] = changed(old, value, f"{where}.{name}")
            continue
        new[name] = _as(old, value, f"{where}.{name}")
    try:
        return type(config)(**new)
    except ValueError as error:
        raise UsageError(f"expected values that fit together in {where}; {error}.") from None


def _as(old: Any, value: Any, where: str) -> Any:
    """Return ``value`` as the type of ``old``; tuples may have any length."""
    if isinstance(old, tuple) and isinstance(value, list | tuple):
        return tuple(_as(old[0], each, where) for each in value) if old else tuple(value)
    if isinstance(old, float) and type(value) in (int, float):
        return float(value)
    if type(value) is not type(old):
        raise UsageError(
            f"expected {where} to be {'a list' if isinstance(old, tuple) else type(old).__name__} "
            f"such as {old!r}; got {value!r}: correct it."
        )
    return value
