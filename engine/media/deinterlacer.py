"""Deinterlacing of the frames that are flagged as interlaced."""

from collections.abc import Iterator
from fractions import Fraction

import av
from av.filter import Graph
from av.video.frame import VideoFrame


class Deinterlacer:
    """Motion-adaptive deinterlacer (bwdif), one frame out for each one in.

    Frames that are not flagged pass unchanged. It holds one frame back, since the next one is
    needed; `flush` gives it.
    """

    def __init__(self, first: VideoFrame) -> None:
        self._shape = _shape(first)
        graph = Graph()
        graph.threads = 1
        graph.link_nodes(
            graph.add_buffer(
                width=first.width,
                height=first.height,
                format=first.format,
                time_base=first.time_base or Fraction(1, 1000),
            ),
            graph.add("bwdif", mode="send_frame", deint="interlaced"),
            graph.add("buffersink"),
        ).configure()
        self._graph = graph

    def takes(self, frame: VideoFrame) -> bool:
        """Return True for a frame of the first one's size and format."""
        return _shape(frame) == self._shape

    def push(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        """Yield the frames that are complete once ``frame`` is known."""
        self._graph.vpush(frame)
        yield from self._pull()

    def flush(self) -> Iterator[VideoFrame]:
        """Yield the frame held back; nothing may be pushed afterwards."""
        self._graph.vpush(None)
        yield from self._pull()

    def _pull(self) -> Iterator[VideoFrame]:
        while True:
            try:
                yield self._graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return


def _shape(frame: VideoFrame) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name
