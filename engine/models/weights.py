"""Weights files: safetensors whose metadata hold all that is needed to serve them.

Metadata, all strings: ``format`` ("htnet-weights/1"), ``network`` (name in the registry),
``config`` (its config as JSON), ``preprocess`` (`PreprocessSpec` as JSON) and ``card`` (origin of
the weights, as JSON). Tensors have the names of the official checkpoints.

A pickle is read by `read_official` alone, and only as tensors (``weights_only=True``).
"""

import json
import math
import os
import pickle
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from htnet.engine.assets import asset
from htnet.engine.errors import UsageError, WeightsError
from htnet.engine.files import atomic_file
from htnet.engine.models.htnet import HTNet, HTNetConfig
from htnet.engine.models.htnet_folded import FoldedHTNet
from htnet.engine.models.hyphtnet import HypHTNetConfig
from htnet.engine.models.registry import (
    NETWORKS,
    PUBLISHED,
    build,
    config_from_json,
    config_to_json,
)
from htnet.engine.models.ststnet import STSTNetConfig
from htnet.engine.motion.preprocess import PreprocessSpec

FORMAT = "htnet-weights/1"
_AGAIN = "Download or train it again, or convert an official checkpoint with `htnet convert`."


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """Network in eval mode, without gradients, and the metadata of its file."""

    network: nn.Module
    name: str
    config: Any
    spec: PreprocessSpec
    card: dict[str, Any]


def default_weights() -> Path:
    """Path of the weights that ship with the package."""
    return asset("htnet-s.safetensors")


def load(
    path: str | os.PathLike[str],
    *,
    folded: bool = True,
    say: Callable[[str], None] | None = None,
) -> Loaded:
    """Read a weights file.

    ``folded``: return an HTNet in its folded form: the same logits to about 1e-5, faster. Where
    that is not exact, the network is returned unfolded and ``say`` is told the reason; without
    ``say`` a `UsageError` is raised. Raises `WeightsError` for a file that is missing, corrupt, of
    another shape or no safetensors file.
    """
    path = Path(path)
    tensors, metadata = _read(path)
    name, config, spec, card = _describe(path, metadata)
    with torch.device("meta"):
        network = build(name, config)
    _fit(path, network, tensors)
    network.load_state_dict(tensors, assign=True)
    network.eval().requires_grad_(False)
    if folded and isinstance(network, HTNet):
        try:
            network = FoldedHTNet(network)
        except UsageError as error:
            if say is None:
                raise
            say(f"{path.name} is served unfolded, slower and with the same answers: {error}")
    return Loaded(network, name, config, spec, card)


def save(
    path: str | os.PathLike[str],
    network: nn.Module,
    *,
    name: str,
    config: Any,
    spec: PreprocessSpec,
    card: Mapping[str, Any],
) -> None:
    """Write a weights file atomically; raises `WeightsError` where it cannot be written."""
    path = Path(path)
    tensors = {key: value.detach().contiguous() for key, value in network.state_dict().items()}
    metadata = {
        "format": FORMAT,
        "network": name,
        "config": config_to_json(config),
        "preprocess": spec.to_json(),
        "card": json.dumps(dict(card)),
    }
    try:
        with atomic_file(path) as part:
            save_file(tensors, part, metadata)
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"expected to write weights to {path}; got {error}: choose a writable place."
        ) from None


def convert(
    source: str | os.PathLike[str], target: str | os.PathLike[str], *, heads: int = 3
) -> Loaded:
    """Write an official checkpoint (.pth) as a weights file and load it, unfolded.

    Raises as `read_official`.
    """
    target = Path(target)
    if target.suffix != ".safetensors" or target.resolve() == Path(source).resolve():
        raise UsageError(
            f"expected another file that ends in .safetensors to write to; got {target}: name "
            "one, so that the checkpoint stays as it is."
        )
    official = read_official(source, heads=heads)
    save(
        target,
        official.network,
        name=official.name,
        config=official.config,
        spec=official.spec,
        card=official.card,
    )
    return load(target, folded=False)


