"""Recorder of a calibration: collects seconds of a neutral face and returns their profile."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from htnet.calib.calibration.advice import advise, rejection, too_few_open
from htnet.calib.calibration.baseline import (
    camera_noise,
    frame_rate,
    neutral_baseline,
    noise_floor_px,
)
from htnet.calib.calibration.flicker import find_flicker
from htnet.calib.calibration.measurements import Measurement, Sampler
from htnet.engine.types import NS_PER_MS, Tick
from htnet.realtime.profiles.profile import Profile

_JUDGED_EVERY_NS = 250 * NS_PER_MS
_LOST_NS = 300 * NS_PER_MS
_KEPT = 4096  # ten seconds at 400 frames a second


@dataclass(frozen=True, slots=True)
class RecorderConfig:
    """Configuration of a recorder.

    ``seconds``: length of the measurement. ``settle_s``: time before it in which camera and running
    onset settle. ``wait_s``: longest wait for a face. ``expected_fps``: frame rate asked of the
    camera. ``p``: as in `Profile`.
    """

    seconds: float = 10.0
    settle_s: float = 1.5
    wait_s: float = 10.0
    expected_fps: float | None = None
    p: float = 1.5


class CalibrationRecorder:
    """Collects measurements of the Ticks of a run whose spotter never fires."""

    def __init__(self, config: RecorderConfig | None = None) -> None:
        self._config = config or RecorderConfig()
        self._sampler = Sampler()
        self._size = (0, 0)
        self.again()

    def again(self) -> None:
        """Discard the measurements and begin a new try."""
        self._samples: list[Measurement] = []
        self._began_ns: int | None = None
        self._settled_ns: int | None = None
        self._seen_ns = 0
        self._now_ns = 0
        self._judged_ns = 0
        self._spoiled: str | None = None

    def take(self, tick: Tick) -> None:
        """Add the Tick of the next frame."""
        t_ns = tick.frame.t_ns
        sample = self._sampler.take(tick)
        height, width = tick.frame.bgr.shape[:2]
        self._size = width, height
        self._now_ns = t_ns
        if self._began_ns is None:
            self._began_ns = t_ns
        started = self._settled_ns is not None
        broken = tick.frame.fresh or (tick.face is not None and tick.face.another)
        if sample is None:
            if started and t_ns - self._seen_ns > _LOST_NS:
                self._spoiled = "your face was lost: stay in the picture"
            elif not started and t_ns - self._began_ns > self._config.wait_s * 1e9:
                self._spoiled = "no face came: sit in front of the camera"
            return
        if started and (broken or t_ns - self._seen_ns > _LOST_NS):
            self._spoiled = "your face was lost for a moment: stay in the picture"
        if not started:
            self._settled_ns = t_ns + round(self._config.settle_s * 1e9)
            self._judged_ns = self._settled_ns
        self._seen_ns = t_ns
        assert self._settled_ns is not None
        if t_ns < self._settled_ns or len(self._samples) == _KEPT:
            return
        self._samples.append(sample)
        if t_ns - self._judged_ns >= _JUDGED_EVERY_NS:
            self._judged_ns = t_ns
            self._spoiled = self._spoiled or rejection(self._samples)
        if self.progress >= 1.0:
            self._spoiled = (
                self._spoiled or rejection(self._samples, ended=True) or too_few_open(self._samples)
            )

    @property
    def progress(self) -> float:
        """Fraction of the seconds that is measured, 0 to 1."""
        if not self._samples:
            return 0.0
        passed = (self._samples[-1].t_ns - self._samples[0].t_ns) / 1e9
        return min(1.0, passed / self._config.seconds)

    def spoiled(self) -> str | None:
        """Return the reason for which this try is rejected and the remedy; None while it is not."""
        return self._spoiled

    def advice(self) -> str:
        """Return the most important advice, a sentence; "" if there is none."""
        if not self._samples:
            waited = self._began_ns is not None and self._now_ns - self._began_ns > _LOST_NS
            missing = self._settled_ns is None and waited
            return advise([])[0] if missing else "get ready"
        if self._now_ns - self._seen_ns > _LOST_NS / 2:
            return advise([])[0]
        return next(iter(advise(self._samples, self._config.expected_fps)), "")

    def result(self, name: str, camera: str, made: datetime, locked: tuple[str, ...]) -> Profile:
        """Return the profile; raises `ValueError` for a try that is not finished."""
        if self.progress < 1.0 or self._spoiled is not None:
            raise ValueError("the calibration is not done")
        samples = self._samples
        fps, jitter_ms = frame_rate(samples)
        index = np.array([sample.index for sample in samples], np.int64)
        flicker = find_flicker(index, np.array([sample.grey for sample in samples]), fps)
        return Profile(
            name=name,
            made=made.isoformat(timespec="seconds"),
            camera=camera,
            size=self._size,
            fps=round(fps, 2),
            jitter_ms=round(jitter_ms, 2),
            noise=round(camera_noise(samples), 2),
            mains_hz=None if flicker is None else flicker.mains_hz,
            baseline=neutral_baseline(samples),
            p=self._config.p,
            floor_px=round(noise_floor_px(samples), 3),
            locked=locked,
            notes=tuple(advise(samples, self._config.expected_fps)),
        )
