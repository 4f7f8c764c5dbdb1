"""The profile of one person and camera: activations at rest, and the file that stores them.

Motion is in px of the canonical crop, as `htnet.engine.motion.muscle_fit` measures it. The
thresholds follow the baseline rule of long-video spotting (CAS(ME)^2): mean + p (max - mean) of the
face at rest. Here the rest is the person's own, measured beforehand, so that p lies above 1. In the
paper max is that of a whole video, and p is a fraction.
"""

import json
import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from platformdirs import user_config_path

from htnet.engine.errors import UsageError
from htnet.engine.files import write_atomic
from htnet.engine.motion.muscle_fit import MUSCLE_NAMES
from htnet.realtime.probe import Probe, ProbedSize

FOLDER_VARIABLE: Final = "HTNET_PROFILES"
_VERSION: Final = 1
_LONGEST_FILE: Final = 1 << 20
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 _-]{0,62}[A-Za-z0-9_-])?")
# Names that Windows keeps for devices, with any ending.
_DEVICES: Final = re.compile(r"(?i)con|prn|aux|nul|com[0-9]|lpt[0-9]")
# Largest factor by which a baseline is adapted to a noisier camera.
_MOST_GROWTH: Final = 2.0


@dataclass(frozen=True, slots=True)
class Rest:
    """Size of a muscle's activation at rest, px of the crop: noise, breath, pulse."""

    mean_px: float
    max_px: float


@dataclass(frozen=True, slots=True)
class Profile:
    """The results of a calibration.

    ``made``: ISO date and time. ``camera``: the source's name. ``size``: (width, height).
    ``fps`` and ``jitter_ms``: the true rate and the standard deviation of the time between frames.
    ``noise``: standard deviation of the camera's noise on skin, grey levels of a frame's pixel.
    ``mains_hz``: 50 or 60 where lamps were seen to flicker. ``baseline``: for each of
    `MUSCLE_NAMES`. ``p`` and ``floor_px``: parameters of `thresholds`. ``locked``: camera settings
    that were locked. ``notes``: warnings of the calibration. ``probe``: recall on movements injected
    into this calibration's pictures, None where it was not measured. Raises `UsageError` for values
    out of range.
    """

    name: str
    made: str
    camera: str
    size: tuple[int, int]
    fps: float
    jitter_ms: float
    noise: float
    mains_hz: int | None
    baseline: Mapping[str, Rest]
    p: float
    floor_px: float
    locked: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    probe: Probe | None = None

    def __post_init__(self) -> None:
        require_name(self.name)
        try:
            datetime.fromisoformat(self.made)
        except ValueError:
            raise UsageError(
                f"expected made to be an ISO date; got {self.made!r}: calibrate again."
            ) from None
        for name, value, low, high in (
            ("width", self.size[0], 1, 100_000),
            ("height", self.size[1], 1, 100_000),
            ("fps", self.fps, 1, 10_000),
            ("jitter_ms", self.jitter_ms, 0, 10_000),
            ("noise", self.noise, 0, 255),
            ("p", self.p, 0, 100),
            ("floor_px", self.floor_px, 0, 100),
        ):
            if not low <= value <= high:
                raise UsageError(
                    f"expected {name} from {low} to {high}; got {value:g}: calibrate again."
                )
        if self.mains_hz not in (None, 50, 60):
            raise UsageError(
                f"expected mains_hz to be 50 or 60, or left out; got {self.mains_hz}: calibrate "
                "again."
            )
        if set(self.baseline) != set(MUSCLE_NAMES):
            raise UsageError(
                f"expected a baseline of {', '.join(MUSCLE_NAMES)}; got "
                f"{', '.join(self.baseline) or 'none'}: calibrate again."
            )
        for name, rest in self.baseline.items():
            if not 0 <= rest.mean_px <= rest.max_px <= 100:
                raise UsageError(
                    f"expected 0 <= mean_px <= max_px of the {name}; got {rest.mean_px:g} and "
                    f"{rest.max_px:g}: calibrate again."
                )

    def thresholds(self, p: float | None = None) -> dict[str, float]:
        """Return the thresholds of `MUSCLE_NAMES`, in that order, px of the crop.

        max(floor_px, mean + p (max - mean)); ``p`` replaces the profile's own.
        """
        p = self.p if p is None else p
        return {
            name: max(self.floor_px, rest.mean_px + p * (rest.max_px - rest.mean_px))
            for name, rest in ((name, self.baseline[name]) for name in MUSCLE_NAMES)
        }

    def adapted(
        self, camera: str, size: tuple[int, int], fps: float
    ) -> tuple["Profile", tuple[str, ...]]:
        """Return the profile for a camera that gives ``size`` at ``fps``, and warnings.

        A baseline is mostly noise. With fewer frames a second there are fewer to average over, and
        it grows as the root of the ratio. In a smaller picture the face has fewer pixels, and it
        grows as the ratio. It is not lowered for more frames or pixels. Raises `UsageError` where
        it would have to grow more than twofold.
        """
        warnings = []
        if camera != self.camera:
            warnings.append(
                f"profile {self.name} was made with {self.camera}, this is {camera}: its noise may "
                "differ, so calibrate again if there are false alarms"
            )
        smaller = max(1.0, self.size[0] / size[0], self.size[1] / size[1])
        slower = max(1.0, self.fps / fps)
        growth = smaller * math.sqrt(slower)
        made, here = _shape(self.size, self.fps), _shape(size, fps)
        if growth > _MOST_GROWTH:
            raise UsageError(
                f"expected pictures like those of profile {self.name} ({made}); got {here}, too "
                f"little to go by what was measured then: htnet calibrate --name {self.name} again."
            )
        if growth > 1.1:
            warnings.append(
                f"profile {self.name} was made at {made}, this is {here}: its thresholds are "
                f"raised {growth:.1f} times"
            )
        elif size != self.size:
            warnings.append(
                f"profile {self.name} was made at {made}, this is {here}: its thresholds are in "
                "px of the face's crop and stay, and may be higher than need be"
            )
        if growth == 1.0:
            return self, tuple(warnings)
        grown = {
            name: Rest(rest.mean_px * growth, rest.max_px * growth)
            for name, rest in self.baseline.items()
        }
        floor_px = min(self.floor_px * growth, 100.0)
        return replace(self, baseline=grown, floor_px=floor_px), tuple(warnings)


