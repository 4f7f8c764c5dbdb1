"""Measurements that calibration takes of each Tick: numbers, never pictures."""

from dataclasses import dataclass

import cv2
import numpy as np

from htnet.engine.face import landmarks as lm
from htnet.engine.motion.head_motion import STABLE_SKIN
from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.engine.synth.camera.sensor_noise import measured_noise
from htnet.engine.types import F32, F64, NS_PER_MS, U8, AlignedFace, Tick

_NOSE_TIP = 1
_BURNT_OUT = 250
_LONGEST_STEP_NS = 150 * NS_PER_MS


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """Measurement of one frame with a face.

    ``activations``: (8,) absolute activations of `MUSCLE_NAMES` against the running onset, px of
    the crop. ``head``: (3, 2) eyes and nose tip, px of the frame. ``eyes_px``: distance of the eyes
    there. ``grey``: mean of stable skin. ``burnt_out``: the fraction of it at the top of the range.
    ``noise``: standard deviation of the camera's noise in grey levels, None if the frame before is
    missing.
    """

    index: int
    t_ns: int
    activations: F64
    blinking: bool
    head: F32
    eyes_px: float
    grey: float
    burnt_out: float
    noise: float | None


class Sampler:
    """Takes a `Measurement` of each Tick."""

    def __init__(self) -> None:
        self._before: tuple[int, list[tuple[slice, slice]], list[F32]] | None = None

    def take(self, tick: Tick) -> Measurement | None:
        """Return the measurement of ``tick``; None without a face."""
        face, aligned, motion = tick.face, tick.aligned, tick.motion
        if face is None or aligned is None or motion is None:
            self._before = None
            return None
        points = face.landmarks
        left = points[list(lm.LEFT_EYE_CORNERS)].mean(axis=0)
        right = points[list(lm.RIGHT_EYE_CORNERS)].mean(axis=0)
        eyes_px = float(np.hypot(*(right - left)))
        skin = np.concatenate(
            [aligned.gray[y0:y1, x0:x1].ravel() for x0, y0, x1, y1 in STABLE_SKIN]
        )
        return Measurement(
            index=tick.frame.index,
            t_ns=tick.frame.t_ns,
            activations=np.abs([motion.activations[name] for name in MUSCLE_NAMES]),
            blinking=motion.blinking,
            head=np.stack([left, right, points[_NOSE_TIP]]),
            eyes_px=eyes_px,
            grey=float(skin.mean()),
            burnt_out=float((skin >= _BURNT_OUT).mean()),
            noise=self._noise(tick.frame.bgr, tick.frame.t_ns, aligned),
        )

    def _noise(self, bgr: U8, t_ns: int, aligned: AlignedFace) -> float | None:
        """Return the noise between this frame and the one before, at the same pixels; or None."""
        noise = None
        if self._before is not None and 0 < t_ns - self._before[0] <= _LONGEST_STEP_NS:
            _, boxes, patches = self._before
            changes = [_gray(bgr, box) - patch for box, patch in zip(boxes, patches, strict=True)]
            if changes:
                noise = measured_noise(changes)
        boxes = _skin_in_frame(aligned.to_crop, bgr.shape)
        self._before = t_ns, boxes, [_gray(bgr, box) for box in boxes]
        return noise


def _gray(bgr: U8, box: tuple[slice, slice]) -> F32:
    return np.asarray(cv2.cvtColor(bgr[box], cv2.COLOR_BGR2GRAY), np.float32)


def _skin_in_frame(to_crop: F64, shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """Return the boxes of stable skin in the frame, (rows, columns) each, clipped to the
    picture."""
    from_crop = cv2.invertAffineTransform(to_crop)
    boxes = []
    for x0, y0, x1, y1 in STABLE_SKIN:
        corners = np.array([[x0, y0, 1], [x1, y0, 1], [x0, y1, 1], [x1, y1, 1]]) @ from_crop.T
        limit = shape[1], shape[0]
        (left, top), (right, bottom) = (
            np.clip(np.rint(end).astype(int), 0, limit)
            for end in (corners.min(axis=0), corners.max(axis=0))
        )
        if right - left >= 5 and bottom - top >= 5:
            boxes.append((slice(top, bottom), slice(left, right)))
    return boxes
