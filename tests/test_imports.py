"""The layers: cli -> calib -> realtime, training -> engine; commands modules may import options."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("engine", "realtime", "training", "calib")
MAY: dict[str, set[str]] = {
    "engine": {"engine"},
    "realtime": {"realtime", "engine"},
    "training": {"training", "engine"},
    # What calib measures needs both a clock and labels.
    "calib": {"calib", "engine", "realtime", "training"},
    "cli": {"cli", "options", *ROOMS},
    "options": {"engine"},
}
FILES = sorted(
    [*ROOT.glob("*.py"), *(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))]
)


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str, int]]:
    """(line, full name, level) of every import anywhere in a file, those in functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node.lineno, f"{node.module or ''}.{alias.name}", node.level
        elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func):
            for argument in node.args[:1]:  # importlib.import_module("...")
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield node.lineno, argument.value, 0


ALL = [(path, *found) for path in FILES for found in imports(path)]


def told(path: Path, line: int, name: str) -> str:
    return f"{path.relative_to(ROOT)}:{line} imports {name}"


def test_the_walk_sees_the_house() -> None:
    assert {room_of(path) for path in FILES} == {"__init__", *MAY}
    assert any(name == "htnet.engine.types.Frame" for _, _, name, _ in ALL)
    assert any(name == "mediapipe" for _, _, name, _ in ALL)  # imported inside a function


def test_rooms_import_only_what_lies_under_them() -> None:
    wrong = []
    for path, line, name, _ in ALL:
        parts = name.split(".")
        if parts[0] != "htnet" or len(parts) == 1 or parts[1] in ("__version__", "__init__"):
            continue
        own = path.relative_to(ROOT).with_suffix("").parts
        may = MAY.get(room_of(path), set())
        if parts[1] not in (may | {"options"} if "commands" in own[1:2] else may):
            wrong.append(told(path, line, name))
    assert wrong == []


def test_imports_are_absolute_and_begin_with_htnet() -> None:
    bare = {*ROOMS, "cli", "options"}
    wrong = [
        told(path, line, name)
        for path, line, name, level in ALL
        if level or name.split(".")[0] in bare
    ]
    assert wrong == []


def test_commands_and_options_load_nothing_heavy() -> None:
    light = {"htnet.engine.errors", "htnet.options"}
    for path in (ROOT / "options.py", *ROOT.glob("*/commands/*.py"), *ROOT.glob("*/commands.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            modules = [alias.name for alias in node.names]
            for name in [node.module or ""] if isinstance(node, ast.ImportFrom) else modules:
                known = name.split(".")[0] in {*sys.stdlib_module_names, "typer"}
                assert known or name in light or ".commands" in name, told(path, node.lineno, name)


def test_only_the_face_module_imports_mediapipe() -> None:
    wrong = [
        told(path, line, name)
        for path, line, name, _ in ALL
        if name.split(".")[0] == "mediapipe" and path != ROOT / "engine" / "face" / "tracker.py"
    ]
    assert wrong == []


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


def modules(room: str) -> list[str]:
    parts = [path.relative_to(ROOT).with_suffix("").parts for path in (ROOT / room).rglob("*.py")]
    return sorted(".".join(("htnet", *p)).removesuffix(".__init__") for p in parts)


@pytest.mark.parametrize("room", ["engine", "training", "calib"])
def test_a_room_can_be_entered_without_mediapipe(room: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT, *modules(room)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == ""
