"""Profiles: what is written is read back, and whatever else a file holds is a sentence."""

import os
import string
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htnet.engine.errors import HTNetError, OutputError, UsageError
from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.realtime.profiles.probe import Probe, ProbedSize
from htnet.realtime.profiles.profile import Profile, Rest
from htnet.realtime.profiles.store import (
    format_profile,
    list_profiles,
    load_profile,
    parse_profile,
    profile_folder,
    read_profile,
    write_profile,
)

QUIET = Profile(
    name="desk",
    made="2026-03-01T12:00:00+01:00",
    camera="camera 0",
    size=(640, 360),
    fps=30.0,
    jitter_ms=1.5,
    noise=2.5,
    mains_hz=50,
    baseline={name: Rest(0.02, 0.1) for name in MUSCLE_NAMES},
    p=1.5,
    floor_px=0.12,
    locked=("exposure locked",),
    notes=("your face is too dark",),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HTNET_PROFILES", str(tmp_path / "profiles"))
    return tmp_path / "profiles"


def test_the_threshold_is_mean_and_p_times_the_rest_but_never_under_the_floor() -> None:
    noisy = {**QUIET.baseline, "jaw drop": Rest(0.1, 0.3)}
    thresholds = replace(QUIET, baseline=noisy).thresholds()
    assert set(thresholds) == set(MUSCLE_NAMES)
    assert thresholds["jaw drop"] == pytest.approx(0.1 + 1.5 * 0.2)
    assert thresholds["brow raise"] == pytest.approx(0.14)
    assert replace(QUIET, floor_px=0.2).thresholds()["brow raise"] == 0.2
    assert QUIET.thresholds(p=3.0)["brow raise"] == pytest.approx(0.26)


PROBED = replace(
    QUIET,
    probe=Probe(
        (ProbedSize(1.0, 7, 10), ProbedSize(2.0, 19, 20)), 0, 1.83, "light flicker at 100 Hz"
    ),
)

numbers = st.floats(0, 50)
lines = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=3)


@st.composite
def probes(draw: st.DrawFn) -> Probe:
    sizes = []
    for px in draw(st.lists(st.floats(0, 10, exclude_min=True), min_size=1, max_size=4)):
        found, of = sorted((draw(st.integers(0, 99)), draw(st.integers(0, 99))))
        sizes.append(ProbedSize(px, found, of))
    worst = draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
    return Probe(tuple(sizes), draw(st.integers(0, 99)), draw(numbers), worst)


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    baseline = {}
    for name in MUSCLE_NAMES:
        low, high = sorted((draw(numbers), draw(numbers)))
        baseline[name] = Rest(low, high)
    return Profile(
        name=draw(st.from_regex(r"[a-z][A-Za-z0-9_-]{3,20}x", fullmatch=True)),
        made=draw(st.datetimes()).isoformat(),
        camera=draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=30)),
        size=(draw(st.integers(1, 9999)), draw(st.integers(1, 9999))),
        fps=draw(st.floats(1, 1000)),
        jitter_ms=draw(numbers),
        noise=draw(numbers),
        mains_hz=draw(st.sampled_from([None, 50, 60])),
        baseline=baseline,
        p=draw(numbers),
        floor_px=draw(numbers),
        locked=tuple(draw(lines)),
        notes=tuple(draw(lines)),
        probe=draw(st.none() | probes()),
    )


@given(profiles())
def test_what_is_written_is_read_back(profile: Profile) -> None:
    assert parse_profile(format_profile(profile)) == profile


@given(st.text())
def test_no_text_but_a_profiles_own_is_taken(text: str) -> None:
    with pytest.raises((ValueError, UsageError)):
        parse_profile(text)


VALUES = st.sampled_from(
    ["nan", "-inf", "-1", "true", '"x"', "[]", "{}", "[1]", "1e999", "99999999999", "2020-01-01"]
)


@given(st.integers(1, 40), VALUES)
def test_a_line_that_was_spoiled_is_refused_or_makes_sense(line: int, value: str) -> None:
    rows = format_profile(PROBED).splitlines()
    line = min(line, len(rows) - 1)
    rows[line] = f"{rows[line].partition(' =')[0]} = {value}"
    try:
        profile = parse_profile("\n".join(rows))
    except (ValueError, UsageError):
        return
    assert all(0 <= own < 1e4 for own in profile.thresholds().values())


@given(st.binary(max_size=300))
def test_any_bytes_are_a_sentence(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(data)
    with pytest.raises(
        UsageError, match=r"expected a profile in .*any\.toml; got .*calibrate again"
    ):
        load_profile(path)


def test_stored_and_found_again(folder: Path) -> None:
    assert write_profile(QUIET) == folder / "desk.toml"
    assert read_profile("desk") == QUIET
    newer = replace(QUIET, noise=4.0)
    write_profile(newer)
    assert read_profile("desk") == newer
    assert [each.name for each in folder.iterdir()] == ["desk.toml"]


def test_it_reads_like_a_page(folder: Path) -> None:
    text = write_profile(QUIET).read_text(encoding="utf-8")
    assert "fps = 30.0\n" in text
    assert '"brow raise" = { mean_px = 0.02, max_px = 0.1 }\n' in text
    assert "noise = 2.5  # grey levels\n" in text
    assert "probe" not in text
    text = write_profile(PROBED).read_text(encoding="utf-8")
    assert 'worst = "light flicker at 100 Hz"\n' in text
    assert "  { px = 1.0, found = 7, of = 10 },\n" in text


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("found = 7", "found = 11", "11 of 10 at 1 px"),
        ("found = 7", "found = 7.5", "7.5 for found"),
        ("minutes = 1.83", "minutes = nan", "nan for minutes"),
        ("false_alarms = 0", "alarms = 0", "no false_alarms in the probe"),
        ("of = 10 }", "of = 10, at = 1 }", "'at', which is not known, in sizes"),
    ],
)
def test_a_probe_that_makes_no_sense_is_a_sentence(
    folder: Path, old: str, new: str, told: str
) -> None:
    path = write_profile(PROBED)
    path.write_text(format_profile(PROBED).replace(old, new, 1))
    with pytest.raises(UsageError, match=f"expected a profile in .*got .*{told}.*again"):
        read_profile("desk")


