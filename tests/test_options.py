import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.engine.errors import UsageError
from htnet.options import parse_stretch, parse_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1:30", 90), ("0:01:30.5", 90.5), ("2.25", 2.25), (".5", 0.5), ("100:00", 6000)],
)
def test_a_time_is_parsed(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "-1", "1:", ":5", "1:2:3:4", "1e3", "nan", "1:2.5:3"])
def test_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected a time such as"):
        parse_time(text)


@given(hours=st.integers(0, 99), minutes=st.integers(0, 59), ms=st.integers(0, 59_999))
def test_a_written_time_is_read_back(hours: int, minutes: int, ms: int) -> None:
    text = f"{hours}:{minutes:02}:{ms / 1000:06.3f}"
    assert parse_time(text) == pytest.approx(3600 * hours + 60 * minutes + ms / 1000, abs=1e-9)


@given(st.text())
def test_any_text_is_a_stretch_or_refused(text: str) -> None:
    try:
        start, end = parse_stretch(text)
    except UsageError:
        return
    assert 0 <= start < end


def test_a_stretch_is_parsed() -> None:
    assert parse_stretch("0:02-0:08") == (2, 8)
    assert parse_stretch("2-8.5") == (2, 8.5)
