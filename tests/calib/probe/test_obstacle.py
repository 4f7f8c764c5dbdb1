"""What most stands in the way: what calibration found, else what became of missed movements."""

from dataclasses import replace

from htnet.calib.probe.obstacle import worst_obstacle
from htnet.realtime.profiles.profile import Profile
from htnet.training.spotting.records import FoundEvent, TrueEvent, Video

MS = 1_000_000


def true(at_ms: int) -> TrueEvent:
    return TrueEvent("micro", None, at_ms * MS, (at_ms + 150) * MS, (at_ms + 300) * MS, 1.0)


def told(
    at_ms: int, rejected: str | None = None, kind: str = "micro", lasts: int = 300
) -> FoundEvent:
    times = (at_ms * MS, (at_ms + 150) * MS, (at_ms + lasts) * MS)
    return FoundEvent(kind, "negative", *times, times[2], times[2], 3.0, rejected)


def video(*found: FoundEvent) -> Video:
    return Video("camera 0", "camera 0", 30.0, tuple(map(true, range(3000, 27000, 4000))), found)


def test_what_calibration_complained_of_comes_first(profile: Profile) -> None:
    noted = replace(profile, notes=("your face is too dark: turn on a lamp", "something else"))
    missed = [video()]
    flickering = replace(noted, mains_hz=50)
    assert worst_obstacle(flickering, missed) == "light flicker at 100 Hz"
    assert worst_obstacle(replace(noted, mains_hz=60), missed) == "light flicker at 120 Hz"
    assert worst_obstacle(noted, missed) == "your face is too dark"
    assert worst_obstacle(replace(profile, noise=8.2), missed) == "camera noise of 8 grey levels"


def test_else_what_became_of_most_missed_movements(profile: Profile) -> None:
    assert worst_obstacle(profile, [video()]) == "movements not seen (6 of 6 missed)"
    seen = [video(told(3000), told(7000, "blink"), told(11050, "blink"), told(15000, "speech"))]
    assert worst_obstacle(profile, seen) == "movements rejected, eyes blinked (2 of 5 missed)"
    late = [video(*(told(at + 200) for at in range(3000, 27000, 4000)))]
    assert worst_obstacle(profile, late) == "movements told at another time (6 of 6 missed)"
    long = [video(*(told(at, kind="macro", lasts=900) for at in range(3000, 27000, 4000)))]
    assert worst_obstacle(profile, long) == "movements taken for longer ones (6 of 6 missed)"


def test_nothing_stands_in_the_way_where_all_is_found(profile: Profile) -> None:
    assert worst_obstacle(profile, [video(*map(told, range(3000, 27000, 4000)))]) == ""
