import cv2
import numpy as np
import pytest
import torch

from htnet.calib.bench.rendered_pairs import rendered_crops, rendered_pictures
from htnet.calib.bench.timing import (
    MemoryRise,
    copy_gb_per_s,
    cores,
    host_ms,
    in_turn,
    one_thread,
    percentiles,
    resident_mb,
    timer_for,
)
from htnet.engine.errors import DependencyError, UsageError
from htnet.engine.motion.preprocess import PreprocessSpec


def test_percentiles_of_known_values() -> None:
    assert percentiles([float(value) for value in range(101)]) == {"p50": 50, "p95": 95, "p99": 99}
    assert percentiles([]) == {"p50": 0, "p95": 0, "p99": 0}


def test_a_call_is_timed_by_the_clock_that_is_given() -> None:
    now = iter([1_000_000, 3_500_000])
    assert host_ms(lambda: None, lambda: next(now)) == 2.5


def test_calls_take_turns() -> None:
    order: list[str] = []

    def call(name: str, ms: float) -> float:
        order.append(name)
        return ms

    times = in_turn({n: lambda n=n: call(n, 1.0) for n in "ab"}, 4, warmup=1)
    assert order == ["a", "b"] * 5
    assert times == {"a": [1.0] * 4, "b": [1.0] * 4}


def test_a_slow_call_ends_with_its_share_but_not_before_the_third() -> None:
    times = in_turn({"slow": lambda: 900.0, "fast": lambda: 10.0}, 20, seconds=1.0)
    assert len(times["slow"]) == 3
    assert len(times["fast"]) == 20
    assert len(in_turn({"slower": lambda: 9000.0}, 20, seconds=1.0)["slower"]) == 3


def test_a_copy_has_a_rate() -> None:
    assert copy_gb_per_s("cpu", mb=4) > 0.1
    assert cores() >= 1


def test_memory_that_is_taken_shows_even_when_it_is_given_back() -> None:
    with MemoryRise() as rise:
        np.ones(12_500_000)  # 100 MB
    if resident_mb() is None:
        assert rise.mb is None
    else:
        assert rise.mb is not None
        assert 80 < rise.mb < 200


def test_one_thread_and_then_as_many_as_before() -> None:
    before = torch.get_num_threads(), cv2.getNumThreads()
    with one_thread():
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (1, 1)
    assert (torch.get_num_threads(), cv2.getNumThreads()) == before


def test_only_cpus_and_cuda_are_measured() -> None:
    with pytest.raises((DependencyError, UsageError), match=r"--device cpu|cpu or cuda"):
        timer_for("meta")


def test_drawn_pairs_are_the_same_each_time_and_fit_the_network() -> None:
    onset, apex, centres = rendered_crops(3)
    assert onset.shape == apex.shape == (3, 1, 170, 140)
    assert onset.dtype == apex.dtype == np.uint8
    assert centres.shape == (3, 4, 2)
    assert ((centres > 0.1) & (centres < 0.9)).all()
    assert np.abs(onset.astype(int) - apex).max() > 20  # something moved
    np.testing.assert_array_equal(onset, rendered_crops(3)[0])
    spec = PreprocessSpec()
    assert rendered_pictures(2, spec).shape == (2, 3, 2 * spec.region, 2 * spec.region)
