"""Settings of an H.264 encoder whose pictures have times of their own."""

from collections.abc import Mapping
from fractions import Fraction

from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc

TICKS = 1_000_000  # a second
TIME_BASE = Fraction(1, TICKS)
_BT601 = 6  # AVCOL_SPC_SMPTE170M, which readers that ignore tags take for granted


def set_up(
    encoder: VideoCodecContext,
    size: tuple[int, int],
    fps: float,
    options: Mapping[str, str],
    key_every: int,
) -> None:
    """Set one thread, 4:2:0 in BT.601 and limited range, and times in whole microseconds.

    ``size``: (width, height) px, both even. ``fps``: nominal. ``options``: libx264's.
    ``key_every``: frames from a key frame to the next at most.
    """
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = TIME_BASE
    encoder.framerate = Fraction(fps).limit_denominator(TICKS)
    encoder.thread_count = 1
    encoder.gop_size = key_every
    encoder.colorspace = _BT601
    encoder.color_range = ColorRange.MPEG
    encoder.color_primaries = ColorPrimaries.BT709
    encoder.color_trc = ColorTrc.BT709
    encoder.options.update(options)
