"""Real footage of one face, played forwards and backwards, with movements warped in."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from htnet.engine.errors import FaceError, UsageError
from htnet.engine.face.alignment import crop_transform
from htnet.engine.face.tracker import FaceTracker
from htnet.engine.synth.camera.sensor import Sensor
from htnet.engine.synth.camera.sensor_noise import measured_noise
from htnet.engine.synth.face.eyelids import both_lids
from htnet.engine.synth.face.time_course import TimeCourse
from htnet.engine.synth.injection.movement import Injected, displaced, warp
from htnet.engine.types import F32, U8, Frame

SLOWEST_FPS = 10.0
SHORTEST_S = 1.5
DIMMEST = 20.0
_MARGIN = 0.9  # of the face's size: surroundings kept on every side
_LARGEST = 720  # px: larger surroundings are scaled down to it
_MOST = 2 * 1_500_000_000  # twice the bytes of the longest stretch; later frames are left out


@dataclass(frozen=True, slots=True, eq=False)
class Footage:
    """A face and its surroundings on video.

    ``pictures``: (H, W, 3) each, uint8 BGR. ``t_ns``: (N,) their times. ``landmarks``: (478, 2) px
    of the picture each. ``noise``: standard deviation of the camera's noise, grey levels.
    """

    name: str
    pictures: Sequence[U8]
    t_ns: NDArray[np.int64]
    landmarks: Sequence[F32]
    noise: float

    @property
    def fps(self) -> float:
        """Frames a second, from the median interval."""
        return 1e9 / float(np.median(np.diff(self.t_ns)))

    def mirrored(self, tracker: FaceTracker) -> "Footage":
        """Return the mirror image, with the face tracked anew."""
        frames = (
            Frame(i, int(t), np.ascontiguousarray(picture[:, ::-1]))
            for i, (t, picture) in enumerate(zip(self.t_ns, self.pictures, strict=True))
        )
        return footage_of(self.name, frames, tracker)


def footage_of(name: str, frames: Iterable[Frame], tracker: FaceTracker) -> Footage:
    """Return the longest stretch of ``frames`` with one face in it, of at most 1.5 GB.

    Raises `FaceError` without a face, and `UsageError` for a stretch too short, too slow or too dim
    to hold a movement of half a second.
    """
    tracker.reset()
    longest: list[_Seen] = []
    stretch: list[_Seen] = []
    for frame in frames:
        face = tracker.find(frame.bgr, frame.t_ns)
        if face is None or face.another or frame.fresh:
            longest, stretch = max(longest, stretch, key=len), []
        if face is not None:
            stretch.append(_seen(frame, face.landmarks, stretch))
            if sum(each.bgr.nbytes for each in (stretch[0], stretch[-1])) * len(stretch) > _MOST:
                break
    longest = max(longest, stretch, key=len)
    if len(longest) < 2:
        raise FaceError(
            f"expected a face in {name}; found none: film one from the front, in good light."
        )
    times = np.array([each.t_ns for each in longest], np.int64)
    fps = 1e9 / float(np.median(np.diff(times)))
    if fps < SLOWEST_FPS:
        raise UsageError(
            f"expected at least {SLOWEST_FPS:g} frames a second in {name}, since a "
            f"micro-expression falls between fewer; got {fps:.1f}: film it faster or in more light."
        )
    seconds = (times[-1] - times[0]) / 1e9
    if seconds < SHORTEST_S:
        raise UsageError(
            f"expected at least {SHORTEST_S:g} s of one face in {name}; got {seconds:.1f} s: film "
            "it for longer, the face in the picture throughout."
        )
    pictures, landmarks = _surroundings([s.bgr for s in longest], [s.landmarks for s in longest])
    footage = Footage(name, pictures, times, landmarks, _noise(pictures, landmarks))
    grey = float(np.median([_grey(p, m) for p, m in zip(pictures, landmarks, strict=True)]))
    if grey < DIMMEST:
        raise UsageError(
            f"expected a face of at least {DIMMEST:g} of 255 grey levels in {name}; got "
            f"{grey:.0f}: turn on a light, or open the camera's exposure."
        )
    return footage


def footage_scale(landmarks: F32) -> float:
    """Return the factor that resizes a picture of this face to the largest that a footage keeps."""
    return _LARGEST / ((1 + 2 * _MARGIN) * float(np.ptp(landmarks, axis=0).max()))


@dataclass(frozen=True, slots=True)
class PassConfig:
    """One pass through a footage.

    ``start``: first frame, as a fraction of the footage. ``tempo``: speed relative to the original.
    ``noise``: standard deviation of the added noise, grey levels.
    """

    seconds: float
    start: float = 0.0
    backwards: bool = False
    tempo: float = 1.0
    noise: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """A footage played to and fro with movements and blinks; equal values give equal frames."""

    footage: Footage
    config: PassConfig
    movements: tuple[Injected, ...] = ()
    blinks: tuple[TimeCourse, ...] = ()

    def frames(self) -> Iterator[Frame]:
        """Yield the frames, their times from 0 on."""
        footage, config = self.footage, self.config
        height, width = footage.pictures[0].shape[:2]
        sensor = Sensor((width, height), config.seed, config.noise)
        for index, (place, t_ns) in enumerate(self.order()):
            picture = footage.pictures[place]
            blink = max((pulse.at(t_ns) for pulse in self.blinks), default=0.0)
            if blink > 0:
                picture = _closed(picture, footage.landmarks[place], blink)
            moved = displaced(self.movements, t_ns)
            if moved is not None:
                picture = warp(picture, crop_transform(footage.landmarks[place]), moved)
            yield Frame(index, t_ns, sensor.expose(picture, t_ns, index))

    def order(self) -> Iterator[tuple[int, int]]:
        """Yield each frame's index into the footage and its time in ns, played to and fro."""
        times, config = self.footage.t_ns, self.config
        last = len(times) - 1
        place = min(int(config.start * len(times)), last)
        step = -1 if config.backwards else 1
        now = 0.0
        while now < config.seconds * 1e9:
            yield place, round(now)
            if not 0 <= place + step <= last:
                step = -step
            now += abs(int(times[place + step] - times[place])) / config.tempo
            place += step


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A picture with a face, scaled by ``scale`` like all of its stretch."""

    bgr: U8
    t_ns: int
    landmarks: F32
    scale: float


def _seen(frame: Frame, landmarks: F32, stretch: Sequence[_Seen]) -> _Seen:
    """Scale a frame down where the stretch's first face is large, to keep less in memory."""
    scale = stretch[0].scale if stretch else min(1.0, footage_scale(landmarks))
    if scale == 1.0:
        return _Seen(frame.bgr, frame.t_ns, landmarks, scale)
    height, width = frame.bgr.shape[:2]
    shape = (max(round(width * scale), 1), max(round(height * scale), 1))
    small = np.asarray(cv2.resize(frame.bgr, shape, interpolation=cv2.INTER_AREA), np.uint8)
    gain = np.array(shape, np.float32) / np.array([width, height], np.float32)
    return _Seen(small, frame.t_ns, rescaled(landmarks, gain), scale)


