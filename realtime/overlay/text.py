"""Text on pictures.

Pillow's own typeface is legible at 10 px, where OpenCV's strokes are not. Its masks are cached, so
that a label drawn before costs only a blend.
"""

import unicodedata
from bisect import bisect_right
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from PIL import ImageFont

from htnet.engine.types import F32, U8
from htnet.realtime.overlay.palette import BLACK, Colour

_SMALLEST_PX = 9
Align = Literal["left", "centre", "right"]


def write(
    scene: U8,
    text: str,
    at: tuple[float, float],
    px: float,
    colour: Colour,
    align: Align = "left",
) -> int:
    """Write ``text`` with the left, middle or right of its baseline at ``at``.

    Returns its width in px. Parts outside the scene are cut off.
    """
    mask, left, top = _mask(_spelt(text), _size(px))
    height, width = mask.shape[:2]
    x = round(at[0]) - {"left": 0, "centre": width // 2, "right": width}[align]
    x, y = x + left, round(at[1]) + top
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + width, scene.shape[1]), min(y + height, scene.shape[0])
    if x0 < x1 and y0 < y1:
        patch = scene[y0:y1, x0:x1]
        share = mask[y0 - y : y1 - y, x0 - x : x1 - x]
        patch[:] = patch + share * (np.array(colour, np.float32) - patch) + np.float32(0.5)
    return width


def width_of(text: str, px: float) -> int:
    """Return the width of ``text`` in px."""
    return int(_mask(_spelt(text), _size(px))[0].shape[1])


def fitted(text: str, px: float, width: float) -> str:
    """Return ``text``, shortened with an ellipsis to fit into ``width`` px."""
    most = max(int(width / (0.15 * px)), 0)  # no letter is narrower
    if len(text) <= most and width_of(text, px) <= width:
        return text
    kept = bisect_right(range(1, min(most, len(text)) + 1), width, key=lambda n: _cut(text, n, px))
    return text[:kept].rstrip() + "…"


def _cut(text: str, letters: int, px: float) -> int:
    return width_of(text[:letters].rstrip() + "…", px)


def _plate(scene: U8, box: tuple[int, int, int, int], share: float = 0.62) -> None:
    """Darken (x0, y0, x1, y1) by ``share``, so that light text is legible on any picture."""
    x0, y0, x1, y1 = box
    patch = scene[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    if patch.size:
        patch[:] = cv2.convertScaleAbs(patch, alpha=1 - share)


def badge(
    scene: U8,
    text: str,
    middle: tuple[float, float],
    px: float,
    colour: Colour,
    background: Colour = BLACK,
) -> None:
    """Write a few words on a dark plate, centred on ``middle``."""
    width = width_of(text, px)
    pad, half = round(0.7 * px), round(0.95 * px)
    x0, y0 = round(middle[0]) - width // 2 - pad, round(middle[1]) - half
    box = (x0, y0, x0 + width + 2 * pad, y0 + 2 * half)
    _plate(scene, box)
    if background != BLACK:
        cv2.rectangle(scene, box[:2], (box[2] - 1, box[3] - 1), background, 1)
    write(scene, text, (middle[0], middle[1] + 0.36 * px), px, colour, "centre")


def _size(px: float) -> int:
    return max(round(px), _SMALLEST_PX)


@lru_cache(maxsize=1024)
def _spelt(text: str) -> str:
    """Return ``text`` in the typeface's letters: no accents, unknown ones as question marks."""
    bare = unicodedata.normalize("NFKD", text)
    kept = (c for c in bare if not unicodedata.combining(c))
    return "".join(c if " " <= c <= "~" or c in "·…°" else "?" for c in kept)


@lru_cache(maxsize=16)
def _font(px: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(px)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow is built without FreeType"
    return font


@lru_cache(maxsize=1024)
def _mask(text: str, px: int) -> tuple[F32, int, int]:
    """Return the coverage (h, w, 1) 0..1 of a text, its left and its top edge.

    The edges are relative to the start of the baseline.
    """
    # Word by word: at these sizes the typeface's own space rounds to next to nothing.
    gap, x, top, low = max(round(0.3 * px), 3), 0, 0, 1
    words = []
    for word in text.split(" "):
        core, (left, above) = _font(px).getmask2(word, mode="L", anchor="ls")
        width, height = core.size
        start = max(x + left, 0)  # a letter may reach to the left of where it is written
        words.append((start, above, np.array(core, np.float32).reshape(height, width)))
        x = start + width + gap
        top, low = min(top, above), max(low, above + height)
    values = np.zeros((low - top, max(x - gap, 1), 1), np.float32)
    for left, above, word_mask in words:
        height, width = word_mask.shape
        part = values[above - top : above - top + height, left : left + width, 0]
        np.maximum(part, word_mask[:, : part.shape[1]] / 255, out=part)
    return values, 0, top
