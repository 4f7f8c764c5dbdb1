"""Worst obstacle to spotting on one face and camera, in words for the person at the camera."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from htnet.calib.evaluation.injected_scores import hits
from htnet.realtime.overlay.reasons import in_words
from htnet.realtime.profiles.profile import Profile
from htnet.training.spotting.records import FoundEvent, TrueEvent, Video

_NOISY: Final = 6.0  # grey levels


def worst_obstacle(profile: Profile, videos: Sequence[Video]) -> str:
    """Return the first complaint of calibration, else the commonest fate of missed movements.

    "" where none was missed.
    """
    if profile.mains_hz is not None:
        return f"light flicker at {2 * profile.mains_hz} Hz"
    if profile.notes:
        return profile.notes[0].partition(":")[0]
    if profile.noise > _NOISY:
        return f"camera noise of {profile.noise:.0f} grey levels"
    fates = Counter(_fate(video, true) for video in videos for true in _missed(video))
    if not fates:
        return ""
    fate = max(fates, key=lambda each: (fates[each], each))
    return f"movements {fate} ({fates[fate]} of {fates.total()} missed)"


def _missed(video: Video) -> list[TrueEvent]:
    found = {id(true) for true, _ in hits(video, "micro")}
    return [true for true in video.truth if id(true) not in found]


def _fate(video: Video, true: TrueEvent) -> str:
    """Return the fate of a missed movement: that of the event which shares most time with it."""

    def shared(own: FoundEvent) -> int:
        return min(own.offset_ns, true.offset_ns) - max(own.onset_ns, true.onset_ns)

    told = max(video.found, key=shared, default=None)
    if told is None or shared(told) <= 0:
        return "not seen"
    if told.rejected is not None:
        return f"rejected, {in_words(told.rejected)}"
    return "told at another time" if told.kind == "micro" else "taken for longer ones"
