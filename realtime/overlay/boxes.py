"""Annotations on the face: the network's regions and the muscles' motion."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from htnet.engine.face import landmarks as lm
from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH, transform_points
from htnet.engine.face.regions import PUBLISHED_CENTRES, region_centres
from htnet.engine.motion.preprocess import PreprocessSpec
from htnet.engine.types import F32, U8, AlignedFace, Motion, State, Tick
from htnet.realtime.overlay.palette import ALERT, BLACK, MOTION, TEXT, WHITE, Colour, blend
from htnet.realtime.overlay.text import badge

_I32 = NDArray[np.int32]

_CROP = np.array([CROP_WIDTH, CROP_HEIGHT], np.float32)
_SHIFT = 4  # OpenCV's sub-pixel bits


class RegionBoxes:
    """The network's input regions, drawn as the corners of thin frames.

    The four regions of HTNet meet in the middle of the face, so whole outlines would cross it.
    Only the fraction ``corner`` of each side is drawn.
    """

    def __init__(
        self,
        spec: PreprocessSpec | None = None,
        *,
        colour: Colour = WHITE,
        opacity: float = 0.8,
        corner: float = 0.14,
    ) -> None:
        self._spec = spec or PreprocessSpec()
        self._colour = colour
        self._opacity = opacity
        self._corner = corner

    def annotate(self, scene: U8, tick: Tick) -> U8:
        """Draw on ``scene``, the frame's picture at any size."""
        if tick.aligned is None:
            _say_no_face(scene)
            return scene
        scale = scene.shape[1] / tick.frame.bgr.shape[1]
        boxes = [box * scale for box in self.boxes(tick.aligned)]
        strokes = [np.rint(s * 2**_SHIFT).astype(np.int32) for b in boxes for s in self._corners(b)]
        thickness = max(1, round(min(scene.shape[:2]) / 540))
        # A faint dark rim, so that white brackets show on a white wall.
        for colour, width, opacity in (
            (BLACK, thickness + 2, 0.2 * self._opacity),
            (self._colour, thickness, self._opacity),
        ):
            _stroke(scene, strokes, colour, width, opacity)
        return scene

    def boxes(self, face: AlignedFace) -> list[F32]:
        """Return the corners (4, 2) of each box in frame px, clockwise from the top left."""
        spec = self._spec
        from_crop = np.asarray(cv2.invertAffineTransform(face.to_crop), np.float64)
        half = np.array([spec.region, spec.region], np.float32) / spec.size / 2 * _CROP
        centres = region_centres(face.landmarks)
        if spec.regions == "published":
            centres = PUBLISHED_CENTRES * _CROP
        elif spec.regions == "whole":
            centres, half = _CROP[None] / 2, _CROP / 2
        signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
        return [transform_points(c + signs * half, from_crop) for c in centres]

    def _corners(self, box: F32) -> list[F32]:
        middle = box.mean(axis=0)
        inset = middle + (box - middle) * 0.97  # a gap where two boxes touch
        before, after = np.roll(inset, 1, axis=0), np.roll(inset, -1, axis=0)
        share = self._corner
        arms = np.stack(
            [inset + (before - inset) * share, inset, inset + (after - inset) * share], axis=1
        )
        return list(arms)


_LOWER_LIDS, _NOSE_WINGS = (145, 374), (129, 358)
# Landmarks, whose mean is the place of a dot, and the muscles that it shows.
MARKS: Final[tuple[tuple[tuple[int, ...], tuple[str, ...]], ...]] = (
    (lm.LEFT_OUTER_BROW, ("brow raise",)),
    (lm.RIGHT_OUTER_BROW, ("brow raise",)),
    (lm.LEFT_INNER_BROW, ("brow raise", "brow lower")),
    (lm.RIGHT_INNER_BROW, ("brow raise", "brow lower")),
    *(((point,), ("lid tighten",)) for point in _LOWER_LIDS),
    *(((point,), ("nose wrinkle",)) for point in _NOSE_WINGS),
    ((lm.LEFT_LIP_CORNER,), ("lip corner pull", "lip corner depress")),
    ((lm.RIGHT_LIP_CORNER,), ("lip corner pull", "lip corner depress")),
    ((lm.UPPER_LIP,), ("lip press",)),
    ((lm.LOWER_LIP,), ("lip press", "jaw drop")),
)


