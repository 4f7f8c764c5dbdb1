"""`htnet evaluate live` and `evaluate demo`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from htnet.engine.errors import UsageError
from htnet.options import (
    FlowOption,
    JsonFileOption,
    JsonOption,
    ModelOption,
    RuntimeOption,
    SeedsOption,
    ServedOptions,
    WorkersOption,
    console,
    parse_number,
    parse_span,
    processes,
    progress_bar,
    running_command,
    split_names,
)
from htnet.realtime.commands import open_served

if TYPE_CHECKING:
    from htnet.calib.evaluation.jobs import PlanChanges
    from htnet.engine.synth.injection.schedule import InjectionPlan


@dataclass(frozen=True, slots=True)
class VideoOptions:
    """Options of the videos: recorded, simulated or re-animated."""

    data: Annotated[
        Path | None, typer.Option(help="CAS(ME)^2, CAS(ME)^3 or SAMM Long Videos as released.")
    ] = None
    simulate: Annotated[
        str | None, typer.Option(metavar="PLAN", help="A plan: standard, or a TOML file.")
    ] = None
    reanimate: Annotated[
        Path | None, typer.Option(help="The composite: every clip's own movement on its own face.")
    ] = None
    faces: Annotated[
        Path | None, typer.Option(help="The composite, whose listed faces act the plan.")
    ] = None
    half: Annotated[str | None, typer.Option(help="Of those faces: tuned or untouched.")] = None
    fps: Annotated[str, typer.Option(help="Frame rates, such as 30,60,200.")] = "30"


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """Options that change the plan of simulated or injected movements."""

    seconds: Annotated[float | None, typer.Option(help="Instead of the plan's.")] = None
    amplitude: Annotated[
        str | None, typer.Option(help="Of the events in px of the crop: 0.5 or 1,2.")
    ] = None
    duration: Annotated[str | None, typer.Option(help="Of the events in s: 0.04,0.1.")] = None
    macros: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of macro-expressions, 0.5 to 4 s.")
    ] = None
    neutral: Annotated[bool, typer.Option(help="No events.")] = False
    quiet: Annotated[bool, typer.Option(help="No disturbance but sensor noise.")] = False

    def changes(self) -> "PlanChanges":
        """Return the changes to a simulation plan."""
        from htnet.calib.evaluation.jobs import PlanChanges

        return PlanChanges(
            seconds=self.seconds,
            amplitude_px=None if self.amplitude is None else parse_span(self.amplitude),
            micro_s=None if self.duration is None else parse_span(self.duration),
            macro_share=self.macros,
            neutral=self.neutral,
            quiet=self.quiet,
        )

    def injection(self) -> "InjectionPlan":
        """Return the plan of an injection."""
        from htnet.engine.synth.injection.schedule import InjectionPlan

        given: dict[str, Any] = {"seconds": self.seconds, "macro_share": self.macros}
        if self.neutral:
            given["amplitudes_px"] = ()
        elif self.amplitude is not None:
            given["amplitudes_px"] = tuple(
                parse_number(each) for each in split_names(self.amplitude, ",")
            )
        given["micro_s"] = None if self.duration is None else parse_span(self.duration)
        given["blinks_per_minute"] = 0.0 if self.quiet else None
        return InjectionPlan(**{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True, slots=True)
class InjectOptions:
    """Options of injection: movements warped into real footage."""

    inject: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="VIDEO...",
            help="Neutral faces, played to and fro with movements warped in: one video or several.",
        ),
    ] = None
    speaking: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="VIDEO...", help="With --inject: people who speak, played as they are."
        ),
    ] = None
    movements: Annotated[
        Path | None,
        typer.Option(help="With --inject: the composite, whose published movements are taken."),
    ] = None
    muscles: Annotated[
        bool, typer.Option("--muscles", help="With --inject: drawn muscles; the default.")
    ] = False
    seeds: Annotated[
        int, typer.Option(min=1, help="With --inject: how many passes of each video.")
    ] = 3


@dataclass(frozen=True, slots=True)
class ReanimateOptions:
    """Options of re-animated videos."""

    folds: Annotated[
        Path | None, typer.Option(help="With --reanimate: weights without each SUBJECT.")
    ] = None
    every: Annotated[int, typer.Option(min=1, help="With --reanimate: each so many clips.")] = 1


@dataclass(frozen=True, slots=True)
class JudgingOptions:
    """Options of judging: the operating point, the model, and where results go."""

    false_alarms: Annotated[
        float | None,
        typer.Option("--false-alarms-per-minute", help="Choose the operating point by it."),
    ] = None
    score: Annotated[
        float | None, typer.Option(min=0, help="The operating point; default: what live uses.")
    ] = None
    json_file: JsonFileOption = None
    operating: Annotated[
        Path | None, typer.Option(help="Write score and false alarms a minute, as live reads them.")
    ] = None
    model: ModelOption = None
    workers: WorkersOption = None
    out: Annotated[Path, typer.Option(help="Folder that keeps finished videos.")] = Path(
        "runs/live"
    )

    def require_folders(self) -> None:
        """Create the folders of ``out`` and ``json_file``; raises `OutputError` where it cannot."""
        from htnet.engine.files import require_folder

        for folder in (self.out, *([] if self.json_file is None else [self.json_file.parent])):
            require_folder(folder)


def evaluate_live(
    videos: VideoOptions,
    plan: PlanOptions,
    reanimated: ReanimateOptions,
    judging: JudgingOptions,
    injected: InjectOptions,
) -> None:
    """Run whole videos through the live path, and hold what it says against what is there.

    With --inject, --amplitude lists the sizes that take turns (1,2), --seconds is the length of a
    pass (60), --macros the share of 0.5 to 3 s, --neutral has none, --quiet draws no blinks.
    """
    if injected.inject or injected.speaking or injected.movements or injected.muscles:
        _require_injection_alone(videos, reanimated, judging, injected)
        _evaluate_injected(plan, judging, injected)
    else:
        _evaluate_videos(videos, plan, reanimated, judging)


def evaluate_demo(
    seeds: SeedsOption = 20,
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

    recognizer = open_served(ServedOptions(model, flow, runtime=runtime))
    out = console(stderr=as_json)
    row = score_demo(recognizer, range(first, first + seeds), still, seconds, out.print)
    print(json.dumps(row)) if as_json else out.print_json(data=row)


def _evaluate_videos(
    videos: VideoOptions,
    plan: PlanOptions,
    reanimated: ReanimateOptions,
    judging: JudgingOptions,
) -> None:
    from htnet.calib.evaluation.jobs import VideoConfig, video_jobs
    from htnet.calib.evaluation.judging import judge_all
    from htnet.calib.evaluation.summary import given_table, summarize, write_operating
    from htnet.training.reporting.spotting import spotting_tables, write_spotting

    judging.require_folders()
    config = VideoConfig(
        data=videos.data,
        simulate=videos.simulate,
        reanimate=videos.reanimate,
        faces=videos.faces,
        half=videos.half,
        rates=tuple(parse_number(each) for each in split_names(videos.fps, ",")),
        changes=plan.changes(),
        folds=reanimated.folds,
        every=reanimated.every,
        model=judging.model,
    )
    jobs = video_jobs(config)
    with progress_bar("videos") as progress:
        judged = judge_all(jobs, judging.out, workers=processes(judging.workers), progress=progress)
    summary = summarize(judged, score=judging.score, false_alarms_per_minute=judging.false_alarms)
    for table in (*spotting_tables(summary.evaluation), given_table(summary)):
        console().print(table)
    if judging.json_file is not None:
        write_spotting(judging.json_file, summary.evaluation, summary.points, summary.row())
    if judging.operating is not None:
        write_operating(judging.operating, summary, running_command())


def _require_injection_alone(
    videos: VideoOptions,
    reanimated: ReanimateOptions,
    judging: JudgingOptions,
    injected: InjectOptions,
) -> None:
    """Raise `UsageError` for options of injection without --inject, and for options beside it that
    it does not know."""
    given = [videos.data, videos.simulate, videos.reanimate]
    if not injected.inject or given.count(None) != len(given):
        raise UsageError(
            "expected --inject alone for real footage, its --speaking, --movements and "
            "--muscles beside it; got none, or --data, --simulate or --reanimate too: correct it."
        )
    others = {
        "--faces": videos.faces,
        "--half": videos.half,
        "--fps": videos.fps != "30",
        "--folds": reanimated.folds,
        "--every": reanimated.every > 1,
        "--false-alarms-per-minute": judging.false_alarms,
        "--operating": judging.operating,
    }
    if idle := [name for name, value in others.items() if value not in (None, False)]:
        raise UsageError(
            f"expected no {idle[0]} with --inject, whose videos keep their own faces and frame "
            "rates and are judged as live judges them, or at --score; got it: leave it out."
        )
    if injected.movements is not None and injected.muscles:
        raise UsageError(
            "expected --movements or --muscles, one family at a time; got both: leave one out."
        )


def _evaluate_injected(plan: PlanOptions, judging: JudgingOptions, injected: InjectOptions) -> None:
    from htnet.calib.evaluation.injected import InjectConfig, evaluate_injected
    from htnet.calib.evaluation.injected_report import injected_tables, write_injected
    from htnet.calib.evaluation.injected_scores import score_injected

    judging.require_folders()
    config = InjectConfig(
        tuple(injected.inject or ()),
        tuple(injected.speaking or ()),
        injected.movements,
        plan.injection(),
        injected.seeds,
        score=judging.score,
        model=judging.model,
    )
    with progress_bar("passes") as progress:
        made = evaluate_injected(
            config, judging.out, workers=processes(judging.workers), progress=progress
        )
    scores = score_injected(made.passes)
    for table in injected_tables(made, scores):
        console().print(table, "")
    if judging.json_file is not None:
        write_injected(judging.json_file, made, scores)
