"""`htnet doctor`: checks of this machine, each with what was found and a remedy."""

import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from htnet.calib.bench.timing import cores, processor
from htnet.engine.errors import HTNetError
from htnet.engine.face.tracker import open_tracker
from htnet.engine.models.weights import default_weights, load
from htnet.engine.runtimes.graph import digest
from htnet.engine.runtimes.select import availabilities, preferred
from htnet.realtime.sinks.display import no_display
from htnet.realtime.sources.camera_modes import list_cameras

if TYPE_CHECKING:
    from rich.table import Table

_ANEW = "pip install htnet anew"
_FOR_CUDA = "install the torch that fits the driver: pytorch.org, Get Started"


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check.

    ``said``: description of what was found. ``remedy``: what to do if something is missing.
    ``needed``: required by every run; other things only by some.
    """

    name: str
    ok: bool
    said: str
    remedy: str = ""
    needed: bool = False


def examine() -> list[Finding]:
    """Run every check once; a failure is a `Finding`, not an exception."""
    there = availabilities()
    gpu, device = _gpu()
    return [
        Finding("Python", True, f"{platform.python_version()}, {platform.system()}", needed=True),
        _library("torch", "torch"),
        _library("OpenCV", "cv2"),
        _face(),
        _model(),
        Finding("CPU", True, f"{processor()}, {cores()} cores"),
        gpu,
        *(Finding(f"runtime {each.name}", each.usable, each.said, each.remedy) for each in there),
        _auto({each.name for each in there if each.usable}, device),
        _camera(),
        _display(),
    ]


def healthy(checks: Iterable[Finding]) -> bool:
    """Return True if everything that is needed was found."""
    return all(check.ok for check in checks if check.needed)


def doctor_row(checks: Sequence[Finding]) -> dict[str, Any]:
    """Return the row of ``htnet doctor --json``."""
    return {"v": 1, "ok": healthy(checks), "checks": [asdict(check) for check in checks]}


def doctor_table(checks: Iterable[Finding]) -> "Table":
    """Return the checks as a table of 80 columns, one or two lines each."""
    from rich.markup import escape
    from rich.table import Table

    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column()
    for check in checks:
        mark = "[green]ok[/]" if check.ok else "[red]broken[/]" if check.needed else "[yellow]no[/]"
        table.add_row(check.name, mark, escape(check.said))
        if check.remedy:
            table.add_row("", "", f"[dim]{escape(check.remedy)}[/]")
    return table


def _library(name: str, module: str) -> Finding:
    try:
        loaded = import_module(module)
    except ImportError as error:
        system = ".so" in str(error)
        remedy = "install the system's libgl1 and libglib2.0-0" if system else _ANEW
        return Finding(name, False, _line(error), remedy, needed=True)
    return Finding(name, True, str(loaded.__version__), needed=True)


def _face() -> Finding:
    try:
        open_tracker().close()
        said = f"MediaPipe {version('mediapipe')}, its face tracker starts"
    except (HTNetError, PackageNotFoundError) as error:
        return Finding("face", False, _line(error), _ANEW, needed=True)
    return Finding("face", True, said, needed=True)


def _gpu() -> tuple[Finding, str]:
    """Return the check of the GPU, and torch's name of the device that a run can use."""
    import torch

    if torch.backends.mps.is_available():
        return Finding("GPU", True, "Apple's, by --device mps"), "mps"
    driver = _driver()
    if torch.version.cuda is None:
        said = "this torch is for the CPU alone"
        if driver is None:
            return Finding("GPU", False, f"{said}; no NVIDIA driver answers"), "cpu"
        return Finding("GPU", False, f"{said}; {driver} is there", _FOR_CUDA), "cpu"
    try:
        torch.zeros(1, device="cuda").item()
    except Exception as error:  # noqa: BLE001 - drivers fail in ways of their own
        remedy = "install or update NVIDIA's driver" if driver is None else _FOR_CUDA
        return Finding("GPU", False, f"{_line(error)} ({driver or 'no driver'})", remedy), "cpu"
    memory = torch.cuda.get_device_properties(0).total_memory
    name = driver or torch.cuda.get_device_name(0)
    said = f"{name}, {memory / 1e9:.0f} GB, CUDA {torch.version.cuda}"
    return Finding("GPU", True, said), "cuda"


def _driver() -> str | None:
    """Return name and driver of the first NVIDIA GPU by nvidia-smi; None if there is none."""
    import subprocess

    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    name, _, version = told.stdout.strip().partition("\n")[0].partition(", ")
    return f"{name}, driver {version}" if version else None


def _model() -> Finding:
    try:
        loaded = load(default_weights())
    except HTNetError as error:
        return Finding("model", False, _line(error), _ANEW, needed=True)
    said = f"{loaded.name}, digest {digest(loaded)[:16]}, flow {loaded.spec.flows[0]}"
    return Finding("model", True, said, needed=True)


def _auto(usable: set[str], device: str) -> Finding:
    """Return what ``--runtime auto`` selects on the CPU, the default device, and on the GPU."""
    said = "; ".join(_chosen(each, usable) for each in dict.fromkeys(("cpu", device)))
    return Finding("runtime auto", True, said)


def _chosen(device: str, usable: set[str]) -> str:
    wanted = preferred(device)
    name = next((each for each in wanted if each in usable), wanted[-1])
    lost = wanted[: wanted.index(name)]
    why = f"for want of {' and '.join(lost)}" if lost else "the first choice there"
    return f"{name} on {device}, {why}"


def _camera() -> Finding:
    try:
        names = [f"{each.index} {each.name}" for each in list_cameras()]
    except HTNetError as error:
        return Finding("camera", False, _line(error))
    if names:
        return Finding("camera", True, ", ".join(names))
    return Finding("camera", False, "none found", "plug one in, or try htnet live --source demo")


def _display() -> Finding:
    reason = no_display()
    if reason is None:
        return Finding("display", True, "a window can be opened")
    return Finding("display", False, reason, "runs print a status line instead, as with --headless")


def _line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
