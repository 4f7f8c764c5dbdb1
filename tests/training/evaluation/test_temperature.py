"""Calibration error against cases that can be worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from htnet.training.evaluation.temperature import (
    ece,
    fit_temperature,
    fit_temperature_scaling,
    log_loss,
    reliability,
    softmax,
)

LOGITS = st.integers(1, 30).flatmap(
    lambda clips: st.tuples(
        arrays(np.float64, (clips, 3), elements=st.floats(-40, 40)),
        arrays(np.int64, clips, elements=st.integers(0, 2)),
    )
)


def drawn(clips: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose probabilities are true once they are divided by ``scale``."""
    draw = np.random.default_rng(0)
    logits = 1.5 * draw.normal(size=(clips, 3))
    chance = softmax(logits).cumsum(axis=1)
    return logits * scale, (draw.random((clips, 1)) > chance).sum(axis=1).clip(0, 2)


def test_by_hand() -> None:
    sure = [[0.9, 0.1, 0.0]] * 4 + [[0.2, 0.6, 0.2]] * 2
    labels = [0, 0, 0, 1, 1, 1]
    found = reliability(sure, labels)
    assert found.clips.sum() == 6
    assert found.clips[[8, 13]].tolist() == [2, 4]  # (8/15, 9/15] and (13/15, 14/15]
    assert found.accuracy[13] == 0.75
    assert ece(sure, labels) == pytest.approx(4 / 6 * 0.15 + 2 / 6 * 0.4)
    assert log_loss(sure[3:5], [1, 1]) == pytest.approx(-(math.log(0.1) + math.log(0.6)) / 2)


def test_edges_of_bins_belong_below() -> None:
    found = reliability([[0.5, 0.5], [1.0, 0.0]], [0, 0], bins=2)
    assert found.clips.tolist() == [1, 1]


def test_always_sure_and_always_wrong() -> None:
    assert ece([[1.0, 0.0, 0.0]] * 3, [1, 1, 1]) == 1
    assert ece([[1.0, 0.0, 0.0]] * 3, [0, 0, 0]) == 0
    assert log_loss([[1.0, 0.0, 0.0]], [1]) == pytest.approx(-math.log(1e-12))


@given(LOGITS, st.integers(1, 20))
def test_bounds(case: tuple[np.ndarray, np.ndarray], bins: int) -> None:
    logits, labels = case
    probabilities = softmax(logits)
    assert probabilities.sum(axis=1) == pytest.approx(1)
    found = reliability(probabilities, labels, bins)
    assert found.clips.sum() == len(labels)
    assert 0 <= found.ece <= 1
    # Bins can only let gaps cancel: never above the mean gap of single clips, never below all's.
    right, sure = probabilities.argmax(axis=1) == labels, probabilities.max(axis=1)
    assert found.ece <= np.abs(right - sure).mean() + 1e-9
    assert found.ece >= abs(right.mean() - sure.mean()) - 1e-9


@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0])
def test_the_temperature_is_found_again(scale: float) -> None:
    logits, labels = drawn(6000, scale)
    assert fit_temperature(logits, labels) == pytest.approx(scale, rel=0.06)


def test_calibration_mends_what_is_too_sure() -> None:
    logits, labels = drawn(3000, 3.0)
    subjects = [str(n % 20) for n in range(3000)]
    found = fit_temperature_scaling(logits, labels, subjects)
    assert found.ece_before > 0.15
    assert found.ece_after < 0.04
    assert found.ece_crossfit is not None
    assert found.ece_crossfit < 0.04
    assert found.log_loss_crossfit is not None
    assert found.log_loss_after <= found.log_loss_crossfit < found.log_loss_before
    assert fit_temperature(logits, labels) == found.temperature


def test_crossfit_judges_nobody_by_a_temperature_fitted_to_them() -> None:
    """Two people, one always right and one mostly wrong: each gets the other's temperature."""
    logits = np.tile([[2.0, 0.0, 0.0]], (40, 1))
    labels = np.array([0] * 20 + [1] * 16 + [0] * 4)
    found = fit_temperature_scaling(logits, labels, ["a"] * 20 + ["b"] * 20)
    assert found.log_loss_crossfit is not None
    own = [fit_temperature(logits[half], labels[half]) for half in (slice(20), slice(20, 40))]
    swapped = np.concatenate([softmax(logits[:20] / own[1]), softmax(logits[20:] / own[0])])
    assert found.log_loss_crossfit == pytest.approx(log_loss(swapped, labels))
    assert found.log_loss_crossfit > found.log_loss_before > found.log_loss_after


def test_a_single_subject_cannot_be_crossfitted() -> None:
    logits, labels = drawn(30, 1.0)
    found = fit_temperature_scaling(logits, labels, ["a"] * 30)
    assert found.ece_crossfit is None
    assert found.log_loss_crossfit is None
