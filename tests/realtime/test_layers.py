"""The import direction inside the live path."""

import ast
from pathlib import Path

REALTIME = Path(__file__).resolve().parents[2] / "realtime"
SIMULATED = {"sources/demo.py", "sources/portrait.py"}


def imported(path: Path) -> set[str]:
    """Return the modules of all imports in a file."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def importers(prefixes: tuple[str, ...]) -> set[str]:
    """Return the files of the live path that import a module that begins with a prefix."""
    return {
        path.relative_to(REALTIME).as_posix()
        for path in REALTIME.rglob("*.py")
        if any(name.startswith(prefixes) for name in imported(path))
    }


def test_only_the_demo_and_the_portrait_import_the_simulator() -> None:
    assert importers(("htnet.engine.synth",)) == SIMULATED


def test_sources_and_spotting_import_no_sink_and_no_overlay() -> None:
    upper = importers(("htnet.realtime.sinks", "htnet.realtime.overlay"))
    assert not {name for name in upper if name.startswith(("sources/", "spotting/"))}
