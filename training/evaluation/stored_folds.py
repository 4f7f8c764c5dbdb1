"""Evaluation of stored fold weights: one file for each held-out subject."""

import time
from pathlib import Path

import numpy as np
import torch

from htnet.engine.errors import DataError, UsageError
from htnet.engine.models.weights import Loaded, load, read_official
from htnet.engine.motion.preprocess import network_input
from htnet.engine.types import F32
from htnet.training.augmentation.samples import read_composite
from htnet.training.datasets.composite import read_clips, read_map
from htnet.training.evaluation.fold_store import fold_file
from htnet.training.evaluation.loso import LosoReport


@torch.inference_mode()
def evaluate_stored(
    data: Path, weights: Path, network: str, landmarks: Path | None = None
) -> LosoReport:
    """Evaluate each subject's clips by the network in ``weights`` named after the subject.

    Files are SUBJECT.safetensors, as `htnet evaluate loso` stores them, or an official SUBJECT.pth.
    Raises `DataError` for a missing file, `UsageError` for a file of another network and
    `WeightsError` for an unreadable file.
    """
    begun = time.monotonic()
    clips = tuple(read_clips(data))
    subjects = list(dict.fromkeys(clip.subject for clip in clips))
    folds = {subject: _read(weights, subject, network) for subject in subjects}
    centres: F32 = np.zeros((len(clips), 4, 2), np.float32)
    if any(fold.spec.regions == "tiled" for fold in folds.values()):
        clips, _, centres = read_composite(data, landmarks)
    logits = []
    for clip, own in zip(clips, centres, strict=True):
        fold = folds[clip.subject]
        x = torch.from_numpy(network_input(read_map(clip.flow), own, fold.spec))
        logits.append(fold.network(x[None])[0].numpy())
    return LosoReport(
        network=network,
        protocol="stored",
        seed=None,
        subjects=np.array([clip.subject for clip in clips]),
        datasets=tuple(clip.dataset for clip in clips),
        labels=np.array([clip.label for clip in clips]),
        published=np.stack(logits),
        reanimated=None,
        seconds=time.monotonic() - begun,
        recipes_tried=None,
    )


def _read(folder: Path, subject: str, network: str) -> Loaded:
    places = (f"{fold_file(subject)}.safetensors", load), (f"{subject}.pth", read_official)
    for name, read in places:
        path = folder / name
        if path.is_file():
            loaded = read(path)
            if loaded.name != network:
                raise UsageError(
                    f"expected weights of {network} in {path}; got {loaded.name}: give "
                    f"--network {loaded.name}, or the folder of the other's weights."
                )
            # An official checkpoint does not name its fold; ours does, and is checked.
            if read is load and loaded.card.get("fold") != subject:
                raise DataError(
                    f"expected the network that never saw subject {subject} in {path}; its card "
                    f"names {loaded.card.get('fold') or 'no fold'}: give a folder as "
                    "`htnet evaluate loso` keeps it."
                )
            return loaded
    raise DataError(
        f"expected {subject}.safetensors or {subject}.pth in {folder}, the network that never saw "
        f"subject {subject}; there is neither: complete the folder."
    )
