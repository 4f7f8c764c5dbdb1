"""Published fields put back on faces, what a camera does to them, and measuring them again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from htnet.engine.errors import DataError, UsageError
from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH
from htnet.engine.flow.opencv import Dis
from htnet.engine.models.weights import read_official
from htnet.engine.motion.head_motion import rigid_motion
from htnet.engine.motion.preprocess import flow_map, network_input
from htnet.training.augmentation.reanimate import (
    STILL,
    face_crop,
    jpeg,
    published_field,
    reanimated,
    render_pair,
)
from htnet.training.datasets.clip import IDENTITY, Clip
from htnet.training.datasets.composite import SAMM_TO_MAP, read_apex, read_clips, read_map
from htnet.training.evaluation.metrics import scores
from htnet.training.views import CAMERA, PLAIN, ViewConfig

REST = np.zeros((CROP_HEIGHT, CROP_WIDTH, 2), np.float32)


def clips_and_maps(root: Path, step: int) -> tuple[list[Clip], np.ndarray]:
    clips = read_clips(root)[::step]
    return clips, np.stack([read_map(clip.flow) for clip in clips])


def textured(seed: int = 0) -> np.ndarray:
    """A smooth random picture (170, 140) that a solver can follow."""
    noise = np.random.default_rng(seed).normal(size=(CROP_HEIGHT, CROP_WIDTH))
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return np.clip(128 + 45 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def agreement(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(3,) mean over maps (N, 28, 28, 3) of each channel's correlation."""
    return np.mean(
        [
            [np.corrcoef(x[..., c].ravel(), y[..., c].ravel())[0, 1] for c in range(3)]
            for x, y in zip(a, b, strict=True)
        ],
        axis=0,
    )


