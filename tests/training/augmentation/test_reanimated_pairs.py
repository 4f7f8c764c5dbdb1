"""Re-animated clips as pictures: the very frames that are measured for training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from htnet.engine.face.alignment import as_crop
from htnet.engine.flow import solver_named
from htnet.engine.motion.preprocess import flow_map
from htnet.engine.motion.region_motion import measure_motion
from htnet.engine.types import Pair
from htnet.training.augmentation.reanimate import reanimated
from htnet.training.augmentation.reanimated_pairs import reanimated_pairs
from htnet.training.augmentation.samples import read_composite
from htnet.training.views import CAMERA, PLAIN, ViewConfig


@pytest.mark.parametrize("config", [PLAIN, replace(CAMERA, flows=("farneback",))])
def test_they_are_what_reanimated_measures(composite: Path, config: ViewConfig) -> None:
    clips, maps, centres = read_composite(composite, composite / "landmarks.npy")
    wanted = reanimated(clips[:6], maps[:6], 3, config)
    made = list(reanimated_pairs(clips[:6], maps[:6], centres[:6], 3, config))
    solver = solver_named(config.flows[0])
    for (onset, apex, places), map_, known in zip(made, wanted, centres, strict=False):
        assert onset.shape == apex.shape == (170, 140)
        assert onset.dtype == apex.dtype == np.uint8
        assert np.array_equal(places, known)
        crops = Pair(as_crop(onset), as_crop(apex))
        moved = measure_motion(crops, solver, registered=config.registered)
        assert np.array_equal(flow_map(moved.flow), map_)


def test_a_seed_gives_the_same_pairs_and_another_others(composite: Path) -> None:
    clips, maps, centres = read_composite(composite, composite / "landmarks.npy")
    first, again, other = (
        next(iter(reanimated_pairs(clips, maps, centres, seed, CAMERA))) for seed in (0, 0, 1)
    )
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


def test_every_clip_of_the_composite(published: Path) -> None:
    clips, maps, centres = read_composite(published)
    chosen = slice(None, None, 40)
    made = list(reanimated_pairs(clips[chosen], maps[chosen], centres[chosen], 0))
    assert len(made) == 12
    assert all(not np.array_equal(onset, apex) for onset, apex, _ in made)
    assert all(places.min() > 0 and places.max() < 1 for _, _, places in made)
