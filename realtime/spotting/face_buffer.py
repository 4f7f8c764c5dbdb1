"""The ring buffer of aligned faces, in memory allocated once."""

import numpy as np

from htnet.engine.face.alignment import CROP_HEIGHT, CROP_WIDTH
from htnet.engine.face.landmarks import POINTS
from htnet.engine.types import AlignedFace


class FaceBuffer:
    """Ring buffer of ``seconds`` of aligned faces, read by time.

    Memory is for ``seconds * max_fps`` faces. Faces closer together than the period of ``max_fps``
    are not kept, so that a faster source does not shorten the time that is held. Faces are returned
    as copies.
    """

    def __init__(self, seconds: float = 6.0, max_fps: float = 240.0) -> None:
        self._span_ns = int(seconds * 1e9)
        # A tenth of slack, so that jittered stamps of a source at max_fps are all kept.
        self._period_ns = int(0.9e9 / max_fps)
        slots = self._span_ns // self._period_ns + 2
        self._gray = np.zeros((slots, CROP_HEIGHT, CROP_WIDTH), np.uint8)
        self._landmarks = np.zeros((slots, POINTS, 2), np.float32)
        self._to_crop = np.zeros((slots, 2, 3), np.float64)
        self._openness = np.zeros(slots, np.float64)
        self._index = np.zeros(slots, np.int64)
        self._t_ns = np.zeros(slots, np.int64)
        self._usable = np.zeros(slots, np.bool_)
        self._start = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def clear(self) -> None:
        """Forget all faces."""
        self._count = 0

    def push(self, face: AlignedFace, *, usable: bool = True) -> None:
        """Keep ``face``; ``usable``: it may serve as an onset (eyes open)."""
        slots = len(self._t_ns)
        if self._count and face.t_ns - self._t_ns[self._slot(self._count - 1)] < self._period_ns:
            return
        if self._count == slots:
            self._start = (self._start + 1) % slots
            self._count -= 1
        slot = self._slot(self._count)
        self._gray[slot] = face.gray
        self._landmarks[slot] = face.landmarks
        self._to_crop[slot] = face.to_crop
        self._openness[slot] = face.openness
        self._index[slot] = face.frame_index
        self._t_ns[slot] = face.t_ns
        self._usable[slot] = usable
        self._count += 1
        while self._count and face.t_ns - self._t_ns[self._start] > self._span_ns:
            self._start = (self._start + 1) % slots
            self._count -= 1

    def spoil_since(self, t_ns: int) -> None:
        """Mark the faces from ``t_ns`` on as no onset."""
        for place in range(self._last_at_or_before(t_ns - 1) + 1, self._count):
            self._usable[self._slot(place)] = False

    def onset_before(self, t_ns: int) -> AlignedFace:
        """Return the newest usable face at or before ``t_ns``.

        Without one, the oldest usable face, else the oldest. Raises `LookupError` when the buffer
        is empty.
        """
        if not self._count:
            raise LookupError("the buffer is empty")
        last = self._last_at_or_before(t_ns)
        places = (*range(last, -1, -1), *range(last + 1, self._count))
        usable = (place for place in places if self._usable[self._slot(place)])
        return self._copy(next(usable, 0))

    def nearest(self, t_ns: int) -> AlignedFace:
        """Return the face closest in time to ``t_ns``.

        Raises `LookupError` when the buffer is empty.
        """
        if not self._count:
            raise LookupError("the buffer is empty")
        before = self._last_at_or_before(t_ns)
        places = [p for p in (before, before + 1) if 0 <= p < self._count]
        return self._copy(min(places, key=lambda p: abs(int(self._t_ns[self._slot(p)]) - t_ns)))

    def _slot(self, place: int) -> int:
        return (self._start + place) % len(self._t_ns)

    def _last_at_or_before(self, t_ns: int) -> int:
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            if self._t_ns[self._slot(middle)] <= t_ns:
                low = middle + 1
            else:
                high = middle
        return low - 1

    def _copy(self, place: int) -> AlignedFace:
        slot = self._slot(place)
        return AlignedFace(
            frame_index=int(self._index[slot]),
            t_ns=int(self._t_ns[slot]),
            gray=self._gray[slot].copy(),
            landmarks=self._landmarks[slot].copy(),
            to_crop=self._to_crop[slot].copy(),
            openness=float(self._openness[slot]),
        )
