"""`htnet calibrate`."""

import shlex
from typing import Annotated

import typer

from htnet.engine.errors import UsageError
from htnet.options import (
    FpsOption,
    LandmarkerOption,
    ServedOptions,
    SizeOption,
    SourceOptions,
    console,
)
from htnet.realtime.commands import path_config

_DEMO_TRIES = 6
"""Length of a demo clip, as a multiple of the seconds of rest that are asked for."""


def calibrate(
    name: Annotated[str, typer.Option(help="Of the profile; one of that name is replaced.")],
    source: SourceOptions,
    still: Annotated[bool, typer.Option(help="Of the demo: a face at rest.")] = False,
    size: SizeOption = "640x360",
    fps: FpsOption = None,
    mains: Annotated[
        int | None, typer.Option(help="50 or 60 Hz: have the camera filter the lamps' flicker.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=3, max=120, help="Of rest to watch.")] = 10.0,
    tries: Annotated[int, typer.Option(min=1, help="Before it is given up.")] = 5,
    *,
    served: ServedOptions,
    landmarker: LandmarkerOption = None,
) -> None:
    """Watch a face at rest for ten seconds and keep what it and the camera are like."""
    from htnet.calib.calibration.calibrate import CalibrateConfig, calibrate
    from htnet.calib.calibration.recorder import CalibrationRecorder, RecorderConfig
    from htnet.realtime.profile import profile_path
    from htnet.realtime.sinks.tables import profiles_table

    if still and source.source != "demo":
        raise UsageError("expected --still with --source demo alone; got another source.")
    demo = {"still": still, "seconds": _DEMO_TRIES * seconds}
    path = path_config(source, size, fps, served, landmarker, demo)
    config = CalibrateConfig(path, name, tries, mains, seconds)
    recorder = CalibrationRecorder(RecorderConfig(seconds=seconds, expected_fps=fps))
    profile = calibrate(config, console(), recorder)
    if profile is None:
        console().print("Stopped: nothing is stored.")
        raise typer.Exit(130)
    console().print(profiles_table([profile]))
    for each in (*profile.locked, *profile.notes):
        console().out(f"{each[:1].upper()}{each[1:]}.")
    console().out(f"Stored in {profile_path(name)}: htnet live --profile {shlex.quote(name)}")
