"""`htnet analyze`."""

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from htnet.engine.errors import UsageError
from htnet.options import (
    CsvDialectOption,
    LandmarkerOption,
    ServedOptions,
    SessionOptions,
    console,
    one_blas_thread,
    parse_stretch,
    parse_time,
    progress_bar,
    split_names,
)

if TYPE_CHECKING:
    from htnet.calib.analysis.config import AnalysisConfig


@dataclass(frozen=True, slots=True)
class StretchOptions:
    """Options of the stretch of a video, and of the person's reference in it."""

    start: Annotated[
        str | None, typer.Option(help="From this time of the video on, such as 90 or 1:30.")
    ] = None
    end: Annotated[str | None, typer.Option(help="Up to this time of the video.")] = None
    neutral: Annotated[
        str | None,
        typer.Option(
            metavar="START-END",
            help="Where the face is at rest, such as 0:02-0:08: measures its own thresholds.",
        ),
    ] = None
    profile: Annotated[
        str | None, typer.Option(help="A profile that htnet calibrate stored, instead.")
    ] = None
    rotate: Annotated[
        int, typer.Option(metavar="90|180|270", help="Turn pictures that lie on their side.")
    ] = 0


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """Options of where and how many videos are analysed at a time."""

    workers: Annotated[
        int | None, typer.Option(min=1, help="Videos at a time; default: one for two cores.")
    ] = None
    ray: Annotated[
        str | None,
        typer.Option(metavar="[ADDRESS]", help="Spread videos over Ray; alone, on this machine."),
    ] = None


@dataclass(frozen=True, slots=True)
class ResultOptions:
    """Options of what is written for each video."""

    parquet: Annotated[bool, typer.Option("--parquet", help="Write frames.parquet too.")] = False
    overlay_video: Annotated[
        bool, typer.Option("--overlay-video", help="Write overlay.mp4 too.")
    ] = False
    report: Annotated[bool, typer.Option(help="Write report.html.")] = True
    formats: Annotated[
        str, typer.Option(metavar="NAMES", help="Events also as eaf, TextGrid, vtt, boris or tsv.")
    ] = ""
    csv_dialect: CsvDialectOption = "standard"
    every_face: Annotated[
        bool, typer.Option("--every-face", help="Analyse each person, in a folder of their own.")
    ] = False


def analyze(
    videos: Annotated[
        list[str], typer.Argument(metavar="VIDEO...", help="Files, folders or patterns.")
    ],
    stretch: StretchOptions,
    results: ResultOptions,
    session: SessionOptions,
    fleet: FleetOptions,
    served: ServedOptions,
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("analysis"),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace results of other settings.")
    ] = False,
    landmarker: LandmarkerOption = None,
    false_alarms: Annotated[
        float | None,
        typer.Option("--false-alarms-per-minute", help="How many to put up with; fewer find less."),
    ] = None,
) -> None:
    """Analyse recorded videos, every frame: tables, events and a report of each.

    A finished video is not analysed again; the same command goes on where one was stopped.
    """
    one_blas_thread()
    from htnet.calib.analysis.run import AnalyzeRun, analyze_all
    from htnet.calib.analysis.summary import results_table
    from htnet.calib.analysis.videos import find_videos
    from htnet.training.evaluation.ray_backend import RayConfig

    config = replace(
        analysis_config(stretch, results, session),
        **asdict(served),
        landmarker=landmarker,
        false_alarms=false_alarms,
    )
    cores = os.cpu_count() or 1
    address = None if fleet.ray == "local" else fleet.ray
    run = AnalyzeRun(
        out,
        workers=fleet.workers or max(1, cores // 2),
        ray=None if fleet.ray is None else RayConfig(address, cpus=min(2, cores)),
        overwrite=overwrite,
        say=console().out,
        bar=progress_bar,
    )
    analysed = analyze_all(find_videos(videos, out), config, run)
    if len(analysed) > 1:
        console().print(results_table(analysed))
    console().out(f"Results are in {out}.")
    if any(result.failure for result in analysed):
        raise typer.Exit(1)


def analysis_config(
    stretch: StretchOptions, results: ResultOptions, session: SessionOptions
) -> "AnalysisConfig":
    """Return the settings that the options give, those of the served model apart.

    Raises `UsageError`.
    """
    from htnet.calib.analysis.config import AnalysisConfig
    from htnet.engine.optional import need
    from htnet.realtime.formats.rows import dialect_named
    from htnet.realtime.formats.suffixes import event_suffix
    from htnet.realtime.profiles.store import read_profile
    from htnet.realtime.session_record import SessionConfig

    if stretch.rotate not in (0, 90, 180, 270):
        raise UsageError(f"expected --rotate 90, 180 or 270; got {stretch.rotate}: choose one.")
    if results.every_face and (stretch.neutral is not None or stretch.profile is not None):
        raise UsageError(
            "expected --every-face without --neutral and --profile, which are of one person; got "
            "both: leave one out."
        )
    if results.parquet:
        need("pyarrow.parquet", "parquet")
    return AnalysisConfig(
        start_s=0.0 if stretch.start is None else parse_time(stretch.start),
        end_s=None if stretch.end is None else parse_time(stretch.end),
        neutral=None if stretch.neutral is None else parse_stretch(stretch.neutral),
        profile=None if stretch.profile is None else read_profile(stretch.profile),
        rotate=stretch.rotate,
        every_face=results.every_face,
        session=SessionConfig(**asdict(session)),
        formats=tuple(event_suffix(each) for each in split_names(results.formats, ",")),
        dialect=dialect_named(results.csv_dialect),
        parquet=results.parquet,
        overlay=results.overlay_video,
        report=results.report,
    )
