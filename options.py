"""Command-line options, their parsers, and the console: shared by all commands modules.

Imports nothing heavy: `htnet --help` loads this module, and BLAS must be configured before NumPy
is loaded.
"""

import inspect
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from htnet.engine.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

# Sources

CameraOption = Annotated[int | None, typer.Option(help="Camera number; see htnet cameras.")]
SourceOption = Annotated[
    str | None,
    typer.Option(help="Video, folder of pictures, img%04d.png, RTSP or HTTP address, or 'demo'."),
]
SeedOption = Annotated[int, typer.Option(help="What the demo clip is drawn from.")]
SizeOption = Annotated[str, typer.Option(help="Picture size to ask a camera for.")]
FpsOption = Annotated[float | None, typer.Option(help="Frame rate to ask a camera for.")]
PaceOption = Annotated[bool, typer.Option(help="Replay a recording as if it were a camera.")]

# The served model

ModelOption = Annotated[Path | None, typer.Option(help="Weights file; default: htnet-s.")]
FlowOption = Annotated[str | None, typer.Option(help="Flow solver: dis or farneback.")]
DeviceOption = Annotated[str, typer.Option(help="Where torch runs: cpu, cuda, cuda:1, mps.")]
RuntimeOption = Annotated[
    str, typer.Option(help="auto, torch, compile, onnx, tensorrt or tensorrt-rtx.")
]
ServedPrecisionOption = Annotated[
    str, typer.Option("--precision", help="The network's: fp32, fp16, bf16 or int8.")
]
LandmarkerOption = Annotated[
    Path | None, typer.Option("--landmarker", help="A MediaPipe face_landmarker.task to use.")
]

# Outputs

EventsOption = Annotated[
    Path | None,
    typer.Option(
        help="Write events; the suffix says how: .jsonl, .csv, .json, .tsv or .boris (BORIS), .eaf "
        "(ELAN), .TextGrid (Praat), .vtt."
    ),
]
ProvisionalOption = Annotated[bool, typer.Option(help="Provisional events too.")]
ExplainOption = Annotated[
    Path | None,
    typer.Option(help="Write every candidate and what each rule measured: .jsonl, .csv or .json."),
]
OverlayVideoOption = Annotated[Path | None, typer.Option(help="Record what is shown.")]
CsvDialectOption = Annotated[
    str,
    typer.Option(help="standard, or european: semicolon and decimal comma, for a European Excel."),
]
AppendOption = Annotated[
    bool, typer.Option("--append", help="Add to event files that exist: .jsonl and .csv.")
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")]

# Data and training

DataOption = Annotated[
    Path, typer.Option(help="Folder laid out as the composite, or as a dataset was released.")
]
LandmarksOption = Annotated[
    Path | None, typer.Option(help="File that keeps the faces' landmarks; default: user cache.")
]
NetworkOption = Annotated[
    str | None, typer.Option(help="Network by name; default: the config's, or htnet-s.")
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="TOML file as a run's config.toml; parts will do.")
]
RepeatsOption = Annotated[
    str | None, typer.Option(help="Layers at each level of an HTNet, such as 2,2,10.")
]
EpochsOption = Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")]
PrecisionOption = Annotated[
    str | None, typer.Option(help="float32, or bfloat16 for the arithmetic of a GPU.")
]
SeedsOption = Annotated[int, typer.Option(min=1, help="How many seeds.")]
StoreOption = Annotated[
    Path, typer.Option("--out", help="Folder that keeps finished folds; a run goes on from them.")
]

# Results

JsonOption = Annotated[bool, typer.Option("--json", help="Print one row of JSON.")]
JsonFileOption = Annotated[Path | None, typer.Option("--json", help="Write the scores.")]
MarkdownOption = Annotated[Path | None, typer.Option("--markdown", help="Write them as a page.")]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Processes; default: cores.")]


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Options of the video source."""

    camera: CameraOption = None
    source: SourceOption = None
    demo_seed: SeedOption = 0


@dataclass(frozen=True, slots=True)
class ServedOptions:
    """Options of the served model; the names are those of `open_recognizer`'s parameters."""

    model: ModelOption = None
    flow: FlowOption = None
    device: DeviceOption = "cpu"
    runtime: RuntimeOption = "auto"
    precision: ServedPrecisionOption = "fp32"


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """Options of the files that a live run writes."""

    events: EventsOption = None
    csv_dialect: CsvDialectOption = "standard"
    provisional: ProvisionalOption = False
    explain: ExplainOption = None
    overlay_video: OverlayVideoOption = None
    append: AppendOption = False
    overwrite: OverwriteOption = False


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Options that name a recording session; the names are those of `SessionConfig`'s fields."""

    participant: Annotated[
        str, typer.Option(metavar="ID", help="Who is seen; kept beside the outputs.")
    ] = ""
    session: Annotated[
        str, typer.Option(metavar="NAME", help="Which session it is; kept beside the outputs.")
    ] = ""


