"""Profile files: readable TOML in a folder of the user's configuration."""

import json
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from platformdirs import user_config_path

from htnet.engine.errors import UsageError
from htnet.engine.files import write_atomic
from htnet.realtime.profiles.probe import Probe, ProbedSize
from htnet.realtime.profiles.profile import Profile, Rest, require_name

FOLDER_VARIABLE: Final = "HTNET_PROFILES"
_VERSION: Final = 1
_LONGEST_FILE: Final = 1 << 20


def profile_folder() -> Path:
    """Return the folder that HTNET_PROFILES names, else one in the user's configuration."""
    own = os.environ.get(FOLDER_VARIABLE)
    return Path(own) if own else user_config_path("htnet", appauthor=False) / "profiles"


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
