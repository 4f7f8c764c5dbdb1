"""Injected movements: fields, time courses, and the flow that they give in pictures."""

import cv2
import numpy as np
import pytest

from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH, align_once, crop_transform
from htnet.engine.flow import solver_named
from htnet.engine.motion.region_motion import measure_motion
from htnet.engine.synth.face.portrait import Portrait, load_portrait
from htnet.engine.synth.face.time_course import TimeCourse
from htnet.engine.synth.injection.movement import Injected, displaced, movement, warp
from htnet.engine.types import F32, Face, Pair

MS = 1_000_000


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return load_portrait()


def bump(x: float = 95.0, y: float = 110.0, radius: float = 16.0) -> F32:
    """The cheek drawn up: a field of displacements (170, 140, 2) that ends by itself."""
    down, across = np.indices((CROP_HEIGHT, CROP_WIDTH), np.float32)
    weight = np.exp(-0.5 * (((across - x) / radius) ** 2 + ((down - y) / radius) ** 2))
    return np.stack([0.3 * weight, -weight], axis=-1).astype(np.float32)


def test_a_movement_has_unit_size_and_ends_at_the_edge() -> None:
    made = movement("bump", "", None, 7 * bump())
    length = np.hypot(made.field[..., 0], made.field[..., 1])
    assert float(np.percentile(length, 99)) == pytest.approx(1.0, rel=1e-5)
    edge = np.concatenate([length[0], length[-1], length[:, 0], length[:, -1]])
    assert edge.max() == 0
    constant = movement("shift", "", None, np.ones((CROP_HEIGHT, CROP_WIDTH, 2), np.float32))
    assert np.abs(constant.field[0]).max() < 0.02


def test_a_movement_is_there_in_its_time_alone_and_movements_add_up() -> None:
    made = movement("bump", "", None, bump())
    pulse = TimeCourse(100 * MS, 200 * MS, 400 * MS)
    one = Injected(made, pulse, 2.0)
    assert one.at(100 * MS) is None and one.at(400 * MS) is None
    at_apex = one.at(200 * MS)
    assert at_apex is not None and np.allclose(at_apex, 2.0 * made.field)
    assert displaced([one], 50 * MS) is None
    both = displaced([one, one], 200 * MS)
    assert both is not None and np.allclose(both, 4.0 * made.field)


def test_no_displacement_leaves_every_byte(portrait: Portrait) -> None:
    still = np.zeros((CROP_HEIGHT, CROP_WIDTH, 2), np.float32)
    warped = warp(portrait.bgr, crop_transform(portrait.landmarks), still)
    assert np.array_equal(warped, portrait.bgr)


@pytest.mark.parametrize("degrees", [0.0, 12.0])
def test_flow_measures_what_was_put_in(portrait: Portrait, degrees: float) -> None:
    height, width = portrait.bgr.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    bgr = np.asarray(cv2.warpAffine(portrait.bgr, turn, (width, height)), np.uint8)
    landmarks = (portrait.landmarks @ turn[:, :2].T + turn[:, 2]).astype(np.float32)
    to_crop = crop_transform(landmarks)
    field = movement("bump", "", None, bump()).field * np.float32(2.0)
    face = Face(landmarks, 0.3)
    pair = Pair(
        align_once(bgr, face, to_crop), align_once(warp(bgr, to_crop, field), face, to_crop)
    )
    flow = measure_motion(pair, solver_named("dis"), registered=True).flow
    middle = np.s_[100:121, 85:106]
    assert np.abs(np.median(flow[middle] - field[middle], axis=(0, 1))).max() < 0.25
    assert np.median(np.hypot(*(flow[middle] - field[middle]).transpose(2, 0, 1))) < 0.5
    away = np.s_[20:50, 20:120]
    assert float(np.median(np.abs(flow[away]))) < 0.1


def test_the_picture_beyond_the_crop_is_not_touched(portrait: Portrait) -> None:
    to_crop = crop_transform(portrait.landmarks)
    warped = warp(portrait.bgr, to_crop, movement("bump", "", None, bump()).field * 3)
    changed = np.argwhere((warped != portrait.bgr).any(axis=-1))[:, ::-1]
    assert len(changed) > 50
    inside = changed @ to_crop[:, :2].T + to_crop[:, 2]
    assert inside.min() > -1 and (inside.max(axis=0) < [CROP_WIDTH + 1, CROP_HEIGHT + 1]).all()
