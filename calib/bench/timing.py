"""Timing of calls, and memory, on a machine that is not idle.

Calls that are compared are timed in turn within one run, and by their medians, so that a slowdown
of the machine affects all of them alike.
"""

import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import numpy as np

from htnet.engine.errors import UsageError
from htnet.engine.recognition.recognizer import torch_device

_PERCENTILES = {"p50": 50, "p95": 95, "p99": 99}
_MIN_CALLS = 3
_COPIES = 9

Call = Callable[[], object]
Key = TypeVar("Key")


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return p50, p95 and p99 of ``values``, to three places; 0 of none."""
    if not values:
        return dict.fromkeys(_PERCENTILES, 0.0)
    return {name: round(float(np.percentile(values, q)), 3) for name, q in _PERCENTILES.items()}


def host_ms(call: Call, clock: Callable[[], int] = time.perf_counter_ns) -> float:
    """Return the time of one ``call`` by ``clock`` (ns), in ms; for calls that wait for their
    result."""
    began = clock()
    call()
    return (clock() - began) / 1e6


def cuda_ms(call: Call) -> float:
    """Return the time in ms that the current CUDA stream works on one ``call``."""
    import torch

    began = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call, unused-ignore]
    ended = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call, unused-ignore]
    began.record()
    call()
    ended.record()
    ended.synchronize()
    return float(began.elapsed_time(ended))


def in_turn(
    timed: Mapping[Key, Callable[[], float]],
    rounds: int,
    *,
    seconds: float = 3.0,
    warmup: int = 2,
) -> dict[Key, list[float]]:
    """Return the times in ms of each of ``timed``, called in rounds: a, b, c, a, b, c, ...

    Each is called ``rounds`` times or until it has taken ``seconds``, but at least 3 times;
    ``warmup`` earlier calls do not count.
    """
    for _ in range(warmup):
        for call in timed.values():
            call()
    times: dict[Key, list[float]] = {key: [] for key in timed}
    for number in range(rounds):
        for key, call in timed.items():
            if number < _MIN_CALLS or sum(times[key]) < seconds * 1e3:
                times[key].append(call())
    return times


def copy_gb_per_s(device: str, mb: int = 128) -> float:
    """Return the rate at which ``device`` copies an array of ``mb`` MiB, bytes read and written, in
    GB/s.

    No step can move its bytes faster, unless they stay in a cache.
    """
    import torch

    source = torch.ones(mb << 18, device=device)
    target = torch.empty_like(source)
    timer = timer_for(device)
    times = [timer(lambda: target.copy_(source)) for _ in range(_COPIES)]
    return 2 * source.nbytes / float(np.median(times)) / 1e6


def timer_for(device: str) -> Callable[[Call], float]:
    """Return the timer of work on ``device``.

    Raises `DependencyError` for a missing device and `UsageError` for one that is neither a CPU nor
    CUDA's.
    """
    kind = torch_device(device).type
    if kind not in ("cpu", "cuda"):
        raise UsageError(f"expected cpu or cuda to measure on; got {device!r}: choose one.")
    return cuda_ms if kind == "cuda" else host_ms


def cuda_graph(call: Call) -> Call:
    """Record the CUDA work of ``call`` as one graph; return a function that replays it."""
    import torch

    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call, unused-ignore]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):  # setup at first use cannot be recorded
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        made = call()

    def replay() -> object:
        graph.replay()
        return made

    return replay


@contextmanager
def one_thread(flow: int = 1) -> Iterator[None]:
    """Limit torch to one thread, as in a live run, and OpenCV to ``flow`` threads."""
    import cv2
    import torch

    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(flow)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


class MemoryRise:
    """Rise of memory inside a ``with`` block, in MB (10^6 bytes), as ``mb``.

    On the host: peak of resident memory minus resident memory before; None where the system does
    not report it. On CUDA: decrease of free memory over the block, which equals the peak, as
    allocators keep what they took.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._device = None if device.startswith("cpu") else device
        self._before: float | None = None
        self.mb: float | None = None

    def __enter__(self) -> Self:
        if self._device is None:
            _reset_peak()
            self._before = resident_mb()
        else:
            import torch

            torch.cuda.empty_cache()
            self._before = _cuda_mb(self._device)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        after = peak_mb() if self._device is None else _cuda_mb(self._device)
        if self._before is not None and after is not None:
            self.mb = round(max(after - self._before, 0.0), 1)


def _cuda_mb(device: str) -> float:
    import torch

    torch.cuda.synchronize(device)
    free, total = torch.cuda.mem_get_info(device)
    return (total - free) / 1e6


def _reset_peak() -> None:
    """Reset the peak of resident memory, where Linux permits it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def resident_mb() -> float | None:
    """Return the resident memory of this process and its children in MB (10^6 bytes); None without
    /proc. Shared pages count in each."""
    return _memory("VmRSS")


def peak_mb() -> float | None:
    """Return the sum of the peaks of resident memory of these processes, in MB."""
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
    """Return processor, cores, GPU and versions that figures depend on, as one line."""
    import cv2
    import torch

    parts = [processor(), f"{cores()} cores"]
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    versions = (
        f"{platform.system()}, Python {platform.python_version()}, torch {torch.__version__}, "
        f"OpenCV {cv2.__version__}"
    )
    return ", ".join([*parts, versions])


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """Return the name of the CPU."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
