"""Samples: clips and their views as tensors, from which batches are cut."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from htnet.engine.errors import DataError
from htnet.engine.face.regions import PUBLISHED_CENTRES, PUBLISHED_TILES, region_centres
from htnet.engine.motion.preprocess import PreprocessSpec, network_input, scaled
from htnet.engine.types import CLASSES, F32
from htnet.training.augmentation.reanimate import reanimated
from htnet.training.config import TrainConfig
from htnet.training.datasets.clip import Clip
from htnet.training.datasets.composite import read_clips, read_map
from htnet.training.datasets.landmarks import apex_landmarks


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Clips and their views; view 0 is the published map, the others are re-animated.

    ``maps``: (N, 28, 28, 3) as published. ``pictures``: (N, V, 3, size, size), all views, scaled
    and not tiled. ``centres``: (N, 4, 2), fractions. ``inputs``: (N, 3, S, S), network inputs of
    view 0. ``labels``: (N,).
    """

    clips: tuple[Clip, ...]
    spec: PreprocessSpec
    maps: F32
    pictures: Tensor
    centres: Tensor
    inputs: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> "Samples":
        """Return the samples with their tensors on ``device``."""
        names = ("pictures", "centres", "inputs", "labels")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    @property
    def subjects(self) -> NDArray[np.str_]:
        """Subjects of the clips (N,)."""
        return np.array([clip.subject for clip in self.clips])

    @property
    def datasets(self) -> list[str]:
        """Datasets of the clips (N,)."""
        return [clip.dataset for clip in self.clips]


def read_samples(config: TrainConfig) -> Samples:
    """Read the samples of ``config``.

    Raises `DataError` for fewer than 2 subjects, and where a class is missing.
    """
    clips, maps, centres = read_composite(config.data, config.landmarks)
    subjects, labels = {clip.subject for clip in clips}, {clip.label for clip in clips}
    if len(subjects) < 2 or len(labels) < len(CLASSES):
        raise DataError(
            f"expected clips of at least 2 subjects and of all {len(CLASSES)} classes in "
            f"{config.data}; got {len(subjects)} and {len(labels)}: complete the data."
        )
    seeds = (config.seed * 1000 + view for view in range(config.views))
    views = [reanimated(clips, maps, seed, config.view) for seed in seeds]
    return make_samples(clips, [maps, *views], centres, config.spec)


def read_composite(root: Path, landmarks: Path | None = None) -> tuple[tuple[Clip, ...], F32, F32]:
    """Read clips, maps (N, 28, 28, 3) and region centres (N, 4, 2) of the composite under ``root``.

    ``root`` may also hold data that `open_data` prepared.
    """
    clips = tuple(read_clips(root))
    maps = np.stack([read_map(clip.flow) for clip in clips])
    points = apex_landmarks(clips, landmarks)
    centres = np.stack(
        [region_centres(clip.on_map(p)) for p, clip in zip(points, clips, strict=True)]
    )
    return clips, maps, centres


def make_samples(
    clips: Sequence[Clip], views: Sequence[F32], centres: F32, spec: PreprocessSpec
) -> Samples:
    """Make samples of views of the clips' maps, each (N, 28, 28, 3), and centres (N, 4, 2)."""
    if spec.regions == "published":
        centres = np.broadcast_to(PUBLISHED_CENTRES[PUBLISHED_TILES], centres.shape).copy()
    pictures = [[scaled(map_, spec).transpose(2, 0, 1) for map_ in view] for view in views]
    inputs = [network_input(map_, c, spec) for map_, c in zip(views[0], centres, strict=True)]
    return Samples(
        clips=tuple(clips),
        spec=spec,
        maps=views[0],
        pictures=torch.from_numpy(np.array(pictures, np.float32)).transpose(0, 1).contiguous(),
        centres=torch.from_numpy(centres),
        inputs=torch.from_numpy(np.array(inputs, np.float32)),
        labels=torch.tensor([clip.label for clip in clips]),
    )
