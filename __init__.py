"""htnet: micro-expressions recognised live from an ordinary webcam."""

__version__ = "0.1.0"
