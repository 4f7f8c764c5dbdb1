"""Weights files: round trip, and error sentences for bad files."""

import json
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from htnet.engine.errors import UsageError, WeightsError
from htnet.engine.models import weights
from htnet.engine.models.htnet import HTNet, HTNetConfig
from htnet.engine.models.hyphtnet import HypHTNetConfig
from htnet.engine.models.registry import NETWORKS, build
from htnet.engine.motion.preprocess import PreprocessSpec

CONFIG = HTNetConfig(dim=12, repeats=(1, 1, 1))


@pytest.fixture
def network() -> HTNet:
    torch.manual_seed(0)
    return HTNet(CONFIG).eval()


@pytest.fixture
def saved(network: HTNet, tmp_path: Path) -> Path:
    path = tmp_path / "made.safetensors"
    spec = PreprocessSpec(scaling="unit", temperature=1.5)
    weights.save(path, network, name="htnet", config=CONFIG, spec=spec, card={"seed": 7})
    return path


@torch.no_grad()
def test_what_cannot_be_folded_is_served_as_it_is_and_that_is_said(
    network: HTNet, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("htnet.engine.models.htnet_folded._EXACT", -1.0)
    with pytest.raises(UsageError, match="use it unfolded"):
        weights.load(saved)
    said: list[str] = []
    loaded = weights.load(saved, say=said.append)
    pictures = torch.randn(2, 3, 28, 28)
    assert torch.equal(loaded.network(pictures), network(pictures))
    assert len(said) == 1
    assert said[0].startswith("made.safetensors is served unfolded")
    assert weights.load(saved, folded=False, say=said.append).name == "htnet"
    assert len(said) == 1


@torch.no_grad()
def test_round_trip(network: HTNet, saved: Path) -> None:
    loaded = weights.load(saved)
    assert (loaded.name, loaded.config, loaded.card) == ("htnet", CONFIG, {"seed": 7})
    assert loaded.spec == PreprocessSpec(scaling="unit", temperature=1.5)
    assert not loaded.network.training
    pictures = torch.randn(2, 3, 28, 28)
    torch.testing.assert_close(loaded.network(pictures), network(pictures), atol=1e-5, rtol=1e-5)
    plain = weights.load(saved, folded=False).network
    assert torch.equal(plain(pictures), network(pictures))
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]  # no temporary left


def test_a_failed_save_leaves_the_old_file(
    network: HTNet, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(weights, "save_file", full)
    with pytest.raises(WeightsError, match="no space left"):
        weights.save(saved, network, name="htnet", config=CONFIG, spec=PreprocessSpec(), card={})
    assert saved.read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]


@torch.no_grad()
def test_default_weights_serve() -> None:
    path = weights.default_weights()
    assert path.stat().st_size <= 16 * 2**20
    loaded = weights.load(path)
    assert loaded.name == "htnet-s"
    assert loaded.network(torch.zeros(1, 3, 28, 28)).shape == (1, 3)


def _rewritten(
    path: Path, change: Callable[[dict[str, torch.Tensor], dict[str, str]], None]
) -> None:
    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        metadata = dict(file.metadata())
    change(tensors, metadata)
    save_file(tensors, path, metadata)


def _config(**changes: object) -> Callable[[dict[str, torch.Tensor], dict[str, str]], None]:
    def change(_: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
        metadata["config"] = json.dumps({**json.loads(metadata["config"]), **changes})

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t, m: t.pop("mlp_head.2.bias"), "no tensor mlp_head.2.bias"),
        (lambda t, m: t.update({"mlp_head.2.bias": torch.zeros(4)}), r"\(4,\) instead of \(3,\)"),
        (lambda t, m: t.update(extra=torch.zeros(1)), "1 more, such as extra"),
        (lambda t, m: t["mlp_head.2.bias"].fill_(float("nan")), "not finite"),
        (lambda t, m: t.update({"mlp_head.2.bias": torch.zeros(3, dtype=torch.int64)}), "int64"),
        (lambda t, m: m.update(format="other/2"), "format"),
        (lambda t, m: m.pop("format"), "format"),
        (lambda t, m: m.update(network="resnet"), "resnet"),
        (lambda t, m: m.update(config="{"), "config"),
        (lambda t, m: m.update(preprocess='{"scaling": "odd"}'), "scaling"),
        (lambda t, m: m.update(card="[]"), "card"),
        (_config(dim=0), "at least 1"),
        (_config(dim=1 << 14), "instead of"),
        (_config(image_size=30), "divisible"),
        (_config(repeats=[10**9]), "beyond"),
        (_config(news=1), "unknown fields"),
        (_config(repeats="1"), "repeats"),
        (_config(dim=12.0), "dim"),
        (_config(mirror="no"), "mirror"),
        (_config(dropout=float("nan")), "dropout"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(
    saved: Path,
    change: Callable[[dict[str, torch.Tensor], dict[str, str]], None],
    words: str,
) -> None:
    _rewritten(saved, change)
    with pytest.raises(WeightsError, match=words):
        weights.load(saved)


@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "header"])
def test_a_corrupt_file(saved: Path, damage: str) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(
        {
            "empty": b"",
            "cut": whole[: len(whole) // 2],
            "noise": os.urandom(1000),
            "header": b"\xff" * 8 + whole[8:],
        }[damage]
    )
    with pytest.raises(WeightsError, match="corrupt"):
        weights.load(saved)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="found none"):
        weights.load(tmp_path / "none.safetensors")
    with pytest.raises(WeightsError, match="found none"):
        weights.convert(tmp_path / "none.pth", tmp_path / "out.safetensors")