def profile_folder() -> Path:
    """Return the folder that HTNET_PROFILES names, else one in the user's configuration."""
    own = os.environ.get(FOLDER_VARIABLE)
    return Path(own) if own else user_config_path("htnet", appauthor=False) / "profiles"


def require_name(name: str) -> None:
    """Raise `UsageError` unless ``name`` can be a file's on every system."""
    if not _NAME.fullmatch(name) or _DEVICES.fullmatch(name):
        raise UsageError(
            "expected a profile's name of 1 to 64 letters, digits, spaces, - and _ that begins "
            f"with a letter or digit; got {name!r}: choose another, such as desk-lamp."
        )


def profile_path(name: str) -> Path:
    """Return the file of the profile called ``name``; raises `UsageError` for a bad name."""
    require_name(name)
    return profile_folder() / f"{name}.toml"


def read_profile(name: str) -> Profile:
    """Return the stored profile called ``name``; raises `UsageError` where none can be read."""
    path = profile_path(name)
    if not path.is_file():
        there = ", ".join(sorted(each.stem for each in profile_folder().glob("*.toml")))
        raise UsageError(
            f"expected a profile called {name}; got "
            f"{f'only {there}' if there else 'no profile at all'}: make it with htnet calibrate "
            f"--name {name}."
        )
    return load_profile(path)


def list_profiles() -> tuple[list[Profile], list[str]]:
    """Return the stored profiles by name, and a sentence for each file that is none."""
    profiles, troubles = [], []
    for path in sorted(profile_folder().glob("*.toml")):
        try:
            profiles.append(load_profile(path))
        except UsageError as error:
            troubles.append(str(error))
    return profiles, troubles


