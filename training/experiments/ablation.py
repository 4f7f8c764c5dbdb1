"""Ablations of the paper with the last epoch: block size, layers, dimensions, heads, and crops.

Tables 4 and 5 and Figures 5 and 6 of the paper (arXiv 2307.14637) keep the best epoch of every
held-out subject; here the last one counts, with the oracle's score beside. The variants differ from
a base that a CPU can train, htnet-s with the paper's loss on published maps alone (`BASE`); with
the network "htnet", from the paper's own network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rich.table import Table

from htnet.engine.errors import UsageError
from htnet.training.config import TrainConfig
from htnet.training.evaluation.folds import parameters
from htnet.training.evaluation.jobs import LosoConfig
from htnet.training.evaluation.loso import LosoReport, evaluate_loso
from htnet.training.recipes import configured, merged, to_tables
from htnet.training.reporting.report import markdown_table
from htnet.training.reporting.summary import NOT_A_RESULT, mean_and_deviation, seed_scores
from htnet.training.views import CAMERA, PLAIN, ViewConfig

BASE: Mapping[str, Any] = {
    "views": 0,
    "schedule": {"epochs": 30, "distill": 0.0, "teacher_views": 0, "mixup": 0.4},
}
"""Changes to htnet-s that make the base of the ablations: no teacher, no re-animation."""

_HEADS = (
    "At 28 x 28 in patches of 7 every block holds one token. Softmax over one value is 1, so the "
    "heads cannot attend to anything: they only round the inner width down to a multiple of "
    "their number, and what differs between rows is that width and chance."
)


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant of the base. ``changes``: tables and values of a config file."""

    name: str
    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ablation:
    """Variants to compare.

    ``note``: explanation below the table. ``large``: the paper's own variants, where they differ
    from the compact ones.
    """

    title: str
    note: str
    variants: Sequence[Variant]
    large: Sequence[Variant] | None = None


def _of_model(name: str, *values: Any) -> list[Variant]:
    """Return a variant for each value of one field of the model."""
    return [Variant(f"{name} {value}", {"model": {name: value}}) for value in values]


