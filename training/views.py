"""Conditions of re-animated pairs: movement, noise, head motion, compression, flow solver."""

from dataclasses import dataclass

from htnet.engine.errors import UsageError
from htnet.engine.face.alignment import CROP_WIDTH
from htnet.engine.flow import SOLVERS


@dataclass(frozen=True, slots=True)
class ViewConfig:
    """Ranges of the conditions of re-animated pairs; by default only size and noise vary.

    Each clip draws its own numbers uniformly from every range, ``pixels`` uniformly in its
    logarithm.

    ``pixels``: the full movement's 99th percentile, px of the 140 x 170 crop. ``noise``: deviation
    of the sensor noise, in grey levels of 255. ``onset``: share of the movement in the onset frame.
    ``apex``: share in the apex frame, below 1 where the true apex was missed. ``shift``, ``turn``,
    ``zoom``: largest head motion between the frames, either way: px along each axis, degrees, share
    of its size. ``registered``: take the crops as registered; otherwise the head's motion is
    measured and removed, as live. ``compressed``: probability that both frames are JPEG-compressed,
    at a ``quality`` of 1 to 100. The crop is compressed in place of the frame, so the blocks are as
    large on the face as in a frame whose face is 140 px wide. ``flows``: solvers, of which each
    clip draws one.
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
"""Varies size and noise alone."""

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
"""Varies all conditions, as with a webcam. The live crop follows the head with a slack of 0.75 px
at its corners, which leaves about as much head motion between two frames as here."""

VIEWS = {"plain": PLAIN, "camera": CAMERA}
"""Conditions by name."""
