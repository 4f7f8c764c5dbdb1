"""Networks against the outputs and weights of their authors' code."""

import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from htnet.engine.models.htnet import COMPACT, HTNet, HTNetConfig
from htnet.engine.models.htnet_folded import FoldedHTNet
from htnet.engine.models.registry import NETWORKS, build, config_from_json, config_to_json

needs_data = pytest.mark.skipif("HTNET_DATA" not in os.environ, reason="HTNET_DATA is not set")


def _data() -> Path:
    return Path(os.environ["HTNET_DATA"])


def _golden(name: str) -> tuple[HTNet, torch.Tensor, torch.Tensor]:
    with safe_open(_data() / "golden" / f"{name}.safetensors", "pt") as file:
        meta = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    config = HTNetConfig(
        image_size=int(meta["image_size"]),
        patch_size=int(meta["patch_size"]),
        classes=int(meta["num_classes"]),
        dim=int(meta["dim"]),
        heads=int(meta["heads"]),
        repeats=tuple(int(n) for n in meta["block_repeats"].split(",")),
        mlp_mult=int(meta["mlp_mult"]),
        channels=int(meta["channels"]),
    )
    network = HTNet(config).eval()
    weights = {k.removeprefix("weights."): v for k, v in tensors.items() if k.startswith("weights")}
    network.load_state_dict(weights, strict=True)
    return network, tensors["input"], tensors["logits"]


@needs_data
@pytest.mark.parametrize("name", ["htnet_one_token_per_block", "htnet_four_tokens_per_block"])
@torch.no_grad()
def test_htnet_matches_the_official_logits(name: str) -> None:
    network, pictures, logits = _golden(name)
    torch.testing.assert_close(network(pictures), logits, atol=1e-4, rtol=0)
    torch.testing.assert_close(FoldedHTNet(network)(pictures), logits, atol=1e-4, rtol=0)


def _scrambled(config: HTNetConfig) -> HTNet:
    """Network with no parameter at its neutral start."""
    torch.manual_seed(0)
    network = HTNet(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network


@pytest.mark.parametrize(
    "config",
    [
        COMPACT,
        HTNetConfig(dim=16, heads=3, repeats=(1, 2, 1)),
        HTNetConfig(image_size=56, dim=16, heads=2, repeats=(1, 1, 1), mirror=True),
    ],
)
@torch.no_grad()
def test_folding_changes_nothing(config: HTNetConfig) -> None:
    network = _scrambled(config)
    pictures = torch.randn(5, 3, config.image_size, config.image_size)
    torch.testing.assert_close(
        FoldedHTNet(network)(pictures), network(pictures), atol=1e-5, rtol=1e-5
    )


@torch.no_grad()
def test_mirror_is_blind_to_left_and_right() -> None:
    network = _scrambled(HTNetConfig(dim=16, repeats=(1, 1, 1), mirror=True))
    pictures = torch.randn(3, 3, 28, 28)
    mirrored = pictures.flip(-1) * torch.tensor([-1.0, 1.0, 1.0])[:, None, None]
    torch.testing.assert_close(network(mirrored), network(pictures), atol=1e-5, rtol=1e-5)


def test_one_token_leaves_queries_and_keys_without_gradient() -> None:
    network = HTNet(HTNetConfig(dim=12, repeats=(1, 1, 1)))
    network(torch.randn(2, 3, 28, 28)).square().sum().backward()
    for key, parameter in network.named_parameters():
        if key.endswith("to_qkv.weight"):
            inner = len(parameter) // 3
            assert parameter.grad is not None
            assert not parameter.grad[: 2 * inner].any()
            assert parameter.grad[2 * inner :].any()


def test_paper_size() -> None:
    with torch.device("meta"):
        network = build("htnet")
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 2) == 114.43


@pytest.mark.parametrize("name", NETWORKS)
def test_config_survives_json(name: str) -> None:
    config = NETWORKS[name].config
    assert config_from_json(name, config_to_json(config)) == config


@pytest.mark.parametrize(
    "text", ["[]", '{"dim": "x"}', '{"no": 1}', '{"repeats": 3}', '{"dim": 0}']
)
def test_bad_config_is_refused(text: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        config_from_json("htnet", text)
