"""Scores against hand-made tables, intervals against a loop that resamples clip by clip."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.training.evaluation.metrics import (
    KEYS,
    bootstrap,
    confusion,
    dataset_title,
    scores,
    scores_by_dataset,
    scores_by_subject,
)

CLIPS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40)


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


@given(CLIPS)
def test_scores_do_not_depend_on_the_order_of_clips_or_classes(
    clips: list[tuple[int, int]],
) -> None:
    truth, guess = np.array(clips).T
    own, turned = scores(truth, guess), scores((truth[::-1] + 1) % 3, (guess[::-1] + 1) % 3)
    for key in KEYS:
        assert 0 <= getattr(own, key) <= 1
        assert getattr(own, key) == pytest.approx(getattr(turned, key))
    assert (own.accuracy == 1) == bool((truth == guess).all())


def test_by_dataset() -> None:
    table = scores_by_dataset(np.array([0, 1, 2]), np.array([0, 1, 0]), ["a", "a", "b"])
    assert list(table) == ["full", "a", "b"]
    assert table["a"].uf1 == 1
    assert table["b"].accuracy == 0
    assert [dataset_title(name) for name in ("casme2", "mmew")] == ["CASME II", "mmew"]


def test_by_subject_keeps_namesakes_of_two_datasets_apart() -> None:
    guesses = [[0, 1, 2, 0], [0, 0, 2, 1]]
    table = scores_by_subject([0, 1, 2, 2], guesses, ["1", "1", "1", "2"], ["a", "a", "b", "b"])
    told = [(own.dataset, own.subject, own.clips, own.accuracy) for own in table]
    assert told == [("a", "1", 2, 0.75), ("b", "1", 1, 1.0), ("b", "2", 1, 0.0)]


def made_up(clips: int, people: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(5)
    labels = draw.integers(0, 3, clips)
    guesses = np.where(draw.random((3, clips)) < 0.7, labels, draw.integers(0, 3, (3, clips)))
    return labels, guesses, np.array([f"s{n}" for n in draw.integers(0, people, clips)])


def test_the_bootstrap_is_what_a_loop_over_draws_gives() -> None:
    labels, guesses, subjects = made_up(60, 9)
    found = bootstrap(labels, guesses, subjects, draws=300, seed=4)
    names = sorted(set(subjects))
    draw, rates = np.random.default_rng(4), []
    for times in draw.multinomial(len(names), [1 / len(names)] * len(names), size=300):
        drawn = np.repeat(names, times)
        own = np.concatenate([np.flatnonzero(subjects == name) for name in drawn])
        each = [scores(labels[own], guess[own]) for guess in guesses]
        rates.append([np.mean([getattr(one, key) for one in each]) for key in KEYS])
    for key, column in zip(KEYS, np.transpose(rates), strict=True):
        assert found[key] == pytest.approx(np.quantile(column, [0.025, 0.975]))


def test_the_bootstrap_draws_people_not_clips() -> None:
    """Ten people of whom five are always right: clips by themselves would seem far surer."""
    labels = np.tile([0, 1, 2, 0], 50)
    subjects = np.repeat([f"s{n}" for n in range(10)], 20)
    guess = np.where(np.arange(200) < 100, labels, (labels + 1) % 3)
    by_people = bootstrap(labels, guess, subjects)["accuracy"]
    by_clips = bootstrap(labels, guess, [str(n) for n in range(200)])["accuracy"]
    assert by_people[1] - by_people[0] > 3 * (by_clips[1] - by_clips[0])
    # The share of right people is binomial: deviation sqrt(.25 / 10), 95% about 0.2 to 0.8.
    assert by_people == pytest.approx((0.2, 0.8), abs=0.05)


def test_the_interval_of_a_known_accuracy_covers_it() -> None:
    """Of 95% intervals from 200 made-up experiments nearly 95% hold the true 0.7."""
    draw, held = np.random.default_rng(1), 0
    for _ in range(200):
        labels = draw.integers(0, 3, 150)
        guess = np.where(draw.random(150) < 0.7, labels, (labels + 1) % 3)
        low, high = bootstrap(labels, guess, np.arange(150).astype(str), draws=400)["accuracy"]
        held += low <= 0.7 <= high
    assert 0.88 <= held / 200 <= 0.99


def test_perfect_answers_leave_no_doubt_and_a_lower_level_is_narrower() -> None:
    labels, guesses, subjects = made_up(80, 12)
    assert bootstrap(labels, labels, subjects) == dict.fromkeys(KEYS, (1.0, 1.0))
    wide, narrow = (bootstrap(labels, guesses, subjects, level=level) for level in (0.95, 0.5))
    for key in KEYS:
        assert wide[key][0] < narrow[key][0] < narrow[key][1] < wide[key][1]
    assert wide == bootstrap(labels, guesses, subjects)
