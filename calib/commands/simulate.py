"""`htnet simulate`: a video with its ground truth."""

from pathlib import Path
from typing import Annotated, Any

import typer

from htnet.options import console, parse_size, progress_bar


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
    given["size"] = None if size is None else parse_size(size)
    changes = {name: value for name, value in given.items() if value is not None}
    drawn = replace(read_plan(plan), **changes)
    with progress_bar("frames") as progress:
        made = simulate(drawn, open_portrait(face), out, progress)
    console().out(
        f"{len(made)} frames in {out}; events: {len(made.truth.events)}, "
        f"disturbances: {len(made.truth.disturbances)}"
    )
