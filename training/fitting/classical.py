"""Support vector machines, fitted by scikit-learn in closed form and run by torch."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from htnet.engine.errors import DataError, UsageError
from htnet.engine.models.registry import build, entry
from htnet.engine.models.svm import KernelConfig, KernelMachine
from htnet.engine.optional import need
from htnet.training.augmentation.batches import mirror
from htnet.training.augmentation.samples import Samples

_TOPS = {"raw": 255.0, "unit": 1.0}  # sum of u and its mirror image; 0 where rest is 0


def fit_closed(
    name: str, config: KernelConfig, samples: Samples, rows: Tensor, seed: int
) -> nn.Module:
    """Fit the machine ``name`` on the clips ``rows`` (M,) and their mirror images.

    Classes are balanced. Returns a module in eval mode on the samples' device, whose ``config``
    holds the fitted number of supports, gamma and the mirroring of its input. ``seed`` goes to
    scikit-learn, which draws nothing for these machines. Raises `UsageError` for a network that is
    not fitted in closed form or an unsuitable input, `DataError` where a class has no clip,
    `DependencyError` without scikit-learn.
    """
    labels = samples.labels[rows].cpu()
    _require_fit(name, config, samples, labels)
    spec = samples.spec
    config = replace(
        config,
        mirror_channel=spec.channels.index("u"),
        mirror_top=_TOPS.get(spec.scaling, 0.0),
    )
    own = samples.inputs[rows].cpu()
    machine = build(name, config)
    assert isinstance(machine, KernelMachine)
    x = machine.features(torch.cat([own, mirror(own, spec)])).double().numpy()
    y = labels.repeat(2).numpy()
    mean, deviation = np.zeros(x.shape[1]), np.ones(x.shape[1])
    if config.standardise:
        mean, deviation = x.mean(axis=0), x.std(axis=0)
        deviation[deviation < 1e-12] = 1.0  # a constant feature
    x = (x - mean) / deviation
    gamma = config.gamma or 1 / (x.shape[1] * max(float(x.var()), 1e-12))
    svc = need("sklearn.svm").SVC(
        C=config.penalty,
        kernel=config.kernel,
        gamma=gamma,
        class_weight="balanced",
        random_state=seed,
    )
    svc.fit(x, y)
    machine = build(name, replace(config, supports=len(svc.support_), gamma=gamma))
    fitted = {
        "mean": mean,
        "deviation": deviation,
        "support": svc.support_vectors_,
        "coefficients": _by_pair(svc.dual_coef_, svc.n_support_),
        "intercepts": svc.intercept_,
    }
    machine.load_state_dict(
        {key: torch.tensor(value, dtype=torch.float32) for key, value in fitted.items()}
    )
    return machine.eval().to(samples.inputs.device)


def _require_fit(name: str, config: KernelConfig, samples: Samples, labels: Tensor) -> None:
    """Raise unless ``name`` is fitted in closed form and takes these samples."""
    if entry(name).fits != "closed":
        raise UsageError(f"expected a network that is fitted in closed form; got {name}: train it.")
    spec = samples.spec
    if spec.regions == "published" or (name == "bi-woof" and spec.scaling in _TOPS):
        raise UsageError(
            f"expected regions whole or tiled for {name}, and for bi-woof u and v that are 0 at "
            f"rest; got {spec.regions} and {spec.scaling}: leave the preprocessing as it is by "
            "default."
        )
    counts = torch.bincount(labels, minlength=config.classes)
    if not bool(counts.all()):
        raise DataError(
            f"expected clips of all {config.classes} classes to fit {name}; got "
            f"{counts.tolist()} of them: add clips."
        )


def _by_pair(dual: NDArray[np.float64], counts: NDArray[np.int32]) -> NDArray[np.float64]:
    """Rearrange libsvm's dual coefficients (classes - 1, supports) to (pairs, supports).

    libsvm keeps a support's coefficient against class k in row k, or in row k - 1 where k comes
    after the support's own class.
    """
    ends = np.cumsum(counts)
    spans = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
    pairs = list(combinations(range(len(counts)), 2))
    result = np.zeros((len(pairs), dual.shape[1]))
    for row, (one, other) in enumerate(pairs):
        result[row, spans[one]] = dual[other - 1, spans[one]]
        result[row, spans[other]] = dual[one, spans[other]]
    return result
