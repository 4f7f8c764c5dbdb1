"""The registry of networks: one file per network, its config dataclass beside it.

A new network is a new file and one line in `NETWORKS`.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from htnet.engine.models.htnet import COMPACT, HTNet, HTNetConfig
from htnet.engine.models.ststnet import STSTNet, STSTNetConfig


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A network by name: its default config and its module class, made from a config alone."""

    config: Any
    module: Callable[[Any], nn.Module]


NETWORKS: Mapping[str, Entry] = {
    "htnet": Entry(HTNetConfig(), HTNet),
    "htnet-s": Entry(COMPACT, HTNet),
    "ststnet": Entry(STSTNetConfig(), STSTNet),
}


def entry(name: str) -> Entry:
    """The network called ``name``; raises `KeyError` with the names there are."""
    if name not in NETWORKS:
        raise KeyError(f"expected one of {', '.join(NETWORKS)}; got {name!r}")
    return NETWORKS[name]


def config_to_json(config: Any) -> str:
    """One line of JSON, for a weights file's metadata."""
    return json.dumps(dataclasses.asdict(config))


def config_from_json(name: str, text: str) -> Any:
    """Read what `config_to_json` wrote; raises `ValueError` or `TypeError` for anything else."""
    kind = type(entry(name).config)
    values = json.loads(text)
    if not isinstance(values, dict):
        raise TypeError(f"a config is a JSON object, got {text[:40]!r}")
    known = {field.name: field.type for field in dataclasses.fields(kind)}
    if unknown := set(values) - set(known):
        raise ValueError(f"unknown fields {sorted(unknown)}")
    for key, value in values.items():
        numbers = value if isinstance(value, list) else [value]
        if not all(isinstance(number, int | float) for number in numbers):
            raise ValueError(f"{key} is {value!r}, not a number")
        if isinstance(value, list) != (known[key] not in (int, float, bool)):
            raise ValueError(f"{key} is {value!r}")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def build(name: str, config: Any = None) -> nn.Module:
    """A new network with random weights."""
    chosen = entry(name)
    return chosen.module(chosen.config if config is None else config)
