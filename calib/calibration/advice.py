"""Advice during a calibration, and the tests that reject a try."""

from collections.abc import Sequence

import numpy as np

from htnet.calib.calibration.baseline import EYES_PX, frame_rate, open_eyed
from htnet.calib.calibration.flicker import find_flicker
from htnet.calib.calibration.measurements import Measurement
from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.engine.types import F64

_DARK, _BRIGHT, _BURNT_OUT = 50, 225, 0.05
_SMALLEST_EYES_PX = 60
_SLOW = 0.85
_FOLLOWED = 0.8
_SLOWEST_FPS = 24
_EXPOSURE_STEP = 0.03
# Head movement within a second, px of the crop, that asks for calm and that rejects the try.
_RESTLESS_PX, _MOVED_PX = 4.0, 6.0
# A muscle is at rest up to this multiple of its median activation. The limit is clipped to px of
# the crop, since the median of a face that never rests is no measure of rest.
_OUT_OF_REST, _LEAST_PX, _MOST_PX = 8.0, 0.25, 0.8
_SPOKEN_MOVES = 3
_SPEECH_NS = 3_000_000_000
_EXPRESSION_NS = 800_000_000
_OPEN_SHARE = 0.4
_MOUTH = [name.startswith(("lip ", "jaw")) for name in MUSCLE_NAMES]


def advise(samples: Sequence[Measurement], expected_fps: float | None = None) -> list[str]:
    """Return a sentence for each thing to improve in the last seconds, the most important first.

    ``expected_fps``: frame rate asked of the camera; None accepts any rate that spotting works at.
    """
    if not samples:
        return ["no face is in the picture: sit in front of the camera"]
    return [
        said
        for said in (
            _head(samples),
            _light(samples),
            _size(samples),
            _rate(samples, expected_fps),
            _exposure(samples),
            _flicker(samples),
        )
        if said
    ]


def rejection(samples: Sequence[Measurement], *, ended: bool = False) -> str | None:
    """Return the reason for which the samples are no neutral face, or None.

    An expression is reported 0.8 s after it began, so that speech can be told from it; at once if
    the samples have ``ended``.
    """
    if len(samples) < 3:
        return None
    times = np.array([sample.t_ns for sample in samples], np.int64)
    if float(_head_range(samples).max()) > _MOVED_PX:
        return "your head moved: lean it on something and hold it still"
    activations = np.stack([sample.activations for sample in samples])
    at_rest = open_eyed(samples)
    if not at_rest.any():
        return None
    usual = np.median(activations[at_rest], axis=0)
    limits = np.clip(_OUT_OF_REST * usual, _LEAST_PX, _MOST_PX)
    moving = (activations > limits) & at_rest[:, None]
    if not moving.any():
        return None
    if times[-1] - times[moving.any(axis=1)][0] < _EXPRESSION_NS and not ended:
        return None
    lips = moving[:, _MOUTH].any(axis=1)
    starts = times[1:][np.diff(lips.astype(np.int8)) == 1]
    if (
        len(starts) >= _SPOKEN_MOVES
        and (starts[_SPOKEN_MOVES - 1 :] - starts[: 1 - _SPOKEN_MOVES] <= _SPEECH_NS).any()
    ):
        return "you spoke: close your lips and keep silent"
    furthest = (activations * moving).max(axis=0).argmax()
    return f"your {'mouth' if _MOUTH[furthest] else 'brows'} moved: let the face rest"


def too_few_open(samples: Sequence[Measurement]) -> str | None:
    """Return the reason if fewer than 40% of the samples have open eyes, or None."""
    if samples and open_eyed(samples).mean() < _OPEN_SHARE:
        return "your eyes were shut or blinking most of the time: look at the camera"
    return None


