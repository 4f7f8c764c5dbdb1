"""The pages: whole in themselves, with what was found in words."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.calib.analysis.config import VideoResult
from htnet.calib.analysis.curve import MotionCourse, clock, motion_svg, thinned
from htnet.calib.analysis.pictures import EventPictures, MuscleBar
from htnet.calib.analysis.report import found_in_words, write_index, write_report
from htnet.engine.types import Event, Frame, Motion, State, Tick

PICTURE = np.zeros((4, 6, 3), np.uint8)
URI = "data:image/jpeg;base64,AAAA"
BAR = MuscleBar("lip corner pull", 1.5, None, None, 0.5)
PICTURES = EventPictures(URI, URI, URI, URI, 2.5, 12.0, (BAR,))


def event(number: int, kind: str = "micro", rejected: str | None = None) -> dict[str, object]:
    at = number * 1_000_000_000
    return Event(
        id=number,
        stage="final",
        kind=kind,
        label="positive",
        probabilities={"negative": 0.1, "positive": 0.7, "surprise": 0.2},
        onset_ns=at,
        apex_ns=at + 100_000_000,
        offset_ns=at + 250_000_000,
        magnitude_px=1.5,
        rejected=rejected,
        muscle="lip corner pull",
        score=2.0,
    ).explained()


def course(seconds: float = 5.0, fps: int = 30) -> MotionCourse:
    made = MotionCourse()
    for number in range(round(seconds * fps)):
        frame = Frame(number, number * 1_000_000_000 // fps, PICTURE)
        motion = Motion({}, 0.5 + number % 7, 1.0, False)
        seen = number % 50 > 5
        made.take(Tick(frame, None, None, motion if seen else None, State.NEUTRAL, None, None))
    return made


RESULT = VideoResult(
    "clip <b>",
    "/videos/clip <b>.mp4",
    frames=150,
    faceless=15,
    seconds=5.0,
    took_s=1.0,
    width=640,
    height=360,
    events=(event(1), event(2, "macro"), event(3, rejected="speech")),
    notes=("A note & more.",),
    facts={"Model": "htnet-s"},
)


class Page(HTMLParser):
    """Collects the addresses and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.told = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [
            value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")
        ]
        assert tag not in ("script", "link", "iframe", "object")

    def handle_data(self, data: str) -> None:
        self.told += data


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, RESULT, course(), {1: PICTURES})
    return path.read_text(encoding="utf-8")


def test_nothing_is_fetched(page: str) -> None:
    read = Page(page)
    assert read.addresses.count(URI) == 4
    assert all(each.startswith(("data:", "#")) for each in read.addresses)
    style = "".join(re.findall(r"<style.*?</style>", page, re.DOTALL))
    assert "url(" not in style.replace("url(#", "") and "@import" not in style


def test_the_page_says_what_was_found(page: str) -> None:
    told = " ".join(Page(page).told.split())
    assert "In 5.0 seconds of video 2 expressions were found: 1 micro-expression" in told
    assert "No face was seen in 15 of 150 frames" in told
    assert "A note & more." in told
    assert "mouth moved like speech: 1" in told
    assert "AU12 lip corner pull" in told
    assert "htnet-s" in told


def test_names_are_escaped(page: str) -> None:
    assert "clip <b>" not in page and "clip &lt;b&gt;" in page


@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        ((), "no expression was found."),
        ((event(1),), "1 expression was found: 1 micro-expression (of at most half a second)"),
        ((event(1, "macro"), event(2, "macro")), "2 expressions were found: no micro-expressions"),
        ((event(1, rejected="blink"),), "no expression was found."),
    ],
)
def test_counts_are_told_in_words(events: tuple[dict[str, object], ...], sentence: str) -> None:
    result = VideoResult("a", "a.mp4", seconds=5.0, events=events)
    assert sentence in found_in_words(result)


def test_the_index_leads_to_reports_and_tells_failures(tmp_path: Path) -> None:
    (tmp_path / "a b#").mkdir()
    (tmp_path / "a b#" / "report.html").touch()
    results = [
        VideoResult("a b#", "a.mp4", frames=10, seconds=1.0, events=RESULT.events),
        VideoResult("lost", "lost.mp4", failure="expected a video; got <nothing>"),
    ]
    write_index(tmp_path / "index.html", results)
    read = Page((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert read.addresses == ["a%20b%23/report.html"]
    assert "expected a video; got <nothing>" in read.told


@given(
    st.lists(st.floats(0, 100) | st.just(float("nan")), min_size=1, max_size=400),
    st.integers(1, 40),
)
def test_a_thinned_curve_keeps_its_extremes_and_order(values: list[float], points: int) -> None:
    levels = np.array(values)
    times = np.arange(len(levels), dtype=np.float64)
    at, level = thinned(times, levels, points)
    assert len(at) <= max(2 * points, min(len(levels), 2 * points))
    assert (np.diff(at) > 0).all()
    known = levels[~np.isnan(levels)]
    if known.size:
        assert np.nanmax(level) == known.max() and np.nanmin(level) == known.min()


@pytest.mark.slow
def test_a_long_video_has_a_small_curve() -> None:
    svg = motion_svg(course(seconds=3600, fps=10), [])
    assert svg.startswith("<svg") and svg.rstrip().endswith("</svg>")
    assert len(svg) < 1_000_000


def test_a_video_of_one_frame_has_a_curve() -> None:
    assert motion_svg(course(seconds=1 / 30), []).startswith("<svg")


@pytest.mark.parametrize(
    ("seconds", "digits", "text"),
    [
        (65, 0, "1:05"),
        (0, 0, "0:00"),
        (59.999, 2, "1:00.00"),
        (3.5, 2, "0:03.50"),
        (2.5, 0, "0:02.5"),
    ],
)
def test_times_are_minutes_and_seconds(seconds: float, digits: int, text: str) -> None:
    assert clock(seconds, digits) == text
