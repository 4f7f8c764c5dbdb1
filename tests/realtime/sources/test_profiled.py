"""A run by a profile: the source is looked at, what is odd is said, the thresholds fit it."""

from collections.abc import Callable

import numpy as np
import pytest

from htnet.engine.errors import SourceError, UsageError
from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.engine.types import Frame
from htnet.realtime.profiles.profile import Profile, Rest
from htnet.realtime.sources.profiled import open_profiled

PROFILE = Profile(
    name="desk",
    made="2026-01-02T03:04:05",
    camera="camera 0",
    size=(64, 48),
    fps=30.0,
    jitter_ms=1.0,
    noise=2.0,
    mains_hz=None,
    baseline={name: Rest(0.02, 0.05 + 0.01 * i) for i, name in enumerate(MUSCLE_NAMES)},
    p=2.0,
    floor_px=0.12,
)


class Given:
    """A source of ``count`` frames at ``rate`` a second; ``says``: what it says of its rate."""

    def __init__(
        self,
        *,
        live: bool,
        count: int = 100,
        rate: float = 30.0,
        says: float = 0.0,
        size: tuple[int, int] = (64, 48),
        name: str = "camera 0",
    ) -> None:
        self.name, self.live, self.fps, self.closed = name, live, says, 0
        self._left, self._rate, self._size, self._next = count, rate, size, 0

    def read(self) -> Frame | None:
        if self._next == self._left:
            return None
        index, (width, height) = self._next, self._size
        self._next += 1
        t_ns = round(index * 1e9 / self._rate)
        return Frame(index, t_ns, np.zeros((height, width, 3), np.uint8))

    def close(self) -> None:
        self.closed += 1


def opener(**changes: object) -> tuple[Callable[[], Given], list[Given]]:
    opened: list[Given] = []

    def open_one() -> Given:
        opened.append(Given(**changes))  # type: ignore[arg-type]
        return opened[-1]

    return open_one, opened


def test_a_camera_as_it_was_is_taken_as_it_is() -> None:
    open_one, opened = opener(live=True)
    said: list[str] = []
    source, least = open_profiled(open_one, PROFILE, said.append)
    assert said == []
    assert [source] == opened and not opened[0].closed
    np.testing.assert_allclose(least, list(PROFILE.thresholds().values()), rtol=1e-6)


def test_a_camera_is_asked_with_its_frames_not_its_word() -> None:
    open_one, _ = opener(live=True, rate=12.0, says=30.0)
    said: list[str] = []
    _, least = open_profiled(open_one, PROFILE, said.append)
    [sentence] = said
    assert "12 fps" in sentence and sentence.endswith(".")
    assert (least > list(PROFILE.thresholds().values())).all()


def test_a_recording_is_played_from_its_beginning() -> None:
    open_one, opened = opener(live=False, says=30.0)
    source, _ = open_profiled(open_one, PROFILE, lambda _: None)
    first = source.read()
    assert first is not None and first.index == 0
    assert [each.closed for each in opened] == [1, 0]


@pytest.mark.parametrize("says", [0.0, float("nan"), 90_000.0])
def test_a_recording_that_does_not_say_its_rate_is_taken_to_have_the_profiles(says: float) -> None:
    open_one, _ = opener(live=False, rate=5.0, says=says)
    said: list[str] = []
    open_profiled(open_one, PROFILE, said.append)
    assert said == []


def test_another_camera_is_warned_of() -> None:
    open_one, _ = opener(live=True, name="camera 1")
    said: list[str] = []
    open_profiled(open_one, PROFILE, said.append)
    assert len(said) == 1 and "camera 1" in said[0] and said[0].startswith("Profile desk")


def test_pictures_too_small_are_refused_and_the_source_let_go() -> None:
    open_one, opened = opener(live=True, size=(16, 12))
    with pytest.raises(UsageError, match="htnet calibrate --name desk"):
        open_profiled(open_one, PROFILE, lambda _: None)
    assert opened[0].closed == 1


def test_a_source_without_pictures_is_a_sentence() -> None:
    open_one, opened = opener(live=True, count=0)
    with pytest.raises(SourceError, match="expected pictures from camera 0"):
        open_profiled(open_one, PROFILE, lambda _: None)
    assert opened[0].closed == 1


def test_a_camera_that_gives_one_picture_and_ends_is_taken() -> None:
    open_one, _ = opener(live=True, count=1)
    _, least = open_profiled(open_one, PROFILE, lambda _: None)
    assert least.shape == (len(MUSCLE_NAMES),)
