"""Scores against hand-made tables."""

import numpy as np
import pytest

from htnet.training.metrics import confusion, scores, scores_by_dataset


def test_by_hand() -> None:
    truth = [0, 0, 0, 0, 1, 1, 2]
    guess = [0, 0, 0, 1, 1, 0, 2]
    assert confusion(truth, guess).tolist() == [[3, 1, 0], [1, 1, 0], [0, 0, 1]]
    own = scores(truth, guess)
    assert own.uf1 == pytest.approx((6 / 8 + 2 / 4 + 1) / 3)
    assert own.uar == pytest.approx((3 / 4 + 1 / 2 + 1) / 3)
    assert own.accuracy == pytest.approx(5 / 7)


def test_always_negative_is_a_third() -> None:
    own = scores([0] * 90 + [1] * 6 + [2] * 4, [0] * 100)
    assert own.uar == pytest.approx(1 / 3)
    assert own.uf1 == pytest.approx(180 / 190 / 3)
    assert own.accuracy == 0.9


def test_a_class_that_does_not_occur_is_left_out() -> None:
    own = scores([0, 1], [0, 1])
    assert (own.uf1, own.uar) == (1, 1)
    assert scores([], []).clips == 0


def test_by_dataset() -> None:
    table = scores_by_dataset(np.array([0, 1, 2]), np.array([0, 1, 0]), ["a", "a", "b"])
    assert list(table) == ["full", "a", "b"]
    assert table["a"].uf1 == 1
    assert table["b"].accuracy == 0