def load_profile(path: Path) -> Profile:
    """Return the profile in a file; raises `UsageError` where it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(_LONGEST_FILE + 1)
        if len(data) > _LONGEST_FILE:
            raise ValueError("more than a megabyte")
        return parse_profile(data.decode())
    except (OSError, ValueError, RecursionError, UsageError) as error:
        reason = error.strerror or error if isinstance(error, OSError) else error
        raise UsageError(
            f"expected a profile in {path}; got {str(reason).rstrip('.')}: calibrate again, or "
            "delete the file."
        ) from None


def parse_profile(text: str) -> Profile:
    """Return the profile in ``text``; raises `ValueError` (as `tomllib` does) or `UsageError`."""
    table = tomllib.loads(text)
    if table.get("v") != _VERSION or type(table["v"]) is not int:
        raise ValueError(
            f"version {table['v']!r}, not {_VERSION}" if "v" in table else "no version"
        )
    kinds: dict[str, type] = {
        "name": str,
        "made": str,
        "camera": str,
        "size": list,
        "fps": float,
        "jitter_ms": float,
        "noise": float,
        "mains_hz": int,
        "p": float,
        "floor_px": float,
        "locked": list,
        "notes": list,
        "baseline": dict,
        "probe": dict,
    }
    optional = {"mains_hz", "locked", "notes", "probe"}
    values = _table(table, {"v": int} | kinds, optional, "the file")
    del values["v"]
    size = [_as(each, int, "size") for each in values["size"]]
    if len(size) != 2:
        raise ValueError(f"a size of {len(size)} numbers, not 2")
    kind = {"mean_px": float, "max_px": float}
    return Profile(
        **values
        | {
            "size": (size[0], size[1]),
            "mains_hz": values.get("mains_hz"),
            "locked": tuple(_as(each, str, "locked") for each in values.get("locked", ())),
            "notes": tuple(_as(each, str, "notes") for each in values.get("notes", ())),
            "baseline": {
                name: Rest(**_table(_as(own, dict, name), kind, set(), name))
                for name, own in values["baseline"].items()
            },
            "probe": _probe(values["probe"]) if "probe" in values else None,
        }
    )


def format_profile(profile: Profile) -> str:
    """Return the profile as readable TOML, which `parse_profile` reads back unchanged."""
    rows = {
        "v": _VERSION,
        **{name: own for name, own in asdict(profile).items() if name not in ("baseline", "probe")},
    }
    units = {
        "made": "ISO date and time",
        "size": "px",
        "noise": "grey levels",
        "mains_hz": "the lamps' flicker",
        "p": "a threshold is mean + p (max - mean), px of the face's crop",
        "floor_px": "and never less than this",
    }
    lines = ["# A quiet face in front of one camera, measured by htnet calibrate."]
    for name, value in rows.items():
        if value is None:
            continue
        unit = f"  # {units[name]}" if name in units else ""
        lines.append(f"{name} = {_toml(value)}{unit}")
    lines += ["", "[baseline]  # px of the face's crop, blinks left out"]
    for name, rest in profile.baseline.items():
        mean, highest = _toml(rest.mean_px), _toml(rest.max_px)
        lines.append(f"{_toml(name)} = {{ mean_px = {mean}, max_px = {highest} }}")
    if profile.probe is not None:
        lines += ["", "[probe]  # movements injected into pictures of this calibration"]
        for name in ("false_alarms", "minutes", "worst"):
            lines.append(f"{name} = {_toml(getattr(profile.probe, name))}")
        lines.append("sizes = [")
        for own in profile.probe.sizes:
            lines.append(f"  {{ px = {_toml(own.px)}, found = {own.found}, of = {own.of} }},")
        lines.append("]")
    return "\n".join(lines) + "\n"


def write_profile(profile: Profile) -> Path:
    """Store a profile under its name, whole or not at all; return its file.

    A profile of that name is replaced. Raises `OutputError` where it cannot be written.
    """
    path = profile_path(profile.name)
    remedy = f"make room, or set {FOLDER_VARIABLE} to a folder that can be written"
    write_atomic(path, format_profile(profile).encode(), private=True, remedy=remedy)
    return path


def _probe(table: Mapping[str, Any]) -> Probe:
    """The probe in a profile's table; raises `ValueError` or `UsageError`."""
    kinds: dict[str, type] = {"false_alarms": int, "minutes": float, "worst": str, "sizes": list}
    values = _table(table, kinds, {"worst"}, "the probe")
    kind: dict[str, type] = {"px": float, "found": int, "of": int}
    sizes = [_table(_as(own, dict, "sizes"), kind, set(), "sizes") for own in values["sizes"]]
    return Probe(**values | {"sizes": tuple(ProbedSize(**own) for own in sizes)})


def _shape(size: tuple[int, int], fps: float) -> str:
    return f"{size[0]} x {size[1]} and {fps:.0f} fps"


def _table(
    table: Mapping[str, Any], kinds: Mapping[str, type], optional: set[str], where: str
) -> dict[str, Any]:
    """Return ``table`` with values of ``kinds``; raises `ValueError` that names what is wrong."""
    unknown = sorted(set(table) - set(kinds))
    missing = sorted(set(kinds) - set(table) - optional)
    if unknown or missing:
        wrong = f"no {missing[0]}" if missing else f"{unknown[0]!r}, which is not known,"
        raise ValueError(f"{wrong} in {where}")
    return {name: _as(own, kinds[name], name) for name, own in table.items()}


def _as(value: Any, kind: type, name: str) -> Any:
    """Return ``value`` if it is of ``kind``; an int is taken for a float."""
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"{value!r} for {name}")
    return value


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        # JSON's strings are TOML's, but for DEL, which TOML wants escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