def by_hand(
    clips: list[Clip],
    maps: np.ndarray,
    seed: int,
    pixels: tuple[float, float],
    noise: tuple[float, float],
) -> np.ndarray:
    """Re-animation with size and noise alone, step by step, as for the shipped weights' views.

    What the settings without extras must give bit for bit, or those weights cannot be made again.
    """
    y, x = np.mgrid[0:CROP_HEIGHT, 0:CROP_WIDTH].astype(np.float32)
    made = []
    for number, (clip, published) in enumerate(zip(clips, maps, strict=True)):
        draw = np.random.default_rng((seed, number))
        face = face_crop(read_apex(clip.apex), clip.to_map)
        flow = published_field(published, float(np.exp(draw.uniform(*np.log(pixels)))))
        deviation = float(draw.uniform(*noise))
        start = cv2.remap(
            face, x + flow[..., 0], y + flow[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        )
        first = np.rint(start + draw.normal(0, deviation, face.shape)).clip(0, 255)
        second = np.rint(face + draw.normal(0, deviation, face.shape)).clip(0, 255)
        made.append(flow_map(Dis()(first.astype(np.uint8), second.astype(np.uint8))))
    return np.stack(made)


@pytest.mark.parametrize(
    ("seed", "pixels", "noise"), [(0, (1.0, 4.0), (0.0, 4.0)), (1_000_003, (1.5, 3.0), (2.0, 2.0))]
)
def test_without_extras_every_bit_is_as_ever(
    composite: Path, seed: int, pixels: tuple[float, float], noise: tuple[float, float]
) -> None:
    clips, maps = clips_and_maps(composite, 3)
    made = reanimated(clips, maps, seed, ViewConfig(pixels=pixels, noise=noise))
    assert made.dtype == np.float32
    assert np.array_equal(made, by_hand(clips, maps, seed, pixels, noise))


def test_without_extras_every_bit_is_as_ever_on_real_faces(published: Path) -> None:
    clips, maps = clips_and_maps(published, 20)
    assert np.array_equal(
        reanimated(clips, maps, 5), by_hand(clips, maps, 5, PLAIN.pixels, PLAIN.noise)
    )


def test_the_published_field_comes_back(published: Path) -> None:
    clips, maps = clips_and_maps(published, 40)
    made = reanimated(clips, maps, 0, ViewConfig(pixels=(2.0, 2.0), noise=(2.0, 2.0)))
    assert np.all(agreement(made, maps) > (0.8, 0.8, 0.5))


@pytest.mark.slow
def test_a_camera_leaves_more_than_half_of_it(published: Path) -> None:
    """What is lost most is what the head's removal takes for the head."""
    clips, maps = clips_and_maps(published, 20)
    plain = agreement(reanimated(clips, maps, 0), maps)
    camera = agreement(reanimated(clips, maps, 0, CAMERA), maps)
    assert np.all(camera < plain)
    assert np.all(camera[:2] > 0.5)


@pytest.mark.slow
def test_a_clips_numbers_come_from_the_seed_and_its_place(composite: Path) -> None:
    clips, maps = clips_and_maps(composite, 3)
    made = reanimated(clips, maps, 7, CAMERA)
    assert np.array_equal(made, reanimated(clips, maps, 7, CAMERA))
    assert np.array_equal(made[:4], reanimated(clips[:4], maps[:4], 7, CAMERA))
    other = reanimated(clips, maps, 8, CAMERA)
    assert not any(np.array_equal(a, b) for a, b in zip(made, other, strict=True))


@pytest.mark.parametrize(
    "idle", [{"quality": (1, 1)}, {"flows": ("dis", "dis")}, {"compressed": 1e-12}]
)
def test_extras_do_not_touch_what_is_off(composite: Path, idle: dict[str, Any]) -> None:
    clips, maps = clips_and_maps(composite, 6)
    expected = reanimated(clips, maps, 3)
    assert np.array_equal(reanimated(clips, maps, 3, ViewConfig(**idle)), expected)


@pytest.mark.parametrize(
    "extra",
    [
        {"onset": (0.1, 0.3)},
        {"apex": (0.5, 0.8)},
        {"shift": 1.0},
        {"turn": 1.0},
        {"zoom": 0.02},
        {"registered": False},
        {"compressed": 1.0},
        {"flows": ("farneback",)},
    ],
)
def test_every_extra_changes_every_clip(composite: Path, extra: dict[str, Any]) -> None:
    clips, maps = clips_and_maps(composite, 6)
    plain, made = (reanimated(clips, maps, 3, ViewConfig(**own)) for own in ({}, extra))
    assert not any(np.array_equal(a, b) for a, b in zip(plain, made, strict=True))


def test_each_clip_draws_one_of_the_solvers(composite: Path) -> None:
    clips, maps = clips_and_maps(composite, 2)
    config = ViewConfig(flows=("dis", "farneback"))
    made = reanimated(clips, maps, 0, config)
    alone = [reanimated(clips, maps, 0, replace(config, flows=(name,))) for name in config.flows]
    dis, farneback = (
        [np.array_equal(*two) for two in zip(made, own, strict=True)] for own in alone
    )
    assert all(a != b for a, b in zip(dis, farneback, strict=True))
    assert any(dis) and any(farneback)


def test_the_live_paths_removal_takes_the_head_out(composite: Path) -> None:
    clips, maps = clips_and_maps(composite, 2)
    quiet = ViewConfig(pixels=(2.0, 2.0), noise=(1.0, 1.0), registered=False)
    turned = replace(quiet, shift=1.5, turn=0.8, zoom=0.01)
    still, removed, left = (
        reanimated(clips, maps, 0, own) for own in (quiet, turned, replace(turned, registered=True))
    )
    assert np.all(agreement(removed, still)[:2] > 0.9)
    assert np.all(agreement(removed, still)[:2] > agreement(left, still)[:2] + 0.1)


@settings(max_examples=15, deadline=None)
@given(st.tuples(*[st.floats(-1, 1)] * 4))
def test_the_head_moves_as_it_is_told(parts: tuple[float, float, float, float]) -> None:
    head = np.array(parts) * (1.5, 1.5, 0.01, 0.015)
    onset, apex = render_pair(textured(), REST, 0.0, np.random.default_rng(0), head=head)
    found = rigid_motion(Dis()(onset, apex))
    np.testing.assert_allclose(found[:2], head[:2], atol=0.1)
    np.testing.assert_allclose(found[2:], head[2:], atol=0.003)


@settings(max_examples=15, deadline=None)
@given(st.floats(0, 0.4), st.floats(0.5, 1), st.floats(-3, 3), st.floats(-3, 3))
def test_a_pair_moves_by_the_share_between_its_frames(
    onset: float, apex: float, u: float, v: float
) -> None:
    flow = REST + np.array((u, v), np.float32)
    frames = render_pair(textured(), flow, 0.0, np.random.default_rng(0), (onset, apex))
    found = Dis()(*frames)[20:-20, 20:-20]
    expected = np.multiply(apex - onset, (u, v))
    np.testing.assert_allclose(np.median(found, axis=(0, 1)), expected, atol=0.2)  # DIS's own


def test_nothing_moves_a_face_at_rest() -> None:
    face = textured()
    for shares in ((0.0, 1.0), (0.15, 0.6)):
        onset, apex = render_pair(face, REST, 0.0, np.random.default_rng(0), shares, STILL)
        assert np.array_equal(onset, face)
        assert np.array_equal(apex, face)


def test_each_frame_has_its_own_noise() -> None:
    face = np.full((CROP_HEIGHT, CROP_WIDTH), 128, np.uint8)
    onset, apex = (own - 128.0 for own in render_pair(face, REST, 3.0, np.random.default_rng(0)))
    assert onset.std() == pytest.approx(3, rel=0.05)
    assert apex.std() == pytest.approx(3, rel=0.05)
    assert abs(np.corrcoef(onset.ravel(), apex.ravel())[0, 1]) < 0.05


def test_compression_costs_more_the_lower_its_quality() -> None:
    face = textured()
    errors = []
    for quality in (95, 70, 40, 10):
        again = jpeg(face, quality)
        assert (again.shape, again.dtype) == (face.shape, np.uint8)
        errors.append(np.abs(again - face.astype(float)).mean())
    assert errors == sorted(errors)
    assert errors[0] < 1.5


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([IDENTITY, SAMM_TO_MAP]),
    st.floats(0.3, 0.7),
    st.floats(0.4, 0.7),
    st.tuples(st.integers(100, 300), st.integers(100, 300)),
)
def test_the_crop_lies_where_the_map_does(
    to_map: np.ndarray, x: float, y: float, size: tuple[int, int]
) -> None:
    """A spot at a fraction of the picture is found at the fraction of the crop that a map has."""
    width, height = size
    rows, columns = (np.mgrid[0:height, 0:width].T + 0.5).T.reshape(2, height, width)
    spot = np.exp(-((columns / width - x) ** 2 + (rows / height - y) ** 2) / 0.002)
    picture = np.repeat(np.rint(250 * spot).astype(np.uint8)[..., None], 3, axis=2)
    crop = face_crop(picture, to_map).astype(float)
    assert crop.shape == (CROP_HEIGHT, CROP_WIDTH)
    down, across = np.mgrid[0:CROP_HEIGHT, 0:CROP_WIDTH] + 0.5
    found = np.array([(crop * across).sum(), (crop * down).sum()]) / crop.sum()
    expected = (np.array([x, y]) * to_map[:, 0] + to_map[:, 1]) * (CROP_WIDTH, CROP_HEIGHT)
    np.testing.assert_allclose(found, expected, atol=0.5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10))
