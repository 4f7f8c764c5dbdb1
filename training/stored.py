"""Scoring fold weights that somebody has trained already: one file for each held-out subject."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from htnet.engine.errors import DataError, UsageError
from htnet.engine.preprocess import network_input
from htnet.engine.types import F32
from htnet.engine.weights import Loaded, load, read_official
from htnet.training.datasets.composite import read_clips, read_map
from htnet.training.datasets.sample import Sample
from htnet.training.metrics import Scores, scores_by_dataset
from htnet.training.samples import read_composite


@dataclass(frozen=True, slots=True, eq=False)
class StoredReport:
    """Scores by dataset, "full" for all, of ``folds`` stored networks."""

    network: str
    folds: int
    published: dict[str, Scores]


def evaluate_stored(
    data: Path, weights: Path, network: str, landmarks: Path | None = None
) -> StoredReport:
    """Let every subject's clips be judged by the network in ``weights`` named after the subject.

    Files are SUBJECT.safetensors or an official SUBJECT.pth. Raises `DataError` for a missing
    file, `UsageError` for one of another network, `WeightsError` for one that cannot be read.
    """
    clips = read_clips(data)
    subjects = list(dict.fromkeys(clip.subject for clip in clips))
    folds = {subject: _read(weights, subject, network) for subject in subjects}
    centres: F32 | None = None
    if any(fold.spec.regions == "tiled" for fold in folds.values()):
        _, _, centres = read_composite(data, landmarks)
    guess = [
        _judge(folds[clip.subject], clip, np.zeros((4, 2), np.float32) if centres is None else own)
        for clip, own in zip(clips, clips if centres is None else centres, strict=True)
    ]
    truth = [clip.label for clip in clips]
    published = scores_by_dataset(truth, guess, [clip.dataset for clip in clips])
    return StoredReport(network, len(folds), published)


def _read(folder: Path, subject: str, network: str) -> Loaded:
    for suffix, read in ((".safetensors", load), (".pth", read_official)):
        path = folder / f"{subject}{suffix}"
        if path.is_file():
            loaded = read(path)
            if loaded.name != network:
                raise UsageError(
                    f"expected weights of {network} in {path}; got {loaded.name}: give "
                    f"--network {loaded.name}, or the folder of the other's weights."
                )
            return loaded
    raise DataError(
        f"expected {subject}.safetensors or {subject}.pth in {folder}, the network that never saw "
        f"subject {subject}; there is neither: complete the folder."
    )


@torch.inference_mode()
def _judge(fold: Loaded, clip: Sample, centres: F32) -> int:
    x = torch.from_numpy(network_input(read_map(clip.flow), centres, fold.spec))
    return int(fold.network(x[None])[0].argmax())
