"""Commands of the live room: live, profiles, recognize, cameras."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from htnet.engine.errors import HTNetError, UsageError
from htnet.options import (
    FpsOption,
    JsonOption,
    LandmarkerOption,
    OutputOptions,
    PaceOption,
    ServedOptions,
    SessionOptions,
    SizeOption,
    SourceOptions,
    console,
    one_blas_thread,
    parse_size,
)

if TYPE_CHECKING:
    from htnet.engine.recognition.recognizer import Recognizer
    from htnet.realtime.live import PathConfig
    from htnet.realtime.sinks.outputs import OutputConfig


def live(
    source: SourceOptions,
    size: SizeOption = "640x360",
    fps: FpsOption = None,
    pace: PaceOption = False,
    headless: Annotated[bool, typer.Option(help="Open no window.")] = False,
    *,
    outputs: OutputOptions,
    session: SessionOptions,
    rejected: Annotated[
        bool, typer.Option("--rejected", help="List rejected events at the end too.")
    ] = False,
    max_seconds: Annotated[
        float | None, typer.Option(min=0.001, help="Stop after so long.")
    ] = None,
    served: ServedOptions,
    landmarker: LandmarkerOption = None,
    profile: Annotated[
        str | None,
        typer.Option(help="A profile that htnet calibrate stored; see htnet profiles."),
    ] = None,
    false_alarms: Annotated[
        float | None,
        typer.Option("--false-alarms-per-minute", help="How many to put up with; fewer find less."),
    ] = None,
) -> None:
    """Recognise micro-expressions as they happen: camera 0, or any camera, file or stream."""
    one_blas_thread()
    from htnet.realtime.live import RunConfig, run
    from htnet.realtime.session_record import SessionConfig

    config = RunConfig(
        path=path_config(source, size, fps, served, landmarker),
        pace=pace,
        headless=headless,
        outputs=output_config(outputs),
        session=SessionConfig(**asdict(session)),
        rejected=rejected,
        max_seconds=max_seconds,
        profile=profile,
        false_alarms=false_alarms,
    )
    run(config, console())


def profiles() -> None:
    """List the profiles that htnet calibrate stored."""
    from htnet.realtime.profiles.store import list_profiles, profile_folder
    from htnet.realtime.sinks.tables import profiles_table

    stored, troubles = list_profiles()
    if stored:
        console().print(profiles_table(stored))
    elif not troubles:
        console().out(
            f"No profile in {profile_folder()} yet: htnet calibrate --name NAME makes one."
        )
    for each in troubles:
        console(stderr=True).out(each)


def recognize(
    onset: Annotated[Path, typer.Argument(help="Picture of the face before it moves.")],
    apex: Annotated[Path, typer.Argument(help="Picture of the face at its peak.")],
    aligned: Annotated[bool, typer.Option(help="The pictures are 140 x 170 crops.")] = False,
    as_json: JsonOption = False,
    save_flow: Annotated[
        Path | None, typer.Option(help="Write the 28 x 28 map: RGB = u, v, strain.")
    ] = None,
    *,
    served: ServedOptions,
) -> None:
    """Say what happened between two pictures of a face."""
    from htnet.engine.recognition.stills import recognize, save_map

    recognizer = open_served(served)
    result = recognize(onset, apex, recognizer, aligned=aligned)
    if save_flow is not None:
        save_map(result.map, save_flow)
    if result.crop_shaped and not result.as_crops:
        console(stderr=True).print(
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
        console().print(f"[bold]{prediction.label}[/] ({shares})")


def cameras(
    modes: Annotated[bool, typer.Option(help="Try which sizes and rates each one has.")] = True,
) -> None:
    """List cameras, and the modes they really have, found by setting and reading back."""
    from rich.table import Table

    from htnet.realtime.sources.camera_modes import find_modes, list_cameras

    found = list_cameras()
    if not found:
        console().print("No camera was found. Plug one in, or use --source with a file or stream.")
        return
    table = Table("camera", "name", "modes")
    for each in found:
        try:
            listed = "\n".join(map(str, find_modes(each.index))) if modes else ""
        except HTNetError as error:
            listed = str(error)
        table.add_row(str(each.index), each.name, listed)
    console().print(table)


def path_config(
    source: SourceOptions,
    size: str,
    fps: float | None,
    served: ServedOptions,
    landmarker: Path | None,
    demo: Mapping[str, Any] | None = None,
) -> "PathConfig":
    """Return the configuration of the live path; ``demo``: further fields of `DemoConfig`."""
    from htnet.realtime.live import PathConfig
    from htnet.realtime.sources.base import SourceConfig
    from htnet.realtime.sources.demo import DemoConfig

    wanted = parse_size(size)
    model = {**asdict(served), "landmarker": landmarker}
    if source.source != "demo":
        own = SourceConfig(camera=source.camera, source=source.source, size=wanted, fps=fps)
        return PathConfig(source=own, demo=None, **model)
    if source.camera is not None:
        raise UsageError("expected a camera or the demo; got both: leave one out.")
    drawn = DemoConfig(seed=source.demo_seed, size=wanted, **(demo or {}))
    return PathConfig(source=None, demo=drawn, **model)


def output_config(options: OutputOptions) -> "OutputConfig":
    """Return the settings of a run's files; raises `UsageError`."""
    from htnet.realtime.formats.rows import dialect_named
    from htnet.realtime.sinks.outputs import OutputConfig
    from htnet.realtime.sinks.paths import existing_by

    return OutputConfig(
        events=options.events,
        provisional=options.provisional,
        explain=options.explain,
        overlay_video=options.overlay_video,
        existing=existing_by(append=options.append, overwrite=options.overwrite),
        dialect=dialect_named(options.csv_dialect),
    )


def open_served(served: ServedOptions) -> "Recognizer":
    """Open the recognizer; the building of an engine is announced on stderr."""
    from htnet.engine.recognition.recognizer import open_recognizer

    options = asdict(served)
    return open_recognizer(options.pop("model"), **options, say=console(stderr=True).out)
