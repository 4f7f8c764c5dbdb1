"""Known truth: raised-cosine courses, sampled and noisy, against the times they were made with."""

import numpy as np
import pytest
from numpy.typing import NDArray

from htnet.realtime.spotting.boundaries import read_course

SHAPE = np.array([[0, -0.5], [0, -0.4], [0, 0], [0.1, 0], [0, 0]])


def bell(t: NDArray[np.float64], onset: float, apex: float, offset: float) -> NDArray[np.float64]:
    rise = (1 - np.cos(np.pi * np.clip((t - onset) / (apex - onset), 0, 1))) / 2
    fall = (1 + np.cos(np.pi * np.clip((t - apex) / (offset - apex), 0, 1))) / 2
    return np.where(t <= apex, rise, fall)


@pytest.mark.parametrize(
    ("fps", "bounds_ms"),
    [(24, (35, 20, 45)), (30, (30, 18, 40)), (60, (25, 15, 30)), (200, (15, 12, 20))],
)
def test_times_of_noisy_courses(fps: int, bounds_ms: tuple[int, int, int]) -> None:
    draw = np.random.default_rng(fps)
    errors = []
    for _ in range(100):
        onset, duration = draw.uniform(300, 340), draw.uniform(120, 400)
        truth = np.array([onset, onset + 0.42 * duration, onset + duration])
        t = np.arange(0, truth[2] + 60, 1000 / fps)
        vectors = bell(t, *truth)[:, None, None] * SHAPE + draw.normal(0, 0.04, (len(t), 5, 2))
        found = read_course((t * 1e6).astype(np.int64), vectors, int((truth[1] + 25) * 1e6))
        errors.append(np.abs(np.array(found) / 1e6 - truth))
    # Nine of ten within the bounds of onset, apex and offset, with noise of 8% of the movement.
    assert (np.percentile(errors, 90, axis=0) <= bounds_ms).all()


def test_a_sagging_top_does_not_push_the_offset_away() -> None:
    t = np.arange(0, 3000, 1000 / 30)
    course = bell(t, 300, 500, 2600)
    course[(t > 400) & (t < 2300)] = 0.85
    course[(t > 1000) & (t < 1200)] = 0.66
    course[np.abs(t - 500).argmin()] = 1.0
    found = read_course((t * 1e6).astype(np.int64), course[:, None, None] * SHAPE, int(500e6))
    assert found[2] / 1e6 == pytest.approx(2315, abs=40)


def test_a_course_that_is_cut_off_ends_where_it_is_cut() -> None:
    t = np.arange(0, 480, 1000 / 30)
    course = bell(t, 200, 450, 900)
    found = read_course((t * 1e6).astype(np.int64), course[:, None, None] * SHAPE, int(450e6))
    assert found[2] / 1e6 == pytest.approx(t[-1], abs=1)
    assert found[0] <= found[1] <= found[2]
