"""Training of a weights file on all clips of a dataset, with its run folder."""

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from htnet import __version__
from htnet.engine.errors import UsageError
from htnet.engine.files import require_folder, write_json, write_text
from htnet.engine.models.weights import load, save
from htnet.engine.optional import need
from htnet.engine.recognition.recognizer import torch_device
from htnet.engine.types import F32
from htnet.training.augmentation.samples import Samples, read_samples
from htnet.training.config import TrainConfig
from htnet.training.evaluation.folds import fold_seed
from htnet.training.evaluation.loso import LosoReport
from htnet.training.evaluation.metrics import ClassScores, scores
from htnet.training.evaluation.temperature import TemperatureScaling, fit_temperature_scaling
from htnet.training.fitting.classical import fit_closed
from htnet.training.fitting.loop import Epoch, Progress, fit
from htnet.training.recipes import to_tables, tried
from htnet.training.reporting import plots
from htnet.training.reporting.loso import loso_row
from htnet.training.reporting.report import report_md
from htnet.training.reporting.tensorboard import Scalars

_EVERYTHING = 99_991  # number of the "fold" that holds nothing out
_PLOTS = ("confusion.png", "subjects.png", "reliability.png", "curves.png")


@dataclass(frozen=True, slots=True, eq=False)
class TrainReport:
    """Result of `train`. ``fit``: scores on the training clips themselves."""

    run: Path
    weights: Path
    clips: int
    subjects: int
    fit: ClassScores
    seconds: float


def train(
    config: TrainConfig,
    run: Path,
    loso: Mapping[str, Sequence[LosoReport]] | None = None,
    start: Path | None = None,
    progress: Progress | None = None,
) -> TrainReport:
    """Train on every clip and write a run folder.

    It holds ``weights.safetensors``, ``config.toml``, ``metrics.json``, ``report.md``, plots and
    TensorBoard events. Files are whole or absent; the weights are written last. ``loso``: the
    recipe's reports by protocol, one per seed, as of `evaluate_loso`; they go into the report and
    the weights' card and determine the temperature. ``start``: weights file of the same network
    with initial weights. Raises `DataError` for bad data.
    """
    begun = time.monotonic()
    others = {name: list(own) for name, own in (loso or {}).items() if name != "last" and own}
    reports = list((loso or {}).get("last", ()))
    samples = read_samples(config)
    first = None if start is None else _start(config, start)
    losses: list[float] = []
    rates: list[float] = []
    require_folder(run)
    before = list((run / "events").glob("events.out.tfevents.*"))
    with Scalars(run / "events") as scalars:

        def watch(epoch: Epoch) -> None:
            losses.append(epoch.losses[0])
            rates.append(epoch.lr)
            scalars.add("all subjects/loss", epoch.losses[0], epoch.number)
            scalars.add("all subjects/learning rate", epoch.lr, epoch.number)

        for report in reports:
            for number, loss in enumerate(report.losses, start=1):
                scalars.add(f"leave one subject out/loss, seed {report.seed}", float(loss), number)
        network = _fitted(config, samples, watch, first, progress)
    with torch.no_grad():
        said = network(samples.inputs).numpy()
    fitted = scores(samples.labels.numpy(), said.argmax(axis=1))
    scaling = _temperature_scaling(reports)
    spec = config.spec
    if scaling is not None:
        spec = replace(spec, temperature=round(scaling.temperature, 3))
    card = _card(config, samples, reports, others, scaling, start)
    seconds = time.monotonic() - begun
    metrics = {**card, "fit": asdict(fitted), "seconds": round(seconds, 1)}
    _clear(run, before)
    _write_pages(config, run, reports, others, scaling, (losses, rates), fitted)
    write_json(run / "metrics.json", metrics)
    target = run / "weights.safetensors"
    model: Any = network.config
    save(target, network, name=config.network, config=model, spec=spec, card=card)
    subjects = len(set(samples.subjects))
    return TrainReport(run, target, len(samples.clips), subjects, fitted, seconds)


def _clear(run: Path, events: Sequence[Path]) -> None:
    """Remove an earlier run's files and ``events``.

    Called once the new run is trained, so that the folder always holds files of one run.
    """
    for name in ("weights.safetensors", "metrics.json", "report.md", "config.toml", *_PLOTS):
        (run / name).unlink(missing_ok=True)
    for path in events:
        path.unlink(missing_ok=True)


