"""Face tracking with MediaPipe's face mesh, whose models are inside its wheel.

The only module that imports mediapipe. It does so inside functions, so the rest runs without it.
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
from htnet.engine.face.stderr import suppress_stderr
from htnet.engine.types import F32, U8, Face

MAX_FACES: Final = 4
"""Faces that are found in one picture at most."""
_BLANK: Final[U8] = np.zeros((64, 64, 3), np.uint8)


class FaceTracker(Protocol):
    """Tracker of one face through the frames of a source."""

    def find(self, bgr: U8, t_ns: int) -> Face | None:
        """Return the tracked face in ``bgr`` (H, W, 3) uint8, or None."""
        ...

    def reset(self) -> None:
        """Forget the tracked face, before frames of another recording."""
        ...

    def close(self) -> None:
        """Free MediaPipe's graphs."""
        ...


class MeshTracker:
    """Face mesh of MediaPipe's solutions API; landmarks are raw, not smoothed in time.

    Two graphs: the finder detects several faces in single pictures, the tracker follows one.
    `FollowedFace` selects among what the finder detects: the largest face first, then the same one.
    If the tracker starts on another face than the selected one, it is restarted on the frame with
    all but the selected face blacked out. While the face is lost, the finder searches each frame.
    """

    def __init__(self) -> None:
        self._tracker = open_mesh(static_image_mode=False, max_num_faces=1)
        self._finder = open_mesh(static_image_mode=True, max_num_faces=MAX_FACES)
        self._followed = FollowedFace()
        self._picture: U8 | None = None
        self._following = False
        self._has_seen_face = False
        self._shape: tuple[int, ...] = ()

    def find(self, bgr: U8, t_ns: int) -> Face | None:
        """Return the tracked face in ``bgr`` (H, W, 3) uint8, or None."""
        self._picture = rgb = to_rgb(bgr, self._picture)
        if bgr.shape != self._shape:  # the tracker's last box is in fractions of the old shape
            self._release_tracker()
            self._shape = bgr.shape
        tracked = run_mesh(self._tracker, rgb) if self._following else []
        points, another = self._followed.follow(rgb, tracked, t_ns), False
        if points is None:
            self._release_tracker()
            chosen = self._choose(rgb, t_ns)
            if chosen is None:
                return None
            points, another = chosen
        self._following = True
        return Face(landmarks=points, openness=eye_openness(points), another=another)

    def reset(self) -> None:
        """Forget the tracked face."""
        self._release_tracker()
        self._followed.forget()

    def close(self) -> None:
        """Free both graphs."""
        self._tracker.close()
        self._finder.close()

    def _release_tracker(self) -> None:
        """Make the tracker lose its face by a black picture.

        This takes 2 to 3 ms; restarting its graph takes 20 ms.
        """
        if self._following:
            self._following = False
            run_mesh(self._tracker, _BLANK)

    def _restart(self) -> None:
        with suppress_stderr():
            self._tracker.reset()
            _wait_for_models(self._tracker)

    def _choose(self, rgb: U8, t_ns: int) -> tuple[F32, bool] | None:
        # A graph writes to stderr on its first face too. After that stderr is left alone, so that
        # other messages are not lost while no face is in the picture.
        with nullcontext() if self._has_seen_face else suppress_stderr():
            faces = run_mesh(self._finder, rgb)
        chosen = self._followed.choose(rgb, faces, t_ns)
        if chosen is None:
            return None
        best, another = chosen
        with nullcontext() if self._has_seen_face else suppress_stderr():
            self._has_seen_face = True
            # The tracker mostly detects the same face; restarting it would take 20 ms.
            points = _first(run_mesh(self._tracker, rgb))
            if points is None or not same_place(points, best):
                self._restart()
                points = _first(run_mesh(self._tracker, _blacked_out(rgb, best)))
        if points is None or not same_place(points, best):
            return best, another
        return points, another


class TaskTracker:
    """Face landmarker of MediaPipe's Tasks API, with a ``face_landmarker.task`` of the user's own.

    Runs in image mode: the video mode smooths landmarks over time, which removes micro-movements.
    Raises `FaceError` for a file that is missing or no landmarker.
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
            with suppress_stderr():
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
        """Return the tracked face in ``bgr`` (H, W, 3) uint8, or None."""
        rgb = to_rgb(bgr)
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
        """Forget the tracked face."""
        self._followed.forget()

    def close(self) -> None:
        """Free MediaPipe's graph."""
        self._landmarker.close()


def open_tracker(landmarker: Path | None = None) -> FaceTracker:
    """Open the face mesh of MediaPipe's wheel, or a landmarker ``.task`` file."""
    return MeshTracker() if landmarker is None else TaskTracker(landmarker)


def find_face(bgr: U8) -> Face | None:
    """Detect the largest face of a single picture (H, W, 3) uint8, or return None."""
    with suppress_stderr(), open_mesh(static_image_mode=True, max_num_faces=MAX_FACES) as graph:
        faces = run_mesh(graph, to_rgb(bgr))
    if not faces:
        return None
    points = max(faces, key=area)
    return Face(landmarks=points, openness=eye_openness(points))


def eye_openness(points: F32) -> float:
    """Eye aspect ratio of the more open eye: height over width (Soukupova and Cech, 2016).

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


def to_rgb(bgr: U8, into: U8 | None = None) -> U8:
    """Convert to RGB. ``into``: buffer to reuse if it fits; MediaPipe copies its input."""
    return cast(U8, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=into))


def run_mesh(graph: Any, rgb: U8) -> list[F32]:
    """Return the landmarks (478, 2) in px of every face that a graph finds in ``rgb`` (H, W, 3)."""
    height, width = rgb.shape[:2]
    found = graph.process(rgb).multi_face_landmarks
    return [_points(face, width, height) for face in found or ()]


# Wire format of a landmark in protobuf: a tag, a length, then x, y and z, each behind a tag.
# Reading it takes 0.03 ms a face; reading x and y through Python takes 0.2 to 0.3 ms.
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
    listed = getattr(face, "landmark", face)  # the Tasks API returns a plain list
    points = np.array([(p.x, p.y) for p in listed], np.float32)
    return points * np.array([width, height], np.float32)


def _first(faces: list[F32]) -> F32 | None:
    return faces[0] if faces else None


def _blacked_out(rgb: U8, points: F32) -> U8:
    """The picture, black outside the face's box and half its size around."""
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.5 * (high - low)
    x0, y0 = np.maximum(low - margin, 0).astype(int)
    x1, y1 = (high + margin).astype(int)
    masked = np.zeros_like(rgb)
    masked[y0:y1, x0:x1] = rgb[y0:y1, x0:x1]
    return masked


def open_mesh(*, static_image_mode: bool, max_num_faces: int) -> Any:
    """Open a graph of the face mesh; ``static_image_mode``: detect anew in every picture."""
    mp = _mediapipe()
    with suppress_stderr():
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
    """Run the graph once: its models load, and write to stderr, in threads of their own until the
    first result."""
    graph.process(_BLANK)


def _mediapipe() -> Any:
    os.environ.setdefault("GLOG_minloglevel", "3")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with suppress_stderr():
            import mediapipe
    except (ImportError, AttributeError) as error:
        raise DependencyError(
            f"expected mediapipe 0.10.21 to find faces; importing it failed ({error}): run "
            "'pip install mediapipe==0.10.21', and on a minimal Linux also install libgl1 and "
            "libglib2.0-0."
        ) from None
    return mediapipe
