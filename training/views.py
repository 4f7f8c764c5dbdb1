"""Camera conditions of re-animated pairs: what may happen between a face and its flow."""

from dataclasses import dataclass

from htnet.engine.errors import UsageError
from htnet.engine.face.alignment import CROP_WIDTH
from htnet.engine.flow import SOLVERS


@dataclass(frozen=True, slots=True)
class ViewConfig:
    """What may happen to a pair between the face and the flow; nothing but size and noise unless
    asked for. Each clip draws its own numbers, evenly from every range, ``pixels`` by its logarithm.

    ``pixels``: the full movement's 99th percentile, px of the 140 x 170 crop. ``noise``: deviation
    of the sensor's noise, of 255. ``onset``: share of the movement that is under way in the onset
    frame. ``apex``: share that the apex frame has reached, because the true one was missed.
    ``shift``, ``turn``, ``zoom``: how far the head may move between them, either way: px along each
    axis, degrees, share of its size. ``registered``: the crops are taken to lie over each other;
    otherwise the head's motion is looked for and removed, as live. ``compressed``: chance that both
    frames have been JPEG pictures, of a ``quality`` of 1 to 100; the crop stands in for the frame,
    so the blocks are as large on the face as where it fills just 140 px. ``flows``: the solvers, one
    of which each clip draws.
    """

    pixels: tuple[float, float] = (1.0, 4.0)
    noise: tuple[float, float] = (0.0, 4.0)
    onset: tuple[float, float] = (0.0, 0.0)
    apex: tuple[float, float] = (1.0, 1.0)
    shift: float = 0.0
    turn: float = 0.0
    zoom: float = 0.0
    registered: bool = True
    compressed: float = 0.0
    quality: tuple[float, float] = (40, 95)
    flows: tuple[str, ...] = ("dis",)

    def __post_init__(self) -> None:
        ranges: dict[str, tuple[float, float]] = {
            "pixels": (1e-3, CROP_WIDTH),
            "noise": (0, 255),
            "onset": (0, 1),
            "apex": (0, 1),
            "quality": (1, 100),
        }
        for name, (least, most) in ranges.items():
            low, high = getattr(self, name)
            if not least <= low <= high <= most:
                raise UsageError(
                    f"expected a range of {name} that rises within {least} to {most}; got {low} to "
                    f"{high}: correct it."
                )
        if self.onset[1] >= self.apex[0]:
            raise UsageError(
                f"expected every onset before every apex; got shares of up to {self.onset[1]} and "
                f"from {self.apex[0]}: move them apart."
            )
        limits = {"shift": 10, "turn": 10, "zoom": 0.1, "compressed": 1}
        for name, limit in limits.items():
            if not 0 <= getattr(self, name) <= limit:
                raise UsageError(
                    f"expected {name} from 0 to {limit}; got {getattr(self, name)}: correct it."
                )
        if not self.flows or set(self.flows) - set(SOLVERS):
            raise UsageError(
                f"expected flow solvers among {', '.join(SOLVERS)}; got {self.flows!r}: name them."
            )


PLAIN = ViewConfig()
"""Size and noise alone."""

CAMERA = ViewConfig(
    onset=(0.0, 0.15),
    apex=(0.6, 1.0),
    shift=0.75,
    turn=0.3,
    zoom=0.004,
    registered=False,
    compressed=0.5,
    flows=("dis", "farneback"),
)
"""What a webcam does besides. The live crop follows the head on a leash of 0.75 px at its corners;
between two frames that leaves about as much as the head moves here."""

VIEWS = {"plain": PLAIN, "camera": CAMERA}
"""By name."""
