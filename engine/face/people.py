"""Tracking of every face of a source, each under the stable number of its person."""

from collections import deque
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from htnet.engine.face.followed import FollowedFace, appearance, area, same_place
from htnet.engine.face.stderr import suppress_stderr
from htnet.engine.face.tracker import MAX_FACES, eye_openness, open_mesh, run_mesh, to_rgb
from htnet.engine.types import F32, NS_PER_MS, U8, Face

_SMALLEST: Final = 0.05  # of the picture's height: micro-expressions of smaller faces are not seen
_NAMED_AFTER_NS: Final = 300 * NS_PER_MS
# Least correlation of appearance with which a person comes back. On twelve clips of real people the
# best of a person's own views correlates over 0.88 (0.77 where the head moves fast) in 90% of the
# frames, with the nearest other person at most 0.83, and in the median at most 0.81.
_RECOGNIZED: Final = 0.82
_VIEWS: Final = 64
_VIEW_EVERY_NS: Final = 500 * NS_PER_MS


@dataclass(slots=True, eq=False)
class _Person:
    """A person: the face followed, and its appearance in the last half minute that it was there."""

    followed: FollowedFace
    views: deque[F32] = field(default_factory=lambda: deque(maxlen=_VIEWS))
    viewed_ns: int | None = None

    def view(self, rgb: U8, points: F32, t_ns: int) -> None:
        """Keep a view of the face, at most every half second."""
        if self.viewed_ns is None or t_ns - self.viewed_ns >= _VIEW_EVERY_NS:
            self.views.append(appearance(rgb, points))
            self.viewed_ns = t_ns

    def alike(self, looks: list[F32]) -> float:
        """Median over ``looks`` (234,) of the highest correlation with a view."""
        return float(np.median((np.stack(looks) @ np.stack(self.views).T).max(axis=1)))


@dataclass(slots=True, eq=False)
class _Newcomer:
    """A face that continues no person's, until it has been there long enough to be named."""

    since_ns: int
    points: F32
    looks: list[F32]


class PeopleTracker:
    """Face mesh of all people in the picture, up to `MAX_FACES` at a time.

    One graph follows all faces, in no order of its own. A person keeps its number while place and
    appearance continue (`FollowedFace`). A face that continues no person's is named after 0.3 s:
    as a person known by its appearance who is not there, or else as a new one. Numbers begin at 1
    and are never given twice.
    """

    def __init__(self) -> None:
        self._graph: Any = open_mesh(static_image_mode=False, max_num_faces=MAX_FACES)
        self._people: dict[int, _Person] = {}
        self._newcomers: list[_Newcomer] = []
        self._rgb: U8 | None = None
        self._has_seen_face = False

    @property
    def count(self) -> int:
        """Number of people named so far."""
        return len(self._people)

    def find(self, bgr: U8, t_ns: int) -> dict[int, Face]:
        """Return the faces in ``bgr`` (H, W, 3) uint8 by the number of their person."""
        self._rgb = rgb = to_rgb(bgr, self._rgb)
        least = _SMALLEST * rgb.shape[0]
        # The graph writes to stderr on its first face.
        with nullcontext() if self._has_seen_face else suppress_stderr():
            meshes = run_mesh(self._graph, rgb)
        self._has_seen_face = self._has_seen_face or bool(meshes)
        faces = _apart([points for points in meshes if np.ptp(points[:, 1]) >= least])
        found: dict[int, F32] = {}
        # Those who are present choose before those who have been away.
        for number, person in sorted(
            self._people.items(), key=lambda each: not each[1].followed.present
        ):
            points = person.followed.follow(rgb, faces, t_ns)
            if points is None:
                person.followed.miss()
                continue
            found[number] = points
            person.view(rgb, points, t_ns)
            faces = [face for face in faces if face is not points]
        found |= self._named(rgb, faces, t_ns, set(found))
        return {
            number: Face(landmarks=points, openness=eye_openness(points))
            for number, points in sorted(found.items())
        }

    def close(self) -> None:
        """Free MediaPipe's graph."""
        self._graph.close()

    def _named(self, rgb: U8, faces: list[F32], t_ns: int, here: set[int]) -> dict[int, F32]:
        """Return the newcomers among ``faces`` that have been there long enough, by number."""
        before, self._newcomers = self._newcomers, []
        named: dict[int, F32] = {}
        for points in faces:
            known = next((each for each in before if same_place(points, each.points)), None)
            if known is None:
                known = _Newcomer(t_ns, points, [])
            known.points = points
            known.looks.append(appearance(rgb, points))
            if t_ns - known.since_ns < _NAMED_AFTER_NS:
                self._newcomers.append(known)
                continue
            number = self._recognized(known.looks, here | set(named))
            person = self._people.setdefault(number, _Person(FollowedFace()))
            person.followed.take(rgb, points, t_ns)
            person.view(rgb, points, t_ns)
            named[number] = points
        return named

    def _recognized(self, looks: list[F32], here: set[int]) -> int:
        """Return the number of the most alike person who is not ``here``, or a new one."""
        away = {n: p.alike(looks) for n, p in self._people.items() if n not in here}
        number = max(away, key=lambda n: away[n], default=0)
        return number if number and away[number] >= _RECOGNIZED else len(self._people) + 1


def _apart(faces: list[F32]) -> list[F32]:
    """The faces, largest first, without a second mesh on the same face."""
    kept: list[F32] = []
    for points in sorted(faces, key=area, reverse=True):
        if not any(same_place(points, other) for other in kept):
            kept.append(points)
    return kept
