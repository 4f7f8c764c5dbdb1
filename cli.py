"""The command line: parse, build a configuration, call one function, print.

Heavy imports live inside the commands, so that ``htnet --help`` answers at once.
"""

import json
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from htnet.engine.errors import HTNetError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from htnet.calib.probe.keeper import FaceKeeper
    from htnet.realtime.profile import Profile

app = typer.Typer(
    name="htnet",
    help="Micro-expressions recognised live from an ordinary webcam.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
bench_app = typer.Typer(help="Measure what the parts cost on this machine.", no_args_is_help=True)
evaluate_app = typer.Typer(help="Measure how right the answers are.", no_args_is_help=True)
data_app = typer.Typer(help="Look at datasets and prepare them.", no_args_is_help=True)
app.add_typer(bench_app, name="bench")
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(data_app, name="data")

_DEMO_TRIES = 6  # how many times over a demo lasts what a calibration wants

CameraOption = Annotated[int | None, typer.Option(help="Camera number; see htnet cameras.")]
SourceOption = Annotated[
    str | None,
    typer.Option(help="Video file, folder of pictures, RTSP or HTTP address, or 'demo'."),
]
SeedOption = Annotated[int, typer.Option(help="What the demo clip is drawn from.")]
SizeOption = Annotated[str, typer.Option(help="Picture size to ask a camera for.")]
PaceOption = Annotated[bool, typer.Option(help="Replay a recording as if it were a camera.")]
ModelOption = Annotated[Path | None, typer.Option(help="Weights file; default: htnet-s.")]
FlowOption = Annotated[str | None, typer.Option(help="Flow solver: dis or farneback.")]
DeviceOption = Annotated[str, typer.Option(help="Where torch runs: cpu, cuda, cuda:1, mps.")]
RuntimeOption = Annotated[
    str, typer.Option(help="auto, torch, compile, onnx, tensorrt or tensorrt-rtx.")
]
ServedOption = Annotated[
    str, typer.Option("--precision", help="The network's: fp32, fp16, bf16 or int8.")
]
TaskOption = Annotated[
    Path | None, typer.Option("--landmarker", help="A MediaPipe face_landmarker.task to use.")
]
DataOption = Annotated[
    Path, typer.Option(help="Folder laid out as the composite, or as a dataset was released.")
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
StoreOption = Annotated[
    Path, typer.Option("--out", help="Folder that keeps finished folds; a run goes on from them.")
]
KeepOption = Annotated[
    bool, typer.Option("--fold-weights/--no-fold-weights", help="Keep the folds' weights too.")
]
RayOption = Annotated[
    str | None,
    typer.Option(metavar="[ADDRESS]", help="Spread the folds over Ray; alone, on this machine."),
]
RayGpusOption = Annotated[float, typer.Option(min=0, help="GPUs, or a share of one, each task.")]
SeedsOption = Annotated[int, typer.Option(min=1, help="How many seeds.")]
JsonFileOption = Annotated[Path | None, typer.Option("--json", help="Write the scores.")]
MarkdownOption = Annotated[Path | None, typer.Option("--markdown", help="Write them as a page.")]
LandmarksOption = Annotated[
    Path | None, typer.Option(help="File that keeps the faces' landmarks; default: user cache.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one row of JSON.")]
SolversOption = Annotated[str, typer.Option(help="Flow solvers, such as farneback,dis.")]
BatchesOption = Annotated[str, typer.Option(help="Pairs at a time, such as 1,16,256.")]
SizesOption = Annotated[str, typer.Option(help="Pictures, such as 140x170,256x256.")]
RoundsOption = Annotated[int, typer.Option(min=1, help="Times that each is called.")]
SharesOption = Annotated[float, typer.Option(min=0, help="Enough for each, in seconds.")]
FormsOption = Annotated[
    str | None, typer.Option(help="torch,graph,compile; default: all on CUDA, torch on a CPU.")
]
RuntimesOption = Annotated[
    str | None, typer.Option(help="Such as torch,onnx; default: all meant for the device.")
]
PrecisionsOption = Annotated[str, typer.Option(help="Of the network: fp32,fp16,bf16,int8.")]
PartOption = Annotated[
    str, typer.Option(help="pair: from gray crops to the answer; network: behind OpenCV's flow.")
]
BatchOption = Annotated[int, typer.Option(min=1, help="Pairs in one call; live takes 1.")]
EngineOption = Annotated[
    Path | None, typer.Option("--out", help="The engine's file; default: the cache live looks in.")
]
PairsOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Composite whose re-animated pairs the engine is held against; int8 needs them.",
    ),
]
MotionOption = Annotated[
    bool, typer.Option(help="Give flow and head motion too, which live needs of a pair graph.")
]
ProfileOption = Annotated[
    str | None, typer.Option(help="A profile that htnet calibrate stored; see htnet profiles.")
]
RandomOption = Annotated[
    str | None, typer.Option(help="A network with random weights instead, for speed alone.")
]


@app.command()
def live(
    camera: CameraOption = None,
    source: SourceOption = None,
    demo_seed: SeedOption = 0,
    size: SizeOption = "640x360",
    fps: Annotated[float | None, typer.Option(help="Frame rate to ask a camera for.")] = None,
    pace: PaceOption = False,
    headless: Annotated[bool, typer.Option(help="Open no window.")] = False,
    overlay_video: Annotated[Path | None, typer.Option(help="Record what is shown.")] = None,
    events: Annotated[Path | None, typer.Option(help="Write events as JSON lines.")] = None,
    provisional: Annotated[bool, typer.Option(help="Provisional events too.")] = False,
    explain: Annotated[
        Path | None,
        typer.Option(help="Write every candidate and what each rule measured, as JSON lines."),
    ] = None,
    max_seconds: Annotated[
        float | None, typer.Option(min=0.001, help="Stop after so long.")
    ] = None,
    model: ModelOption = None,
    flow: FlowOption = None,
    device: DeviceOption = "cpu",
    runtime: RuntimeOption = "auto",
    precision: ServedOption = "fp32",
    landmarker: TaskOption = None,
    profile: ProfileOption = None,
    false_alarms: Annotated[
        float | None,
        typer.Option("--false-alarms-per-minute", help="How many to put up with; fewer find less."),
    ] = None,
) -> None:
    """Recognise micro-expressions as they happen: camera 0, or any camera, file or stream."""
    _one_blas_thread()
    from htnet.realtime.live import RunConfig, run

    config = RunConfig(
        path=_path_config(
            camera,
            source,
            demo_seed,
            size,
            fps,
            model=model,
            flow=flow,
            device=device,
            runtime=runtime,
            precision=precision,
            landmarker=landmarker,
        ),
        pace=pace,
        headless=headless,
        overlay_video=overlay_video,
        events=events,
        provisional=provisional,
        explain=explain,
        max_seconds=max_seconds,
        profile=profile,
        false_alarms=false_alarms,
    )
    run(config, _console())


