"""Profile of one person and camera: activations at rest, and the thresholds that follow.

Motion is in px of the canonical crop, as `htnet.engine.motion.muscle_fit` measures it. The
thresholds follow the baseline rule of long-video spotting (CAS(ME)^2): mean + p (max - mean) of the
face at rest. Here the rest is the person's own, measured beforehand, so that p lies above 1. In the
paper max is that of a whole video, and p is a fraction.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from htnet.engine.errors import UsageError
from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.realtime.profiles.probe import Probe

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 _-]{0,62}[A-Za-z0-9_-])?")
# Names that Windows keeps for devices, with any ending.
_DEVICES: Final = re.compile(r"(?i)con|prn|aux|nul|com[0-9]|lpt[0-9]")
# Largest factor by which a baseline is adapted to a noisier camera.
_MOST_GROWTH: Final = 2.0


@dataclass(frozen=True, slots=True)
class Rest:
    """Size of a muscle's activation at rest, px of the crop: noise, breath, pulse."""

    mean_px: float
    max_px: float


@dataclass(frozen=True, slots=True)
class Profile:
    """The results of a calibration.

    ``made``: ISO date and time. ``camera``: the source's name. ``size``: (width, height).
    ``fps`` and ``jitter_ms``: the true rate and the standard deviation of the time between frames.
    ``noise``: standard deviation of the camera's noise on skin, grey levels of a frame's pixel.
    ``mains_hz``: 50 or 60 where lamps were seen to flicker. ``baseline``: for each of
    `MUSCLE_NAMES`. ``p`` and ``floor_px``: parameters of `thresholds`. ``locked``: camera settings
    that were locked. ``notes``: warnings of the calibration. ``probe``: recall on injected
    movements, None if not measured. Raises `UsageError` for values out of range.
    """

    name: str
    made: str
    camera: str
    size: tuple[int, int]
    fps: float
    jitter_ms: float
    noise: float
    mains_hz: int | None
    baseline: Mapping[str, Rest]
    p: float
    floor_px: float
    locked: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    probe: Probe | None = None

    def __post_init__(self) -> None:
        require_name(self.name)
        try:
            datetime.fromisoformat(self.made)
        except ValueError:
            raise UsageError(
                f"expected made to be an ISO date; got {self.made!r}: calibrate again."
            ) from None
        for name, value, low, high in (
            ("width", self.size[0], 1, 100_000),
            ("height", self.size[1], 1, 100_000),
            ("fps", self.fps, 1, 10_000),
            ("jitter_ms", self.jitter_ms, 0, 10_000),
            ("noise", self.noise, 0, 255),
            ("p", self.p, 0, 100),
            ("floor_px", self.floor_px, 0, 100),
        ):
            if not low <= value <= high:
                raise UsageError(
                    f"expected {name} from {low} to {high}; got {value:g}: calibrate again."
                )
        if self.mains_hz not in (None, 50, 60):
            raise UsageError(
                f"expected mains_hz to be 50 or 60, or left out; got {self.mains_hz}: calibrate "
                "again."
            )
        if set(self.baseline) != set(MUSCLE_NAMES):
            raise UsageError(
                f"expected a baseline of {', '.join(MUSCLE_NAMES)}; got "
                f"{', '.join(self.baseline) or 'none'}: calibrate again."
            )
        for name, rest in self.baseline.items():
            if not 0 <= rest.mean_px <= rest.max_px <= 100:
                raise UsageError(
                    f"expected 0 <= mean_px <= max_px of the {name}; got {rest.mean_px:g} and "
                    f"{rest.max_px:g}: calibrate again."
                )

    def thresholds(self, p: float | None = None) -> dict[str, float]:
        """Return the thresholds of `MUSCLE_NAMES`, in that order, px of the crop.

        max(floor_px, mean + p (max - mean)); ``p`` replaces the profile's own.
        """
        p = self.p if p is None else p
        return {
            name: max(self.floor_px, rest.mean_px + p * (rest.max_px - rest.mean_px))
            for name, rest in ((name, self.baseline[name]) for name in MUSCLE_NAMES)
        }

    def adapted(
        self, camera: str, size: tuple[int, int], fps: float
    ) -> tuple["Profile", tuple[str, ...]]:
        """Return the profile for a camera that gives ``size`` at ``fps``, and warnings.

        A baseline is mostly noise. With fewer frames a second there are fewer to average over, and
        it grows as the root of the ratio. In a smaller picture the face has fewer pixels, and it
        grows as the ratio. It is not lowered for more frames or pixels. Raises `UsageError` where
        it would have to grow more than twofold.
        """
        warnings = []
        if camera != self.camera:
            warnings.append(
                f"profile {self.name} was made with {self.camera}, this is {camera}: its noise may "
                "differ, so calibrate again if there are false alarms"
            )
        smaller = max(1.0, self.size[0] / size[0], self.size[1] / size[1])
        slower = max(1.0, self.fps / fps)
        growth = smaller * math.sqrt(slower)
        made, here = _shape(self.size, self.fps), _shape(size, fps)
        if growth > _MOST_GROWTH:
            raise UsageError(
                f"expected pictures like those of profile {self.name} ({made}); got {here}, too "
                f"little to go by what was measured then: htnet calibrate --name {self.name} again."
            )
        if growth > 1.1:
            warnings.append(
                f"profile {self.name} was made at {made}, this is {here}: its thresholds are "
                f"raised {growth:.1f} times"
            )
        elif size != self.size:
            warnings.append(
                f"profile {self.name} was made at {made}, this is {here}: its thresholds are in "
                "px of the face's crop and stay, and may be higher than need be"
            )
        if growth == 1.0:
            return self, tuple(warnings)
        grown = {
            name: Rest(rest.mean_px * growth, rest.max_px * growth)
            for name, rest in self.baseline.items()
        }
        floor_px = min(self.floor_px * growth, 100.0)
        return replace(self, baseline=grown, floor_px=floor_px), tuple(warnings)


def require_name(name: str) -> None:
    """Raise `UsageError` unless ``name`` can be a file's on every system."""
    if not _NAME.fullmatch(name) or _DEVICES.fullmatch(name):
        raise UsageError(
            "expected a profile's name of 1 to 64 letters, digits, spaces, - and _ that begins "
            f"with a letter or digit; got {name!r}: choose another, such as desk-lamp."
        )


def _shape(size: tuple[int, int], fps: float) -> str:
    return f"{size[0]} x {size[1]} and {fps:.0f} fps"