def rescaled(points: F32, gain: F32) -> F32:
    """Scale points (N, 2) with a picture resized by ``gain`` (2,), pixel centres at .5."""
    return ((points + np.float32(0.5)) * gain - np.float32(0.5)).astype(np.float32)


def _closed(picture: U8, landmarks: F32, closure: float) -> U8:
    """Return the picture with its lids closed by ``closure``, 0 to 1."""
    out = picture.copy()
    height, width = picture.shape[:2]
    for lid in both_lids(landmarks):
        top, bottom, left, right = lid.box
        if top < 0 or left < 0 or bottom > height or right > width:
            continue
        out[top:bottom, left:right] = lid.close(out, closure)
    return out


def _surroundings(
    pictures: Sequence[U8], landmarks: Sequence[F32]
) -> tuple[Sequence[U8], Sequence[F32]]:
    """Crop all pictures to the face and its surroundings, scaled down where large."""
    every = np.concatenate(landmarks)
    low, high = every.min(axis=0), every.max(axis=0)
    size = float(np.median([np.ptp(points, axis=0).max() for points in landmarks]))
    height, width = pictures[0].shape[:2]
    x0, y0 = np.maximum(low - _MARGIN * size, 0).astype(int)
    x1, y1 = np.minimum(high + _MARGIN * size, (width, height)).astype(int)
    scale = min(1.0, _LARGEST / max(x1 - x0, y1 - y0))
    if scale == 1.0:
        cut = [np.ascontiguousarray(picture[y0:y1, x0:x1]) for picture in pictures]
    else:
        shape = (round((x1 - x0) * scale), round((y1 - y0) * scale))
        cut = [
            np.asarray(cv2.resize(p[y0:y1, x0:x1], shape, interpolation=cv2.INTER_AREA), np.uint8)
            for p in pictures
        ]
    offset = np.array([x0, y0], np.float32)
    gain = np.array(cut[0].shape[1::-1], np.float32) / np.array([x1 - x0, y1 - y0], np.float32)
    moved = [rescaled(points - offset, gain) for points in landmarks]
    return cut, moved


def _grey(picture: U8, landmarks: F32) -> float:
    return float(_face(picture, landmarks).mean())


def _face(picture: U8, landmarks: F32) -> F32:
    """Return the gray box round the landmarks, (H, W)."""
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    x0, y0 = np.maximum(low, 0).astype(int)
    x1, y1 = high.astype(int) + 1
    return np.asarray(cv2.cvtColor(picture[y0:y1, x0:x1], cv2.COLOR_BGR2GRAY), np.float32)


def _noise(pictures: Sequence[U8], landmarks: Sequence[F32]) -> float:
    """Return the noise's deviation in grey levels, from changes of the face between pictures."""
    changes = [
        _face(after, points) - _face(before, points)
        for before, after, points in zip(pictures, pictures[1:], landmarks, strict=False)
    ]
    found = [measured_noise([each]) for each in changes if min(each.shape) >= 5]
    found = [each for each in found if each > 0]  # a repeated frame has none
    return float(np.median(found)) if found else 0.0
