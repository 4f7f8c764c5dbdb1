"""Rows of events: drawn ones, and one session with all there is."""

from collections.abc import Callable

import pytest
from hypothesis import strategies as st

from htnet.engine.types import NS_PER_MS, Decision, Event
from htnet.realtime.formats.observation import Row

RowMaker = Callable[..., Row]


def event(
    number: int,
    onset: float,
    offset: float,
    label: str = "positive",
    kind: str = "micro",
    rejected: str | None = None,
    stage: str = "final",
    apex: float | None = None,
) -> Event:
    """An event of times in ms."""
    at = [onset, (onset + offset) / 2 if apex is None else apex, offset]
    return Event(
        number,
        stage,
        kind,
        label,
        {"negative": 0.05, "positive": 0.9, "surprise": 0.05},
        *(round(ms * NS_PER_MS) for ms in at),
        magnitude_px=1.043,
        rejected=rejected,
        muscle="lip corner pull",
        score=2.5,
        decisions=(Decision("speech", 5, 4, "turns", rejected is not None),),
    )


AWKWARD = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from("\"'\n\r\t,;|<>&-→é\0\x0b\x85\u2028 ")),
    min_size=1,
    max_size=20,
)
TIMES = st.floats(0, 4e7, allow_nan=False)  # up to eleven hours


@st.composite
def drawn_events(draw: st.DrawFn) -> list[Event]:
    made = []
    for number in range(draw(st.integers(0, 6))):
        onset = draw(TIMES)
        made.append(
            event(
                number,
                onset,
                onset + draw(st.floats(0, 9000)),
                draw(AWKWARD),
                draw(st.sampled_from(["micro", "macro"])),
                draw(st.none() | AWKWARD),
            )
        )
    return made


EVENTS = drawn_events()


@pytest.fixture
def session() -> list[Row]:
    """Rows of all four kinds as they are told: by offset, one of them provisional first."""
    told = [
        event(1, 100, 400, "positive"),
        event(2, 350.4, 600, "negative", rejected="blink"),
        event(4, 900, 1000, "surprise", stage="provisional"),
        event(3, 700, 1900, "positive", "macro"),
        event(4, 900, 1210.7, "surprise", apex=1000),
        event(5, 1100, 1300, "negative"),  # overlaps the one before
        event(6, 1200, 2500, "negative", "macro", rejected="speech"),
    ]
    return [each.row() for each in told]
