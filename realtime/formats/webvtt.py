"""WebVTT: subtitles that a browser or player shows over the video."""

from html import escape

from htnet.realtime.formats.observation import Observation, Row
from htnet.realtime.formats.tiers import Span, Tier, tiers


def webvtt(rows: list[Row], observation: Observation, end_ms: float = 0.0) -> bytes:
    """Return a WebVTT file: one cue an event, its number the event's ``id``.

    The first line has kind and label, of a rejected event the reason; the second the detail. Each
    cue has the class of its kind, and "rejected" where it is.
    """
    cues = [(span, tier) for tier in tiers(rows) for span in tier.spans]
    cues.sort(key=lambda cue: (cue[0].start_ms, cue[0].id))
    head = "WEBVTT\n\nSTYLE\n::cue(.rejected) {\n  color: #a0a0a0;\n}\n"
    return "\n".join([head, *(_cue(span, tier) for span, tier in cues)]).encode()


def _cue(span: Span, tier: Tier) -> str:
    classes = ".".join(reversed(tier.base.split()))  # micro.rejected
    told = escape(f"{tier.base}: {span.value}", quote=False)
    detail = escape(span.detail, quote=False)
    times = f"{_clock(span.start_ms)} --> {_clock(span.end_ms)}"
    return f"{span.id}\n{times}\n<c.{classes}>{told}</c>\n{detail}\n"


def _clock(ms: int) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{ms:03d}"
