"""Dataclass records as TOML tables, in both directions."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from htnet.engine.errors import UsageError


def toml_lines(record: Any, path: tuple[str, ...] = ()) -> list[str]:
    """Return a record or mapping as lines of TOML, its own values before its tables.

    ``path``: keys of the table that it goes into; none for the document.
    """
    plain, tables = [], []
    if isinstance(record, Mapping):
        items = list(record.items())
    else:
        items = [(f.name, getattr(record, f.name)) for f in dataclasses.fields(record)]
    for name, value in items:
        if isinstance(value, Mapping) or dataclasses.is_dataclass(value):
            tables += ["", *toml_lines(value, (*path, name))]
        else:
            plain.append(f"{_text(name) if ' ' in name else name} = {_text(value)}")
    return [*([f"[{'.'.join(path)}]"] if path else []), *plain, *tables]


def record_of(kind: type[Any], table: Mapping[str, object], where: str) -> Any:
    """Return a record of the dataclass ``kind`` from a TOML table; missing keys keep their default.

    ``where``: the table's name in error sentences. Raises `UsageError` for unknown keys and for
    values of another type than the default.
    """
    known = {f.name: f for f in dataclasses.fields(kind)}
    for name in table:
        if name not in known:
            raise UsageError(
                f"expected keys among {', '.join(known)} in {where}; got {name!r}: correct it."
            )
    default = kind()
    values = {name: _value(getattr(default, name), table[name], name) for name in table}
    return kind(**values)


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_text(item) for item in value)}]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _value(default: Any, given: object, name: str) -> object:
    """Convert the TOML value of a key to the type of its default."""
    if dataclasses.is_dataclass(default) and isinstance(given, Mapping):
        return record_of(type(default), given, f"[{name}]")
    if isinstance(default, Mapping) and isinstance(given, Mapping):
        like = next(iter(default.values()))
        return {key: _value(like, item, key) for key, item in given.items()}
    if isinstance(default, tuple):
        one, _ = default
        pair = given if isinstance(given, list) else [given, given]
        if len(pair) == 2 and all(_is_like(one, item) for item in pair):
            return tuple(type(one)(item) for item in pair)
    elif _is_like(default, given):
        return type(default)(given)
    kinds = {str: "a name", int: "a whole number", float: "a number", tuple: "two numbers"}
    expected = kinds.get(type(default), "a table")
    raise UsageError(f"expected {expected} for {name}; got {given!r}: correct it.")


def _is_like(default: object, given: object) -> bool:
    if isinstance(given, bool) or (isinstance(given, int) and abs(given) > 2**53):
        return False
    return isinstance(given, (int, float) if isinstance(default, float) else type(default))
