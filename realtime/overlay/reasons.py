"""Reasons of rejection in plain words."""

from typing import Final

WORDS: Final = {
    "blink": "eyes blinked",
    "gaze": "eyes looked elsewhere",
    "speech": "mouth moved like speech",
    "lighting": "light changed",
    "head turn": "head turned",
    "occlusion": "face is covered",
    "out of frame": "face partly out of picture",
    "low frame rate": "too few frames to tell",
    "weak": "too weak to be sure",
    "too short": "too short to be sure",
    "no return": "face stayed like this",
    "return": "face went back to rest",
    "part of a larger movement": "in a larger movement",
    "face lost": "face was lost",
    "another face": "another face came",
    "frames missing": "frames are missing",
    "source ended": "recording ended",
    "source restarted": "recording began anew",
}
"""``Event.rejected`` -> the words that are shown."""


def in_words(reason: str) -> str:
    """Return the words for a reason; an unknown one unchanged."""
    return WORDS.get(reason, reason)
