"""The house's measures: length of modules and functions, and how a docstring opens."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("engine", "realtime", "training", "calib")
FILES = sorted(
    [*ROOT.glob("*.py"), *(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))]
)
MOST_LINES, MOST_OF_A_FUNCTION = 350, 60
RIDDLES = {"What", "Whether", "How", "Where", "When", "Why", "Who", "Which", "That"}
"""A docstring names a thing or gives an order; it does not open with one of these."""

Documented = ast.Module | ast.ClassDef | ast.FunctionDef


def nodes(path: Path) -> list[Documented]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [each for each in ast.walk(tree) if isinstance(each, Documented)]


def place(path: Path, node: Documented) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


@pytest.mark.parametrize("room", ["", *ROOMS])
def test_docstrings_open_with_a_noun_or_a_verb(room: str) -> None:
    wrong = [
        f"{place(path, node)}: {told.splitlines()[0]}"
        for path in FILES
        if path.is_relative_to(ROOT / room)
        for node in nodes(path)
        if (told := ast.get_docstring(node)) and told.split()[0] in RIDDLES
    ]
    assert wrong == []


def test_no_module_is_too_long() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {str(path): lines for path, lines in lengths.items() if lines > MOST_LINES} == {}


def test_no_function_is_too_long() -> None:
    wrong = [
        f"{place(path, node)} {node.name}: {node.end_lineno - node.lineno + 1} lines"
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= MOST_OF_A_FUNCTION
    ]
    assert wrong == []
