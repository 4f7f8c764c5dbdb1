"""`htnet train`, `evaluate loso`, `evaluate zoo` and `evaluate ablation`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from htnet.engine.errors import UsageError
from htnet.options import (
    ConfigOption,
    DataOption,
    DeviceOption,
    EpochsOption,
    FoldOptions,
    JsonFileOption,
    LandmarksOption,
    MarkdownOption,
    NetworkOption,
    RecipeOptions,
    SeedsOption,
    StoreOption,
    console,
    parse_numbers,
    progress_bar,
    running_command,
    split_names,
)
from htnet.training.commands.data import open_dataset

if TYPE_CHECKING:
    from htnet.training.config import TrainConfig
    from htnet.training.evaluation.jobs import LosoConfig
    from htnet.training.evaluation.loso import LosoReport


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
    *,
    recipe: RecipeOptions,
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
    data = open_dataset(data)
    config = _train_config(data, network, seed, recipe, landmarks)
    out = out or Path("runs") / config.network
    if start is not None and loso_seeds:
        raise UsageError(
            "expected --from without --loso-seeds: weights that were trained before may have seen "
            "the subjects that LOSO holds out; leave one of the two out."
        )
    require_folder(out)
    count = (1 if start is None else 0) if loso_seeds is None else loso_seeds
    scored = _loso(config, count, "last", _loso_config(FoldOptions(out=store)))
    if nested:
        scored |= _loso(config, count, "nested", _loso_config(FoldOptions(out=store)))
    with progress_bar("all subjects") as progress:
        report = train(config, out, scored, start, progress)
    console().print(
        f"{report.clips} clips of {report.subjects} subjects, {report.seconds:.0f} s: wrote "
        f"{report.weights}, and report.md beside it"
    )


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
    *,
    recipe: RecipeOptions,
    folding: FoldOptions,
) -> None:
    """Score a recipe leaving one subject out; the headline never looks at the held-out subject."""
    from htnet.engine.files import require_folder, write_json
    from htnet.training.evaluation.stored_folds import evaluate_stored
    from htnet.training.reporting.loso import loso_row, loso_table, stored_row, stored_table

    if json_file is not None:
        require_folder(json_file.parent)
    data = open_dataset(data)
    if weights is not None:
        if (protocol, seeds, folds) != ("last", 1, "all") or recipe.config_file is not None:
            raise UsageError(
                "expected --weights alone, as stored folds are scored as they are; got a protocol, "
                "seeds, folds or a config too: leave them out."
            )
        stored = evaluate_stored(data, weights, network or "htnet-s", folding.landmarks)
        console().print(stored_table(stored))
        if json_file is not None:
            write_json(json_file, stored_row(stored))
        return
    config = _train_config(data, network, None, recipe, folding.landmarks)
    run = _loso_config(folding, recipe.device, folds)
    reports = _loso(config, seeds, protocol, run)
    shown = reports.pop(protocol)
    for own in (shown, *reports.values()):
        console().print(loso_table(own))
    if json_file is not None:
        write_json(json_file, loso_row(config.network, shown, reports))


def evaluate_zoo(
    data: DataOption,
    rows: Annotated[
        str | None, typer.Option(help="Rows, split by ';'; default: all that fit the device.")
    ] = None,
    nested: Annotated[str, typer.Option(help="Rows to score nested too, split by ';'.")] = "",
    seeds: SeedsOption = 3,
    markdown: MarkdownOption = None,
    device: DeviceOption = "cpu",
    *,
    folding: FoldOptions,
) -> None:
    """Score every network of the zoo and lay them side by side."""
    from htnet.engine.files import require_folder, write_text
    from htnet.training.experiments.zoo import run_zoo
    from htnet.training.experiments.zoo_page import zoo_markdown, zoo_table

    if markdown is not None:
        require_folder(markdown.parent)
    one_torch_thread()
    made = run_zoo(
        open_dataset(data),
        landmarks=folding.landmarks,
        device=device,
        rows=None if rows is None else split_names(rows),
        seeds=seeds,
        nested=split_names(nested),
        run=_loso_config(folding, device),
    )
    console().print(zoo_table(made))
    if markdown is not None:
        before = markdown.read_text(encoding="utf-8") if markdown.is_file() else ""
        where = _machine(device, spread=folding.ray is not None)
        write_text(markdown, zoo_markdown(made, running_command(), where, before))


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
    data = open_dataset(data)
    own = BASE if config_file is None and network in (None, "htnet-s") else None
    recipe = RecipeOptions(config_file, epochs=epochs, device=device)
    config = _train_config(data, network, None, recipe, landmarks, own)
    one_torch_thread()
    run = replace(_loso_config(FoldOptions(out, fold_weights=False)), groups=groups)
    ablation, rows = run_ablation(name, config, seeds, run)
    console().print(ablation_table(ablation, rows, groups))
    if markdown is not None:
        write_text(markdown, ablation_markdown(ablation, rows, groups, running_command()))


def one_torch_thread() -> None:
    """Limit torch to one thread: the order of summation, and so the result, is then the same on
    every machine."""
    import torch

    torch.set_num_threads(1)


def _train_config(
    data: Path,
    network: str | None,
    seed: int | None,
    recipe: RecipeOptions,
    landmarks: Path | None,
    base: Mapping[str, Any] | None = None,
) -> "TrainConfig":
    """Return the network's recipe, changed by the config file or ``base``, then by the options."""
    from htnet.engine.recognition.recognizer import torch_device
    from htnet.training.recipes import configured, read_toml

    torch_device(recipe.device)
    changes = dict(base or {}) if recipe.config_file is None else read_toml(recipe.config_file)
    name = changes.pop("network", "htnet-s")
    own = changes.pop("seed", 0)
    if recipe.repeats is not None:
        changes["model"] = {**changes.get("model", {}), "repeats": parse_numbers(recipe.repeats)}
    given = {"epochs": recipe.epochs, "precision": recipe.precision}
    given = {name: value for name, value in given.items() if value is not None}
    if given:
        changes["schedule"] = {**changes.get("schedule", {}), **given}
    return configured(
        network or name,
        data,
        landmarks=landmarks,
        seed=own if seed is None else seed,
        device=recipe.device,
        changes=changes,
    )


