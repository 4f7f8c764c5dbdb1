"""Preprocessing of flow into the network's input, and its spec."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from htnet.engine.errors import WeightsError
from htnet.engine.face.alignment import as_crop, canonical_landmarks
from htnet.engine.face.regions import region_centres
from htnet.engine.flow import solver_named
from htnet.engine.motion.preprocess import PreprocessSpec, flow_map, min_max, network_input, scaled
from htnet.engine.motion.region_motion import measure_motion
from htnet.engine.motion.strain import optical_strain
from htnet.engine.types import F32, Pair

CENTRES = region_centres(canonical_landmarks()) / np.array([140, 170], np.float32)


def some_map(seed: int = 0, size: int = 28) -> F32:
    drawn = np.random.default_rng(seed).uniform(0, 255, (size, size, 3))
    return drawn.astype(np.float32)


def some_flow(seed: int = 0) -> F32:
    noise = np.random.default_rng(seed).normal(size=(170, 140, 2)).astype(np.float32)
    return np.asarray(8 * cv2.GaussianBlur(noise, (0, 0), 8), np.float32)


specs = st.builds(
    lambda side, region, **rest: PreprocessSpec(size=side, region=min(side, region), **rest),
    side=st.integers(1, 128),
    region=st.integers(1, 128),
    regions=st.sampled_from(["tiled", "published", "whole"]),
    channels=st.permutations(["u", "v", "strain"]).map(tuple),
    scaling=st.sampled_from(["raw", "unit", "median"]),
    flows=st.lists(st.text(min_size=1), min_size=1, unique=True).map(tuple),
    classes=st.lists(st.text(min_size=1), min_size=1, unique=True).map(tuple),
    temperature=st.floats(1e-3, 1e3),
)


@given(specs)
def test_a_spec_survives_its_json(spec) -> None:
    text = spec.to_json()
    assert "\n" not in text
    assert PreprocessSpec.from_json(text) == spec


def test_fields_that_json_lacks_keep_their_defaults() -> None:
    assert PreprocessSpec.from_json("{}") == PreprocessSpec()
    assert PreprocessSpec.from_json('{"temperature": 2}').temperature == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        "null",
        "5",
        "[]",
        '["size"]',
        '{"size": 28, "colour": 1}',
        '{"size": "28"}',
        '{"size": 0}',
        '{"size": 28.0}',
        '{"size": true}',
        '{"size": 14, "region": 15}',
        '{"region": -1}',
        '{"regions": "five"}',
        '{"regions": ["tiled"]}',
        '{"scaling": "zscore"}',
        '{"channels": ["u", "v"]}',
        '{"channels": ["u", "v", "w"]}',
        '{"channels": ["u", "v", "v"]}',
        '{"channels": "uvs"}',
        '{"flows": []}',
        '{"flows": [1]}',
        '{"classes": []}',
        '{"classes": ["a", "a"]}',
        '{"classes": [["a"]]}',
        '{"temperature": 0}',
        '{"temperature": -1}',
        '{"temperature": NaN}',
        '{"temperature": Infinity}',
        '{"temperature": "1"}',
        '{"temperature": null}',
    ],
)
def test_a_spec_that_cannot_be_served_is_a_sentence(text) -> None:
    with pytest.raises(WeightsError, match=r"^expected .*; got .*: (train|the weights)"):
        PreprocessSpec.from_json(text)


def test_a_spec_says_what_is_unknown_in_it() -> None:
    with pytest.raises(WeightsError, match="unknown fields \\['colour', 'depth'\\]"):
        PreprocessSpec.from_json(json.dumps({"depth": 1, "colour": 2}))


@given(arrays(np.float32, (6, 7), elements=st.floats(-1e3, 1e3, width=32), unique=True))
def test_min_max_fills_0_to_255_in_order(field) -> None:
    assume(np.ptp(field) > 1e-3)
    out = min_max(field)
    assert out.min() == 0 and out.max() == pytest.approx(255, rel=1e-4)
    assert (np.diff(out.ravel()[np.argsort(field.ravel())]) >= 0).all()


@pytest.mark.parametrize("value", [0.0, -3.5, 1e6])
def test_min_max_of_a_flat_field_is_zero(value) -> None:
    assert (min_max(np.full((5, 5), value, np.float32)) == 0).all()


def test_a_map_holds_u_v_and_the_strain_taken_at_full_size() -> None:
    flow = some_flow()
    made = flow_map(flow)
    assert made.shape == (28, 28, 3) and made.dtype == np.float32
    assert (made.min(axis=(0, 1)) == 0).all()
    np.testing.assert_allclose(made.max(axis=(0, 1)), 255, rtol=1e-5)
    for channel, field in enumerate([flow[..., 0], flow[..., 1], optical_strain(flow)]):
        # 140 px make 28 of 5 px each: the mean over columns can be said in numpy.
        columns = field.reshape(170, 28, 5).mean(axis=2)
        expected = np.array(
            [
                columns[int(np.ceil(y * 170 / 28)) : int((y + 1) * 170 / 28)].mean(0)
                for y in range(28)
            ]
        )
        assert np.corrcoef(made[..., channel].ravel(), expected.ravel())[0, 1] > 0.99


@given(st.floats(0.05, 20), st.floats(-5, 5), st.floats(-5, 5))
@settings(max_examples=20)
def test_a_map_knows_neither_size_nor_shift_of_the_motion(gain, dx, dy) -> None:
    flow = some_flow(1)
    moved = (flow * gain + np.array([dx, dy])).astype(np.float32)
    np.testing.assert_allclose(flow_map(moved), flow_map(flow), atol=0.2)  # of 255


def test_a_still_pair_has_an_empty_map() -> None:
    assert not flow_map(np.zeros((170, 140, 2), np.float32)).any()


def test_scalings() -> None:
    map_ = some_map()

    def by(scaling: str) -> F32:
        return scaled(map_, PreprocessSpec(scaling=scaling))

    np.testing.assert_array_equal(by("raw"), map_)
    np.testing.assert_allclose(by("unit") * 255, map_, rtol=1e-5)
    assert np.abs(np.median(by("median"), axis=(0, 1))).max() < 1e-6
    np.testing.assert_allclose(by("median") * 127.5 + np.median(map_, (0, 1)), map_, rtol=1e-4)


def test_channels_come_in_the_specs_order() -> None:
    map_ = some_map()
    spec = PreprocessSpec(regions="whole", scaling="raw", channels=("strain", "v", "u"))
    made = network_input(map_, CENTRES, spec)
    np.testing.assert_array_equal(made, map_[..., ::-1].transpose(2, 0, 1))
    assert made.flags.c_contiguous and made.dtype == np.float32


@pytest.mark.parametrize("size, region", [(28, 14), (56, 28), (28, 10)])
def test_tiled_input_is_the_four_regions(size, region) -> None:
    spec = PreprocessSpec(size=size, region=region, scaling="unit")
    made = network_input(some_map(0, size), CENTRES, spec)
    assert made.shape == (3, 2 * region, 2 * region)
    assert made.dtype == np.float32 and made.flags.c_contiguous


def test_published_input_is_the_official_codes_tiling() -> None:
    """Reference: main_HTNet.py of wangzhifengharrison/HTNet where it detects no face, exactly.

    Crops [2:16, 4:18], [14:28, 3:17], [3:17, 14:28], [13:27, 14:28], the two of a side in a row.
    """
    map_ = some_map(2)
    left_eye, left_lip = map_[2:16, 4:18], map_[14:28, 3:17]
    right_eye, right_lip = map_[3:17, 14:28], map_[13:27, 14:28]
    official = cv2.vconcat([cv2.hconcat([left_eye, left_lip]), cv2.hconcat([right_eye, right_lip])])
    spec = PreprocessSpec(regions="published", scaling="raw")
    elsewhere = np.zeros((4, 2), np.float32)  # the fixed places, whatever the landmarks say
    made = network_input(map_, elsewhere, spec)
    np.testing.assert_allclose(made.transpose(1, 2, 0), official, atol=1e-3)  # of 255


def test_the_real_pair_gives_the_published_map(data: Path) -> None:
    """Reference: composite/flow/006_006_1_2.png (STSTNet's, TV-L1), correlation per channel."""
    onset, apex = (
        as_crop(cv2.imread(str(data / f"pairs/006_006_1_2_{name}.png"), cv2.IMREAD_GRAYSCALE))
        for name in ("onset", "apex")
    )
    published = cv2.imread(str(data / "composite/flow/006_006_1_2.png"))[..., ::-1]
    measured = measure_motion(Pair(onset, apex), solver_named("dis"), registered=True)
    made = flow_map(measured.flow)
    for channel, least in enumerate((0.84, 0.90, 0.75)):
        alike = np.corrcoef(made[..., channel].ravel(), published[..., channel].ravel())[0, 1]
        assert alike >= least, f"channel {channel}"
