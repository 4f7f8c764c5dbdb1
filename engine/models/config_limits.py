"""Limits of network configs, since configs are also read from files of unknown origin."""

from typing import Any

_LARGEST = 1 << 16


def within(config: Any, *sizes: int, dropout: float = 0.0) -> None:
    """Raise `ValueError` unless every size is in 1..65536 and ``dropout`` in [0, 1)."""
    if min(sizes) < 1 or max(sizes) > _LARGEST:
        raise ValueError(f"sizes are whole numbers from 1 to {_LARGEST}, got {config}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is a chance below 1, got {config}")


def channels_of(config: Any, channels: tuple[int, ...], count: int, of: int) -> None:
    """Raise `ValueError` unless ``channels`` are ``count`` different indices below ``of``."""
    inside = all(0 <= channel < of for channel in channels)
    if len(channels) != count or len(set(channels)) != count or not inside:
        raise ValueError(f"expected {count} of the channels 0..{of - 1}, got {config}")
