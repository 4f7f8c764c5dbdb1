"""Finding the face: MediaPipe's face mesh with the models inside its wheel.

The only module that imports mediapipe, and it does so inside, so the rest runs without it.
"""

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final, Protocol, cast

import cv2
import numpy as np

from htnet.engine.errors import DependencyError, FaceError
from htnet.engine.face import landmarks as lm
from htnet.engine.face.followed import FollowedFace, area, same_place
from htnet.engine.face.stderr import quiet
from htnet.engine.types import F32, U8, Face

MAX_FACES = 4
_BLANK: Final[U8] = np.zeros((64, 64, 3), np.uint8)


class FaceTracker(Protocol):
    """Follows one face through the frames of a source."""

    def find(self, bgr: U8, t_ns: int) -> Face | None:
        """The chosen face in ``bgr`` (H, W, 3), or None."""
        ...

    def reset(self) -> None:
        """Forget the chosen face: the next frames have nothing to do with the last ones."""
        ...

    def close(self) -> None:
        """Free the graph."""
        ...


class MeshTracker:
    """The face mesh of MediaPipe's solutions API; landmarks are raw, never smoothed in time.

    The largest of several faces is chosen and then stays the chosen one, as `FollowedFace` says:
    a graph for several faces looks at the first frame, and if the one that tracks has another in
    mind it is started on that frame with all but the chosen face blacked out. While the tracked
    face is lost the graph for several faces looks for it.
    """

    def __init__(self) -> None:
        self._tracker = _mesh(static_image_mode=False, max_num_faces=1)
        self._finder = _mesh(static_image_mode=True, max_num_faces=MAX_FACES)
        self._followed = FollowedFace()
        self._picture: U8 | None = None
        self._following = False
        self._met = False
        self._shape: tuple[int, ...] = ()

    def find(self, bgr: U8, t_ns: int) -> Face | None:
        """The chosen face in ``bgr`` (H, W, 3) uint8, or None."""
        self._picture = rgb = _rgb(bgr, self._picture)
        if bgr.shape != self._shape:  # the graph's memory is in fractions of a picture of one shape
            self._let_go()
            self._shape = bgr.shape
        tracked = _run(self._tracker, rgb) if self._following else []
        points, another = self._followed.follow(rgb, tracked, t_ns), False
        if points is None:
            self._let_go()
            chosen = self._choose(rgb, t_ns)
            if chosen is None:
                return None
            points, another = chosen
        self._following = True
        return Face(landmarks=points, openness=eye_openness(points), another=another)

    def reset(self) -> None:
        """Forget the chosen face."""
        self._let_go()
        self._followed.forget()

    def close(self) -> None:
        """Free both graphs."""
        self._tracker.close()
        self._finder.close()

    def _let_go(self) -> None:
        """Make the tracker forget where its face was: on a black picture it loses it, which takes 2
        to 3 ms where starting its graph anew takes 20."""
        if self._following:
            self._following = False
            _run(self._tracker, _BLANK)

    def _restart(self) -> None:
        with quiet():
            self._tracker.reset()
            _wait_for_models(self._tracker)

    def _choose(self, rgb: U8, t_ns: int) -> tuple[F32, bool] | None:
        # A graph greets on its first face too. Once the finder has had its own it runs unhushed, so
        # that what others write to stderr is not lost for as long as nobody is in the picture.
        with nullcontext() if self._met else quiet():
            faces = _run(self._finder, rgb)
        chosen = self._followed.choose(rgb, faces, t_ns)
        if chosen is None:
            return None
        best, another = chosen
        with nullcontext() if self._met else quiet():
            self._met = True
            # Mostly the tracker detects that very face, and starting it anew takes 20 ms.
            points = _first(_run(self._tracker, rgb))
            if points is None or not same_place(points, best):
                self._restart()
                points = _first(_run(self._tracker, _only(rgb, best)))
        if points is None or not same_place(points, best):
            return best, another
        return points, another


class TaskTracker:
    """MediaPipe Tasks with a ``face_landmarker.task`` of the user's own.

    Runs picture by picture (image mode): the video mode smooths landmarks over time when it
    follows one face, which eats micro-movements.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise FaceError(
                f"expected a MediaPipe face landmarker at {path}; there is no such file: "
                "give the path of a face_landmarker.task, or leave --landmarker out."
            )
        try:
            model = path.read_bytes()
        except OSError as error:
            raise FaceError(
                f"expected a MediaPipe face landmarker at {path}; it cannot be read "
                f"({error.strerror}): check its permissions, or leave --landmarker out."
            ) from None
        mp = _mediapipe()
        vision = mp.tasks.vision
        options = vision.FaceLandmarkerOptions(
            base_options=mp.tasks.BaseOptions(model_asset_buffer=model),
            running_mode=vision.RunningMode.IMAGE,
            num_faces=MAX_FACES,
        )
        try:
            with quiet():
                self._landmarker = vision.FaceLandmarker.create_from_options(options)
        except (RuntimeError, ValueError) as error:
            raise FaceError(
                f"expected a MediaPipe face landmarker in {path}; MediaPipe cannot read it "
                f"({str(error).splitlines()[0]}): download face_landmarker.task again, or leave "
                "--landmarker out."
            ) from None
        self._path = path
        self._image = mp.Image
        self._srgb = mp.ImageFormat.SRGB
        self._followed = FollowedFace()

    def find(self, bgr: U8, t_ns: int) -> Face | None:
        """The chosen face in ``bgr`` (H, W, 3) uint8, or None."""
        rgb = _rgb(bgr)
        height, width = rgb.shape[:2]
        try:
            result = self._landmarker.detect(self._image(image_format=self._srgb, data=rgb))
        except RuntimeError:  # a bundle that opens may still hold models of another kind
            raise FaceError(
                f"expected a MediaPipe face landmarker in {self._path}; its models do not fit "
                "together: download face_landmarker.task again, or leave --landmarker out."
            ) from None
        faces = [_points(face, width, height) for face in result.face_landmarks]
        chosen = self._followed.choose(rgb, faces, t_ns)
        if chosen is None:
            return None
        points, another = chosen
        return Face(landmarks=points, openness=eye_openness(points), another=another)

    def reset(self) -> None:
        """Forget the chosen face."""
        self._followed.forget()

    def close(self) -> None:
        """Free the graph."""
        self._landmarker.close()


def open_tracker(landmarker: Path | None = None) -> FaceTracker:
    """The tracker to use: the mesh inside MediaPipe's wheel, or a ``.task`` file."""
    return MeshTracker() if landmarker is None else TaskTracker(landmarker)


