"""Clips re-animated as pictures, for what takes faces and not maps: the parity of solvers and
runtimes, and the ranges of int8.

The same frames that `htnet.training.augmentation.reanimate.reanimated` measures, bit for bit.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from htnet.engine.types import F32, U8
from htnet.training.augmentation.reanimate import frames
from htnet.training.augmentation.samples import read_composite
from htnet.training.datasets.clip import Clip
from htnet.training.views import PLAIN, ViewConfig


def reanimated_pairs(
    clips: Sequence[Clip], maps: F32, centres: F32, seed: int, config: ViewConfig = PLAIN
) -> Iterator[tuple[U8, U8, F32]]:
    """Onset and apex (170, 140), gray, and region centres (4, 2) as fractions of the crop, of each
    clip in turn.

    ``maps``: (N, 28, 28, 3) as published. ``centres``: (N, 4, 2), as `read_composite` gives them. A
    clip's numbers come from ``seed`` and its place alone; the solver that ``config`` may draw for it
    is left to whoever measures. Raises `DataError` where an apex face cannot be read.
    """
    for number, (clip, published, places) in enumerate(zip(clips, maps, centres, strict=True)):
        onset, apex, _ = frames(clip, published, (seed, number), config)
        yield onset, apex, np.asarray(places, np.float32)


def composite_pairs(
    data: Path,
    count: int | None = None,
    seed: int = 0,
    config: ViewConfig = PLAIN,
    landmarks: Path | None = None,
) -> list[tuple[U8, U8, F32]]:
    """`reanimated_pairs` of the composite under ``data``, or of what `open_data` has laid out like
    it: of ``count`` clips, as many of each dataset as of the others and spread over its clips, as
    far as there are so many; of all without a count.

    ``landmarks``: as `htnet.training.augmentation.samples.read_composite` takes them. Raises `DataError`.
    """
    clips, maps, centres = read_composite(data, landmarks)
    places = spread([clip.dataset for clip in clips], len(clips) if count is None else count)
    chosen = [clips[place] for place in places]
    return list(reanimated_pairs(chosen, maps[places], centres[places], seed, config))


def spread(groups: Sequence[str], count: int) -> list[int]:
    """``count`` places in ``groups``, rising: as many of each group as of the others while it has
    so many, evenly spread over its places; all where there are no more."""
    places = {name: [i for i, own in enumerate(groups) if own == name] for name in groups}
    taken: list[int] = []
    # The smallest first: what it cannot give, the others do.
    for rank, own in enumerate(sorted(places.values(), key=len)):
        share = min(len(own), -(-(count - len(taken)) // (len(places) - rank)))
        taken += [own[number * len(own) // share] for number in range(share)]
    return sorted(taken)
