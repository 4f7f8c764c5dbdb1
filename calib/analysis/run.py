"""A run of `htnet analyze`: jobs that are left are done, the folder is summed up."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from htnet.calib.analysis.config import AnalysisConfig, VideoResult
from htnet.calib.analysis.fleet import analyze_here, analyze_on_ray, analyze_parallel
from htnet.calib.analysis.neutral import require_long_enough
from htnet.calib.analysis.report import write_index
from htnet.calib.analysis.store import finished, make_jobs, require_own_folders, stored_results
from htnet.calib.analysis.summary import result_line, write_summary
from htnet.engine.errors import UsageError
from htnet.engine.files import require_folder
from htnet.training.evaluation.ray_backend import RayConfig

Bar = Callable[[float, int], None]
"""Is given the number of videos that are done, parts of one included, and that of all."""


@dataclass(frozen=True, slots=True)
class AnalyzeRun:
    """Execution of an analysis; none of these options changes a result.

    ``out``: folder of the results. ``workers``: videos at a time. ``ray``: run on Ray.
    ``overwrite``: replace results of other settings. ``say``: receives lines for the user. ``bar``:
    makes a progress bar of a title.
    """

    out: Path
    workers: int = 1
    ray: RayConfig | None = None
    overwrite: bool = False
    say: Callable[[str], None] = lambda line: None
    bar: Callable[[str], AbstractContextManager[Bar]] = lambda title: nullcontext(
        lambda done, total: None
    )


def analyze_all(
    videos: Sequence[Path], config: AnalysisConfig, run: AnalyzeRun
) -> list[VideoResult]:
    """Analyse the videos that are not finished yet; return the results of all, in order.

    Raises `UsageError` for settings that contradict each other or where results of other settings
    would be replaced, and `OutputError` where the folder cannot be written.
    """
    _require_consistent(config)
    require_folder(run.out)
    jobs = make_jobs(videos, config, run.out)
    if not run.overwrite:
        require_own_folders(jobs)
    results = [finished(job) for job in jobs]
    left = [place for place, result in enumerate(results) if result is None]
    if len(left) < len(jobs):
        run.say(f"{len(jobs) - len(left)} of {len(jobs)} were finished before and are kept.")
    waiting = [jobs[place] for place in left]
    shares = [0.0] * len(left)
    with run.bar("analyze" if len(jobs) == 1 else f"{len(left)} videos") as bar:

        def share(number: int, part: float) -> None:
            shares[number] = part
            bar(sum(shares), len(shares))

        def done(number: int, result: VideoResult) -> None:
            results[left[number]] = result
            share(number, 1.0)
            run.say(result_line(result))

        try:
            if run.ray is not None:
                analyze_on_ray(waiting, done, run.ray)
            elif run.workers > 1 and len(waiting) > 1:
                analyze_parallel(waiting, done, share, run.workers)
            else:
                analyze_here(waiting, done, share)
        except KeyboardInterrupt:
            ended = sum(result is not None for result in results)
            run.say(f"Stopped: {ended} of {len(jobs)} are finished; the same command goes on.")
            raise
    made = [result for result in results if result is not None]
    told = [*stored_results(run.out), *(own for own in made if own.failure)]
    write_summary(run.out / "summary.csv", told)
    if config.report:
        write_index(run.out / "index.html", told)
    return made


def _require_consistent(config: AnalysisConfig) -> None:
    if config.neutral is not None:
        require_long_enough(config.neutral)
        if config.profile is not None:
            raise UsageError(
                "expected --neutral or --profile as the person's reference; got both: leave one "
                "out."
            )
    if config.end_s is not None and config.end_s <= config.start_s:
        raise UsageError(
            f"expected an --end after the --start; got {config.start_s:g} to {config.end_s:g} s: "
            "correct them."
        )