@dataclass(frozen=True, slots=True)
class RecipeOptions:
    """Options that change a network's training recipe."""

    config_file: ConfigOption = None
    repeats: RepeatsOption = None
    epochs: EpochsOption = None
    precision: PrecisionOption = None
    device: DeviceOption = "cpu"


@dataclass(frozen=True, slots=True)
class FoldOptions:
    """Options of a leave-one-subject-out run: the folds' store and their workers."""

    out: StoreOption = Path("runs/loso")
    fold_weights: Annotated[
        bool, typer.Option("--fold-weights/--no-fold-weights", help="Keep the folds' weights too.")
    ] = True
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="[ADDRESS]", help="Spread the folds over Ray; alone, on this machine."
        ),
    ] = None
    ray_gpus: Annotated[float, typer.Option(min=0, help="GPUs, or a share of one, each task.")] = (
        0.0
    )
    landmarks: LandmarksOption = None


def expand_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return ``command`` with every parameter that is a group of options, a dataclass, replaced by
    the fields of that class: Typer sees one option a field."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    parameters: dict[str, inspect.Parameter] = {}
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name in groups:
            for name, own in inspect.signature(groups[parameter.name]).parameters.items():
                parameters[name] = own.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        else:
            parameters[parameter.name] = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)

    @wraps(command)
    def expanded(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        command(**values)

    signature = inspect.Signature(list(parameters.values()))
    vars(expanded)["__signature__"] = signature
    expanded.__annotations__ = {name: own.annotation for name, own in parameters.items()}
    return expanded


def split_names(text: str, split: str = ";") -> list[str]:
    """Return the names in ``text``, stripped; empty ones are left out."""
    return [name.strip() for name in text.split(split) if name.strip()]


def parse_numbers(text: str) -> tuple[int, ...]:
    """Parse whole numbers such as "2,2,10"; raises `UsageError`."""
    parts = split_names(text, ",")
    if not parts or not all(part.isdecimal() for part in parts):
        raise UsageError(f"expected numbers such as 2,2,10; got {text!r}.")
    return tuple(map(int, parts))


def parse_number(text: str) -> float:
    """Parse one number; raises `UsageError`."""
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"expected a number; got {text!r}: give one such as 30.") from None


def parse_span(text: str) -> tuple[float, float]:
    """Parse "0.5" or "1,2" into least and most; raises `UsageError`."""
    parts = [parse_number(each) for each in split_names(text, ",")]
    if len(parts) not in (1, 2):
        raise UsageError(f"expected one number or two; got {text!r}: give such as 0.5 or 1,2.")
    return parts[0], parts[-1]


def parse_size(text: str) -> tuple[int, int]:
    """Parse a size such as "640x360" into (width, height) in pixels; raises `UsageError`."""
    width, _, height = text.lower().partition("x")
    if not all(s.isdecimal() and len(s) < 5 and 0 < int(s) <= 8192 for s in (width, height)):
        raise UsageError(f"expected a size such as 640x360, up to 8192x8192; got {text!r}.")
    return int(width), int(height)


def parse_time(text: str) -> float:
    """Parse a time such as 90, 1:30 or 0:01:30.5 into seconds; raises `UsageError`."""
    parts = text.strip().split(":")
    if (
        len(parts) > 3
        or not re.fullmatch(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", parts[-1])
        or not all(re.fullmatch("[0-9]+", part) for part in parts[:-1])
    ):
        raise UsageError(f"expected a time such as 90, 1:30 or 0:01:30.5; got {text!r}.")
    seconds = 0.0
    for part in parts:
        seconds = 60 * seconds + float(part)
    return seconds


def parse_stretch(text: str) -> tuple[float, float]:
    """Parse a stretch such as 2-8 or 0:02-0:08 into seconds; raises `UsageError`."""
    first, dash, last = text.partition("-")
    if not dash:
        raise UsageError(f"expected a stretch such as 2-8 or 0:02-0:08; got {text!r}.")
    start_s, end_s = parse_time(first), parse_time(last)
    if end_s <= start_s:
        raise UsageError(f"expected a stretch that ends after its start; got {text!r}.")
    return start_s, end_s


def running_command() -> str:
    """Return the command line that is running, for a page that it writes."""
    return shlex.join(["htnet", *sys.argv[1:]])


def processes(workers: int | None) -> int:
    """Return ``workers``, by default one a core."""
    return workers or os.cpu_count() or 1


def one_blas_thread() -> None:
    """Limit BLAS to one thread; has an effect only before NumPy is loaded.

    The products of the live path are small, and waiting BLAS threads keep the core busy that the
    face tracker needs.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def console(*, stderr: bool = False) -> "Console":
    """Return a console on stdout or stderr."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[float, int], None]]:
    """Show a progress bar where stderr is a terminal; yields a function of (done, total)."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(24), TimeRemainingColumn())
    err = console(stderr=True)
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as shown:
        task = shown.add_task(title, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
