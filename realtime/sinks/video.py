"""The overlay as a video file, in the Ticks' own time."""

from pathlib import Path
from types import TracebackType
from typing import Self

from htnet.engine.errors import UsageError
from htnet.engine.media.video_file import MUXERS
from htnet.engine.media.video_writer import VideoWriter
from htnet.engine.types import Tick
from htnet.realtime.overlay.compose import Overlay
from htnet.realtime.sinks.paths import writable


class OverlayVideo:
    """A video of every Tick's scene, each shown from its own time on; gaps are kept.

    ``fps``: nominal rate of the header. ``sound``: a file whose sound is kept; ``start_ns``: the
    time of the Ticks that is 0 in the video. See `VideoWriter`. With an ``overlay`` shared with a
    window, a Tick is drawn once.
    """

    def __init__(
        self,
        path: str | Path,
        fps: float,
        overlay: Overlay | None = None,
        *,
        option: str = "--overlay-video",
        sound: Path | None = None,
        start_ns: int | None = None,
    ) -> None:
        if Path(path).suffix.lower() not in MUXERS:
            raise UsageError(
                f"expected a video's name ending in {', '.join(MUXERS)} after {option}, but got "
                f"{str(path)!r}; use for example out.mp4"
            )
        if not 1 <= fps <= 1000:
            raise UsageError(f"expected 1 to 1000 frames a second for {option}, but got {fps:g}")
        self.path = writable(path, option)
        self._overlay = overlay or Overlay()
        self._writer = VideoWriter(self.path, fps, start_ns=start_ns, sound=sound)

    @property
    def frames(self) -> int:
        """Number of frames written."""
        return self._writer.frames

    def __enter__(self) -> Self:
        return self

    def write(self, tick: Tick) -> None:
        """Add ``tick`` at its time."""
        self._writer.write(self._overlay.annotate(tick), tick.frame.t_ns)

    def close(self) -> None:
        """Finish the file; a second call does nothing. Raises `OutputError`."""
        self._writer.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, trace)