def test_a_probe_stays_with_a_profile_that_is_adapted() -> None:
    adapted, _ = PROBED.adapted("camera 0", (640, 360), 20.0)
    assert adapted != PROBED and adapted.probe == PROBED.probe


def test_a_profile_that_is_not_there_names_those_that_are(folder: Path) -> None:
    with pytest.raises(UsageError, match="no profile at all: make it with htnet calibrate"):
        read_profile("desk")
    write_profile(QUIET)
    with pytest.raises(UsageError, match="got only desk"):
        read_profile("kitchen")


def test_the_list_tells_of_files_that_are_none(folder: Path) -> None:
    assert list_profiles() == ([], [])
    write_profile(QUIET)
    (folder / "broken.toml").write_text("v = 1\nname = ")
    later = format_profile(QUIET).replace("v = 1", "v = 2", 1)
    (folder / "later.toml").write_text(later)
    found, troubles = list_profiles()
    assert found == [QUIET]
    assert len(troubles) == 2
    assert "broken.toml" in troubles[0]
    assert "version 2, not 1" in troubles[1]


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\\b", "../x", "con", "LPT1", "x" * 65, " a", "a ", "é", "a\n"]
)
def test_a_name_that_cannot_be_a_file_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(UsageError, match="expected a profile's name"):
        read_profile(name)
    with pytest.raises(UsageError, match="expected a profile's name"):
        replace(QUIET, name=name)
    assert not folder.exists()


@given(st.text(string.printable, max_size=70))
def test_a_name_that_is_taken_stays_in_the_folder(name: str) -> None:
    try:
        profile = replace(QUIET, name=name)
    except UsageError:
        return
    assert Path(f"{profile.name}.toml").name == f"{name}.toml"


def test_the_users_own_folder_without_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HTNET_PROFILES", raising=False)
    assert profile_folder().parts[-2:] == ("htnet", "profiles")


def test_where_nothing_can_be_written_it_says_so(folder: Path) -> None:
    folder.write_text("a file in the way")
    with pytest.raises(OutputError, match="expected to write"):
        write_profile(QUIET)


def test_a_write_that_fails_leaves_the_old_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profile(QUIET)

    def full(source: str, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        write_profile(replace(QUIET, noise=9.0))
    monkeypatch.undo()
    assert load_profile(folder / "desk.toml") == QUIET
    assert [each.name for each in folder.iterdir()] == ["desk.toml"]


@pytest.mark.parametrize(
    "changes",
    [
        {"made": "yesterday"},
        {"size": (0, 360)},
        {"fps": 0.0},
        {"fps": float("nan")},
        {"noise": -1.0},
        {"mains_hz": 55},
        {"baseline": {}},
        {"baseline": dict.fromkeys(MUSCLE_NAMES, Rest(0.2, 0.1))},
        {"p": float("inf")},
    ],
)
def test_values_that_make_no_sense_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="calibrate again"):
        replace(QUIET, **changes)


def test_the_same_camera_takes_it_as_it_is() -> None:
    assert QUIET.adapted("camera 0", (640, 360), 30.0) == (QUIET, ())


def test_another_camera_is_warned_of() -> None:
    adapted, warnings = QUIET.adapted("camera 1", (640, 360), 30.0)
    assert adapted == QUIET
    assert len(warnings) == 1 and "made with camera 0, this is camera 1" in warnings[0]


def test_a_larger_picture_changes_nothing_but_is_told() -> None:
    adapted, warnings = QUIET.adapted("camera 0", (1280, 720), 60.0)
    assert adapted == QUIET
    assert "may be higher than need be" in warnings[0]


def test_fewer_frames_and_pixels_raise_the_thresholds() -> None:
    slower, warnings = QUIET.adapted("camera 0", (640, 360), 15.0)
    grown = slower.baseline["jaw drop"]
    assert grown.max_px == pytest.approx(0.1 * 2**0.5)
    assert slower.thresholds()["jaw drop"] == pytest.approx(0.14 * 2**0.5)
    assert "raised 1.4 times" in warnings[0]
    smaller, _ = QUIET.adapted("camera 0", (426, 240), 30.0)
    assert smaller.floor_px == pytest.approx(0.12 * 640 / 426)


@pytest.mark.parametrize("size, fps", [((320, 180), 15.0), ((160, 90), 30.0), ((640, 360), 5.0)])
def test_too_little_to_go_by_is_refused(size: tuple[int, int], fps: float) -> None:
    with pytest.raises(UsageError, match="htnet calibrate --name desk again"):
        QUIET.adapted("camera 0", size, fps)


@pytest.mark.slow
@given(profiles(), st.integers(1, 4000), st.integers(1, 4000), st.floats(1, 500))
def test_adapting_never_lowers_a_threshold(profile: Profile, w: int, h: int, fps: float) -> None:
    try:
        adapted, _ = profile.adapted("another", (w, h), fps)
    except HTNetError:
        return
    before, after = profile.thresholds(), adapted.thresholds()
    assert all(after[name] >= before[name] - 1e-9 for name in MUSCLE_NAMES)
