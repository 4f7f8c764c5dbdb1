import numpy as np

from htnet.realtime.threshold import RollingThreshold, ThresholdConfig


def fed(magnitudes: np.ndarray, config: ThresholdConfig, fps: float = 30) -> float:
    threshold = RollingThreshold(config)
    for i, magnitude in enumerate(magnitudes):
        threshold.observe(round(i * 1e9 / fps), float(magnitude))
    return threshold.value


def test_it_starts_high_until_it_has_seen_rest() -> None:
    config = ThresholdConfig()
    assert fed(np.full(20, 0.05), config) == config.start_px
    assert fed(np.full(60, 0.05), config) == config.floor_px


def test_it_follows_the_noise_and_lets_few_of_it_through() -> None:
    draw = np.random.default_rng(1)
    noise = draw.rayleigh(0.12, 600)
    value = fed(noise, ThresholdConfig())
    assert (noise > value).mean() < 0.01
    assert value > ThresholdConfig().floor_px
    assert fed(noise * 2, ThresholdConfig()) > 1.7 * value


def test_it_forgets_what_is_past_the_window() -> None:
    loud_then_calm = np.concatenate([np.full(300, 0.4), np.full(300, 0.05)])
    assert fed(loud_then_calm, ThresholdConfig(window_ms=5000)) == ThresholdConfig().floor_px


def test_the_same_noise_gives_the_same_value_at_any_frame_rate() -> None:
    draw = np.random.default_rng(2)
    slow = fed(draw.rayleigh(0.15, 240), ThresholdConfig(), fps=30)
    fast = fed(draw.rayleigh(0.15, 1600), ThresholdConfig(), fps=200)
    assert abs(slow - fast) < 0.1
