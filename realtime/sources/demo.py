"""The demo clip as a source."""

from htnet.engine.synth.demo import DemoConfig, render_demo
from htnet.engine.synth.schedule.ground_truth import SimulatedEvent
from htnet.engine.types import Frame

__all__ = ["DemoConfig", "DemoSource", "SimulatedEvent"]


class DemoSource:
    """The demo clip of a seed; ``truth``: the expressions in it."""

    live = False

    def __init__(self, config: DemoConfig | None = None) -> None:
        self._clip = render_demo(config)
        self._next = 0
        self.name = f"demo, seed {self._clip.config.seed}"
        self.truth: tuple[SimulatedEvent, ...] = self._clip.truth
        self.fps = self._clip.config.fps

    def read(self) -> Frame | None:
        """Return the next frame; None at the end."""
        if self._next == len(self._clip):
            return None
        frame = self._clip.frame(self._next)
        self._next += 1
        return frame

    def close(self) -> None:
        """Do nothing: no device is held."""