def _head_range(samples: Sequence[Measurement]) -> F64:
    """Return the range of the head's position within each last second, px of the crop, one value a
    tenth of a second."""
    times = np.array([sample.t_ns for sample in samples], np.int64)
    scale = EYES_PX / float(np.median([sample.eyes_px for sample in samples]))
    points = np.stack([sample.head for sample in samples]).reshape(len(samples), -1) * scale
    # Means over a tenth of a second: landmarks of a single frame are noisy.
    _, starts = np.unique((times - times[0]) // 100_000_000, return_index=True)
    means = (
        np.add.reduceat(points, starts, axis=0) / np.diff(np.append(starts, len(points)))[:, None]
    )
    at = times[starts]
    first = np.searchsorted(at, at - 1_000_000_000)
    return np.array(
        [float(np.ptp(means[a : b + 1], axis=0).max()) for b, a in enumerate(first)], np.float64
    )


def _head(samples: Sequence[Measurement]) -> str | None:
    if _head_range(_since(samples, 1.5)).max() > _RESTLESS_PX:
        return "your head moves a lot: lean it on something and hold it still"
    return None


def _light(samples: Sequence[Measurement]) -> str | None:
    recent = _since(samples, 1.0)
    if np.median([sample.grey for sample in recent]) < _DARK:
        return "your face is too dark: put a lamp in front of you, or turn to the window"
    burnt_out = np.median([sample.burnt_out for sample in recent])
    if np.median([sample.grey for sample in recent]) > _BRIGHT or burnt_out > _BURNT_OUT:
        return "your face is too bright: turn the lamp away or move back from the window"
    return None


def _size(samples: Sequence[Measurement]) -> str | None:
    eyes = float(np.median([sample.eyes_px for sample in _since(samples, 1.0)]))
    if eyes < _SMALLEST_EYES_PX:
        return (
            f"your face is small: your eyes are {eyes:.0f} pixels apart and {_SMALLEST_EYES_PX} "
            "are needed, so come nearer or ask for a larger --size"
        )
    return None


def _rate(samples: Sequence[Measurement], expected: float | None) -> str | None:
    recent = _since(samples, 3.0)
    fps, _ = frame_rate(recent)
    if len(recent) < 10 or recent[-1].t_ns - recent[0].t_ns < 1_000_000_000:
        return None
    wanted = expected or _SLOWEST_FPS
    if fps < _SLOW * wanted:
        return (
            f"the camera gives {fps:.0f} frames a second, not {wanted:.0f}: more light lets it "
            "expose for a shorter time, or ask for a smaller --size"
        )
    followed = len(recent) / (recent[-1].index - recent[0].index + 1)
    if followed < _FOLLOWED:
        return (
            f"only {followed:.0%} of the camera's {fps:.0f} frames a second are followed: close "
            "other programs, or ask for a smaller --size"
        )
    return None


def _exposure(samples: Sequence[Measurement]) -> str | None:
    """Return advice if the median brightness of half seconds changed within the last 5 s."""
    recent = _since(samples, 5.0)
    times = np.array([sample.t_ns for sample in recent], np.int64)
    grey = np.array([sample.grey for sample in recent])
    if times[-1] - times[0] < 1_000_000_000:
        return None
    halves = (times - times[0]) // 500_000_000
    levels = [float(np.median(grey[halves == half])) for half in np.unique(halves)]
    if np.ptp(levels) > _EXPOSURE_STEP * float(np.mean(levels)):
        return (
            "the brightness of your face changes: switch the camera's automatic exposure off, or "
            "wait until it and the light are steady"
        )
    return None


def _flicker(samples: Sequence[Measurement]) -> str | None:
    recent = _since(samples, 4.0)
    fps, _ = frame_rate(recent)
    index = np.array([sample.index for sample in recent], np.int64)
    found = find_flicker(index, np.array([sample.grey for sample in recent]), fps)
    if found is None:
        return None
    mains = f"{found.mains_hz} Hz" if found.mains_hz else "50 or 60 Hz"
    return (
        f"the light flickers by {found.share:.1%}, as lamps on {mains} do: use daylight or another "
        "lamp, or set the camera to that mains frequency"
    )


def _since(samples: Sequence[Measurement], seconds: float) -> Sequence[Measurement]:
    """Return the samples of the last ``seconds``, at least one."""
    earliest = samples[-1].t_ns - round(seconds * 1e9)
    first = len(samples) - 1
    while first and samples[first - 1].t_ns >= earliest:
        first -= 1
    return samples[first:]
