import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.calib.analysis.stretch import Stretch
from htnet.engine.errors import UsageError
from htnet.engine.types import Frame

PICTURE = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


class Ten:
    """Ten frames, a tenth of a second apart."""

    name, live, fps, status = "ten.mp4", False, 10.0, ""

    def __init__(self) -> None:
        self.given = 0
        self.closed = False

    def read(self) -> Frame | None:
        self.given += 1
        if self.given > 10:
            return None
        return Frame(self.given - 1, (self.given - 1) * 100_000_000, PICTURE)

    def close(self) -> None:
        self.closed = True


def indices(stretch: Stretch) -> list[int]:
    found = []
    while (frame := stretch.read()) is not None:
        found.append(frame.index)
    return found


def test_frames_keep_their_index_and_the_end_is_left_out() -> None:
    assert indices(Stretch(Ten(), 0.2, 0.5)) == [2, 3, 4]


@given(st.floats(0, 0.9), st.floats(0.01, 3))
def test_just_the_frames_of_the_stretch_are_given(start: float, length: float) -> None:
    first, end = round(start * 1e9), round((start + length) * 1e9)
    wanted = [k for k in range(10) if first <= k * 100_000_000 < end]
    stretch = Stretch(Ten(), start, start + length)
    if wanted:
        assert indices(stretch) == wanted
    else:
        with pytest.raises(UsageError):
            stretch.read()


def test_an_end_past_the_end_is_told() -> None:
    stretch = Stretch(Ten(), 0.0, 5.0)
    assert len(indices(stretch)) == 10
    assert stretch.status.startswith("ten.mp4 ends at 1.00 s, before the end of 5 s asked for")


def test_an_end_at_the_end_is_not_told() -> None:
    stretch = Stretch(Ten(), 0.0, 1.0)
    assert len(indices(stretch)) == 10
    assert stretch.status == ""


def test_a_start_past_the_end_is_refused() -> None:
    with pytest.raises(UsageError, match=r"from 2 s on; it ends at 0\.90 s"):
        Stretch(Ten(), 2.0).read()


@pytest.mark.parametrize(("turn", "quarters"), [(90, -1), (180, 2), (270, 1)])
def test_pictures_are_turned_clockwise(turn: int, quarters: int) -> None:
    frame = Stretch(Ten(), rotate=turn).read()
    assert frame is not None
    assert np.array_equal(frame.bgr, np.rot90(PICTURE, quarters))


def test_other_turns_and_ends_are_refused() -> None:
    with pytest.raises(UsageError, match="--rotate 90, 180 or 270"):
        Stretch(Ten(), rotate=45)
    with pytest.raises(UsageError, match="an end after the start"):
        Stretch(Ten(), 2, 1)


def test_it_closes_its_source() -> None:
    source = Ten()
    Stretch(source).close()
    assert source.closed