def _loso_config(folding: FoldOptions, device: str = "cpu", folds: str = "all") -> "LosoConfig":
    """Return the configuration of a LOSO run on ``device``; ``folds``: subjects to hold out."""
    from htnet.engine.files import require_folder
    from htnet.training.evaluation.jobs import LosoConfig
    from htnet.training.evaluation.ray_backend import RayConfig

    require_folder(folding.out)
    only = None if folds == "all" else tuple(split_names(folds, ","))
    cluster = None
    if folding.ray is not None:
        if device != "cpu" and folding.ray_gpus == 0:
            raise UsageError(
                "expected a share of a GPU for each task, since Ray hides GPUs from tasks without; "
                "got --ray-gpus 0: give --ray-gpus 1, or less to share one."
            )
        address = None if folding.ray == "local" else folding.ray
        cluster = RayConfig(address=address, gpus=folding.ray_gpus)
    say = console(stderr=True).out
    return LosoConfig(
        folding.out, only, keep=folding.fold_weights, ray=cluster, say=say, bar=progress_bar
    )


def _loso(
    config: "TrainConfig", seeds: int, protocol: str, run: "LosoConfig"
) -> "dict[str, list[LosoReport]]":
    """Return the reports by protocol, one for each seed."""
    from dataclasses import replace

    from htnet.training.evaluation.loso import evaluate_loso

    one_torch_thread()
    configs = [replace(config, seed=config.seed + number) for number in range(seeds)]
    reports: dict[str, list[LosoReport]] = {}
    for each in evaluate_loso(configs, protocol, run):
        for name, report in each.items():
            reports.setdefault(name, []).append(report)
    return reports


def _machine(device: str, *, spread: bool) -> str:
    """Return cores, device and torch version of this machine, for a page."""
    import os
    import platform

    import torch

    where = f"{os.cpu_count()} cores of {platform.machine()}"
    where += ", spread by Ray" if spread else ", one thread" if device == "cpu" else ""
    if torch.device(device).type == "cuda":
        where += f", {torch.cuda.get_device_name(device)}"
    return f"{where}, torch {torch.__version__.partition('+')[0]}"