def test_a_field_has_the_size_asked_for(seed: int, pixels: float) -> None:
    published = np.random.default_rng(seed).uniform(0, 255, (28, 28, 3)).astype(np.float32)
    flow = published_field(published, pixels)
    assert (flow.shape, flow.dtype) == ((CROP_HEIGHT, CROP_WIDTH, 2), np.float32)
    assert np.percentile(np.hypot(flow[..., 0], flow[..., 1]), 99) == pytest.approx(
        pixels, rel=1e-4
    )


def test_a_flat_map_moves_nothing() -> None:
    assert np.array_equal(published_field(np.full((28, 28, 3), 80, np.float32), 3.0), REST)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"pixels": (0.0, 4.0)}, "range of pixels"),
        ({"noise": (4.0, 0.0)}, "range of noise"),
        ({"noise": (0.0, float("nan"))}, "range of noise"),
        ({"quality": (40, 101)}, "range of quality"),
        ({"apex": (0.6, 1.2)}, "range of apex"),
        ({"onset": (0.0, 0.5), "apex": (0.5, 1.0)}, "every onset before every apex"),
        ({"shift": -1.0}, "shift from 0 to 10"),
        ({"compressed": 1.5}, "compressed from 0 to 1"),
        ({"flows": ()}, "flow solvers among dis"),
        ({"flows": ("dis", "raft")}, "flow solvers among dis"),
    ],
)
def test_settings_that_cannot_be(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ViewConfig(**wrong)


def test_a_face_that_is_not_there(composite: Path) -> None:
    clips, maps = clips_and_maps(composite, 6)
    clips[2].apex.unlink()
    with pytest.raises(DataError, match="expected an apex face"):
        reanimated(clips, maps, 0)


@pytest.mark.slow
@torch.inference_mode()
def test_what_taking_the_head_out_costs_who_never_saw_it(data: Path) -> None:
    """STSTNet's own fold weights on heads that do not move: with the head's motion looked for and
    taken out as live they lose a tenth and more, without it next to nothing."""
    clips = read_clips(data / "composite")
    maps = np.stack([read_map(clip.flow) for clip in clips])
    names = dict.fromkeys(clip.subject for clip in clips)
    folds = {name: read_official(data / "ststnet_weights" / f"{name}.pth") for name in names}

    def uf1(view: ViewConfig) -> float:
        guess = []
        for clip, map_ in zip(clips, reanimated(clips, maps, 10, view), strict=True):
            fold = folds[clip.subject]
            x = torch.from_numpy(network_input(map_, np.zeros((4, 2), np.float32), fold.spec))
            guess.append(int(fold.network(x[None])[0].argmax()))
        return scores([clip.label for clip in clips], guess).uf1

    assert uf1(PLAIN) > 0.69
    assert uf1(replace(PLAIN, registered=False)) < 0.61
