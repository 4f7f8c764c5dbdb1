"""Face detection, tracking and alignment into the canonical crop."""
