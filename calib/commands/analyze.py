"""`htnet analyze`."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from htnet.engine.errors import UsageError
from htnet.options import (
    LandmarkerOption,
    ServedOptions,
    console,
    one_blas_thread,
    parse_stretch,
    parse_time,
    progress_bar,
)

if TYPE_CHECKING:
    from htnet.calib.analysis.run import AnalyzeRun


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

    def parsed(self) -> dict[str, Any]:
        """Return these fields of `AnalysisConfig`; raises `UsageError`."""
        from htnet.realtime.profiles.store import read_profile

        if self.rotate not in (0, 90, 180, 270):
            raise UsageError(f"expected --rotate 90, 180 or 270; got {self.rotate}: choose one.")
        return {
            "start_s": 0.0 if self.start is None else parse_time(self.start),
            "end_s": None if self.end is None else parse_time(self.end),
            "neutral": None if self.neutral is None else parse_stretch(self.neutral),
            "profile": None if self.profile is None else read_profile(self.profile),
            "rotate": self.rotate,
        }


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
    """Options of what is written, and where."""

    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("analysis")
    parquet: Annotated[bool, typer.Option("--parquet", help="Write frames.parquet too.")] = False
    overlay_video: Annotated[
        bool, typer.Option("--overlay-video", help="Write overlay.mp4 too.")
    ] = False
    report: Annotated[bool, typer.Option(help="Write report.html.")] = True
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace results of other settings.")
    ] = False


def analyze(
    videos: Annotated[
        list[str], typer.Argument(metavar="VIDEO...", help="Files, folders or patterns.")
    ],
    stretch: StretchOptions,
    fleet: FleetOptions,
    results: ResultOptions,
    served: ServedOptions,
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
    from htnet.calib.analysis.config import AnalysisConfig
    from htnet.calib.analysis.run import analyze_all
    from htnet.calib.analysis.summary import results_table
    from htnet.calib.analysis.videos import find_videos
    from htnet.engine.optional import need

    if results.parquet:
        need("pyarrow.parquet", "parquet")
    config = AnalysisConfig(
        **asdict(served),
        **stretch.parsed(),
        landmarker=landmarker,
        false_alarms=false_alarms,
        parquet=results.parquet,
        overlay=results.overlay_video,
        report=results.report,
    )
    told = analyze_all(find_videos(videos, results.out), config, _run(fleet, results))
    if len(told) > 1:
        console().print(results_table(told))
    console().out(f"Results are in {results.out}.")
    if any(result.failure for result in told):
        raise typer.Exit(1)


def _run(fleet: FleetOptions, results: ResultOptions) -> "AnalyzeRun":
    from htnet.calib.analysis.run import AnalyzeRun
    from htnet.training.evaluation.ray_backend import RayConfig

    cores = os.cpu_count() or 1
    address = None if fleet.ray == "local" else fleet.ray
    return AnalyzeRun(
        results.out,
        workers=fleet.workers or max(1, cores // 2),
        ray=None if fleet.ray is None else RayConfig(address, cpus=min(2, cores)),
        overwrite=results.overwrite,
        say=console().out,
        bar=progress_bar,
    )
