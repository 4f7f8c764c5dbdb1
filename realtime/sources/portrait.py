"""The portrait of a simulation, from a person's picture or clip."""

from pathlib import Path

from htnet.engine.errors import FaceError, UsageError
from htnet.engine.face.tracker import open_tracker
from htnet.engine.media.pictures import PICTURES, read_picture
from htnet.engine.synth.face.portrait import Portrait, load_portrait, portrait_of
from htnet.engine.types import F32, U8
from htnet.realtime.sources.base import SourceConfig, open_source


def open_portrait(face: Path | None = None) -> Portrait:
    """Return the face in a picture, or in the first frame of a video or folder that shows one.

    None: the portrait that ships. Raises `FaceError` where no face is found, `UsageError` or
    `SourceError` where nothing can be read.
    """
    if face is None:
        return load_portrait()
    tracker = open_tracker()

    def find(bgr: U8) -> F32 | None:
        tracker.reset()
        found = tracker.find(bgr, 0)
        return None if found is None else found.landmarks

    try:
        if face.suffix.lower() in PICTURES:
            return portrait_of(read_picture(face, error=UsageError), find)
        source = open_source(SourceConfig(source=str(face)))
        try:
            while (frame := source.read()) is not None:
                if find(frame.bgr) is not None:
                    return portrait_of(frame.bgr, find)
        finally:
            source.close()
    finally:
        tracker.close()
    raise FaceError(
        f"expected a face in {face}; none of its pictures shows one: give a picture or a clip of a "
        "face, seen from the front."
    )