@app.command()
def calibrate(
    name: Annotated[str, typer.Option(help="Of the profile; one of that name is replaced.")],
    camera: CameraOption = None,
    source: SourceOption = None,
    demo_seed: SeedOption = 0,
    still: Annotated[bool, typer.Option(help="Of the demo: a face at rest.")] = False,
    size: SizeOption = "640x360",
    fps: Annotated[float | None, typer.Option(help="Frame rate to ask a camera for.")] = None,
    mains: Annotated[
        int | None, typer.Option(help="50 or 60 Hz: have the camera filter the lamps' flicker.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=3, max=120, help="Of rest to watch.")] = 10.0,
    tries: Annotated[int, typer.Option(min=1, help="Before it is given up.")] = 5,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe", help="Then measure in a minute how well small movements are found."
        ),
    ] = False,
    model: ModelOption = None,
    flow: FlowOption = None,
    device: DeviceOption = "cpu",
    runtime: RuntimeOption = "auto",
    precision: ServedOption = "fp32",
    landmarker: TaskOption = None,
) -> None:
    """Watch a face at rest for ten seconds and keep what it and the camera are like."""
    _one_blas_thread()
    from htnet.calib.calibration.calibrate import CalibrateConfig, calibrate
    from htnet.calib.calibration.recorder import Observer, ObserverConfig
    from htnet.calib.probe.keeper import FaceKeeper
    from htnet.realtime.profile import profile_path
    from htnet.realtime.sinks.tables import profiles_table

    if still and source != "demo":
        raise UsageError("expected --still with --source demo alone; got another source.")
    path = _path_config(
        camera,
        source,
        demo_seed,
        size,
        fps,
        demo={"still": still, "seconds": _DEMO_TRIES * seconds},
        model=model,
        flow=flow,
        device=device,
        runtime=runtime,
        precision=precision,
        landmarker=landmarker,
    )
    config = CalibrateConfig(path, name, tries, mains, seconds)
    observer = Observer(ObserverConfig(seconds=seconds, expected_fps=fps))
    keeper = FaceKeeper(observer) if probe else None
    profile = calibrate(config, _console(), keeper or observer)
    if profile is None:
        _console().print("Stopped: nothing is stored.")
        raise typer.Exit(130)
    _console().print(profiles_table([profile]))
    for each in (*profile.locked, *profile.notes):
        _console().out(f"{each[:1].upper()}{each[1:]}.")
    _console().out(f"Stored in {profile_path(name)}: htnet live --profile {shlex.quote(name)}")
    if keeper is not None:
        _probe(profile, keeper, model, flow, landmarker)


def _probe(
    profile: "Profile",
    keeper: "FaceKeeper",
    model: Path | None,
    flow: str | None,
    landmarker: Path | None,
) -> None:
    """Measure how well movements are found on a calibration's pictures, tell and keep it."""
    from dataclasses import replace

    from htnet.calib.probe.probe import ProbeConfig, probe
    from htnet.realtime.profile import write_profile

    config = ProbeConfig(model=model, flow=flow, landmarker=landmarker)
    try:
        with _progress("probing with small movements") as progress:
            probed = probe(profile, keeper.footage(profile.camera), config, progress)
    except KeyboardInterrupt:
        _console().print("Stopped: the profile is stored without a probe.")
        raise typer.Exit(130) from None
    write_profile(replace(profile, probe=probed.probe))
    _console().print(probed.probe.sentence(), markup=False)
    _console().print(probed.sentence(), markup=False)


@app.command()
def profiles() -> None:
    """List the profiles that htnet calibrate stored."""
    from htnet.realtime.profile import list_profiles, profile_folder
    from htnet.realtime.sinks.tables import profiles_table

    stored, troubles = list_profiles()
    if stored:
        _console().print(profiles_table(stored))
    elif not troubles:
        _console().out(
            f"No profile in {profile_folder()} yet: htnet calibrate --name NAME makes one."
        )
    for each in troubles:
        _console(stderr=True).out(each)


@app.command()
def simulate(
    plan: Annotated[str, typer.Argument(help="A plan's TOML file, or 'standard'.")],
    out: Annotated[Path, typer.Option(help="New folder for the video and its truth.")],
    face: Annotated[
        Path | None, typer.Option(help="Picture or clip of a face; default: the one that ships.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the plan's.")] = None,
    fps: Annotated[float | None, typer.Option(help="Instead of the plan's.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Instead of the plan's.")] = None,
    size: Annotated[
        str | None, typer.Option(help="Instead of the plan's, such as 640x360.")
    ] = None,
) -> None:
    """Render a face with known expressions and disturbances, and write down what truly happens."""
    from dataclasses import replace

    from htnet.engine.synth.schedule.plan import read_plan
    from htnet.engine.synth.write import simulate
    from htnet.realtime.sources.portrait import open_portrait

    given: dict[str, Any] = {"seed": seed, "fps": fps, "seconds": seconds}
    given["size"] = None if size is None else _size(size)
    changes = {name: value for name, value in given.items() if value is not None}
    drawn = replace(read_plan(plan), **changes)
    with _progress("frames") as progress:
        made = simulate(drawn, open_portrait(face), out, progress)
    _console().out(
        f"{len(made)} frames in {out}; events: {len(made.truth.events)}, "
        f"disturbances: {len(made.truth.disturbances)}"
    )


