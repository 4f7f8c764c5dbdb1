"""Bench of the live path: figures over a run's Ticks."""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from htnet.calib.bench.timing import machine, peak_mb, percentiles, resident_mb
from htnet.engine.types import Tick

if TYPE_CHECKING:
    from rich.table import Table

_SAMPLE_EVERY = 100


def bench_live(
    ticks: Iterable[Tick],
    clock: Callable[[], int] = time.perf_counter_ns,
    *,
    warmup: int = 100,
) -> dict[str, Any]:
    """Consume ``ticks`` and return the row of ``htnet bench live --json``.

    The first ``warmup`` frames count for the rate but not for the percentiles.
    ``rss_slope_mb_per_10k``: slope of resident memory over the second half of the run, a straight
    line, in MB for 10,000 frames; None where the system does not report it.
    """
    stages: dict[str, list[float]] = {}
    latencies: list[float] = []
    memory: list[tuple[int, float]] = []
    frames = recognitions = dropped = 0
    began = clock()
    for tick in ticks:
        frames += 1
        recognitions += tick.prediction is not None
        dropped = tick.health.dropped
        if frames > warmup:
            latencies.append(tick.health.latency_ms)
            for name, ms in tick.timings_ms.items():
                stages.setdefault(name, []).append(ms)
        if frames % _SAMPLE_EVERY == 0 and (mb := resident_mb()) is not None:
            memory.append((frames, mb))
    seconds = (clock() - began) / 1e9
    return {
        "v": 1,
        "frames": frames,
        "recognitions": recognitions,
        "fps": round(frames / seconds, 1) if seconds > 0 else 0.0,
        "dropped": dropped,
        "stages_ms": {name: percentiles(values) for name, values in stages.items()},
        "frame_to_result_ms": percentiles(latencies),
        "peak_rss_mb": peak_mb(),
        "rss_slope_mb_per_10k": _slope(memory),
        "machine": machine(),
    }


def live_table(row: dict[str, Any]) -> "Table":
    """Return the row as a table."""
    from rich.table import Table

    table = Table("", "p50", "p95", "p99", title=f"{row['frames']} frames, {row['fps']} a second")
    for name, p in (row["stages_ms"] | {"frame to result": row["frame_to_result_ms"]}).items():
        table.add_row(f"{name}, ms", *(f"{p[q]:.2f}" for q in ("p50", "p95", "p99")))
    table.caption = (
        f"{row['recognitions']} recognitions, {row['dropped']} dropped, peak "
        f"{row['peak_rss_mb']} MB, slope {row['rss_slope_mb_per_10k']} MB per 10,000 frames\n"
        f"{row['machine']}"
    )
    return table


def _slope(memory: list[tuple[int, float]]) -> float | None:
    half = memory[len(memory) // 2 :]
    if len(half) < 2:
        return None
    frames, mb = np.array(half).T
    return round(float(np.polyfit(frames, mb, 1)[0]) * 10_000, 3)
