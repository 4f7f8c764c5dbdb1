"""Face tracker of faces that are known already."""

from htnet.engine.types import U8, Face


class GivenFace:
    """A `FaceTracker` that finds the face that was set for the frame; ``face``: None for none."""

    def __init__(self) -> None:
        self.face: Face | None = None

    def find(self, bgr: U8, t_ns: int) -> Face | None:
        """Return the face that was set."""
        return self.face

    def reset(self) -> None:
        """Forget nothing: the face is set anew for each frame."""

    def close(self) -> None:
        """Free nothing."""
