"""`htnet doctor` and `htnet bench`: the state and the speed of this machine."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from htnet.options import (
    CameraOption,
    DeviceOption,
    FlowOption,
    JsonOption,
    LandmarkerOption,
    ModelOption,
    PaceOption,
    RepeatsOption,
    SeedOption,
    ServedOptions,
    SizeOption,
    SourceOption,
    SourceOptions,
    console,
    one_blas_thread,
    parse_numbers,
    parse_size,
    split_names,
)
from htnet.realtime.commands import path_config

BatchesOption = Annotated[str, typer.Option(help="Pairs at a time, such as 1,16,256.")]
RoundsOption = Annotated[int, typer.Option(min=1, help="Times that each is called.")]
SecondsOption = Annotated[float, typer.Option(min=0, help="Enough for each, in seconds.")]


@dataclass(frozen=True, slots=True)
class ComparisonOptions:
    """Options of the model and pair benches: the model, its runtimes, how long they are timed."""

    model: ModelOption = None
    network: Annotated[
        str | None, typer.Option(help="A network with random weights instead, for speed alone.")
    ] = None
    repeats: RepeatsOption = None
    runtimes: Annotated[
        str | None, typer.Option(help="Such as torch,onnx; default: all meant for the device.")
    ] = None
    precisions: Annotated[str, typer.Option(help="Of the network: fp32,fp16,bf16,int8.")] = "fp32"
    batches: BatchesOption = "1"
    rounds: RoundsOption = 100
    seconds: SecondsOption = 5.0
    as_json: JsonOption = False

    def parsed(self) -> dict[str, Any]:
        """Return the arguments that `bench_model` and `bench_pair` share."""
        from htnet.calib.bench.model import open_model

        repeats = None if self.repeats is None else parse_numbers(self.repeats)
        return {
            "model": open_model(self.model, network=self.network, repeats=repeats),
            "runtimes": None if self.runtimes is None else split_names(self.runtimes, ","),
            "precisions": split_names(self.precisions, ","),
            "batches": parse_numbers(self.batches),
            "rounds": self.rounds,
            "seconds": self.seconds,
            "say": console(stderr=True).out,
        }


def doctor(as_json: JsonOption = False) -> None:
    """Say what of this machine can be used, and what to do about the rest."""
    from htnet.calib.doctor import doctor_row, doctor_table, examine, healthy

    checks = examine()
    print(json.dumps(doctor_row(checks))) if as_json else console().print(doctor_table(checks))
    if not healthy(checks):
        raise typer.Exit(1)


def bench_live(
    source: SourceOption = None,
    camera: CameraOption = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames; a file is looped.")] = 1000,
    pace: PaceOption = False,
    as_json: JsonOption = False,
    demo_seed: SeedOption = 0,
    size: SizeOption = "640x360",
    *,
    served: ServedOptions,
    landmarker: LandmarkerOption = None,
) -> None:
    """Run the whole live path without drawing, and say how fast each part is."""
    one_blas_thread()
    from htnet.calib.bench.live import bench_live, live_table
    from htnet.realtime.live import measured_ticks

    video = SourceOptions(camera, source, demo_seed)
    path = path_config(video, size, None, served, landmarker)
    say = console(stderr=True).out
    with measured_ticks(path, frames=frames, pace=pace, say=say) as ticks:
        row = bench_live(ticks, warmup=min(100, frames // 10))
    print(json.dumps(row)) if as_json else console().print(live_table(row))


def bench_flow(
    solvers: Annotated[
        str, typer.Option(help="Flow solvers, such as farneback,dis.")
    ] = "farneback,tvl1,dis",
    batches: BatchesOption = "1",
    sizes: Annotated[str, typer.Option(help="Pictures, such as 140x170,256x256.")] = "140x170",
    forms: Annotated[
        str | None, typer.Option(help="torch,graph,compile; default: all on CUDA, torch on a CPU.")
    ] = None,
    rounds: RoundsOption = 30,
    seconds: SecondsOption = 3.0,
    as_json: JsonOption = False,
    device: DeviceOption = "cpu",
) -> None:
    """Time optical flow, each solver beside OpenCV's in the same run."""
    from htnet.calib.bench.flow import bench_flow, flow_table

    row = bench_flow(
        split_names(solvers, ","),
        device,
        parse_numbers(batches),
        [parse_size(size) for size in split_names(sizes, ",")],
        rounds,
        forms=None if forms is None else split_names(forms, ","),
        seconds=seconds,
    )
    print(json.dumps(row)) if as_json else console().print(flow_table(row))


def bench_media(
    video: Annotated[
        Path | None, typer.Argument(help="A video; default: a clip made for it.")
    ] = None,
    size: Annotated[str, typer.Option(help="Of the clip that is made.")] = "1280x720",
    rounds: RoundsOption = 10,
    seconds: SecondsOption = 30.0,
    as_json: JsonOption = False,
) -> None:
    """Time the reading of a video, PyAV beside OpenCV in the same run."""
    from htnet.calib.bench.media import bench_media, media_table

    row = bench_media(video, parse_size(size), rounds, seconds=seconds)
    print(json.dumps(row)) if as_json else console().print(media_table(row))


def bench_model(comparison: ComparisonOptions, device: DeviceOption = "cpu") -> None:
    """Time the network alone in every runtime, beside its official form."""
    from htnet.calib.bench.model import bench_model, model_table

    row = bench_model(**comparison.parsed(), device=device)
    print(json.dumps(row)) if comparison.as_json else console().print(model_table(row))


def bench_pair(
    comparison: ComparisonOptions,
    flow: FlowOption = None,
    flow_threads: Annotated[
        int, typer.Option(min=1, help="OpenCV's; live has one, the other core tracks the face.")
    ] = 1,
    device: DeviceOption = "cpu",
) -> None:
    """Time the way from a pair of gray crops to probabilities, stage by stage and as one graph."""
    from htnet.calib.bench.pair import bench_pair, pair_tables

    row = bench_pair(**comparison.parsed(), device=device, flow=flow, flow_threads=flow_threads)
    print(json.dumps(row)) if comparison.as_json else console().print(*pair_tables(row))
