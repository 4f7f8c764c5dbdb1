"""Import rules: cli > calib > (realtime | training) > engine, and the layers inside each room.

Imports inside functions and under TYPE_CHECKING count too. What breaks a rule is reported as
file:line.
"""

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("engine", "realtime", "training", "calib")
ROOM_MAY_IMPORT: dict[str, set[str]] = {
    "engine": {"engine"},
    "realtime": {"realtime", "engine"},
    "training": {"training", "engine"},
    # What calib measures needs both a clock and labels.
    "calib": {"calib", "realtime", "training", "engine"},
    "options": {"options", "engine"},
    "cli": {"cli", "options", *ROOMS},
}

# A unit is a folder of modules, or a module that lies in the root folder of its room. It may
# import itself, the units listed here, and what `ROOM_MAY_IMPORT` says of other rooms.
_ENGINE_LEAVES = {
    *("engine.types", "engine.errors", "engine.optional", "engine.files"),
    *("engine.event_matching", "engine.assets"),
}
_ENGINE_BASE = {"engine.face", "engine.flow", "engine.anatomy", "engine.media"} | _ENGINE_LEAVES
_ENGINE_MOTION = {"engine.motion"} | _ENGINE_BASE
_ENGINE_RUNTIMES = {"engine.runtimes", "engine.models"} | _ENGINE_MOTION
_LIVE_PARTS = {
    *("realtime.spotting", "realtime.sources", "realtime.sinks", "realtime.overlay"),
    *("realtime.profiles", "realtime.formats"),
}
_LIVE_PIPELINE = {
    *("realtime.pipeline", "realtime.tracking", "realtime.capture_thread"),
} | _LIVE_PARTS
_LIVE_SESSION = {"realtime.session", "realtime.tracker_process"} | _LIVE_PIPELINE
_SETTINGS = {"training.config", "training.recipes", "training.views"}
_DATA = {"training.datasets", "training.spotting"} | _SETTINGS
_FITTING = {"training.fitting", "training.augmentation"} | _DATA
_REPORTING = {"training.reporting", "training.evaluation"} | _FITTING
_MEASURING = {
    "calib.analysis",
    *("calib.bench", "calib.calibration", "calib.engines", "calib.evaluation", "calib.probe"),
}

UNIT_MAY_IMPORT: dict[str, set[str]] = {
    "engine.recognition": _ENGINE_RUNTIMES,
    "engine.runtimes": {"engine.models"} | _ENGINE_MOTION,
    "engine.models": _ENGINE_MOTION,
    "engine.motion": _ENGINE_BASE,
    "engine.anatomy": {"engine.face"} | _ENGINE_LEAVES,
    "engine.flow": _ENGINE_LEAVES,
    "engine.face": _ENGINE_LEAVES,
    "engine.media": _ENGINE_LEAVES,
    "engine.synth": _ENGINE_BASE,
    "engine.files": {"engine.types", "engine.errors"},
    "engine.event_matching": {"engine.types"},
    "engine.optional": {"engine.errors"},
    "engine.assets": set(),
    "engine.types": set(),
    "engine.errors": set(),
    "realtime.commands": {"realtime.live", "realtime.session_record"} | _LIVE_SESSION,
    "realtime.live": {"realtime.session_record", "realtime.signals"} | _LIVE_SESSION,
    "realtime.session_record": {"realtime.sinks", "realtime.formats", "realtime.sources"},
    "realtime.session": _LIVE_PIPELINE,
    "realtime.pipeline": {"realtime.tracking"} | _LIVE_PARTS,
    "realtime.tracking": set(),
    "realtime.capture_thread": {"realtime.sources"},
    "realtime.tracker_process": {"realtime.signals"},
    "realtime.signals": set(),
    "realtime.sinks": {
        *("realtime.sources", "realtime.overlay", "realtime.profiles", "realtime.formats")
    },
    "realtime.formats": set(),
    "realtime.overlay": set(),
    "realtime.sources": {"realtime.profiles"},
    "realtime.spotting": set(),
    "realtime.profiles": set(),
    "training.commands": {"training.train", "training.experiments"} | _REPORTING,
    "training.train": _REPORTING,
    "training.experiments": _REPORTING,
    "training.reporting": {"training.evaluation"} | _FITTING,
    "training.evaluation": _FITTING,
    "training.fitting": {"training.augmentation"} | _DATA,
    "training.augmentation": _DATA,
    "training.datasets": {"training.spotting"},
    "training.spotting": set(),
    "training.recipes": {"training.config", "training.views"},
    "training.config": {"training.datasets", "training.views"},
    "training.views": set(),
    "calib.commands": {"calib.doctor"} | _MEASURING,
    "calib.doctor": {"calib.bench"},
    "calib.evaluation": {"calib.calibration", "calib.bench"},
    "calib.engines": {"calib.bench"},
    "calib.calibration": {"calib.probe"},
    "calib.probe": {"calib.evaluation"},
    "calib.analysis": {"calib.calibration", "calib.evaluation"},
    "calib.bench": set(),
}
SYNTH_IMPORTERS = (
    *("engine.synth", "realtime.sources.demo", "realtime.sources.portrait"),
    *("training.augmentation", "training.spotting", "calib", "cli"),
)
"""Modules and folders that may import the simulator: nothing else in the live path."""


