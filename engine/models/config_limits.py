"""What no network's config may be beyond; configs are also read from files that others made."""

from typing import Any

LARGEST = 1 << 16


def within(config: Any, *sizes: int, dropout: float = 0.0) -> None:
    """Raise `ValueError` unless every size is 1..65536 and ``dropout`` a chance below 1."""
    if min(sizes) < 1 or max(sizes) > LARGEST:
        raise ValueError(f"sizes are whole numbers from 1 to {LARGEST}, got {config}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is a chance below 1, got {config}")


def channels_of(config: Any, channels: tuple[int, ...], count: int, of: int) -> None:
    """Raise `ValueError` unless ``channels`` are ``count`` different ones ``of`` a picture's."""
    inside = all(0 <= channel < of for channel in channels)
    if len(channels) != count or len(set(channels)) != count or not inside:
        raise ValueError(f"expected {count} of the channels 0..{of - 1}, got {config}")