@app.command()
def recognize(
    onset: Annotated[Path, typer.Argument(help="Picture of the face before it moves.")],
    apex: Annotated[Path, typer.Argument(help="Picture of the face at its peak.")],
    aligned: Annotated[bool, typer.Option(help="The pictures are 140 x 170 crops.")] = False,
    as_json: JsonOption = False,
    save_flow: Annotated[
        Path | None, typer.Option(help="Write the 28 x 28 map: RGB = u, v, strain.")
    ] = None,
    model: ModelOption = None,
    flow: FlowOption = None,
    device: DeviceOption = "cpu",
    runtime: RuntimeOption = "auto",
    precision: ServedOption = "fp32",
) -> None:
    """Say what happened between two pictures of a face."""
    from htnet.engine.recognition.stills import recognize, save_map

    recognizer = _recognizer(model, flow, device, runtime, precision)
    result = recognize(onset, apex, recognizer, aligned=aligned)
    if save_flow is not None:
        save_map(result.map, save_flow)
    if result.crop_shaped and not result.as_crops:
        _console(stderr=True).print(
            "The pictures have the shape of aligned crops, but a face was found in them and "
            "aligned anew; --aligned takes them as they are."
        )
    prediction = result.prediction
    row = {
        "v": 1,
        "label": prediction.label,
        "probabilities": {k: round(p, 4) for k, p in prediction.probabilities.items()},
        "model": recognizer.model,
    }
    if as_json:
        print(json.dumps(row))
    else:
        shares = ", ".join(f"{k} {p:.0%}" for k, p in prediction.probabilities.items())
        _console().print(f"[bold]{prediction.label}[/] ({shares})")


@app.command()
def cameras(
    modes: Annotated[bool, typer.Option(help="Try which sizes and rates each one has.")] = True,
) -> None:
    """List cameras, and the modes they really have, found by setting and reading back."""
    from rich.table import Table

    from htnet.realtime.sources.camera_modes import find_modes, list_cameras

    found = list_cameras()
    if not found:
        _console().print("No camera was found. Plug one in, or use --source with a file or stream.")
        return
    table = Table("camera", "name", "modes")
    for each in found:
        try:
            listed = "\n".join(map(str, find_modes(each.index))) if modes else ""
        except HTNetError as error:
            listed = str(error)
        table.add_row(str(each.index), each.name, listed)
    _console().print(table)


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="Official .pth checkpoint.")],
    target: Annotated[Path, typer.Argument(help="The .safetensors file to write.")],
) -> None:
    """Turn an official checkpoint into a weights file."""
    from htnet.engine.models.weights import convert

    convert(source, target)
    _console().print(f"wrote {target}")


@app.command("export-onnx")
def export_onnx(
    model: ModelOption = None,
    part: PartOption = "network",
    flow: FlowOption = None,
    precision: ServedOption = "fp32",
    batch: BatchOption = 1,
    motion: MotionOption = True,
    out: EngineOption = None,
    data: PairsOption = None,
    landmarks: LandmarksOption = None,
) -> None:
    """Write a model for ONNX Runtime, checked against PyTorch, and its card beside it."""
    from htnet.calib.engines.export import ExportConfig

    config = ExportConfig("onnx", part, model, flow, precision, batch, motion, out)
    _export(config, data, landmarks)


@app.command("export-trt")
def export_trt(
    model: ModelOption = None,
    runtime: Annotated[str, typer.Option(help="tensorrt or tensorrt-rtx.")] = "tensorrt",
    part: PartOption = "pair",
    flow: FlowOption = None,
    precision: ServedOption = "fp32",
    batch: BatchOption = 1,
    motion: MotionOption = True,
    target: Annotated[
        str | None,
        typer.Option(help="Of tensorrt-rtx: default (Ampere and later), current, or sm80,sm89."),
    ] = None,
    out: EngineOption = None,
    data: PairsOption = None,
    landmarks: LandmarksOption = None,
) -> None:
    """Build a TensorRT engine, checked against PyTorch where it runs, and its card beside it."""
    from htnet.calib.engines.export import ExportConfig

    if runtime not in ("tensorrt", "tensorrt-rtx"):
        raise UsageError(f"expected the runtime tensorrt or tensorrt-rtx; got {runtime!r}.")
    config = ExportConfig(runtime, part, model, flow, precision, batch, motion, out, target)
    _export(config, data, landmarks)


@app.command()
def train(
    data: DataOption,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the run; default: runs/NETWORK.")
    ] = None,
    network: NetworkOption = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    start: Annotated[
        Path | None, typer.Option("--from", help="Weights file of the same network to begin with.")
    ] = None,
    config_file: ConfigOption = None,
    repeats: RepeatsOption = None,
    epochs: EpochsOption = None,
    precision: PrecisionOption = None,
    device: DeviceOption = "cpu",
    loso_seeds: Annotated[
        int | None,
        typer.Option(min=0, help="Seeds to score the recipe by LOSO first; 1, with --from 0."),
    ] = None,
    nested: Annotated[
        bool, typer.Option(help="Score the choice of schedule and epoch too.")
    ] = False,
    store: Annotated[
        Path, typer.Option(help="Folder of finished folds, as evaluate loso keeps them.")
    ] = Path("runs/loso"),
    landmarks: LandmarksOption = None,
) -> None:
    """Fit a network on all subjects; writes weights, scores, a report and plots."""
    from htnet.engine.files import require_folder
    from htnet.training.train import require_libraries, train

    require_libraries()
    data = _opened(data)
    config = _train_config(
        data, network, seed, config_file, repeats, epochs, precision, device, landmarks
    )
    out = out or Path("runs") / config.network
    if start is not None and loso_seeds:
        raise UsageError(
            "expected --from without --loso-seeds: weights that were trained before may have seen "
            "the subjects that LOSO holds out; leave one of the two out."
        )
    require_folder(out)
    count = (1 if start is None else 0) if loso_seeds is None else loso_seeds
    scored = _loso(config, count, "last", _loso_config(store))
    if nested:
        scored |= _loso(config, count, "nested", _loso_config(store))
    with _progress("all subjects") as progress:
        report = train(config, out, scored, start, progress)
    _console().print(
        f"{report.clips} clips of {report.subjects} subjects, {report.seconds:.0f} s: wrote "
        f"{report.weights}, and report.md beside it"
    )


