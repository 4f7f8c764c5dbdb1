"""The weights that ship: what they say of themselves and of real faces."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from htnet.engine.anatomy.muscles import MUSCLES
from htnet.engine.anatomy.muscles import field as muscle_field
from htnet.engine.face.regions import region_centres
from htnet.engine.face.tracker import find_face
from htnet.engine.flow.opencv import Dis
from htnet.engine.models.weights import default_weights, load
from htnet.engine.motion.preprocess import flow_map, network_input
from htnet.training.augmentation.reanimate import face_crop, render_pair
from htnet.training.datasets.composite import read_apex, read_clips
from htnet.training.recipes import RECIPES, configured

SHIPPED = load(default_weights())


def test_the_card_tells_an_honest_score() -> None:
    loso = SHIPPED.card["loso"]
    assert len(loso["seeds"]) >= 3
    assert 0.7 < loso["full"]["uf1"] < 0.82  # beyond that something has leaked
    assert all(run["folds"] == 68 for run in loso["runs"])
    assert all(sum(map(sum, table)) == 442 for table in loso["confusion"])


def test_the_recipe_is_the_default_one() -> None:
    config = configured("htnet-s", Path())
    assert SHIPPED.config == config.model_config
    assert SHIPPED.spec == replace(config.spec, temperature=SHIPPED.spec.temperature)
    assert SHIPPED.card["schedule"] == asdict(config.schedule)
    assert SHIPPED.card["recipes_tried"] == RECIPES["htnet-s"].tried


# A dropped jaw is left out: the weights that ship were trained without it, and call it surprise on
# 13% of these faces.
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MUSCLES if name != "jaw drop"])
@torch.no_grad()
def test_prototypes_on_real_faces(published: Path, name: str) -> None:
    """One muscle moved by 1 to 3 px with sensor noise is called by its class on 9 of 10 faces."""
    muscle = MUSCLES[name]
    clips = read_clips(published)[::30]
    right = []
    for number, clip in enumerate(clips):
        face = face_crop(read_apex(clip.apex), clip.to_map)
        found = find_face(read_apex(clip.apex))
        assert found is not None
        points = clip.on_map(found.landmarks / np.float32(224))
        flow = -(1 + number % 3) * muscle_field(muscle, points * (140, 170), (140, 170))
        apex, onset = render_pair(face, flow, 2.0, np.random.default_rng(number))
        map_ = flow_map(Dis()(onset, apex))
        x = torch.from_numpy(network_input(map_, region_centres(points), SHIPPED.spec))
        guess = int(SHIPPED.network(x[None]).argmax())
        right.append(SHIPPED.spec.classes[guess] == muscle.label)
    assert np.mean(right) > 0.9