def _fitted(
    config: TrainConfig,
    samples: Samples,
    watch: Any,
    start: Mapping[str, Tensor] | None,
    progress: Progress | None,
) -> nn.Module:
    """Return the network trained on all clips, on the CPU and in eval mode."""
    rows = torch.arange(len(samples.clips))
    seed = fold_seed(config.seed, _EVERYTHING)
    if not config.trained:
        return fit_closed(config.network, config.model_config, samples, rows, seed).eval()
    there = samples.to(torch_device(config.device))
    weights = fit(
        config.make, there, [rows], config.schedule, [seed], progress, watch=watch, start=start
    )
    network = config.make()
    network.load_state_dict({name: tensor[0].cpu() for name, tensor in weights.items()})
    return network.eval()


def _start(config: TrainConfig, path: Path) -> Mapping[str, Tensor]:
    if not config.trained:
        raise UsageError(
            f"expected a network that is trained by steps to go with --from; got "
            f"{config.network}, which is fitted at once: leave --from out."
        )
    loaded = load(path, folded=False)
    if loaded.name != config.network or loaded.config != config.model_config:
        raise UsageError(
            f"expected weights of {config.network} of the very shape that is trained in {path}; "
            f"got {loaded.name} {loaded.config}: choose the same network and model."
        )
    return loaded.network.state_dict()


def _temperature_scaling(reports: Sequence[LosoReport]) -> TemperatureScaling | None:
    """Fit temperature scaling to the held-out logits of all seeds; None without reports."""
    if not reports:
        return None
    logits: F32 = np.concatenate([report.published for report in reports])
    labels = np.concatenate([report.labels for report in reports])
    return fit_temperature_scaling(
        logits, labels, np.concatenate([report.subjects for report in reports])
    )


def require_libraries() -> None:
    """Raise `DependencyError` for a library that `train` needs, before a long run."""
    for module in ("tomli_w", "matplotlib", "tensorboard"):
        need(module)


def _write_pages(
    config: TrainConfig,
    run: Path,
    reports: Sequence[LosoReport],
    others: Mapping[str, Sequence[LosoReport]],
    scaling: TemperatureScaling | None,
    course: tuple[Sequence[float], Sequence[float]],
    fitted: ClassScores,
) -> None:
    """Write config.toml, the plots and report.md; ``course``: loss and learning rate by epoch."""
    write_text(run / "config.toml", need("tomli_w").dumps(to_tables(config)))
    shown = {}
    if scaling is not None:
        shown["confusion.png"] = plots.confusion_plot(reports)
        shown["subjects.png"] = plots.subjects_plot(reports)
        shown["reliability.png"] = plots.reliability_plot(reports, scaling)
    losses, rates = course
    if losses:
        history: dict[str, Sequence[float]] = {"all subjects": losses}
        history |= {f"folds, seed {r.seed}": r.losses.tolist() for r in reports if len(r.losses)}
        shown["curves.png"] = plots.curves_plot(history, rates)
    for name in _PLOTS:
        if name in shown:
            plots.save_plot(shown[name], run / name)
    remembered = f"UF1 {fitted.uf1:.3f}, UAR {fitted.uar:.3f}: remembered, not recognised"
    facts = {
        "network": f"{config.network}, `{config.model_config}`",
        "input": f"`{config.spec}`",
        "schedule": f"`{config.schedule}`",
        "re-animated views of each clip": str(config.views),
        "on its own training clips": remembered,
    }
    if reports:
        page = report_md(reports, scaling, others, facts, list(shown))
    else:
        lines = "\n".join(f"| {name} | {fact} |" for name, fact in facts.items())
        page = (
            f"# {config.network}, trained on all subjects\n\n"
            "No subject was left out in this run, so there is no score to report and no "
            "temperature: `htnet evaluate loso` judges the recipe.\n\n"
            f"| | |\n| --- | --- |\n{lines}\n"
        )
    write_text(run / "report.md", page)


def _card(
    config: TrainConfig,
    samples: Samples,
    reports: Sequence[LosoReport],
    others: Mapping[str, Sequence[LosoReport]],
    scaling: TemperatureScaling | None,
    start: Path | None,
) -> dict[str, Any]:
    datasets = sorted(set(samples.datasets))
    card: dict[str, Any] = {
        "data": f"{', '.join(datasets)}: {len(samples.clips)} labelled onset-to-apex maps",
        "licence": "trained on data released for research use only",
        "clips": len(samples.clips),
        "subjects": len(set(samples.subjects)),
        "schedule": asdict(config.schedule),
        "views": config.views,
        "seed": config.seed,
        "recipes_tried": tried(config),
        "htnet": __version__,
        "torch": torch.__version__.partition("+")[0],
        "machine": platform.machine(),
    }
    if start is not None:
        card["from"] = start.name
    if scaling is not None:
        card["loso"] = loso_row(config.network, reports, others)
        card["calibration"] = asdict(scaling)
    return card
