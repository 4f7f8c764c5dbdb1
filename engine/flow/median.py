"""Median filter of minima and maxima, which every runtime supports and can fuse."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

# `_SORT_FIVE`: comparators that sort five values. `_MIDDLE`: once columns and rows of a 5 x 5
# window are sorted, the places that can hold its median: those with at most 12 values certainly
# below and at most 12 certainly above. As many places drop out on either side, so the median of the
# rest is that of the window.
_SORT_FIVE = ((0, 1), (3, 4), (2, 4), (2, 3), (1, 4), (0, 3), (0, 2), (1, 3), (1, 2))
_MIDDLE = tuple(
    (i, j) for i in range(5) for j in range(5) if (i + 1) * (j + 1) <= 13 >= (5 - i) * (5 - j)
)


def median_5x5(maps: Tensor) -> Tensor:
    """Median filter of 5 x 5 px on ``maps`` (B, C, H, W), the border repeated: `cv2.medianBlur`."""
    height, width = maps.shape[-2:]
    padded = F.pad(maps, (2, 2, 2, 2), mode="replicate")
    columns = _sorted([padded.narrow(-2, i, height) for i in range(5)])
    # All rows at once: (5, B, C, H, W), the first axis is the row of the window.
    ranked = torch.stack(columns)
    rows = _sorted([ranked.narrow(-1, j, width) for j in range(5)])
    return _median([rows[j][i] for i, j in _MIDDLE])


def _sorted(values: Sequence[Tensor]) -> list[Tensor]:
    """Sort five tensors elementwise in ascending order."""
    out = list(values)
    for i, j in _SORT_FIVE:
        _order(out, i, j)
    return out


def _median(values: list[Tensor]) -> Tensor:
    """Elementwise median of an odd number of tensors.

    Of just over half of them, the minimum and the maximum cannot be the median. They are dropped
    and the next tensor is added, until one is left.
    """
    waiting = list(values)
    pool = [waiting.pop() for _ in range(len(values) // 2 + 2)]
    while True:
        last = len(pool) - 1
        for i in range(len(pool) // 2):
            _order(pool, i, last - i)
        for i in range(1, (last + 2) // 2):
            _order(pool, 0, i)
        for i in range((last + 1) // 2, last):
            _order(pool, i, last)
        pool = pool[1:-1]
        if not waiting:
            return pool[0]
        pool.append(waiting.pop())


def _order(values: list[Tensor], i: int, j: int) -> None:
    low, high = values[i], values[j]
    values[i], values[j] = torch.minimum(low, high), torch.maximum(low, high)