def _sized(patch: int, tokens: int = 1) -> Variant:
    """Return a variant of four blocks of ``tokens`` x ``tokens`` patches along a side.

    The regions are sized to fill them.
    """
    side = 4 * tokens * patch
    count = "1 token" if tokens == 1 else f"{tokens * tokens} tokens"
    told = f"patches of {patch}, picture {side} x {side}, {count} a block"
    model = {"patch_size": patch, "image_size": side}
    return Variant(told, {"model": model, "preprocess": {"region": side // 2}})


def _cropped(regions: str) -> Variant:
    names = {
        "tiled": "four regions round the landmarks",
        "published": "four regions at the published fixed places",
        "whole": "the whole face",
    }
    # The published tiling transposes the face, so its mirrored picture is not that of a mirrored
    # face, and the two cannot be averaged.
    changes = {"model": {"mirror": False}, "preprocess": {"regions": regions}}
    return Variant(names[regions], changes)


def _taught(name: str, view: ViewConfig, teacher_views: int, **schedule: Any) -> Variant:
    """Return a variant trained on views and by a teacher, with changes to its ``schedule``."""
    whole = {"epochs": 40, "distill": 1.0, "mixup": 1.0, "teacher_views": teacher_views}
    changes = {"views": 6, "view": asdict(view), "schedule": {**whole, **schedule}}
    return Variant(name, changes)


ABLATIONS: Mapping[str, Ablation] = {
    "block-size": Ablation(
        "Block size (Table 4 of the paper)",
        "The regions grow with the patches: four blocks along a side at the finest level. Larger "
        "ones show more of the face, so what differs is not the block alone.",
        [_sized(patch) for patch in (5, 6, 7, 8, 9, 10)],
    ),
    "layers": Ablation(
        "Layers at each level (Table 5 of the paper)",
        "What the paper's Table 5 calls millions of parameters are megabytes.",
        _of_model("repeats", (1, 1, 1), (1, 1, 2), (2, 2, 2), (2, 2, 4), (2, 2, 8)),
        _of_model("repeats", (2, 2, 2), (2, 2, 4), (2, 2, 6), (2, 2, 8), (2, 2, 10)),
    ),
    "dimensions": Ablation(
        "Width of the finest level (Figure 5 of the paper)",
        "Each level doubles it.",
        _of_model("dim", 12, 16, 24, 32, 48),
        _of_model("dim", 64, 128, 192, 256, 320),
    ),
    "heads": Ablation("Heads (Figure 6 of the paper)", _HEADS, _of_model("heads", 1, 2, 3, 4, 6)),
    "tokens": Ablation(
        "Tokens in a block: with more than one, attention does work",
        "Smaller patches; pictures as near to 28 x 28 as the patches allow.",
        [_sized(7), _sized(3, 2), _sized(4, 2)],
    ),
    "crops": Ablation(
        "What the network is shown",
        "All three without averaging over the mirror image, which the published tiling does not "
        "allow.",
        [_cropped("published"), _cropped("tiled"), _cropped("whole")],
    ),
    "views": Ablation(
        "What it learns from",
        "The third is what ships; re-animated pairs are scored as a camera gives them.",
        [
            _taught("views with noise alone", PLAIN, 0),
            _taught("views as a camera gives them", CAMERA, 0),
            _taught("the same, the teacher sees one of them", CAMERA, 1),
            _taught("the same, no teacher", CAMERA, 0, distill=0.0, mixup=0.4, epochs=30),
        ],
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class AblationRow:
    """Reports of one variant, one per seed."""

    name: str
    params: int
    last: Sequence[LosoReport]
    oracle: Sequence[LosoReport]


def run_ablation(
    name: str, base: TrainConfig, seeds: int, run: LosoConfig
) -> tuple[Ablation, list[AblationRow]]:
    """Evaluate every variant of an ablation of ``base``.

    Raises `UsageError` for an unknown ablation and for a network other than HTNets.
    """
    if name not in ABLATIONS:
        raise UsageError(
            f"expected an ablation out of {', '.join(ABLATIONS)}; got {name!r}: choose one."
        )
    if not base.network.startswith("htnet"):
        raise UsageError(
            f"expected an HTNet to take apart (htnet-s or htnet); got {base.network}: choose one."
        )
    ablation = ABLATIONS[name]
    rows: list[AblationRow] = []
    variants = ablation.variants
    if base.network == "htnet" and ablation.large is not None:
        variants = ablation.large
    configs = [
        configured(
            base.network,
            base.data,
            landmarks=base.landmarks,
            seed=base.seed,
            device=base.device,
            changes=merged(to_tables(base), variant.changes),
        )
        for variant in variants
    ]
    every = [
        replace(config, seed=seed)
        for config in configs
        for seed in range(base.seed, base.seed + seeds)
    ]
    found = evaluate_loso(every, "last", run)
    for place, (variant, config) in enumerate(zip(variants, configs, strict=True)):
        own = found[place * seeds : (place + 1) * seeds]
        last, oracle = ([each[name] for each in own] for name in ("last", "oracle"))
        rows.append(AblationRow(variant.name, parameters(config), last, oracle))
    return ablation, rows


def _held_out(groups: int | None) -> str:
    if groups is None:
        return "Leaving one subject out"
    return f"Leaving out one of {groups} groups of subjects, so with less to train on than usual"


def _cells(row: AblationRow) -> list[str]:
    found, best = seed_scores(row.last)["full"], seed_scores(row.oracle)["full"]
    again = seed_scores(row.last, "reanimated")["full"]
    return [
        f"{row.params:,}",
        *(mean_and_deviation(found[:, n]) for n in (0, 1)),
        f"{again[:, 0].mean():.3f}",
        f"{best[:, 0].mean():.3f}",
    ]


def ablation_table(ablation: Ablation, rows: Sequence[AblationRow], groups: int | None) -> Table:
    """Return a table for a terminal. ``groups``: number of groups held out, None for subjects."""
    table = Table(
        "",
        "parameters",
        "UF1",
        "UAR",
        "re-animated UF1",
        "oracle UF1*",
        title=f"{ablation.title}\n{_held_out(groups)}",
        caption=f"{ablation.note}\n* best epoch of each fold, {NOT_A_RESULT}",
    )
    for row in rows:
        table.add_row(row.name, *_cells(row))
    return table


def ablation_markdown(
    ablation: Ablation, rows: Sequence[AblationRow], groups: int | None, command: str
) -> str:
    """Return the ablation as a section of a Markdown page."""
    head = ["", "parameters", "UF1", "UAR", "re-animated UF1", "oracle UF1 \\*"]
    lines = [[row.name, *_cells(row)] for row in rows]
    return (
        f"## {ablation.title}\n\n    {command}\n\n{_held_out(groups)}.\n\n"
        f"{markdown_table(head, lines)}\n\n"
        f"{ablation.note}\n\n\\* Best epoch of each fold, {NOT_A_RESULT}.\n"
    )
