"""The plan of a simulated video, read from a TOML file.

Every disturbance is off unless the plan turns it on, so each can be simulated alone or with others.
A range is two numbers, or one number for both; each clip draws uniformly from it.
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from htnet.engine.anatomy.muscles import MUSCLES
from htnet.engine.assets import asset
from htnet.engine.errors import UsageError
from htnet.engine.synth.schedule.ground_truth import DISTURBANCES
from htnet.engine.synth.schedule.toml_record import record_of, toml_lines
from htnet.engine.types import CLASSES

Range = tuple[float, float]

OWN = "own"
"""Name, among the muscles, of a portrait's own field; its class is the clip's."""

CODECS = ("none", "mjpeg", "h264")

_PLANS = asset("plans")


def _all_muscles() -> Mapping[str, str]:
    return {muscle.name: muscle.label for muscle in MUSCLES.values()}


def _off_speech() -> Mapping[str, float]:
    return {"speech": 0.7}


@dataclass(frozen=True, slots=True)
class EventPlan:
    """The expressions of a clip.

    ``count``: their number, or else ``per_minute``: their rate. ``macro_share``: share of
    macro-expressions. ``micro_s`` and ``macro_s``: durations of the two kinds, s. ``amplitude_px``
    and ``macro_px``: peak displacements of the two kinds, px of the 140 px crop. ``muscles``:
    muscle names and their classes; the classes come equally often. ``first_s``: no event before it,
    so that a spotter can learn the noise at rest. ``apart_s``: rest between two events and after
    the last.

    ``clear_s``: distance in s that events keep from a disturbance, by its name. The default keeps
    0.7 s from speech alone: an expression of the mouth cannot be told from talking, nor one of the
    brows from the stress on a word. Blinks, gazes and turns of the head may fall on an event, as
    they do in life.
    """

    count: int = 0
    per_minute: float = 0.0
    amplitude_px: Range = (0.5, 2.0)
    macro_px: Range = (1.5, 5.0)
    micro_s: Range = (0.1, 0.5)
    macro_s: Range = (0.5, 4.0)
    macro_share: float = 0.0
    first_s: float = 2.5
    apart_s: float = 1.0
    muscles: Mapping[str, str] = field(default_factory=_all_muscles)
    clear_s: Mapping[str, float] = field(default_factory=_off_speech)

    def __post_init__(self) -> None:
        _number(self, "count", 0, 100_000)
        _number(self, "per_minute", 0, 60)
        _range(self, "amplitude_px", 0.3, 12)
        _range(self, "macro_px", 0.3, 12)
        _range(self, "micro_s", 0.04, 0.5)
        _range(self, "macro_s", 0.5, 4)
        _number(self, "macro_share", 0, 1)
        _number(self, "first_s", 0, 60)
        _number(self, "apart_s", 0.05, 600)
        if self.count and self.per_minute:
            raise UsageError(
                f"expected a count of events or how many a minute; got {self.count} and "
                f"{self.per_minute:g}: leave one out."
            )
        known = (*MUSCLES, OWN)
        for name, label in self.muscles.items():
            if name not in known or label not in CLASSES:
                raise UsageError(
                    f"expected muscles among {', '.join(known)}, each with a class among "
                    f"{', '.join(CLASSES)}; got {name!r} = {label!r}: correct it."
                )
        if not self.muscles:
            raise UsageError("expected at least one muscle; got none: leave the table out for all.")
        for name, clear in self.clear_s.items():
            if name not in DISTURBANCES or not 0 <= clear <= 10:
                raise UsageError(
                    f"expected disturbances among {', '.join(DISTURBANCES)}, each with 0 to 10 s; "
                    f"got {name!r} = {clear!r}: correct it."
                )

    def number(self, seconds: float) -> int:
        """Return the number of events of a clip."""
        return self.count or round(self.per_minute * seconds / 60)

    def macros(self, seconds: float) -> int:
        """Return the number of macro-expressions among them."""
        return round(self.macro_share * self.number(seconds))


@dataclass(frozen=True, slots=True)
class HeadPlan:
    """Motion of the head.

    ``sway_px``: amplitude of a slow sideways sway, px of the crop; half of it up and down, with up
    to 1.5 degrees of roll and 1% of size. ``yaw_degrees`` and ``nod_degrees``: largest turn and nod
    either way. The head sways by 0.15 of them at all times and turns to a new direction
    ``turns_per_minute`` times; half of the turns go back to the front. ``approaches_per_minute``:
    rate at which the person walks up to the camera or back again; ``approach``: growth of the head
    by then, as a fraction.
    """

    sway_px: Range = (0.0, 0.0)
    yaw_degrees: float = 0.0
    nod_degrees: float = 0.0
    turns_per_minute: float = 0.0
    approaches_per_minute: float = 0.0
    approach: float = 0.3

    def __post_init__(self) -> None:
        _range(self, "sway_px", 0, 12)
        _number(self, "yaw_degrees", 0, 12)
        _number(self, "nod_degrees", 0, 12)
        _number(self, "turns_per_minute", 0, 20)
        _number(self, "approaches_per_minute", 0, 6)
        _number(self, "approach", 0.05, 0.4)


@dataclass(frozen=True, slots=True)
class EyePlan:
    """Blinks and gazes.

    ``gaze_px``: largest sideways shift of the irises, px of the crop; half of it up and down. Half
    of the gazes come back to the middle.
    """

    blinks_per_minute: float = 0.0
    gazes_per_minute: float = 0.0
    gaze_px: float = 3.0

    def __post_init__(self) -> None:
        _number(self, "blinks_per_minute", 0, 40)
        _number(self, "gazes_per_minute", 0, 60)
        _number(self, "gaze_px", 0.3, 6)


@dataclass(frozen=True, slots=True)
class SpeechPlan:
    """Speech: ``share`` of the time, in stretches of 1 to 4 s.

    Three to seven syllables a second, each of jaw and lips, and now and then a raised brow.
    """

    share: float = 0.0

    def __post_init__(self) -> None:
        _number(self, "share", 0, 0.6)


@dataclass(frozen=True, slots=True)
class LightPlan:
    """Lighting.

    ``flicker_percent``: amplitude in brightness of a row of the picture under lamps on mains of
    ``mains_hz``, as the sensor records it; the light itself ripples more, but exposure averages
    most of it away. ``exposure_percent``: largest step of the automatic exposure, in percent of the
    picture's brightness. ``exposures_per_minute``: rate of those steps; every other one goes back.
    ``glints_per_minute``: rate of bright spots on the face, as of spectacles.
    """

    flicker_percent: float = 0.0
    mains_hz: int = 50
    exposure_percent: float = 20.0
    exposures_per_minute: float = 0.0
    glints_per_minute: float = 0.0

    def __post_init__(self) -> None:
        _number(self, "flicker_percent", 0, 30)
        if self.mains_hz not in (50, 60):
            raise UsageError(f"expected mains of 50 or 60 Hz; got {self.mains_hz}: choose one.")
        _number(self, "exposure_percent", 1, 60)
        _number(self, "exposures_per_minute", 0, 20)
        _number(self, "glints_per_minute", 0, 20)


@dataclass(frozen=True, slots=True)
class CameraPlan:
    """Sensor noise and compression.

    ``noise``: standard deviation of the sensor noise, grey levels. ``codec``: "none", "mjpeg" with
    a JPEG ``quality`` of 1 to 100, or "h264" with a constant rate factor ``crf``.
    """

    noise: Range = (0.0, 0.0)
    codec: str = "none"
    quality: Range = (60.0, 60.0)
    crf: int = 26

    def __post_init__(self) -> None:
        _range(self, "noise", 0, 40)
        if self.codec not in CODECS:
            raise UsageError(
                f"expected a codec among {', '.join(CODECS)}; got {self.codec!r}: choose one."
            )
        _range(self, "quality", 1, 100)
        _number(self, "crf", 0, 51)


@dataclass(frozen=True, slots=True)
class TimingPlan:
    """Faults in the delivery of frames.

    ``dropped_percent``: frames that are lost. ``duplicated_percent``: frames that repeat the
    picture before. ``jitter_ms``: standard deviation of the timestamps' error.
    """

    dropped_percent: float = 0.0
    duplicated_percent: float = 0.0
    jitter_ms: float = 0.0

    def __post_init__(self) -> None:
        _number(self, "dropped_percent", 0, 50)
        _number(self, "duplicated_percent", 0, 50)
        _number(self, "jitter_ms", 0, 20)


@dataclass(frozen=True, slots=True)
class Plan:
    """Plan of a video of ``seconds`` at ``fps``, ``size`` = (width, height) px, drawn from
    ``seed``.

    ``eyes_px``: distance between the eye centres in the frame; 0 for 0.21 of its shorter side. The
    schedule does not depend on the frame rate: 30, 60 and 200 fps of one seed show the same events.
    """

    size: tuple[int, int] = (640, 360)
    fps: float = 30.0
    seconds: float = 60.0
    seed: int = 0
    eyes_px: float = 0.0
    events: EventPlan = field(default_factory=EventPlan)
    head: HeadPlan = field(default_factory=HeadPlan)
    eyes: EyePlan = field(default_factory=EyePlan)
    speech: SpeechPlan = field(default_factory=SpeechPlan)
    light: LightPlan = field(default_factory=LightPlan)
    camera: CameraPlan = field(default_factory=CameraPlan)
    timing: TimingPlan = field(default_factory=TimingPlan)

    def __post_init__(self) -> None:
        if not all(128 <= side <= 4096 and side % 2 == 0 for side in self.size):
            raise UsageError(
                f"expected an even width and height of 128 to 4096 px; got {self.size[0]} x "
                f"{self.size[1]}: use for example 640 x 360."
            )
        _number(self, "fps", 12, 200)
        _number(self, "seconds", 1, 7200)
        _number(self, "seed", 0, 2**32)
        if self.eyes_px:
            _number(self, "eyes_px", 20, min(self.size) / 2)
        self._require_room()

    def _require_room(self) -> None:
        """Raise `UsageError` for events that cannot fit in any draw.

        `htnet.engine.synth.schedule.sampler` finds the places of those that can.
        """
        events, seconds = self.events, self.seconds
        number, macros = events.number(seconds), events.macros(seconds)
        if not number:
            return
        longest = events.macro_s[1] if macros else events.micro_s[1]
        if longest > seconds - events.first_s:
            raise UsageError(
                f"expected events that fit into the clip; got events of up to {longest:g} s, none "
                f"in the first {events.first_s:g} s, and a clip of {seconds:g} s: make it longer, "
                "or the events shorter."
            )
        least = (number - macros) * events.micro_s[0] + macros * events.macro_s[0]
        room = seconds * (1 - self.speech.share) - events.first_s
        if least + number * events.apart_s > room:
            raise UsageError(
                f"expected events that fit into the clip; got {number} of them, "
                f"{events.apart_s:g} s apart, and {max(room, 0):.1f} s of room: make the clip "
                "longer, or the events fewer."
            )


def read_plan(name_or_path: str | Path) -> Plan:
    """Read the plan of a TOML file, or a shipped one by its name ("standard").

    Raises `UsageError` where it cannot be read, has unknown keys or values out of range.
    """
    shipped = _PLANS / f"{name_or_path}.toml"
    path = shipped if str(name_or_path) in shipped_plans() else Path(name_or_path).expanduser()
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"expected a plan's TOML file or one of {', '.join(shipped_plans())}; "
            f"{str(name_or_path)!r} cannot be read ({reason}): check it."
        ) from None
    try:
        plan: Plan = record_of(Plan, table, "the plan")
    except UsageError as error:
        raise UsageError(f"in the plan {name_or_path}: {error}") from None
    return plan


def shipped_plans() -> tuple[str, ...]:
    """Return the names of the plans that ship with the package."""
    return tuple(sorted(path.stem for path in _PLANS.glob("*.toml")))


def plan_toml(plan: Plan) -> str:
    """Return the plan as TOML text, defaults written out; `read_plan` reads the same plan back."""
    return "\n".join(toml_lines(plan))


def _number(record: object, name: str, least: float, most: float) -> None:
    value = getattr(record, name)
    if not (math.isfinite(value) and least <= value <= most):
        raise UsageError(f"expected {name} of {least:g} to {most:g}; got {value:g}: correct it.")


def _range(record: object, name: str, least: float, most: float) -> None:
    low, high = getattr(record, name)
    if not least <= low <= high <= most:
        raise UsageError(
            f"expected a range of {name} that rises within {least:g} to {most:g}; got {low:g} to "
            f"{high:g}: correct it."
        )
