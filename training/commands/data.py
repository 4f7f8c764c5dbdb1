"""`htnet data check`, `data prepare` and `convert`."""

from pathlib import Path
from typing import Annotated

import typer

from htnet.options import WorkersOption, console, progress_bar


def convert(
    source: Annotated[Path, typer.Argument(help="Official .pth checkpoint.")],
    target: Annotated[Path, typer.Argument(help="The .safetensors file to write.")],
) -> None:
    """Turn an official checkpoint into a weights file."""
    from htnet.engine.models.weights import convert

    convert(source, target)
    console().print(f"wrote {target}")


def data_check(
    data: Annotated[Path, typer.Argument(help="Folder with one or more datasets.")],
) -> None:
    """Tell what is there, what is missing, and how many clips of each class."""
    from htnet.training.datasets.check import check, check_tables

    report = check(data)
    for table in check_tables(report):
        console().print(table)
    if not report.ok:
        raise typer.Exit(1)


def data_prepare(
    data: Annotated[Path, typer.Argument(help="Folder with datasets as they were released.")],
    out: Annotated[Path, typer.Argument(help="Folder for the maps; goes on from what is there.")],
    workers: WorkersOption = None,
) -> None:
    """Turn raw datasets into flow maps by the preprocessing that live uses."""
    from htnet.training.datasets.prepare import prepare

    with progress_bar("clips") as progress:
        made = prepare(data, out, workers=workers, progress=progress)
    _tell_skipped(made.folder)
    console().print(f"{made.clips} clips in {made.folder}")


def open_dataset(data: Path) -> Path:
    """Return a folder laid out as the composite; raw datasets are prepared, once."""
    from htnet.training.datasets.prepare import open_data

    with progress_bar("preparing clips") as progress:
        folder = open_data(data, progress)
    if folder != data:
        _tell_skipped(folder)
    return folder


def _tell_skipped(folder: Path) -> None:
    """Print the clips that were left out of ``folder``, at most 20 of them, on stderr."""
    from htnet.training.datasets.prepare import read_skipped

    skipped = read_skipped(folder)
    for each in skipped[:20]:
        told = f"left out: {each.dataset} {each.subject} {each.clip}: {each.reason}"
        console(stderr=True).print(told)
    if len(skipped) > 20:
        console(stderr=True).print(f"and {len(skipped) - 20} more: {folder / 'skipped.csv'}")
