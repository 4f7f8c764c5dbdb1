"""What the live path costs: figures over a run's Ticks."""

import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from htnet.engine.types import Tick

_SAMPLE_EVERY = 100
_PERCENTILES = {"p50": 50, "p95": 95, "p99": 99}


def bench_live(
    ticks: Iterable[Tick],
    clock: Callable[[], int] = time.perf_counter_ns,
    *,
    warmup: int = 100,
) -> dict[str, object]:
    """Run ``ticks`` dry and say how fast they came.

    Returns the row of ``htnet bench live --json``. The first ``warmup`` frames, in which models and
    threads warm up, count for the rate but not for the percentiles. ``rss_slope_mb_per_10k`` is the rise
    of resident memory over the second half of the run, as a straight line, for 10,000 frames;
    None where the system does not tell.
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
        "stages_ms": {name: _percentiles(values) for name, values in stages.items()},
        "frame_to_result_ms": _percentiles(latencies),
        "peak_rss_mb": peak_mb(),
        "rss_slope_mb_per_10k": _slope(memory),
        "machine": machine(),
    }


def resident_mb() -> float | None:
    """Resident memory of this process and those it has started, in MB (10^6 bytes), where /proc
    tells it. Pages that they share count in each."""
    return _memory("VmRSS")


def peak_mb() -> float | None:
    """The most resident memory these processes have had, each at its own time, in MB."""
    return _memory("VmHWM")


def _memory(key: str) -> float | None:
    total_kib = 0
    for pid in ("self", *(child.pid for child in multiprocessing.active_children())):
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            return None
        total_kib += sum(int(line.split()[1]) for line in lines if line.startswith(key + ":"))
    return round(total_kib * 1024 / 1e6, 1)


def machine() -> str:
    """Processor, cores and versions that figures depend on, in a line."""
    import cv2
    import torch

    processor = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return (
        f"{processor}, {os.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}, torch {torch.__version__}, OpenCV {cv2.__version__}"
    )


def _percentiles(values: list[float]) -> dict[str, float]:
    if not values:
        return dict.fromkeys(_PERCENTILES, 0.0)
    return {name: round(float(np.percentile(values, q)), 3) for name, q in _PERCENTILES.items()}


def _slope(memory: list[tuple[int, float]]) -> float | None:
    half = memory[len(memory) // 2 :]
    if len(half) < 2:
        return None
    frames, mb = np.array(half).T
    return round(float(np.polyfit(frames, mb, 1)[0]) * 10_000, 3)