class Import(NamedTuple):
    """One import: its file and line, the full dotted name, the level of a relative import."""

    path: Path
    line: int
    name: str
    level: int

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line} imports {self.name}"

    @property
    def importer(self) -> str:
        return module_of(self.path)

    @property
    def imported(self) -> str:
        """Module of htnet without the leading "htnet.", "" for another package's."""
        parts = self.name.split(".")
        if parts[0] != "htnet":
            return ""
        while parts and not is_module("/".join(parts[1:])):
            parts.pop()
        return ".".join(parts[1:])


@cache
def is_module(place: str) -> bool:
    return (ROOT / f"{place}.py").is_file() or (ROOT / place / "__init__.py").is_file()


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def unit_of(module: str) -> str:
    """A room's folder or root module: "engine.face" for "engine.face.tracker"."""
    return ".".join(module.split(".")[:2])


@cache
def folder_of(module: str) -> str:
    """Folder that holds a module, or the module itself where other folders lie beside it."""
    place = ROOT.joinpath(*module.split("."))
    folder = place if place.is_dir() else place.parent
    beside = any((each / "__init__.py").is_file() for each in folder.iterdir() if each.is_dir())
    return module if beside else ".".join(folder.relative_to(ROOT).parts)


def imports(path: Path) -> Iterator[Import]:
    """Return every import of a file, also those in functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (Import(path, node.lineno, alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield Import(path, node.lineno, f"{node.module or ''}.{alias.name}", node.level)
        elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func):
            for argument in node.args[:1]:  # importlib.import_module("...")
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield Import(path, node.lineno, argument.value, 0)


FILES = sorted(
    [*ROOT.glob("*.py"), *(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))]
)
ALL = [found for path in FILES for found in imports(path)]
OWN = [each for each in ALL if each.imported]
"""Imports of htnet's own modules."""


def told(wrong: Iterable[Import]) -> list[str]:
    return [str(each) for each in wrong]


def within(module: str, places: Iterable[str]) -> bool:
    return any(module == place or module.startswith(f"{place}.") for place in places)


def breaks_layers(each: Import) -> bool:
    importer, imported = unit_of(each.importer), unit_of(each.imported)
    same_room = importer.split(".")[0] == imported.split(".")[0]
    if not same_room or importer == imported or "." not in importer:
        return False
    return imported not in UNIT_MAY_IMPORT.get(importer, set())


def breaks_synth(each: Import) -> bool:
    return unit_of(each.imported) == "engine.synth" and not within(each.importer, SYNTH_IMPORTERS)


