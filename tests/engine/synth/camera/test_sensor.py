"""Noise, flicker, brightness and glints: of the given size, and reproducible."""

import numpy as np
import pytest

from htnet.engine.synth.camera.sensor import Glare, LampFlicker, Sensor

SIZE = (320, 180)
GREY = np.full((180, 320, 3), 120, np.uint8)
S = 1_000_000_000


@pytest.mark.parametrize("sigma", [1.0, 2.0, 6.0])
def test_noise_has_its_size_and_is_white(sigma):
    sensor = Sensor(SIZE, seed=1, sigma=sigma)
    pictures = [sensor.expose(GREY, 0, n)[..., 0].astype(float) - 120 for n in range(6)]
    for noise in pictures:
        assert noise.std() == pytest.approx(np.hypot(sigma, 0.29), rel=0.02)
        assert abs(noise.mean()) < 0.05 * sigma
        for shifted in (noise[1:], noise[:, 1:]):
            kept = noise[: shifted.shape[0], : shifted.shape[1]]
            assert abs(np.corrcoef(kept.ravel(), shifted.ravel())[0, 1]) < 0.02
    for other in pictures[1:]:
        assert abs(np.corrcoef(pictures[0].ravel(), other.ravel())[0, 1]) < 0.03


def test_noise_belongs_to_the_seed_and_the_number():
    one, same, other = (Sensor(SIZE, seed, 3.0) for seed in (1, 1, 2))
    late, early = one.expose(GREY, 0, 9), one.expose(GREY, 0, 4)
    assert (same.expose(GREY, 0, 4) == early).all() and (same.expose(GREY, 0, 9) == late).all()
    assert (early != late).any() and (other.expose(GREY, 0, 4) != early).any()
    assert np.ptp(early.astype(int), axis=-1).max() == 0  # of luminance alone


def test_nothing_leaves_the_picture_as_it_is_and_its_own():
    clean = GREY.copy()
    for sensor in (
        Sensor(SIZE, 0),
        Sensor(SIZE, 0, 3.0),
        Sensor(SIZE, 0, 0, LampFlicker(0.1, 1, 0, 0)),
    ):
        given = sensor.expose(clean, 5, 0, 1.2, [Glare(50, 50, 5, 99)])
        assert given is not clean and (clean == 120).all()
    plain = Sensor(SIZE, 0).expose(clean, 0, 0)
    assert (plain == clean).all() and plain is not clean


def test_brightness_scales_and_saturates():
    sensor = Sensor(SIZE, 0)
    assert (sensor.expose(GREY, 0, 0, 1.2) == 144).all()
    assert (sensor.expose(GREY, 0, 0, 0.8) == 96).all()
    assert (sensor.expose(np.full_like(GREY, 240), 0, 0, 1.2) == 255).all()
    noisy = Sensor(SIZE, 0, 6.0).expose(np.full_like(GREY, 254), 0, 0)
    assert noisy.max() == 255 and noisy.min() > 200


def test_flicker_has_its_depth_and_makes_bands():
    rng = np.random.default_rng(0)
    flicker = LampFlicker.draw(rng, 0.03, 50, fps=30)
    sensor = Sensor(SIZE, 0, 0.0, flicker)
    bright = np.full_like(GREY, 200)
    rows = np.stack([sensor.expose(bright, i * S // 30, i)[:, 0, 0] for i in range(90)]) / 200.0
    assert rows.max() == pytest.approx(1.03, abs=0.004)
    assert rows.min() == pytest.approx(0.97, abs=0.004)
    crossings = np.diff(rows[0] >= 1.0).sum()
    assert crossings in (3, 4)  # two bands of 10 ms in a readout of 20
    assert LampFlicker.draw(rng, 0.0, 50, 30) is None


@pytest.mark.parametrize("fps, mains, beat", [(30, 50, 10.0), (24, 50, 4.0), (25, 60, 5.0)])
def test_flicker_beats_with_the_frame_rate(fps, mains, beat):
    flicker = LampFlicker.draw(np.random.default_rng(3), 0.1, mains, fps)
    levels = np.array([flicker.at(i * S // fps, 1)[0] for i in range(fps * 20)]) - 1.0
    power = np.abs(np.fft.rfft(levels))
    assert np.fft.rfftfreq(len(levels), 1 / fps)[power.argmax()] == pytest.approx(beat, abs=0.15)


def test_a_glint_is_bright_in_its_middle_and_gone_further_out():
    picture = Sensor(SIZE, 0).expose(GREY, 0, 0, 1.0, [Glare(100, 60, 6, 100)])
    assert picture[60, 100, 0] == 220
    assert picture[60, 106, 0] == pytest.approx(120 + 100 * np.exp(-0.5), abs=1.5)
    assert (picture[:, :75] == 120).all() and (picture[90:] == 120).all()


@pytest.mark.parametrize("x, y", [(0, 0), (319, 179), (-100, 50), (500, 900)])
def test_a_glint_at_the_edge_is_cut_off(x, y):
    picture = Sensor(SIZE, 0).expose(GREY, 0, 0, 1.0, [Glare(x, y, 9, 100)])
    assert (picture > 120).any() == (0 <= x < 320 and 0 <= y < 180)