def find_face(bgr: U8) -> Face | None:
    """The largest face of a single picture (H, W, 3) uint8, or None."""
    with quiet(), _mesh(static_image_mode=True, max_num_faces=MAX_FACES) as graph:
        faces = _run(graph, _rgb(bgr))
    if not faces:
        return None
    points = max(faces, key=area)
    return Face(landmarks=points, openness=eye_openness(points))


def eye_openness(points: F32) -> float:
    """Height over width of the more open eye (the eye aspect ratio of Soukupova and Cech, 2016).

    ``points``: (478, 2). About 0.3 when open, under 0.15 when closed.
    """
    openness = []
    for (outer, inner), lids in (
        (lm.LEFT_EYE_CORNERS, lm.LEFT_LIDS),
        (lm.RIGHT_EYE_CORNERS, lm.RIGHT_LIDS),
    ):
        width = float(np.linalg.norm(points[outer] - points[inner]))
        heights = [float(np.linalg.norm(points[up] - points[low])) for up, low in lids]
        openness.append(sum(heights) / len(heights) / max(width, 1e-6))
    return max(openness)


def _rgb(bgr: U8, into: U8 | None = None) -> U8:
    """The picture as RGB; ``into`` is written over if it fits, as the graphs copy what they get."""
    return cast(U8, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=into))


def _run(graph: Any, rgb: U8) -> list[F32]:
    height, width = rgb.shape[:2]
    found = graph.process(rgb).multi_face_landmarks
    return [_points(face, width, height) for face in found or ()]


# A landmark as protobuf writes it: a tag, a length, then x, y and z each behind a tag. Reading that
# takes 0.03 ms a face; asking every landmark for its x and y takes 0.2 to 0.3.
_TAGS = {0: b"\x0a", 1: b"\x0f", 2: b"\x0d", 7: b"\x15", 12: b"\x1d"}
_WIRE = np.dtype({"names": ["x", "y"], "formats": ["<f4"] * 2, "offsets": [3, 8], "itemsize": 17})


def _points(face: Any, width: int, height: int) -> F32:
    raw = face.SerializeToString() if hasattr(face, "SerializeToString") else b""
    points: F32
    if len(raw) == lm.POINTS * _WIRE.itemsize and all(
        raw[place :: _WIRE.itemsize] == tag * lm.POINTS for place, tag in _TAGS.items()
    ):
        wire = np.frombuffer(raw, _WIRE)
        points = np.empty((lm.POINTS, 2), np.float32)
        np.multiply(wire["x"], np.float32(width), out=points[:, 0])
        np.multiply(wire["y"], np.float32(height), out=points[:, 1])
        return points
    listed = getattr(face, "landmark", face)  # the Tasks API gives a plain list
    points = np.array([(p.x, p.y) for p in listed], np.float32)
    return points * np.array([width, height], np.float32)


def _first(faces: list[F32]) -> F32 | None:
    return faces[0] if faces else None


def _only(rgb: U8, points: F32) -> U8:
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.5 * (high - low)
    x0, y0 = np.maximum(low - margin, 0).astype(int)
    x1, y1 = (high + margin).astype(int)
    alone = np.zeros_like(rgb)
    alone[y0:y1, x0:x1] = rgb[y0:y1, x0:x1]
    return alone


def _mesh(*, static_image_mode: bool, max_num_faces: int) -> Any:
    mp = _mediapipe()
    with quiet():
        graph = mp.solutions.face_mesh.FaceMesh(
            static_image_mode=static_image_mode,
            max_num_faces=max_num_faces,
            refine_landmarks=True,
            min_detection_confidence=0.4,
            min_tracking_confidence=0.5,
        )
        _wait_for_models(graph)
    return graph


def _wait_for_models(graph: Any) -> None:
    """A graph's models open in threads of their own and greet there, before its first result."""
    graph.process(_BLANK)


def _mediapipe() -> Any:
    os.environ.setdefault("GLOG_minloglevel", "3")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with quiet():
            import mediapipe
    except (ImportError, AttributeError) as error:
        raise DependencyError(
            f"expected mediapipe 0.10.21 to find faces; importing it failed ({error}): run "
            "'pip install mediapipe==0.10.21', and on a minimal Linux also install libgl1 and "
            "libglib2.0-0."
        ) from None
    return mediapipe
