"""What is at rest, over samples whose truth is known."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.calib.calibration.baseline import (
    camera_noise,
    frame_rate,
    neutral_baseline,
    noise_floor_px,
    open_eyed,
)
from htnet.calib.calibration.measurements import Measurement, Sampler
from htnet.engine.face.alignment import canonical_landmarks, crop_transform, transform_points
from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.engine.types import AlignedFace, Face, Frame, Motion, State, Tick

HEAD = np.array([[300, 150], [376, 150], [338, 190]], np.float32)


def sample(index: int, fps: float = 30.0, **changes: object) -> Measurement:
    quiet = Measurement(
        index=index,
        t_ns=round(index * 1e9 / fps),
        activations=np.full(8, 0.02),
        blinking=False,
        head=HEAD,
        eyes_px=72.8,
        grey=120.0,
        burnt_out=0.0,
        noise=2.5,
    )
    return replace(quiet, **changes)


def test_mean_and_maximum_of_each_region() -> None:
    samples = [sample(i, activations=np.arange(8) + i / 10) for i in range(11)]
    found = neutral_baseline(samples)
    assert tuple(found) == MUSCLE_NAMES
    for place, name in enumerate(MUSCLE_NAMES):
        assert (found[name].mean_px, found[name].max_px) == (place + 0.5, place + 1.0)


def test_blinks_and_what_lies_round_them_are_left_out() -> None:
    samples = [sample(i) for i in range(100)]
    for i in range(46, 56):
        samples[i] = sample(i, activations=np.full(8, 9.0), blinking=49 <= i <= 52)
    assert neutral_baseline(samples)["brow raise"].max_px == 0.02
    assert open_eyed(samples).sum() == 100 - 4 - 2 * 4


def test_only_shut_eyes_are_no_baseline() -> None:
    with pytest.raises(ValueError, match="open eyes"):
        neutral_baseline([sample(0, blinking=True)])


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_open_eyes_are_those_far_from_every_blink(blinks: list[bool]) -> None:
    samples = [sample(i, blinking=blink) for i, blink in enumerate(blinks)]
    shut = [s.t_ns for s in samples if s.blinking]
    wanted = [all(abs(s.t_ns - t) > 150e6 for t in shut) for s in samples]
    assert open_eyed(samples).tolist() == wanted


def test_the_rate_is_the_cameras_though_frames_were_dropped() -> None:
    samples = [sample(i, 60.0) for i in range(0, 600, 2)] + [sample(601, 60.0)]
    fps, jitter_ms = frame_rate(samples)
    assert fps == pytest.approx(60.0, abs=0.01)
    assert jitter_ms == 0.0
    assert frame_rate([]) == frame_rate(samples[:1]) == (0.0, 0.0)


def test_jitter_is_the_deviation_between_frames() -> None:
    rng = np.random.default_rng(0)
    steps = np.cumsum(rng.normal(33.3, 2.0, 3000)) * 1e6
    samples = [sample(i, t_ns=round(t)) for i, t in enumerate(steps)]
    fps, jitter_ms = frame_rate(samples)
    assert fps == pytest.approx(30.0, rel=0.005)
    assert jitter_ms == pytest.approx(2.0, rel=0.1)


def test_noise_is_the_middle_of_what_was_measured() -> None:
    samples = [sample(0, noise=None), *(sample(i, noise=float(i)) for i in (2, 3, 90))]
    assert camera_noise(samples) == 3.0
    assert camera_noise(samples[:1]) == 0.0


def test_the_floor_grows_with_noise_small_faces_and_slow_cameras() -> None:
    def floor(fps: float = 30.0, **changes: float) -> float:
        return noise_floor_px([sample(i, fps, **changes) for i in range(30)])

    assert floor(noise=1.0) == 0.12
    assert floor(noise=10.0) == pytest.approx(0.3)
    assert floor(noise=10.0, eyes_px=36.4) == pytest.approx(0.6)
    assert floor(fps=7.5, noise=10.0) == pytest.approx(0.6)


def ticks(sigma: float, sway_px: float) -> list[Tick]:
    """A textured picture that sways, seen by a noisy camera."""
    rng = np.random.default_rng(1)
    texture = cv2.GaussianBlur(rng.normal(0, 60, (360, 640)).astype(np.float32), (0, 0), 3)
    clean = np.clip(130 + 3 * texture, 20, 235)
    # Eyes 78 px apart, in the middle of the picture.
    points = canonical_landmarks() * np.float32(78 / 72.8) + np.float32([250, 100])
    made = []
    for i in range(20):
        shift = sway_px * np.array([np.sin(i / 3), np.cos(i / 4)], np.float32)
        move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
        moved = cv2.warpAffine(clean, move, (640, 360), borderMode=cv2.BORDER_REFLECT)
        noisy = np.clip(np.rint(moved + rng.normal(0, sigma, moved.shape)), 0, 255)
        bgr = cv2.cvtColor(noisy.astype(np.uint8), cv2.COLOR_GRAY2BGR)
        here = (points + shift).astype(np.float32)
        to_crop = crop_transform(here)
        crop = cv2.warpAffine(noisy.astype(np.uint8), to_crop, (140, 170))
        face = AlignedFace(i, i * 33_333_333, crop, transform_points(here, to_crop), to_crop, 0.3)
        motion = Motion({}, 0.02, float("inf"), False, dict.fromkeys(MUSCLE_NAMES, 0.02))
        frame = Frame(i, i * 33_333_333, bgr)
        made.append(
            Tick(frame, Face(here, 0.3), face, motion, State.NEUTRAL, pair=None, prediction=None)
        )
    return made


@pytest.mark.parametrize("sway_px", [0.0, 3.0])
@pytest.mark.parametrize("sigma", [2.0, 4.0, 6.0])
def test_noise_is_measured_though_the_head_sways(sigma: float, sway_px: float) -> None:
    sampler = Sampler()
    samples = [sampler.take(tick) for tick in ticks(sigma, sway_px)]
    assert samples[0] is not None and samples[0].noise is None
    assert camera_noise([s for s in samples if s]) == pytest.approx(sigma, rel=0.1, abs=0.1)


def test_a_sample_knows_where_the_head_is_and_how_bright() -> None:
    found = Sampler().take(ticks(0.0, 0.0)[0])
    assert found is not None
    assert found.eyes_px == pytest.approx(78, abs=0.1)
    assert 100 < found.grey < 160
    assert found.activations.shape == (8,)


def test_after_a_gap_noise_waits_for_two_frames_again() -> None:
    sampler = Sampler()
    made = ticks(2.0, 0.0)
    sampler.take(made[0])
    faceless = replace(made[1], face=None, aligned=None, motion=None)
    assert sampler.take(faceless) is None
    after, next_one = sampler.take(made[2]), sampler.take(made[3])
    assert after is not None and after.noise is None
    assert next_one is not None and next_one.noise is not None
