"""`htnet export-onnx`, `export-trt` and `evaluate runtimes`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from htnet.engine.errors import UsageError
from htnet.options import (
    DataOption,
    DeviceOption,
    FlowOption,
    JsonFileOption,
    LandmarksOption,
    MarkdownOption,
    ModelOption,
    ServedPrecisionOption,
    console,
    running_command,
    split_names,
)
from htnet.training.commands.data import open_dataset
from htnet.training.commands.train import one_torch_thread

if TYPE_CHECKING:
    from htnet.calib.engines.export import ExportConfig

PartOption = Annotated[
    str, typer.Option(help="pair: from gray crops to the answer; network: behind OpenCV's flow.")
]


@dataclass(frozen=True, slots=True)
class GraphOptions:
    """Options of the exported graph."""

    flow: FlowOption = None
    precision: ServedPrecisionOption = "fp32"
    batch: Annotated[int, typer.Option(min=1, help="Pairs in one call; live takes 1.")] = 1
    motion: Annotated[
        bool, typer.Option(help="Give flow and head motion too, which live needs of a pair graph.")
    ] = True


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Options of the engine's file and of the pairs it is checked on."""

    out: Annotated[
        Path | None,
        typer.Option("--out", help="The engine's file; default: the cache live looks in."),
    ] = None
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Composite whose re-animated pairs the engine is held against; int8 needs them.",
        ),
    ] = None
    landmarks: LandmarksOption = None


def export_onnx(
    model: ModelOption = None,
    part: PartOption = "network",
    *,
    graph: GraphOptions,
    engine: EngineOptions,
) -> None:
    """Write a model for ONNX Runtime, checked against PyTorch, and its card beside it."""
    _export(_export_config("onnx", part, model, graph, engine), engine)


def export_trt(
    model: ModelOption = None,
    runtime: Annotated[str, typer.Option(help="tensorrt or tensorrt-rtx.")] = "tensorrt",
    part: PartOption = "pair",
    *,
    graph: GraphOptions,
    target: Annotated[
        str | None,
        typer.Option(help="Of tensorrt-rtx: default (Ampere and later), current, or sm80,sm89."),
    ] = None,
    engine: EngineOptions,
) -> None:
    """Build a TensorRT engine, checked against PyTorch where it runs, and its card beside it."""
    if runtime not in ("tensorrt", "tensorrt-rtx"):
        raise UsageError(f"expected the runtime tensorrt or tensorrt-rtx; got {runtime!r}.")
    _export(_export_config(runtime, part, model, graph, engine, target), engine)


def evaluate_runtimes(
    data: DataOption,
    model: ModelOption = None,
    flow: Annotated[str, typer.Option(help="Solvers of the weights', compared.")] = "dis,farneback",
    view: Annotated[str, typer.Option(help="plain, or camera: the head moves too.")] = "plain",
    pairs: Annotated[int | None, typer.Option(min=2, help="Clips; default: all.")] = None,
    ways: Annotated[
        str | None, typer.Option(help="Such as torch:fp32,onnx:int8; default: all for a CPU.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of size and noise.")] = 0,
    json_file: JsonFileOption = None,
    markdown: MarkdownOption = None,
    device: DeviceOption = "cpu",
    landmarks: LandmarksOption = None,
) -> None:
    """Hold every runtime's answers for re-animated pairs against eager float32's."""
    from htnet.calib.engines.agreement import agreement_page, agreements
    from htnet.calib.engines.runtime_specs import CPU_SPECS, parse_specs, spec_opener
    from htnet.engine.files import require_folder, write_json, write_text
    from htnet.engine.models.weights import default_weights, load
    from htnet.training.augmentation.reanimated_pairs import composite_pairs
    from htnet.training.views import VIEWS

    for file in filter(None, (json_file, markdown)):
        require_folder(file.parent)
    if view not in VIEWS:
        raise UsageError(f"expected a view among {', '.join(VIEWS)}; got {view!r}.")
    specs = parse_specs(ways or CPU_SPECS)
    one_torch_thread()
    path = model or default_weights()
    faces = composite_pairs(open_dataset(data), pairs, seed, VIEWS[view], landmarks)
    registered = VIEWS[view].registered
    say = console(stderr=True).out
    rows = list(
        agreements(
            load(path, folded=False),
            load(path),
            faces,
            specs,
            spec_opener(faces, registered=registered, device=device, say=say),
            registered=registered,
            flows=split_names(flow, ","),
        )
    )
    page = agreement_page(rows)
    print(page, end="")
    if json_file is not None:
        listed = [row.as_json() for row in rows]
        write_json(json_file, {"v": 1, "command": running_command(), "rows": listed})
    if markdown is not None:
        write_text(markdown, f"`{running_command()}`\n\n{page}")
    if any(row.holds is False for row in rows):
        raise typer.Exit(1)


def _export_config(
    runtime: str,
    part: str,
    model: Path | None,
    graph: GraphOptions,
    engine: EngineOptions,
    target: str | None = None,
) -> "ExportConfig":
    from htnet.calib.engines.export import ExportConfig

    return ExportConfig(
        runtime,
        part,
        model,
        graph.flow,
        graph.precision,
        graph.batch,
        graph.motion,
        engine.out,
        target,
    )


def _export(config: "ExportConfig", engine: EngineOptions) -> None:
    """Build an engine; print its path, its card's and its parity."""
    from htnet.calib.engines.export import COUNT, export, export_summary
    from htnet.training.augmentation.reanimated_pairs import composite_pairs

    pairs = None
    if engine.data is not None:
        pairs = composite_pairs(open_dataset(engine.data), COUNT, landmarks=engine.landmarks)
    print(export_summary(export(config, pairs, console(stderr=True).out)))
