"""Rendered pairs for the benches: the shipped portrait with one muscle moved; needs no data."""

from functools import cache

import numpy as np

from htnet.engine.anatomy.muscles import MUSCLES
from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH, align_once
from htnet.engine.face.regions import region_centres
from htnet.engine.flow import solver_named
from htnet.engine.motion.preprocess import PreprocessSpec, flow_map, network_input
from htnet.engine.motion.region_motion import measure_motion
from htnet.engine.synth.camera.sensor_noise import SensorNoise
from htnet.engine.synth.face.animator import Animator
from htnet.engine.synth.face.portrait import load_portrait
from htnet.engine.types import F32, U8, Face, Pair

_OPEN = 0.3


@cache
def rendered_pairs(count: int, seed: int = 0) -> tuple[Pair, ...]:
    """Return ``count`` pairs of crops with sensor noise, 1 to 4 px of one muscle between onset and
    apex."""
    rng = np.random.default_rng(seed)
    animator, grain = Animator(load_portrait()), SensorNoise(seed)
    pairs = []
    for number in range(count):
        muscle = list(MUSCLES)[number % len(MUSCLES)]
        activations = {muscle: float(rng.uniform(1, 4))}
        rest, moved = (
            grain.add(picture, 2 * number + place)
            for place, picture in enumerate(
                (animator.render(), animator.render(activations=activations))
            )
        )
        onset = align_once(rest, Face(animator.neutral, _OPEN))
        there = Face(animator.landmarks(activations=activations), _OPEN)
        pairs.append(Pair(onset, align_once(moved, there, onset.to_crop)))
    return tuple(pairs)


def rendered_crops(count: int, seed: int = 0) -> tuple[U8, U8, F32]:
    """Return the inputs of a pair graph: onset and apex (N, 1, 170, 140), centres (N, 4, 2)."""
    pairs = rendered_pairs(count, seed)
    return (
        np.stack([pair.onset.gray[None] for pair in pairs]),
        np.stack([pair.apex.gray[None] for pair in pairs]),
        np.stack([_centres(pair) for pair in pairs]),
    )


def rendered_pictures(count: int, spec: PreprocessSpec, seed: int = 0) -> F32:
    """Return the input of a network, (N, 3, S, S), by the spec's first flow solver."""
    solver = solver_named(spec.flows[0])
    pairs = rendered_pairs(count, seed)
    maps = (flow_map(measure_motion(pair, solver).flow, spec.size) for pair in pairs)
    return np.stack(
        [network_input(each, _centres(pair), spec) for each, pair in zip(maps, pairs, strict=True)]
    )


def _centres(pair: Pair) -> F32:
    scale = np.array([CROP_WIDTH, CROP_HEIGHT], np.float32)
    return region_centres(pair.apex.landmarks / scale)
