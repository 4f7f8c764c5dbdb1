"""Left, right and thresholds of a Tick's muscles, and the pose of its head."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from htnet.engine.types import Motion, Tick

_NONE: Final[Mapping[str, float]] = MappingProxyType({})

# MERGE: until Motion has left, right and thresholds, and until a head pose can be had, these give
# nothing and their columns are empty. Then: return motion.left and so on, and call the pose.


def left_px(motion: Motion) -> Mapping[str, float]:
    """Return the activation of each muscle's left half, px."""
    return getattr(motion, "left", _NONE)


def right_px(motion: Motion) -> Mapping[str, float]:
    """Return the activation of each muscle's right half, px."""
    return getattr(motion, "right", _NONE)


def thresholds_px(motion: Motion) -> Mapping[str, float]:
    """Return the threshold of each muscle, px."""
    return getattr(motion, "thresholds", _NONE)


def head_pose(tick: Tick) -> tuple[float, float, float] | None:
    """Return yaw, pitch and roll of the head in degrees; None where they are not known."""
    return None
