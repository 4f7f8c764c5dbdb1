"""Baseline of a neutral face: activations at rest, frame rate, camera noise, noise floor."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from htnet.calib.calibration.measurements import Measurement
from htnet.engine.face.alignment import LEFT_EYE, RIGHT_EYE
from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.engine.types import NS_PER_MS
from htnet.realtime.profiles.profile import Rest

EYES_PX = RIGHT_EYE[0] - LEFT_EYE[0]
_BLINK_MARGIN_NS = 150 * NS_PER_MS
# Maximum over ten seconds of the noisiest activation, the lower lip's: px of the crop a grey level
# of noise, at 30 frames a second, on a still face as large in the frame as in the crop.
_PX_PER_GREY = 0.03
_LEAST_FLOOR_PX = 0.12


def neutral_baseline(samples: Sequence[Measurement]) -> dict[str, Rest]:
    """Return mean and maximum of each of `MUSCLE_NAMES` over the ``samples`` of a neutral face.

    Samples within 150 ms of a blink are left out. Raises `ValueError` if none remains.
    """
    at_rest = open_eyed(samples)
    if not at_rest.any():
        raise ValueError("no sample with open eyes")
    activations = np.stack([sample.activations for sample in samples])[at_rest]
    return {
        name: Rest(round(float(column.mean()), 4), round(float(column.max()), 4))
        for name, column in zip(MUSCLE_NAMES, activations.T, strict=True)
    }


def open_eyed(samples: Sequence[Measurement]) -> NDArray[np.bool_]:
    """Return a mask (N,) of the samples more than 150 ms away from every blink."""
    times = np.array([sample.t_ns for sample in samples], np.int64)
    blinks = times[[sample.blinking for sample in samples]]
    if not blinks.size:
        return np.ones(len(times), np.bool_)
    after = np.searchsorted(blinks, times)
    to_next = np.abs(blinks[np.minimum(after, len(blinks) - 1)] - times)
    to_last = np.abs(times - blinks[np.maximum(after - 1, 0)])
    return np.asarray(np.minimum(to_next, to_last) > _BLINK_MARGIN_NS)


def frame_rate(samples: Sequence[Measurement]) -> tuple[float, float]:
    """Return the source's frames a second, dropped frames included, and the jitter in ms: the
    standard deviation of the time between consecutive frames. (0, 0) for fewer than two samples."""
    if len(samples) < 2:
        return 0.0, 0.0
    index = np.array([sample.index for sample in samples], np.int64)
    times = np.array([sample.t_ns for sample in samples], np.int64)
    seconds = float(times[-1] - times[0]) / 1e9
    if seconds <= 0:
        return 0.0, 0.0
    steps = np.diff(times)[np.diff(index) == 1] / NS_PER_MS
    return float(index[-1] - index[0]) / seconds, float(steps.std()) if len(steps) else 0.0


def camera_noise(samples: Sequence[Measurement]) -> float:
    """Return the standard deviation of the camera's noise on skin, grey levels of a frame's pixel.

    Right to 5% on simulated faces, still or swaying, with Gaussian noise of 2 to 6 levels. Noise
    that a codec has smoothed away is not measured.
    """
    measured = [sample.noise for sample in samples if sample.noise is not None]
    return float(np.median(measured)) if measured else 0.0


def noise_floor_px(samples: Sequence[Measurement]) -> float:
    """Return the largest activation that camera noise alone causes, px of the crop.

    Proportional to the noise, to the enlargement of the face for its crop, and to the square root
    of the time between frames, as fewer frames are averaged; measured on a simulated face.
    """
    fps, _ = frame_rate(samples)
    enlarged = EYES_PX / float(np.median([sample.eyes_px for sample in samples]))
    slow = np.sqrt(30 / fps) if fps > 0 else 1.0
    return max(_LEAST_FLOOR_PX, float(_PX_PER_GREY * camera_noise(samples) * enlarged * slow))