def test_the_walk_sees_the_house() -> None:
    units = {unit_of(module_of(path)) for path in FILES}
    rooms = {unit.split(".")[0] for unit in units}
    assert rooms - {"options"} == {"__init__", "cli", *ROOMS}
    missing = units - set(UNIT_MAY_IMPORT) - {"__init__", "cli", "options", *ROOMS}
    assert not missing, "put them into UNIT_MAY_IMPORT"
    assert any(each.name == "htnet.engine.types.Frame" for each in ALL)
    assert any(each.name == "mediapipe" for each in ALL)  # imported inside a function


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("engine/face/tracker.py", "htnet.engine.motion.strain.optical_strain"),
        ("engine/models/rcn.py", "htnet.engine.runtimes.graph"),
        ("realtime/sources/base.py", "htnet.realtime.sinks.events"),
        ("training/datasets/clip.py", "htnet.training.train"),
        ("training/views.py", "htnet.training.config.TrainConfig"),
    ],
)
def test_an_import_against_the_layers_is_found(importer: str, imported: str) -> None:
    assert breaks_layers(Import(ROOT / importer, 1, imported, 0))
    assert not breaks_layers(Import(ROOT / importer, 1, "htnet.engine.errors.UsageError", 0))


def test_rooms_import_only_what_lies_under_them() -> None:
    def wrong(each: Import) -> bool:
        allowed = ROOM_MAY_IMPORT.get(each.importer.split(".")[0], set())
        if unit_of(each.importer).endswith(".commands"):
            allowed = allowed | {"options"}
        return each.imported.split(".")[0] not in allowed

    assert told(each for each in OWN if wrong(each)) == []


def test_folders_import_only_what_lies_under_them() -> None:
    assert told(each for each in OWN if breaks_layers(each)) == []


def test_the_live_path_imports_no_simulator() -> None:
    assert told(each for each in OWN if breaks_synth(each)) == []


def test_commands_and_options_load_nothing_heavy() -> None:
    light = {*sys.stdlib_module_names, "typer"}
    wrong = []
    for path in FILES:
        module = module_of(path)
        if module != "options" and not unit_of(module).endswith(".commands"):
            continue
        top = {node.lineno for node in ast.parse(path.read_text(encoding="utf-8")).body}
        for each in imports(path):
            own = each.imported in ("options", "engine.errors") or ".commands" in each.imported
            if each.line in top and not own and each.name.split(".")[0] not in light:
                wrong.append(str(each))
    assert wrong == []


def test_no_two_folders_import_each_other() -> None:
    edges: dict[tuple[str, str], Import] = {}
    for each in OWN:
        edge = folder_of(each.importer), folder_of(each.imported)
        if edge[0] != edge[1]:
            edges.setdefault(edge, each)
    both = [f"{each}; {edges[b, a]}" for (a, b), each in edges.items() if a < b and (b, a) in edges]
    assert both == []


def test_imports_are_absolute_and_begin_with_htnet() -> None:
    bare = {*ROOMS, "cli", "options"}
    wrong = [str(each) for each in ALL if each.level or each.name.split(".")[0] in bare]
    assert wrong == []


def test_only_the_face_tracker_imports_mediapipe() -> None:
    found = {each.importer for each in ALL if each.name.split(".")[0] == "mediapipe"}
    assert found == {"engine.face.tracker"}


def test_the_root_holds_a_docstring_and_the_version_and_nothing_else() -> None:
    body = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8")).body
    docstring, version = body
    assert isinstance(docstring, ast.Expr) and isinstance(docstring.value, ast.Constant)
    assert isinstance(version, ast.Assign) and ast.unparse(version.targets[0]) == "__version__"
    assert isinstance(version.value, ast.Constant)  # the packaging reads it without importing


_WITHOUT = """
import importlib, sys
sys.modules["mediapipe"] = None  # importing it raises ImportError
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


@pytest.mark.slow
@pytest.mark.parametrize("room", ["engine", "training", "calib"])
def test_a_room_can_be_entered_without_mediapipe(room: str) -> None:
    modules = sorted(f"htnet.{module_of(path)}" for path in (ROOT / room).rglob("*.py"))
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT, *modules],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == ""