@evaluate_app.command("loso")
def evaluate_loso(
    data: DataOption,
    network: NetworkOption = None,
    protocol: Annotated[str, typer.Option(help="last, nested or oracle.")] = "last",
    seeds: SeedsOption = 1,
    folds: Annotated[str, typer.Option(help="Subjects to hold out, such as 006,s01.")] = "all",
    weights: Annotated[
        Path | None, typer.Option(help="Score the fold weights in this folder instead.")
    ] = None,
    json_file: JsonFileOption = None,
    config_file: ConfigOption = None,
    repeats: RepeatsOption = None,
    epochs: EpochsOption = None,
    precision: PrecisionOption = None,
    device: DeviceOption = "cpu",
    out: StoreOption = Path("runs/loso"),
    fold_weights: KeepOption = True,
    ray: RayOption = None,
    ray_gpus: RayGpusOption = 0.0,
    landmarks: LandmarksOption = None,
) -> None:
    """Score a recipe leaving one subject out; the headline never looks at the held-out subject."""
    from htnet.engine.files import require_folder, write_json
    from htnet.training.evaluation.stored_folds import evaluate_stored
    from htnet.training.reporting.loso import loso_row, loso_table, stored_row, stored_table

    if json_file is not None:
        require_folder(json_file.parent)
    data = _opened(data)
    if weights is not None:
        if (protocol, seeds, folds) != ("last", 1, "all") or config_file is not None:
            raise UsageError(
                "expected --weights alone, as stored folds are scored as they are; got a protocol, "
                "seeds, folds or a config too: leave them out."
            )
        stored = evaluate_stored(data, weights, network or "htnet-s", landmarks)
        _console().print(stored_table(stored))
        if json_file is not None:
            write_json(json_file, stored_row(stored))
        return
    config = _train_config(
        data, network, None, config_file, repeats, epochs, precision, device, landmarks
    )
    run = _loso_config(out, fold_weights, folds, ray, ray_gpus, device)
    reports = _loso(config, seeds, protocol, run)
    shown = reports.pop(protocol)
    for own in (shown, *reports.values()):
        _console().print(loso_table(own))
    if json_file is not None:
        write_json(json_file, loso_row(config.network, shown, reports))


@evaluate_app.command("zoo")
def evaluate_zoo(
    data: DataOption,
    rows: Annotated[
        str | None, typer.Option(help="Rows, split by ';'; default: all that fit the device.")
    ] = None,
    nested: Annotated[str, typer.Option(help="Rows to score nested too, split by ';'.")] = "",
    seeds: SeedsOption = 3,
    markdown: MarkdownOption = None,
    device: DeviceOption = "cpu",
    out: StoreOption = Path("runs/loso"),
    fold_weights: KeepOption = True,
    ray: RayOption = None,
    ray_gpus: RayGpusOption = 0.0,
    landmarks: LandmarksOption = None,
) -> None:
    """Score every network of the zoo and lay them side by side."""
    from htnet.engine.files import require_folder, write_text
    from htnet.training.experiments.zoo import run_zoo
    from htnet.training.experiments.zoo_page import zoo_markdown, zoo_table

    if markdown is not None:
        require_folder(markdown.parent)
    _one_thread()
    made = run_zoo(
        _opened(data),
        landmarks=landmarks,
        device=device,
        rows=None if rows is None else _names(rows),
        seeds=seeds,
        nested=_names(nested),
        run=_loso_config(out, fold_weights, "all", ray, ray_gpus, device),
    )
    _console().print(zoo_table(made))
    if markdown is not None:
        before = markdown.read_text(encoding="utf-8") if markdown.is_file() else ""
        write_text(markdown, zoo_markdown(made, _command(), _machine(device, ray), before))


@evaluate_app.command("ablation")
def evaluate_ablation(
    name: Annotated[
        str, typer.Argument(help="block-size, layers, dimensions, heads, tokens, crops or views.")
    ],
    data: DataOption,
    network: NetworkOption = None,
    seeds: SeedsOption = 1,
    groups: Annotated[
        int | None, typer.Option(min=2, help="Hold out groups of subjects instead: a first look.")
    ] = None,
    markdown: MarkdownOption = None,
    config_file: ConfigOption = None,
    epochs: EpochsOption = None,
    device: DeviceOption = "cpu",
    out: StoreOption = Path("runs/loso"),
    landmarks: LandmarksOption = None,
) -> None:
    """Score the variants of one of the paper's ablations, or of the crops.

    Without a config: htnet-s with the paper's loss on the published maps alone.
    """
    from dataclasses import replace

    from htnet.engine.files import require_folder, write_text
    from htnet.training.experiments.ablation import (
        BASE,
        ablation_markdown,
        ablation_table,
        run_ablation,
    )

    if markdown is not None:
        require_folder(markdown.parent)
    data = _opened(data)
    own = BASE if config_file is None and network in (None, "htnet-s") else None
    config = _train_config(
        data, network, None, config_file, None, epochs, None, device, landmarks, own
    )
    _one_thread()
    run = replace(_loso_config(out, False), groups=groups)
    ablation, rows = run_ablation(name, config, seeds, run)
    _console().print(ablation_table(ablation, rows, groups))
    if markdown is not None:
        write_text(markdown, ablation_markdown(ablation, rows, groups, _command()))


@data_app.command("check")
def data_check(
    data: Annotated[Path, typer.Argument(help="Folder with one or more datasets.")],
) -> None:
    """Tell what is there, what is missing, and how many clips of each class."""
    from htnet.training.datasets.check import check, check_tables

    report = check(data)
    for table in check_tables(report):
        _console().print(table)
    if not report.ok:
        raise typer.Exit(1)


