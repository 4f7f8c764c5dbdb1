"""Kernel machine as teacher: on 442 clips a better training target than the labels alone.

Kernel ridge regression (RBF) from network inputs to centred one-hot classes, solved in closed form
on the training clips of a fold and their mirror images, so that it never sees the held-out
subject. Its scores are defined for every input, augmented and mixed ones too, and the network
learns to match them ("function matching", Beyer et al., CVPR 2022).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from htnet.training.augmentation.batches import inputs_of, mirror
from htnet.training.augmentation.samples import Samples


@dataclass(frozen=True, slots=True, eq=False)
class KernelTeacher:
    """Fitted kernel ridge regression.

    ``support``: (A, D), flattened inputs. ``squares``: (A,), their squared lengths.
    ``coefficients``: (A, classes). ``gamma``: of the RBF kernel.
    """

    support: Tensor
    squares: Tensor
    coefficients: Tensor
    gamma: float

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return scores (B, classes) of inputs (B, 3, S, S): mean near 0, classes 1 apart."""
        distance = _distance(inputs.flatten(1), self.support, self.squares)
        return torch.exp(-self.gamma * distance) @ self.coefficients


def fit_teacher(
    samples: Samples, rows: Tensor, views: int = 0, ridge: float = 0.3, width: float = 1.0
) -> KernelTeacher:
    """Fit a teacher on the clips ``rows``: their published maps and ``views`` re-animated ones.

    ``ridge``: of a class of mean size; rarer classes get less. ``width``: gamma times the mean
    squared distance between clips.
    """
    made = [inputs_of(samples, rows, view) for view in range(1, 1 + views)]
    own = torch.cat([samples.inputs[rows], *made])
    inputs = torch.cat([own, mirror(own, samples.spec)])
    labels = samples.labels[rows].repeat(2 * (1 + views))
    classes = len(samples.spec.classes)
    targets = F.one_hot(labels, classes).float() - 1 / classes
    counts = torch.bincount(labels, minlength=classes).clamp_min(1).float()
    ridges = ridge * (counts / counts.mean())[labels]
    support = inputs.flatten(1)
    squares = support.square().sum(dim=1)
    distance = _distance(support, support, squares)
    gamma = width / float(distance.mean())
    kernel = torch.exp(-gamma * distance) + torch.diag(ridges)
    # On the CPU, where double precision is cheap; solved once for each fold.
    coefficients = torch.linalg.solve(kernel.double().cpu(), targets.double().cpu())
    coefficients = coefficients.float().to(kernel.device)
    return KernelTeacher(support, squares, coefficients, gamma)


def _distance(a: Tensor, b: Tensor, squares: Tensor) -> Tensor:
    """Return squared distances (A, B); ``squares``: (B,), squared lengths of ``b``."""
    return (a.square().sum(dim=1)[:, None] + squares - 2 * a @ b.T).clamp_min(0)
