import mmap

import numpy as np

from htnet.calib.bench.live import bench_live, machine, peak_mb, resident_mb
from htnet.engine.types import Frame, Health, Prediction, State, Tick

PICTURE = np.zeros((2, 2, 3), np.uint8)


def tick(index: int, ms: float, *, dropped: int = 0) -> Tick:
    return Tick(
        frame=Frame(index, index, PICTURE),
        face=None,
        aligned=None,
        motion=None,
        state=State.NEUTRAL,
        pair=None,
        prediction=Prediction("neutral", {}) if index % 2 else None,
        health=Health(latency_ms=ms, dropped=dropped),
        timings_ms={"flow": ms / 2},
    )


def test_figures_of_a_known_run() -> None:
    now = iter([0, 4_000_000_000])
    row = bench_live((tick(i, i / 10, dropped=i // 100) for i in range(1000)), lambda: next(now))
    assert row["frames"] == 1000
    assert row["recognitions"] == 500
    assert row["fps"] == 250.0
    assert row["dropped"] == 9
    # the first hundred frames warm up: what is left runs from 10.0 to 99.9 ms
    assert row["frame_to_result_ms"] == {"p50": 54.95, "p95": 95.405, "p99": 99.001}
    assert row["stages_ms"] == {"flow": {"p50": 27.475, "p95": 47.703, "p99": 49.501}}


def test_memory_that_is_kept_shows_in_the_slope() -> None:
    kept = []

    def leaking():
        for i in range(4000):
            if i % 10 == 0:
                # 0.2 MB in 10 frames: 200 MB in 10,000; pages of its own, for what other tests have
                # freed would be used again
                kept.append(mmap.mmap(-1, 200_000))
                kept[-1].write(bytes(200_000))
            yield tick(i, 1.0)

    row = bench_live(leaking())
    assert 150 < row["rss_slope_mb_per_10k"] < 250


def test_nothing_run_is_no_division_by_zero() -> None:
    assert bench_live(iter(()))["frames"] == 0


def test_the_machine_is_named() -> None:
    assert "torch" in machine()
    resident, peak = resident_mb(), peak_mb()
    assert (resident is None) == (peak is None)
    if resident is not None and peak is not None:
        assert 10 < resident <= peak
