"""A video file under way: encoder, muxer and sound, in the thread that calls."""

from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import PictureType

from htnet.engine.media.h264 import TICKS, TIME_BASE, set_up
from htnet.engine.media.sound import SoundTrack
from htnet.engine.types import U8

MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""FFmpeg's muxer by suffix. An .avi is none of them: it holds a rate, and no times."""

TICK_NS = 1_000
_FRAGMENT = TICKS // 4  # ticks
_KEY_EVERY = TICKS
_LONGEST = 1800 * TICKS  # MP4 holds durations of 32 bits: a picture shown for longer is repeated

_ENCODER = {"preset": "ultrafast", "tune": "zerolatency", "crf": "20", "forced-idr": "1"}


class VideoFile:
    """A file of H.264 pictures of one even ``size`` (width, height), and of a sound.

    On disk after a quarter of a second of its own time. ``start_ns``: the time that is 0 in the
    file; None: the sound's beginning or ``first_ns``, the first picture's time, if that is earlier.
    All methods raise `av.FFmpegError`.
    """

    def __init__(
        self,
        path: Path,
        fps: float,
        size: tuple[int, int],
        first_ns: int,
        start_ns: int | None = None,
        sound: Path | None = None,
    ) -> None:
        muxer = MUXERS[path.suffix.lower()]
        at_zero = sound is None and start_ns in (None, first_ns)
        self._output = av.open(
            str(path.absolute()), "w", format=muxer, container_options=_options(muxer, at_zero)
        )
        rate = Fraction(fps).limit_denominator(TICKS)
        self._stream = self._output.add_stream("libx264", rate=rate)
        self._stream.time_base = TIME_BASE
        # key frames are asked for by time
        set_up(self._stream.codec_context, size, fps, _ENCODER, key_every=10_000)
        self._sound = SoundTrack.of(sound, self._output)
        if start_ns is None:
            start_ns = first_ns if self._sound is None else min(self._sound.start_ns, first_ns)
        if self._sound is not None:
            self._sound.start_ns = start_ns
        self.start_ns = start_ns
        self._key = -_KEY_EVERY
        self._last: tuple[U8, int] | None = None

    def add(self, yuv: U8, ticks: int) -> None:
        """Add a picture (3 H / 2, W), YUV 4:2:0 in BT.601 and limited range, and the sound so far.

        ``ticks`` rise from picture to picture.
        """
        while self._last is not None and ticks - self._last[1] > _LONGEST:
            self._encode(self._last[0], self._last[1] + _LONGEST)
        self._encode(yuv, ticks)

    def finish(self, ticks: int) -> None:
        """Add the sound up to ``ticks`` and end the file."""
        try:
            if self._sound is not None:
                self._sound.copy_until(ticks * TICK_NS)
            self._output.mux(self._stream.encode(None))
        finally:
            if self._sound is not None:
                self._sound.close()
            self._output.close()

    def _encode(self, yuv: U8, ticks: int) -> None:
        self._last = yuv, ticks
        frame = av.VideoFrame.from_ndarray(yuv, format="yuv420p")
        frame.pts, frame.time_base = ticks, TIME_BASE
        if ticks - self._key >= _KEY_EVERY:
            self._key, frame.pict_type = ticks, PictureType.I
        if self._sound is not None:
            self._sound.copy_until(ticks * TICK_NS)
        self._output.mux(self._stream.encode(frame))


def _options(muxer: str, at_zero: bool) -> dict[str, str]:
    """Return the muxer's options; ``at_zero``: the first picture is shown from 0 on."""
    flushed = {"flush_packets": "1", "max_interleave_delta": str(_FRAGMENT)}
    if muxer == "matroska":  # a cluster a picture: it is written when the next one comes
        return {"cluster_time_limit": "0", **flushed}
    # Fragments while it grows, an ordinary file with one index once it is closed. A header that is
    # written at once lets a file of no fragment be opened, and knows no later start.
    flags = "hybrid_fragmented+default_base_moof+" + ("empty_moov" if at_zero else "delay_moov")
    options = {"movflags": flags, "frag_duration": str(_FRAGMENT), "movie_timescale": str(TICKS)}
    return options | flushed