def test_a_pickle_is_not_loaded(network: HTNet, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    torch.save(network.state_dict(), path)
    with pytest.raises(WeightsError, match="htnet convert"):
        weights.load(path)


@pytest.mark.parametrize("config", [CONFIG, HTNetConfig(image_size=56, dim=12, repeats=(1, 1, 2))])
@torch.no_grad()
def test_convert_infers_the_config(config: HTNetConfig, tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = HTNet(config).eval()
    state = {f"module.{key}": value for key, value in network.state_dict().items()}
    torch.save(state, tmp_path / "official.pth")
    loaded = weights.convert(tmp_path / "official.pth", tmp_path / "out.safetensors")
    assert loaded.config == config
    assert loaded.spec.channels == ("strain", "v", "u")
    assert (loaded.spec.scaling, loaded.spec.regions) == ("raw", "published")
    assert loaded.spec.size == 2 * loaded.spec.region == config.image_size
    pictures = torch.randn(2, 3, config.image_size, config.image_size)
    torch.testing.assert_close(loaded.network(pictures), network(pictures), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_every_network_is_served_as_it_was_saved(name: str, tmp_path: Path) -> None:
    config = NETWORKS[name].config
    small = {"htnet": {"dim": 12, "repeats": (1, 1, 1)}, "alexnet": {"hidden": 16}}
    small["hyphtnet"] = {**small["htnet"], "metric": "poincare", "head": "hyperbolic"}
    config = replace(config, **small.get(name, {}))
    torch.manual_seed(3)
    network = build(name, config)
    network(torch.randn(4, 3, 28, 28))  # fills running statistics, where there are any
    network.eval()
    path = tmp_path / "made.safetensors"
    weights.save(path, network, name=name, config=config, spec=NETWORKS[name].spec, card={})
    loaded = weights.load(path)
    assert (loaded.config, loaded.spec) == (config, NETWORKS[name].spec)
    pictures = torch.randn(2, 3, 28, 28)
    torch.testing.assert_close(loaded.network(pictures), network(pictures), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_convert_an_official_hyphtnet(data: Path, tmp_path: Path) -> None:
    with safe_open(data / "golden" / "hyphtnet.safetensors", "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    state = {k.removeprefix("weights."): v for k, v in tensors.items() if k.startswith("weights")}
    state["p_head.3.num_batches_tracked"] = torch.tensor(800)  # the golden file leaves it out
    torch.save({f"module.{key}": value for key, value in state.items()}, tmp_path / "a.pth")
    loaded = weights.convert(tmp_path / "a.pth", tmp_path / "a.safetensors")
    assert loaded.name == "hyphtnet"
    assert loaded.config == HypHTNetConfig(dim=24, repeats=(1, 1, 1))
    assert (loaded.spec.channels, loaded.spec.regions) == (("strain", "v", "u"), "published")
    torch.testing.assert_close(
        loaded.network(tensors["input"]), tensors["logits"], atol=1e-4, rtol=0
    )
    del state["p_head.3.running_var"]
    torch.save(state, tmp_path / "b.pth")
    with pytest.raises(WeightsError, match=r"p_head\.3\.running_var"):
        weights.convert(tmp_path / "b.pth", tmp_path / "b.safetensors")


@torch.no_grad()
def test_official_ststnet_weights_load(data: Path) -> None:
    for path in sorted((data / "ststnet_weights").glob("*.pth"))[:3]:
        loaded = weights.read_official(path)
        assert (loaded.name, loaded.spec.regions, loaded.spec.scaling) == (
            "ststnet",
            "whole",
            "raw",
        )
        assert loaded.network(torch.rand(2, 3, 28, 28) * 255).isfinite().all()


class _Evil:
    ran = False

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.system, ("exit 1",))


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda path: torch.save({"a": _Evil()}, path), "other objects"),
        (lambda path: path.write_bytes(pickle.dumps(_Evil(), 2)), "other objects"),
        (lambda path: torch.save(HTNet(CONFIG), path), "other objects"),
        (lambda path: torch.save({"w": torch.zeros(1), "epoch": 3}, path), "int under 'epoch'"),
        (lambda path: torch.save([torch.zeros(1)], path), "got list"),
        (
            lambda path: torch.save({"w": torch.zeros(1)}, path),
            "official HTNet, HypHTNet or STSTNet",
        ),
        (
            lambda path: torch.save(
                {"conv3.weight": torch.tensor(1.0), "fc.weight": torch.tensor(1.0)}, path
            ),
            "official HTNet, HypHTNet or STSTNet",
        ),
        (lambda path: path.write_bytes(b""), "cannot be read"),
        (lambda path: path.write_bytes(b"PK\x03\x04" + b"x" * 99), "cannot be read"),
    ],
)
def test_a_bad_checkpoint(made: Callable[[Path], object], words: str, tmp_path: Path) -> None:
    path, target = tmp_path / "bad.pth", tmp_path / "out.safetensors"
    made(path)
    with pytest.raises(WeightsError, match=words):
        weights.convert(path, target)
    assert not target.exists()


def test_convert_checks_the_heads(tmp_path: Path) -> None:
    torch.save(HTNet(CONFIG).state_dict(), tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="5 heads"):
        weights.convert(tmp_path / "a.pth", tmp_path / "b.safetensors", heads=5)