@data_app.command("prepare")
def data_prepare(
    data: Annotated[Path, typer.Argument(help="Folder with datasets as they were released.")],
    out: Annotated[Path, typer.Argument(help="Folder for the maps; goes on from what is there.")],
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: cores.")] = None,
) -> None:
    """Turn raw datasets into flow maps by the preprocessing that live uses."""
    from htnet.training.datasets.prepare import prepare

    with _progress("clips") as progress:
        made = prepare(data, out, workers=workers, progress=progress)
    _tell_skipped(made.folder)
    _console().print(f"{made.clips} clips in {made.folder}")


@bench_app.command("live")
def bench_live(
    source: SourceOption = None,
    camera: CameraOption = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames; a file is looped.")] = 1000,
    pace: PaceOption = False,
    as_json: JsonOption = False,
    demo_seed: SeedOption = 0,
    size: SizeOption = "640x360",
    model: ModelOption = None,
    flow: FlowOption = None,
    device: DeviceOption = "cpu",
    runtime: RuntimeOption = "auto",
    precision: ServedOption = "fp32",
    landmarker: TaskOption = None,
) -> None:
    """Run the whole live path without drawing, and say how fast each part is."""
    _one_blas_thread()
    from htnet.calib.bench.live import bench_live as measure
    from htnet.realtime.live import measured_ticks

    path = _path_config(
        camera,
        source,
        demo_seed,
        size,
        None,
        model=model,
        flow=flow,
        device=device,
        runtime=runtime,
        precision=precision,
        landmarker=landmarker,
    )
    say = _console(stderr=True).out
    with measured_ticks(path, frames=frames, pace=pace, say=say) as ticks:
        row = measure(ticks, warmup=min(100, frames // 10))
    if as_json:
        print(json.dumps(row))
    else:
        _console().print(_bench_table(row))


@bench_app.command("flow")
def bench_flow(
    solvers: SolversOption = "farneback,tvl1,dis",
    batches: BatchesOption = "1",
    sizes: SizesOption = "140x170",
    forms: FormsOption = None,
    rounds: RoundsOption = 30,
    seconds: SharesOption = 3.0,
    as_json: JsonOption = False,
    device: DeviceOption = "cpu",
) -> None:
    """Time optical flow, each solver beside OpenCV's in the same run."""
    from htnet.calib.bench.flow import bench_flow as measure
    from htnet.calib.bench.flow import flow_table

    row = measure(
        _names(solvers, ","),
        device,
        _numbers(batches),
        [_size(size) for size in _names(sizes, ",")],
        rounds,
        forms=None if forms is None else _names(forms, ","),
        seconds=seconds,
    )
    print(json.dumps(row)) if as_json else _console().print(flow_table(row))


@bench_app.command("model")
def bench_model(
    model: ModelOption = None,
    network: RandomOption = None,
    repeats: RepeatsOption = None,
    runtimes: RuntimesOption = None,
    precisions: PrecisionsOption = "fp32",
    batches: BatchesOption = "1",
    rounds: RoundsOption = 100,
    seconds: SharesOption = 5.0,
    as_json: JsonOption = False,
    device: DeviceOption = "cpu",
) -> None:
    """Time the network alone in every runtime, beside its official form."""
    from htnet.calib.bench.comparison import open_model
    from htnet.calib.bench.model import bench_model as measure
    from htnet.calib.bench.model import model_table

    row = measure(
        open_model(model, network=network, repeats=None if repeats is None else _numbers(repeats)),
        device,
        None if runtimes is None else _names(runtimes, ","),
        _names(precisions, ","),
        _numbers(batches),
        rounds,
        seconds=seconds,
        say=_console(stderr=True).out,
    )
    print(json.dumps(row)) if as_json else _console().print(model_table(row))


@bench_app.command("pair")
def bench_pair(
    model: ModelOption = None,
    network: RandomOption = None,
    repeats: RepeatsOption = None,
    runtimes: RuntimesOption = None,
    precisions: PrecisionsOption = "fp32",
    batches: BatchesOption = "1",
    rounds: RoundsOption = 100,
    seconds: SharesOption = 5.0,
    as_json: JsonOption = False,
    flow: FlowOption = None,
    flow_threads: Annotated[
        int, typer.Option(min=1, help="OpenCV's; live has one, the other core tracks the face.")
    ] = 1,
    device: DeviceOption = "cpu",
) -> None:
    """Time the way from a pair of gray crops to probabilities, stage by stage and as one graph."""
    from htnet.calib.bench.comparison import open_model
    from htnet.calib.bench.pair import bench_pair as measure
    from htnet.calib.bench.pair import pair_tables

    row = measure(
        open_model(model, network=network, repeats=None if repeats is None else _numbers(repeats)),
        device,
        None if runtimes is None else _names(runtimes, ","),
        _names(precisions, ","),
        _numbers(batches),
        rounds,
        flow=flow,
        flow_threads=flow_threads,
        seconds=seconds,
        say=_console(stderr=True).out,
    )
    print(json.dumps(row)) if as_json else _console().print(*pair_tables(row))


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Say what of this machine can be used, and what to do about the rest."""
    from htnet.calib.doctor import doctor_row, doctor_table, examine, healthy
    from htnet.realtime.sinks.display import no_display
    from htnet.realtime.sources.camera_modes import list_cameras

    checks = examine(lambda: [f"{each.index} {each.name}" for each in list_cameras()], no_display)
    if as_json:
        print(json.dumps(doctor_row(checks)))
    else:
        _console().print(doctor_table(checks))
    if not healthy(checks):
        raise typer.Exit(1)


@evaluate_app.command("runtimes")
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
    from htnet.calib.engines.agreement import agreements
    from htnet.calib.engines.agreement import markdown as page
    from htnet.calib.engines.runtime_specs import WAYS, opener, ways_named
    from htnet.engine.files import require_folder, write_json, write_text
    from htnet.engine.models.weights import default_weights, load
    from htnet.training.augmentation.reanimated_pairs import composite_pairs
    from htnet.training.views import VIEWS

    for file in filter(None, (json_file, markdown)):
        require_folder(file.parent)
    if view not in VIEWS:
        raise UsageError(f"expected a view among {', '.join(VIEWS)}; got {view!r}.")
    named = ways_named(ways or WAYS)
    _one_thread()
    path = model or default_weights()
    faces = composite_pairs(_opened(data), pairs, seed, VIEWS[view], landmarks)
    registered = VIEWS[view].registered
    rows = list(
        agreements(
            load(path, folded=False),
            load(path),
            faces,
            named,
            opener(faces, registered=registered, device=device, say=_console(stderr=True).out),
            registered=registered,
            flows=_names(flow, ","),
        )
    )
    print(page(rows), end="")
    if json_file is not None:
        write_json(json_file, {"v": 1, "command": _command(), "rows": [r.as_json() for r in rows]})
    if markdown is not None:
        write_text(markdown, f"`{_command()}`\n\n{page(rows)}")
    if any(row.holds is False for row in rows):
        raise typer.Exit(1)


@evaluate_app.command("live")
def evaluate_live(
    data: Annotated[
        Path | None, typer.Option(help="CAS(ME)^2, CAS(ME)^3 or SAMM Long Videos as released.")
    ] = None,
    simulate: Annotated[
        str | None, typer.Option(metavar="PLAN", help="A plan: standard, or a TOML file.")
    ] = None,
    reanimate: Annotated[
        Path | None, typer.Option(help="The composite: every clip's own movement on its own face.")
    ] = None,
    faces: Annotated[
        Path | None, typer.Option(help="The composite, whose listed faces act the plan.")
    ] = None,
    half: Annotated[str | None, typer.Option(help="Of those faces: tuned or untouched.")] = None,
    fps: Annotated[str, typer.Option(help="Frame rates, such as 30,60,200.")] = "30",
    seconds: Annotated[float | None, typer.Option(help="Instead of the plan's.")] = None,
    amplitude: Annotated[
        str | None, typer.Option(help="Of the events in px of the crop: 0.5 or 1,2.")
    ] = None,
    duration: Annotated[str | None, typer.Option(help="Of the events in s: 0.04,0.1.")] = None,
    macros: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of macro-expressions, 0.5 to 4 s.")
    ] = None,
    neutral: Annotated[bool, typer.Option(help="No events.")] = False,
    quiet: Annotated[bool, typer.Option(help="No disturbance but sensor noise.")] = False,
    folds: Annotated[
        Path | None, typer.Option(help="With --reanimate: weights without each SUBJECT.")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="With --reanimate: each so many clips.")] = 1,
    false_alarms: Annotated[
        float | None,
        typer.Option("--false-alarms-per-minute", help="Choose the operating point by it."),
    ] = None,
    score: Annotated[
        float | None, typer.Option(min=0, help="The operating point; default: what live uses.")
    ] = None,
    json_file: JsonFileOption = None,
    operating: Annotated[
        Path | None, typer.Option(help="Write score and false alarms a minute, as live reads them.")
    ] = None,
    model: ModelOption = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: cores.")] = None,
    out: Annotated[Path, typer.Option(help="Folder that keeps finished videos.")] = Path(
        "runs/live"
    ),
    inject: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="VIDEO...",
            help="Neutral faces, played to and fro with movements warped in: one video or several.",
        ),
    ] = None,
    speaking: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="VIDEO...", help="With --inject: people who speak, played as they are."
        ),
    ] = None,
    movements: Annotated[
        Path | None,
        typer.Option(help="With --inject: the composite, whose published movements are taken."),
    ] = None,
    muscles: Annotated[
        bool, typer.Option("--muscles", help="With --inject: drawn muscles; the default.")
    ] = False,
    seeds: Annotated[
        int, typer.Option(min=1, help="With --inject: how many passes of each video.")
    ] = 3,
) -> None:
    """Run whole videos through the live path, and hold what it says against what is there.

    With --inject, --amplitude lists the sizes that take turns (1,2), --seconds is the length of a
    pass (60), --macros the share of 0.5 to 3 s, --neutral has none, --quiet draws no blinks.
    """
    import os

    if inject or speaking or movements or muscles:
        given = [data, simulate, reanimate]
        if not inject or given.count(None) != len(given):
            raise UsageError(
                "expected --inject alone for real footage, its --speaking, --movements and "
                "--muscles beside it; got none, or --data, --simulate or --reanimate too: correct it."
            )
        others: dict[str, Any] = {
            "--faces": faces,
            "--half": half,
            "--fps": fps != "30",
            "--folds": folds,
            "--every": every > 1,
            "--false-alarms-per-minute": false_alarms,
            "--operating": operating,
        }
        if idle := [name for name, value in others.items() if value not in (None, False)]:
            raise UsageError(
                f"expected no {idle[0]} with --inject, whose videos keep their own faces and frame "
                "rates and are judged as live judges them, or at --score; got it: leave it out."
            )
        _evaluate_injected(
            inject=inject,
            speaking=speaking or [],
            movements=movements,
            muscles=muscles,
            seeds=seeds,
            plan=_injection(seconds, amplitude, duration, macros, neutral, quiet),
            score=score,
            model=model,
            workers=workers,
            out=out,
            json_file=json_file,
        )
        return

    from htnet.calib.evaluation import live
    from htnet.engine.files import require_folder
    from htnet.training.reporting.spotting import spotting_tables, write_spotting

    if json_file is not None:
        require_folder(json_file.parent)
    require_folder(out)
    rates = [_number(each) for each in _names(fps, ",")]
    if [data, simulate, reanimate].count(None) != 2:
        raise UsageError(
            "expected one of --data, --simulate and --reanimate; got none or several: give one."
        )
    if data is not None:
        jobs = live.recorded_jobs(data, model)
    elif reanimate is not None:
        if folds is None:
            raise UsageError(
                "expected --folds with --reanimate, the folder of weights that evaluate loso keeps, "
                "so that nobody is judged by a network that has seen them; got none: give it."
            )
        jobs = live.reanimated_jobs(reanimate, rates, folds, every)
    else:
        changes = live.Changes(
            seconds=seconds,
            amplitude_px=None if amplitude is None else _span(amplitude),
            micro_s=None if duration is None else _span(duration),
            macro_share=macros,
            neutral=neutral,
            quiet=quiet,
        )
        plan = live.changed(live.read_plan(simulate or "standard"), changes)
        jobs = live.simulated_jobs(plan, rates, faces, half, model)
    with _progress("videos") as progress:
        judged = live.judge_all(
            jobs, out, workers=workers or os.cpu_count() or 1, progress=progress
        )
    summary = live.summed(judged, score=score, false_alarms_per_minute=false_alarms)
    for table in (*spotting_tables(summary.evaluation), live.given_table(summary)):
        _console().print(table)
    if json_file is not None:
        write_spotting(json_file, summary.evaluation, summary.points, summary.row())
    if operating is not None:
        live.write_operating(operating, summary, _command())


def _injection(
    seconds: float | None,
    amplitude: str | None,
    duration: str | None,
    macros: float | None,
    neutral: bool,
    quiet: bool,
) -> Any:
    from htnet.engine.synth.injection.schedule import InjectionPlan

    given: dict[str, Any] = {"seconds": seconds, "macro_share": macros}
    given["amplitudes_px"] = (
        () if neutral else amplitude and tuple(_number(each) for each in _names(amplitude, ","))
    )
    given["micro_s"] = None if duration is None else _span(duration)
    given["blinks_per_minute"] = 0.0 if quiet else None
    return InjectionPlan(**{name: value for name, value in given.items() if value is not None})


def _evaluate_injected(
    *,
    inject: list[Path],
    speaking: list[Path],
    movements: Path | None,
    muscles: bool,
    seeds: int,
    plan: Any,
    score: float | None,
    model: Path | None,
    workers: int | None,
    out: Path,
    json_file: Path | None,
) -> None:
    import os

    from htnet.calib.evaluation.injected import InjectConfig, evaluate_injected
    from htnet.calib.evaluation.injected_report import injected_tables, write_injected
    from htnet.calib.evaluation.injected_scores import score_injected
    from htnet.engine.files import require_folder

    if movements is not None and muscles:
        raise UsageError(
            "expected --movements or --muscles, one family at a time; got both: leave one out."
        )
    for folder in (out, *([] if json_file is None else [json_file.parent])):
        require_folder(folder)
    config = InjectConfig(
        tuple(inject), tuple(speaking), movements, plan, seeds, score=score, model=model
    )
    with _progress("passes") as progress:
        made = evaluate_injected(
            config, out, workers=workers or os.cpu_count() or 1, progress=progress
        )
    scores = score_injected(made.passes)
    for table in injected_tables(made, scores):
        _console().print(table, "")
    if json_file is not None:
        write_injected(json_file, made, scores)


@evaluate_app.command("demo")
def evaluate_demo(
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = 20,
    first: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    still: Annotated[bool, typer.Option(help="A still face and noise only.")] = False,
    seconds: Annotated[float, typer.Option(help="Length of each clip.")] = 12.0,
    as_json: JsonOption = False,
    model: ModelOption = None,
    flow: FlowOption = None,
    runtime: RuntimeOption = "auto",
) -> None:
    """Hold what is found in demo clips against what was put there."""
    from htnet.calib.evaluation.demo_score import score_demo

    recognizer = _recognizer(model, flow, "cpu", runtime)
    console = _console(stderr=as_json)
    row = score_demo(recognizer, range(first, first + seeds), still, seconds, console.print)
    print(json.dumps(row)) if as_json else console.print_json(data=row)


def _export(config: Any, data: Path | None, landmarks: Path | None) -> None:
    """Build an engine and tell where it lies and how near it comes."""
    from htnet.calib.engines.export import COUNT, export, told
    from htnet.training.augmentation.reanimated_pairs import composite_pairs

    pairs = None
    if data is not None:
        pairs = composite_pairs(_opened(data), COUNT, landmarks=landmarks)
    print(told(export(config, pairs, _console(stderr=True).out)))


def _opened(data: Path) -> Path:
    """A folder laid out as the composite; raw datasets are prepared, once."""
    from htnet.training.datasets.prepare import open_data

    with _progress("preparing clips") as progress:
        folder = open_data(data, progress)
    if folder != data:
        _tell_skipped(folder)
    return folder


def _tell_skipped(folder: Path) -> None:
    from htnet.training.datasets.prepare import read_skipped

    skipped = read_skipped(folder)
    for each in skipped[:20]:
        told = f"left out: {each.dataset} {each.subject} {each.clip}: {each.reason}"
        _console(stderr=True).print(told)
    if len(skipped) > 20:
        _console(stderr=True).print(f"and {len(skipped) - 20} more: {folder / 'skipped.csv'}")


def _train_config(
    data: Path,
    network: str | None,
    seed: int | None,
    file: Path | None,
    repeats: str | None,
    epochs: int | None,
    precision: str | None,
    device: str,
    landmarks: Path | None,
    base: Mapping[str, Any] | None = None,
) -> Any:
    """The network's recipe, changed by the config file or ``base`` and then by the options."""
    from htnet.engine.recognition.recognizer import torch_device
    from htnet.training.recipes import configured, read_toml

    torch_device(device)
    changes = dict(base or {}) if file is None else read_toml(file)
    name = changes.pop("network", "htnet-s")
    own = changes.pop("seed", 0)
    if repeats is not None:
        changes["model"] = {**changes.get("model", {}), "repeats": _numbers(repeats)}
    given = {"epochs": epochs, "precision": precision}
    given = {name: value for name, value in given.items() if value is not None}
    if given:
        changes["schedule"] = {**changes.get("schedule", {}), **given}
    return configured(
        network or name,
        data,
        landmarks=landmarks,
        seed=own if seed is None else seed,
        device=device,
        changes=changes,
    )


def _loso_config(
    store: Path,
    keep: bool = True,
    folds: str = "all",
    ray: str | None = None,
    ray_gpus: float = 0.0,
    device: str = "cpu",
) -> Any:
    from htnet.engine.files import require_folder
    from htnet.training.evaluation.jobs import LosoConfig
    from htnet.training.evaluation.ray_backend import RayConfig

    require_folder(store)
    only = None if folds == "all" else tuple(_names(folds, ","))
    cluster = None
    if ray is not None:
        if device != "cpu" and ray_gpus == 0:
            raise UsageError(
                "expected a share of a GPU for each task, since Ray hides GPUs from tasks without; "
                "got --ray-gpus 0: give --ray-gpus 1, or less to share one."
            )
        cluster = RayConfig(address=None if ray == "local" else ray, gpus=ray_gpus)
    say = _console(stderr=True).out
    return LosoConfig(store, only, keep=keep, ray=cluster, say=say, bar=_progress)


def _loso(config: Any, seeds: int, protocol: str, run: Any) -> dict[str, list[Any]]:
    """Reports by protocol, one for each seed."""
    from dataclasses import replace

    from htnet.training.evaluation.loso import evaluate_loso

    _one_thread()
    configs = [replace(config, seed=config.seed + number) for number in range(seeds)]
    reports: dict[str, list[Any]] = {}
    for each in evaluate_loso(configs, protocol, run):
        for name, report in each.items():
            reports.setdefault(name, []).append(report)
    return reports


def _one_blas_thread() -> None:
    """Before NumPy is loaded: its products here are small, and threads that wait for the next one
    keep the core busy that the face tracker needs."""
    import os

    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _one_thread() -> None:
    """Sums in another order are other sums: one thread gives the same numbers on any machine."""
    import torch

    torch.set_num_threads(1)


def _names(text: str, split: str = ";") -> list[str]:
    return [name.strip() for name in text.split(split) if name.strip()]


def _numbers(text: str) -> tuple[int, ...]:
    parts = _names(text, ",")
    if not parts or not all(part.isdecimal() for part in parts):
        raise UsageError(f"expected numbers such as 2,2,10; got {text!r}.")
    return tuple(map(int, parts))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"expected a number; got {text!r}: give one such as 30.") from None


def _span(text: str) -> tuple[float, float]:
    """From "0.5" or "1,2" the least and the most."""
    parts = [_number(each) for each in _names(text, ",")]
    if len(parts) not in (1, 2):
        raise UsageError(f"expected one number or two; got {text!r}: give such as 0.5 or 1,2.")
    return parts[0], parts[-1]


def _command() -> str:
    """The command line that is running, for a page that it writes."""
    return shlex.join(["htnet", *sys.argv[1:]])


def _machine(device: str, ray: str | None) -> str:
    """What ran it, for a page."""
    import os
    import platform

    import torch

    where = f"{os.cpu_count()} cores of {platform.machine()}"
    where += ", spread by Ray" if ray is not None else ", one thread" if device == "cpu" else ""
    if torch.device(device).type == "cuda":
        where += f", {torch.cuda.get_device_name(device)}"
    return f"{where}, torch {torch.__version__.partition('+')[0]}"


@contextmanager
def _progress(title: str) -> Iterator[Callable[[int, int], None]]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(24), TimeRemainingColumn())
    with Progress(*columns, console=_console(stderr=True), transient=True) as shown:
        task = shown.add_task(title, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def _path_config(
    camera: int | None,
    source: str | None,
    demo_seed: int,
    size: str,
    fps: float | None,
    demo: Mapping[str, Any] | None = None,
    **served: Any,
) -> Any:
    from htnet.engine.synth.demo import DemoConfig
    from htnet.realtime.live import PathConfig
    from htnet.realtime.sources.base import SourceConfig

    wanted = _size(size)
    if source != "demo":
        own = SourceConfig(camera=camera, source=source, size=wanted, fps=fps)
        return PathConfig(source=own, demo=None, **served)
    if camera is not None:
        raise UsageError("expected a camera or the demo; got both: leave one out.")
    drawn = DemoConfig(seed=demo_seed, size=wanted, **(demo or {}))
    return PathConfig(source=None, demo=drawn, **served)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not all(s.isdecimal() and len(s) < 5 and 0 < int(s) <= 8192 for s in (width, height)):
        raise UsageError(f"expected a size such as 640x360, up to 8192x8192; got {text!r}.")
    return int(width), int(height)


def _recognizer(
    model: Path | None, flow: str | None, device: str, runtime: str, precision: str = "fp32"
) -> Any:
    from htnet.engine.recognition.recognizer import open_recognizer

    say = _console(stderr=True).out
    return open_recognizer(
        model, flow=flow, device=device, runtime=runtime, precision=precision, say=say
    )


def _bench_table(row: dict[str, Any]) -> Any:
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


def _console(*, stderr: bool = False) -> "Console":
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def _ray_alone(arguments: list[str]) -> list[str]:
    """Let ``--ray`` stand without an address; typer knows no options whose value may be left out."""
    made = []
    for place, each in enumerate(arguments):
        made.append(each)
        after = arguments[place + 1 : place + 2]
        if each == "--ray" and (not after or after[0].startswith("--")):
            made.append("local")
    return made


def _several(arguments: list[str]) -> list[str]:
    """Let several videos follow one ``--inject`` or ``--speaking``; typer takes one at a time."""
    if arguments[:2] != ["evaluate", "live"]:
        return arguments
    made: list[str] = []
    option = ""
    for each in arguments:
        if each.startswith("-"):
            option = each if each in ("--inject", "--speaking") else ""
        elif option and made[-1] != option:
            made.append(option)
        made.append(each)
    return made


def main() -> None:
    """Entry point: the one place that turns an `HTNetError` into a sentence and an exit code."""
    # A service manager's stop ends a run as Ctrl-C does, so that recordings are closed whole.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app(_several(_ray_alone(sys.argv[1:])))
    except HTNetError as error:
        print(f"htnet: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except ImportError as error:
        print(
            f"htnet: Expected all its libraries; one cannot be loaded ({error}): install htnet "
            "anew, and on a minimal Linux the system's libgl1 and libglib2.0-0.",
            file=sys.stderr,
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
