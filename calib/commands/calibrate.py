"""`htnet calibrate`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from htnet.engine.errors import UsageError
from htnet.options import (
    FpsOption,
    LandmarkerOption,
    ServedOptions,
    SizeOption,
    SourceOptions,
    console,
    one_blas_thread,
    progress_bar,
)
from htnet.realtime.commands import path_config

if TYPE_CHECKING:
    from htnet.calib.probe.keeper import FaceKeeper
    from htnet.realtime.profiles.profile import Profile

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
    probe: Annotated[
        bool,
        typer.Option(
            "--probe", help="Then measure in a minute how well small movements are found."
        ),
    ] = False,
    *,
    served: ServedOptions,
    landmarker: LandmarkerOption = None,
) -> None:
    """Watch a face at rest for ten seconds and keep what it and the camera are like."""
    one_blas_thread()
    from htnet.calib.calibration.calibrate import CalibrateConfig, calibrate
    from htnet.calib.calibration.recorder import CalibrationRecorder, RecorderConfig
    from htnet.calib.probe.keeper import FaceKeeper
    from htnet.realtime.profiles.store import profile_path
    from htnet.realtime.sinks.tables import profiles_table

    if still and source.source != "demo":
        raise UsageError("expected --still with --source demo alone; got another source.")
    demo = {"still": still, "seconds": _DEMO_TRIES * seconds}
    path = path_config(source, size, fps, served, landmarker, demo)
    config = CalibrateConfig(path, name, tries, mains, seconds)
    recorder = CalibrationRecorder(RecorderConfig(seconds=seconds, expected_fps=fps))
    keeper = FaceKeeper() if probe else None
    profile = calibrate(config, console(), recorder, keeper)
    if profile is None:
        console().print("Stopped: nothing is stored.")
        raise typer.Exit(130)
    console().print(profiles_table([profile]))
    for each in (*profile.locked, *profile.notes):
        console().out(f"{each[:1].upper()}{each[1:]}.")
    console().out(f"Stored in {profile_path(name)}: htnet live --profile {shlex.quote(name)}")
    if keeper is not None:
        _probe(profile, keeper, served, landmarker)


def _probe(
    profile: "Profile", keeper: "FaceKeeper", served: ServedOptions, landmarker: Path | None
) -> None:
    """Measure recall on movements injected into a calibration's pictures, print and store it."""
    from dataclasses import replace

    from htnet.calib.probe.probe import ProbeConfig, probe
    from htnet.realtime.profiles.store import write_profile

    config = ProbeConfig(model=served.model, flow=served.flow, landmarker=landmarker)
    try:
        with progress_bar("probing with small movements") as progress:
            probed = probe(profile, keeper.footage(profile.camera), config, progress)
    except KeyboardInterrupt:
        console().print("Stopped: the profile is stored without a probe.")
        raise typer.Exit(130) from None
    write_profile(replace(profile, probe=probed.probe))
    console().print(probed.probe.sentence(), markup=False)
    console().print(probed.sentence(), markup=False)