def read_official(source: str | os.PathLike[str], *, heads: int = 3) -> Loaded:
    """Read an official HTNet, HypHTNet or STSTNet checkpoint (.pth).

    The config is inferred from the tensors' shapes. ``heads`` (of the first level) cannot be, nor
    can the curvature and clip of HypHTNet, which are taken as published. Raises `WeightsError` if
    the checkpoint holds anything but such tensors.
    """
    source = Path(source)
    tensors = _read_checkpoint(source)
    config: Any
    spec = PUBLISHED
    try:
        if "to_patch_embedding.1.weight" in tensors and "mlp_head.2.weight" in tensors:
            classes = len(tensors["mlp_head.2.weight"])
            name, config = "htnet", HTNetConfig(**_infer_backbone(tensors, heads), classes=classes)
        elif "ce_head.2.weight" in tensors and "p_head.2.weight" in tensors:
            name, config = "hyphtnet", _infer_hyphtnet(tensors, heads)
        elif "conv3.weight" in tensors and "fc.weight" in tensors:
            widths = tuple(len(tensors[f"conv{i}.weight"]) for i in (1, 2, 3))
            name, config = "ststnet", STSTNetConfig(widths=widths)
            spec = replace(spec, regions="whole")
        else:
            raise ValueError(f"tensors such as {', '.join(sorted(tensors)[:3])}")
    except (ValueError, TypeError, KeyError, IndexError, ZeroDivisionError) as error:
        raise WeightsError(
            f"expected an official HTNet, HypHTNet or STSTNet checkpoint in {source}; got {error}: "
            "give the .pth file that the official code saved."
        ) from None
    with torch.device("meta"):
        network = build(name, config)
    _fit(source, network, tensors)
    network.load_state_dict(tensors, assign=True)
    spec = replace(spec, size=config.image_size, region=config.image_size // 2)
    network.eval().requires_grad_(False)
    card = {"source": source.name, "note": "converted from an official checkpoint"}
    return Loaded(network, name, config, spec, card)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read all tensors and the metadata of a safetensors file."""
    if not path.is_file():
        raise WeightsError(f"expected a weights file at {path}; found none: check the path.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            return {key: file.get_tensor(key) for key in file.keys()}, metadata  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"expected {_what_it_is(path, error)}") from None


def _what_it_is(path: Path, error: Exception) -> str:
    try:
        head = path.read_bytes()[:2]
    except OSError as reason:
        return f"a readable safetensors file at {path}; got {reason}: check its permissions."
    if head in (b"PK", b"\x80\x02", b"\x80\x04", b"\x80\x05") or head[:1] == b"\x80":
        return (
            f"a safetensors file; {path} is a pickle, which may run any code when it is read: "
            f"convert it first with `htnet convert {path.name} out.safetensors`."
        )
    return f"a whole safetensors file; {path} is corrupt ({error}). {_AGAIN}"


def _describe(
    path: Path, metadata: Mapping[str, str]
) -> tuple[str, Any, PreprocessSpec, dict[str, Any]]:
    """Parse network name, config, preprocess spec and card."""
    if metadata.get("format") != FORMAT:
        raise WeightsError(
            f"expected a weights file of format {FORMAT}; {path} says "
            f"{metadata.get('format', 'nothing')!r}. {_AGAIN}"
        )
    name = metadata.get("network", "")
    if name not in NETWORKS:
        raise WeightsError(
            f"expected a network out of {', '.join(NETWORKS)}; {path} is for {name!r}: "
            "update htnet or choose another file."
        )
    try:
        config = config_from_json(name, metadata.get("config", ""))
        card = json.loads(metadata.get("card", "{}"))
        if not isinstance(card, dict):
            raise TypeError("a card that is no JSON object")
    except (ValueError, TypeError) as error:
        raise WeightsError(
            f"expected a config of {name} in {path}; got {error}: "
            "the file was made by another version of htnet, so convert or train it again."
        ) from None
    return name, config, PreprocessSpec.from_json(metadata.get("preprocess", "")), card


def _fit(path: Path, network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Raise unless ``tensors`` are exactly the network's, in name, shape and kind, and finite."""
    wanted = network.state_dict()
    for key, tensor in wanted.items():
        if key not in tensors:
            came = f"no tensor {key}"
        elif tensors[key].shape != tensor.shape:
            came = f"{key} of shape {tuple(tensors[key].shape)} instead of {tuple(tensor.shape)}"
        elif tensors[key].dtype != tensor.dtype:
            came = f"{key} of {tensors[key].dtype} instead of {tensor.dtype}"
        elif not bool(tensors[key].isfinite().all()):
            came = f"{key} with values that are not finite"
        else:
            continue
        raise WeightsError(
            f"expected the {len(wanted)} tensors of {type(network).__name__} in {path}; got "
            f"{came}. {_AGAIN}"
        )
    if extra := sorted(set(tensors) - set(wanted)):
        raise WeightsError(
            f"expected the {len(wanted)} tensors of {type(network).__name__} in {path}; got "
            f"{len(extra)} more, such as {extra[0]}. {_AGAIN}"
        )


def _read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read the state dict of a .pth, as tensors and nothing else."""
    if not path.is_file():
        raise WeightsError(f"expected a checkpoint at {path}; found none: check the path.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of such pickles before it refuses them
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise WeightsError(
            f"expected a checkpoint of tensors alone; {path} is corrupt or also holds other "
            "objects, which could run code when read: save its state_dict() with the code that "
            "made it and convert that."
        ) from None
    except Exception as error:  # noqa: BLE001 - torch raises nearly anything for a damaged file
        sentence = str(error).partition("\n")[0]
        raise WeightsError(
            f"expected a checkpoint saved by torch; {path} cannot be read ({sentence}): "
            "download it again."
        ) from None
    for key in ("state_dict", "model", "net"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not state:
        raise WeightsError(
            f"expected a state dict in {path}; got {type(state).__name__}: save "
            "network.state_dict() with the code that made it and convert that."
        )
    wrong = [key for key, value in state.items() if not isinstance(value, Tensor)]
    if wrong:
        raise WeightsError(
            f"expected tensors alone in {path}; got {type(state[wrong[0]]).__name__} under "
            f"{wrong[0]!r}: save network.state_dict() alone and convert that."
        )
    return {str(k).removeprefix("module."): v.contiguous().clone() for k, v in state.items()}


def _infer_hyphtnet(tensors: Mapping[str, Tensor], heads: int) -> HypHTNetConfig:
    classes, embedding = (len(tensors[f"{head}.2.weight"]) for head in ("ce_head", "p_head"))
    backbone = _infer_backbone(tensors, heads)
    return HypHTNetConfig(**backbone, classes=classes, embedding=embedding)


def _infer_backbone(tensors: Mapping[str, Tensor], heads: int) -> dict[str, Any]:
    """Infer a config's fields from the tensors' shapes; three channels, as in the official code."""
    levels = [re.match(r"layers\.(\d+)\.0\.layers\.(\d+)\.", key) for key in tensors]
    depths: dict[int, int] = {}
    for found in levels:
        if found:
            level, layer = int(found[1]), int(found[2])
            depths[level] = max(depths.get(level, 0), layer + 1)
    if sorted(depths) != list(range(len(depths))) or not depths:
        raise ValueError(f"transformer levels {sorted(depths)}")
    dim, patch = tensors["to_patch_embedding.1.weight"].shape[:2]
    side = math.isqrt(patch // 3)
    if 3 * side * side != patch:
        raise ValueError(f"patches of {patch} values, which are no square of 3 channels")
    inner = tensors["layers.0.0.layers.0.0.fn.to_qkv.weight"].shape[0] // 3
    if heads < 1 or dim // heads * heads != inner:
        raise ValueError(
            f"an inner width of {inner} with dim {dim}, which {heads} heads do not give"
        )
    tokens = tensors["layers.0.0.pos_emb"].shape[0]
    hidden = tensors["layers.0.0.layers.0.1.fn.net.0.weight"].shape[0]
    return {
        "image_size": math.isqrt(tokens) * (1 << (len(depths) - 1)) * side,
        "patch_size": side,
        "dim": dim,
        "heads": heads,
        "repeats": tuple(depths[level] for level in range(len(depths))),
        "mlp_mult": hidden // dim,
    }
