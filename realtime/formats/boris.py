"""BORIS: its table of coded events, and a project file.

Every event is a state that starts at the onset and stops at the offset. The behaviours are the
tiers; the modifier is the event's label, of a rejected one the reason.
"""

import json
from typing import Any

from htnet.realtime.formats.observation import Observation, Row
from htnet.realtime.formats.tiers import NAMES, Tier, end_of, one_line, tiers

HEADER = ("time", "subject", "code", "modifier", "comment")
_FORBIDDEN = str.maketrans(dict.fromkeys("(|),`~", " "))  # BORIS forbids them in modifiers
_NO_FRAME = "NA"
_COLORS = {"micro": "#d55e00", "macro": "#0072b2"}


def table(rows: list[Row], observation: Observation, end_ms: float = 0.0) -> bytes:
    """Return a tab-separated table with the columns `HEADER`, times in s.

    BORIS takes its rows from the clipboard into a live observation, and the whole table from a
    spreadsheet.
    """
    lines = [HEADER, *_coded(tiers(rows), observation)]
    return "".join("\t".join(map(str, line)) + "\n" for line in lines).encode()


def project(rows: list[Row], observation: Observation, end_ms: float = 0.0) -> bytes:
    """Return a BORIS project (format 7.0) of one observation, the run.

    It is an observation of the video where there is one, else a live one.
    """
    told = tiers(rows)
    made = {
        "time_format": "hh:mm:ss",
        "project_date": _date(observation),
        "project_name": one_line(observation.name),
        "project_description": "Facial expressions that htnet spotted.",
        "project_format_version": "7.0",
        "subjects_conf": {"0": _subject(observation)} if _name(observation) else {},
        "behaviors_conf": {
            str(place): _behavior(tier, observation) for place, tier in enumerate(told)
        },
        "observations": {
            one_line(observation.name) or "htnet": _observation(told, observation, end_ms)
        },
        "behavioral_categories": [],
        "independent_variables": {},
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }
    # BORIS reads a project in the system's encoding: ASCII is the same in all of them.
    return json.dumps(made, indent=1, ensure_ascii=True).encode("ascii")


def _coded(told: list[Tier], observation: Observation) -> list[tuple[str, str, str, str, str]]:
    """Return a line for the start and one for the stop of every event, by time."""
    timed: list[tuple[int, tuple[str, str, str, str, str]]] = []
    for tier in told:
        for span in tier.spans:
            for ms in (span.start_ms, span.end_ms):
                line = _name(observation), tier.name, _modifier(span.value), span.detail
                timed.append((ms, (f"{ms / 1000:.3f}", *line)))
    return [line for _, line in sorted(timed, key=lambda each: each[0])]


def _observation(told: list[Tier], observation: Observation, end_ms: float) -> dict[str, Any]:
    media = observation.media
    events: list[list[object]] = [[float(time), *rest] for time, *rest in _coded(told, observation)]
    made: dict[str, Any] = {
        "type": "LIVE" if media is None else "MEDIA",
        "date": _date(observation),
        "description": "",
        "time offset": 0.0,
        "observation time interval": [0, 0],
        "independent_variables": {},
        "visualize_spectrogram": False,
        "visualize_waveform": False,
        "media_creation_date_as_offset": False,
        "media_scan_sampling_duration": 0,
        "image_display_duration": 1,
        "close_behaviors_between_videos": False,
        "file": {},
        "events": events,
    }
    if media is None:
        made |= {
            "scan_sampling_time": 0,
            "start_from_current_time": False,
            "start_from_current_epoch_time": False,
        }
        return made
    path = str(media.absolute())
    made["file"] = {str(player): [path] if player == 1 else [] for player in range(1, 9)}
    made["media_info"] = {
        "length": {path: end_of(told, end_ms) / 1000},
        "fps": {path: observation.fps},
        "hasVideo": {path: True},
        "hasAudio": {path: False},
        "offset": {"1": 0.0},
    }
    for event in events:
        event.append(_NO_FRAME)
    return made


def _behavior(tier: Tier, observation: Observation) -> dict[str, Any]:
    used = [_modifier(span.value) for span in tier.spans]
    known = [] if tier.rejected else [_modifier(label) for label in observation.labels]
    return {
        "type": "State event",
        "key": "",
        "code": tier.name,
        "description": _description(tier),
        "color": "" if tier.rejected else _COLORS.get(tier.base, ""),
        "category": "",
        "modifiers": {
            "0": {
                "name": "reason" if tier.rejected else "label",
                "description": "",
                "type": 0,
                "ask at stop": False,
                "values": list(dict.fromkeys(each for each in [*known, *used] if each)),
            }
        },
        "excluded": "",
        "coding map": "",
    }


def _description(tier: Tier) -> str:
    kind = tier.base.removeprefix("rejected ")
    told = f"{kind}-expression" + (", rejected" if tier.rejected else "")
    return told if tier.name in NAMES else f"{told}, beside another at the same time"


def _subject(observation: Observation) -> dict[str, str]:
    return {"key": "", "name": _name(observation), "description": ""}


def _name(observation: Observation) -> str:
    return one_line(observation.participant)


def _modifier(text: str) -> str:
    return one_line(text.translate(_FORBIDDEN))


def _date(observation: Observation) -> str:
    """Return the start as BORIS writes it, without a zone; a fixed day where it is unknown."""
    return observation.started[:19] or "1970-01-01T00:00:00"