class MotionMarks:
    """A dot at the place of each muscle's activation.

    It is small and pale at rest, grows and gets its colour towards the threshold, and is largest
    above it.
    """

    def __init__(self, *, rest: Colour = TEXT, moving: Colour = MOTION) -> None:
        self._rest = rest
        self._moving = moving

    def annotate(self, scene: U8, tick: Tick) -> U8:
        """Draw on ``scene``, the frame's picture at any size."""
        if tick.face is None or tick.motion is None:
            return scene
        points = tick.face.landmarks
        scale = scene.shape[1] / tick.frame.bgr.shape[1]
        eyes = points[list(lm.LEFT_EYE_CORNERS)].mean(0) - points[list(lm.RIGHT_EYE_CORNERS)].mean(
            0
        )
        unit = float(np.hypot(*eyes)) * scale / 73  # px of the scene to a px of the crop
        for place, muscles in MARKS:
            colour, radius = self._style(tick.motion, muscles)
            centre = points[list(place)].mean(0)
            at = [int(v) for v in np.rint(centre * scale * 2**_SHIFT)]
            size = round(max(radius * unit, 1.3) * 2**_SHIFT)
            rim = size + round(max(0.6 * unit, 0.8) * 2**_SHIFT)
            cv2.circle(scene, at, rim, BLACK, -1, cv2.LINE_AA, _SHIFT)
            cv2.circle(scene, at, size, colour, -1, cv2.LINE_AA, _SHIFT)
        return scene

    def _style(self, motion: Motion, muscles: tuple[str, ...]) -> tuple[Colour, float]:
        """Return colour and radius (px of the crop) of a dot.

        Only the leading muscle's threshold is known, and no other muscle is higher in its own
        thresholds.
        """
        threshold = max(motion.threshold, 1e-6)
        most = motion.magnitude / threshold
        share = min(max(*(motion.activations.get(m, 0.0) for m in muscles), 0.0) / threshold, most)
        if share >= 1.0:
            return self._moving, min(2.2 + 0.5 * (share - 1.0), 3.4)
        return blend(self._rest, self._moving, share * share), 1.1 + 0.5 * share


def _say_no_face(scene: U8) -> None:
    height, width = scene.shape[:2]
    px = 16 * min(width / 640, height / 360)
    badge(scene, State.NO_FACE.value, (width / 2, 2.2 * px), px, WHITE, ALERT)


def _stroke(scene: U8, strokes: list[_I32], colour: Colour, thickness: int, opacity: float) -> None:
    """Draw lines (sub-pixel coordinates) with an opacity."""
    height, width = scene.shape[:2]
    points = np.concatenate(strokes) / 2**_SHIFT
    margin = thickness + 2
    x0, y0 = np.clip(np.floor(points.min(axis=0)).astype(int) - margin, 0, [width, height])
    x1, y1 = np.clip(np.ceil(points.max(axis=0)).astype(int) + margin, 0, [width, height])
    if x0 >= x1 or y0 >= y1:
        return
    patch = scene[y0:y1, x0:x1]
    drawn = patch.copy()
    moved = [s - np.array([x0, y0], np.int32) * 2**_SHIFT for s in strokes]
    cv2.polylines(drawn, moved, False, colour, thickness, cv2.LINE_AA, _SHIFT)
    cv2.addWeighted(drawn, opacity, patch, 1 - opacity, 0, dst=drawn)
    patch[:] = drawn
