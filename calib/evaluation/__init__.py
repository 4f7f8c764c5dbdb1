"""Live recognition held against what is known to happen in a video."""
