"""Re-animated clips as pictures, for the parity of solvers and runtimes and for int8 ranges.

The frames are those that `htnet.training.augmentation.reanimate.reanimated` measures, bit for bit.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from htnet.engine.types import F32, U8
from htnet.training.augmentation.reanimate import render_view
from htnet.training.augmentation.samples import read_composite
from htnet.training.datasets.clip import Clip
from htnet.training.views import PLAIN, ViewConfig


def reanimated_pairs(
    clips: Sequence[Clip], maps: F32, centres: F32, seed: int, config: ViewConfig = PLAIN
) -> Iterator[tuple[U8, U8, F32]]:
    """Yield each clip's gray onset and apex (170, 140) and region centres (4, 2).

    ``maps``: (N, 28, 28, 3) as published. ``centres``: (N, 4, 2), as fractions of the crop, of
    `read_composite`. A clip's random numbers depend on ``seed`` and its index alone; the solver
    that ``config`` may draw is left to the caller. Raises `DataError` where an apex face cannot be
    read.
    """
    for number, (clip, published, places) in enumerate(zip(clips, maps, centres, strict=True)):
        onset, apex, _ = render_view(clip, published, (seed, number), config)
        yield onset, apex, np.asarray(places, np.float32)


def composite_pairs(
    data: Path,
    count: int | None = None,
    seed: int = 0,
    config: ViewConfig = PLAIN,
    landmarks: Path | None = None,
) -> list[tuple[U8, U8, F32]]:
    """Return `reanimated_pairs` of the composite under ``data``, or of data prepared like it.

    ``count``: number of clips, balanced over datasets and spread over each one's clips; all by
    default. ``landmarks``: as of `read_composite`. Raises `DataError` for unreadable data.
    """
    clips, maps, centres = read_composite(data, landmarks)
    places = spread([clip.dataset for clip in clips], len(clips) if count is None else count)
    chosen = [clips[place] for place in places]
    return list(reanimated_pairs(chosen, maps[places], centres[places], seed, config))


def spread(groups: Sequence[str], count: int) -> list[int]:
    """Return ``count`` rising indices into ``groups``, balanced over groups as far as they go.

    Within a group the indices are evenly spread. All are returned where there are no more.
    """
    places = {name: [i for i, own in enumerate(groups) if own == name] for name in groups}
    taken: list[int] = []
    # Smallest group first, so that the others make up for what it lacks.
    for rank, own in enumerate(sorted(places.values(), key=len)):
        share = min(len(own), -(-(count - len(taken)) // (len(places) - rank)))
        taken += [own[number * len(own) // share] for number in range(share)]
    return sorted(taken)
