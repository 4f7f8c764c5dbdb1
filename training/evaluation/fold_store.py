"""Store of finished folds: a killed run continues where it stopped.

The folder's name holds a digest of the recipe and of the data, so folds of another recipe are never
mistaken for this one's. A fold is finished once its ``.npz`` exists, which is written after its
weights. Both files are written whole or not at all.
"""

import csv
import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from htnet import __version__
from htnet.engine.errors import DataError
from htnet.engine.files import write_atomic, write_text
from htnet.engine.models.registry import build
from htnet.engine.models.weights import save
from htnet.engine.types import F32
from htnet.training.augmentation.samples import Samples
from htnet.training.config import TrainConfig
from htnet.training.evaluation.folds import Fold, FoldResult
from htnet.training.evaluation.temperature import softmax
from htnet.training.recipes import to_tables

_VERSION = 1  # to be raised whenever the same recipe on the same data would train other networks


class FoldStore:
    """Finished folds of one recipe, one seed and one state of the data, under ``root``.

    ``reanimated``: re-animated test inputs (N, 3, S, S). ``weights``: keep the folds' weights; a
    fold without stored weights then counts as unfinished.
    """

    def __init__(
        self,
        root: Path,
        config: TrainConfig,
        samples: Samples,
        reanimated: Tensor,
        *,
        weights: bool = True,
    ) -> None:
        digest = hashlib.sha256()
        digest.update(json.dumps([_VERSION, to_tables(config)], sort_keys=True).encode())
        for tensor in (
            samples.pictures,
            samples.centres,
            samples.inputs,
            samples.labels,
            reanimated,
        ):
            digest.update(tensor.numpy().tobytes())
        digest.update(" ".join(samples.subjects).encode())
        name = f"{config.network}-seed{config.seed}-{digest.hexdigest()[:10]}"
        self.folder, self.config, self.weights = root / name, config, weights
        self.clips = samples.clips

    def read(self, fold: Fold) -> FoldResult | None:
        """Return the fold's result without its weights, or None while it is unfinished.

        Raises `DataError` for a damaged file and for a file of other clips.
        """
        path = self._path(fold, ".npz")
        if not path.is_file() or (self.weights and not self._path(fold, ".safetensors").is_file()):
            return None
        try:
            with np.load(path, allow_pickle=False) as file:
                held, published = file["held"], file["published"]
                reanimated, losses, seconds = file["reanimated"], file["losses"], file["seconds"]
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise DataError(
                f"expected a finished fold in {path}; got {error}: delete the file and the fold is "
                "trained again."
            ) from None
        if not np.array_equal(held, fold.held) or published.shape[1] != len(held):
            raise DataError(
                f"expected the clips of fold {fold.name} in {path}; got others: delete the file "
                "and the fold is trained again."
            )
        return FoldResult(fold, published, reanimated, losses, float(seconds))

    def write(self, result: FoldResult) -> FoldResult:
        """Store a result, its weights first, and return it without them."""
        if self.weights and result.weights is not None:
            with torch.device("meta"):
                network = build(self.config.network, result.model)
            network.load_state_dict(result.weights, assign=True)
            card = {"fold": result.fold.name, "seed": self.config.seed, "htnet": __version__}
            save(
                self._path(result.fold, ".safetensors"),
                network,
                name=self.config.network,
                config=result.model,
                spec=self.config.spec,
                card=card,
            )
        arrays: dict[str, Any] = {
            "held": result.fold.held,
            "published": result.published,
            "reanimated": result.reanimated,
            "losses": result.losses,
            "seconds": np.array(result.seconds),
            "torch": np.array(torch.__version__),
            "device": np.array(self.config.device),
        }
        file = io.BytesIO()
        np.savez(file, **arrays)
        write_atomic(self._path(result.fold, ".npz"), file.getvalue())
        return replace(result, model=None, weights=None)

    def write_probabilities(self, protocol: str, rows: NDArray[np.int64], logits: F32) -> Path:
        """Write ``PROTOCOL.csv``: probabilities of the clips ``rows``, not temperature-scaled."""
        spec, file = self.config.spec, io.StringIO()
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("dataset", "subject", "clip", "label", *spec.classes))
        for row, values in zip(rows, softmax(logits), strict=True):
            clip = self.clips[row]
            shares = (f"{value:.5f}" for value in values)
            table.writerow(
                (clip.dataset, clip.subject, clip.name, spec.classes[clip.label], *shares)
            )
        path = self.folder / f"{protocol}.csv"
        write_text(path, file.getvalue())
        return path

    def _path(self, fold: Fold, suffix: str) -> Path:
        return self.folder / f"{fold_file(fold.name)}{suffix}"


def fold_file(name: str) -> str:
    """Return a fold's file name without its ending, with the slash of a subject's name quoted."""
    return quote(name, safe=" ")
